//! The list: read in parts, and searched, on real rows.

use super::*;
use crate::search::{Effort, PER_PAGE};

fn keys(text: &str) -> Vec<String> {
    let cells = text.split("key key--short\"").skip(1);
    cells.map(|cell| cell.split("<bdi>").nth(1).unwrap().split("</bdi>").next().unwrap().to_owned()).collect()
}

fn next(text: &str) -> Option<String> {
    let link = text.split("rel=\"next\" href=\"").nth(1)?.split('"').next()?;
    Some(link.replace("&#38;", "&"))
}

#[test]
fn an_empty_list_says_why() {
    let empty = |search: &Search, rest| list(search, &[], rest, FormView::default());
    let nothing = empty(&Search::default(), Rest::Nothing);
    assert!(nothing.contains("Nothing is counted yet") && !nothing.contains("role=\"search\""), "{nothing}");
    let no_match = empty(&looking_for("R&D", None), Rest::Nothing);
    assert!(
        no_match.contains("Nothing matches “<bdi>R&#38;D</bdi>”") && no_match.contains("value=\"R&#38;D\""),
        "{no_match}"
    );
    let further = empty(&looking_for("R&D", Some("z")), Rest::Nothing);
    assert!(further.contains("That was all") && further.contains("href=\"/counters?q=R%26D\""), "{further}");
    let so_far = empty(&looking_for("R&D", None), Rest::Unseen("m".into()));
    assert!(
        so_far.contains("Nothing so far") && next(&so_far).unwrap() == "/counters?q=R%26D&after=m",
        "{so_far}"
    );
    for text in [nothing, no_match, further, so_far] {
        assert!(!text.contains("<table"), "{text}");
    }
}

#[tokio::test]
async fn each_counter_is_in_one_part_of_the_list() {
    let house = House::new().await;
    let all: Vec<String> = (0..PER_PAGE * 2 + 1).map(|n| format!("k {n:03}%")).collect();
    let increments: Vec<(&str, i64)> = all.iter().map(|key| (key.as_str(), 1)).collect();
    house.add(&increments).await;
    for begin in ["/counters", "/counters?q=K+"] {
        let (mut path, mut read, mut parts) = (Some(begin.to_owned()), Vec::new(), 0);
        while let Some(at) = path {
            let text = house.page(&at).await.text;
            assert_eq!(text.contains("Back to the first"), parts > 0, "{at}");
            read.extend(keys(&text));
            path = next(&text);
            parts += 1;
        }
        assert_eq!((read, parts), (all.clone(), 3), "{begin}");
    }
    assert!(house.page("/counters?after=z").await.text.contains("That was all"));
}

#[tokio::test]
async fn a_text_is_found_anywhere_in_a_key() {
    let house = House::new().await;
    let all = ["Visits", "page:visits", "100%", "1000", "a_b", "aXb", "a\\b", "É", "é", " x ", "\u{10ffff}y"];
    house.add(&all.map(|key| (key, 1))).await;
    let found = async |q: &str| {
        let reply = house.page(&Search { text: q.into(), after: None }.address(None)).await;
        assert_eq!(reply.status, 200, "{q}");
        keys(&reply.text)
    };
    for (q, expected) in [
        ("vis", &["Visits", "page:visits"][..]),
        ("VISITS", &["Visits", "page:visits"]),
        ("0%", &["100%"]),
        ("%", &["100%"]),
        ("_", &["a_b"]),
        ("a_b", &["a_b"]),
        ("\\", &["a\\b"]),
        ("\\b", &["a\\b"]),
        ("é", &["é"]),
        ("É", &["É"]),
        ("Y", &["\u{10ffff}y"]),
        (" X", &["␣x␣", "aXb"]),
        ("visits x", &[]),
        ("'", &[]),
    ] {
        assert_eq!(found(q).await, expected, "{q}");
    }
    assert_eq!(found("").await.len(), all.len());
    assert_eq!(keys(&house.page("/counters?q=%00%0A").await.text).len(), all.len());
}

#[tokio::test]
async fn a_search_that_takes_long_ends_where_it_has_got_and_goes_on_from_there() {
    let house = House::new().await;
    let all: Vec<String> = (0..100).map(|n| format!("{n:02}")).collect();
    let increments: Vec<(&str, i64)> = all.iter().map(|key| (key.as_str(), 1)).collect();
    house.add(&increments).await;
    let read = async |mut search: Search, effort: Effort| {
        let (mut found, mut parts) = (Vec::new(), 0);
        loop {
            let part = search.run(&house.db, effort).await.unwrap();
            found.extend(part.counters.into_iter().map(|counter| counter.key));
            parts += 1;
            search.after = match part.rest {
                Rest::Nothing => return (found, parts),
                Rest::More(after) | Rest::Unseen(after) => Some(after),
            };
        }
    };
    let hurried = Effort { stretch: 30, patience: Duration::ZERO };
    let patient = Effort { stretch: 7, ..Effort::USUAL };
    for (text, expected) in [("99", 1), ("9", 19), ("x", 0)] {
        let (found, parts) = read(looking_for(text, None), hurried).await;
        assert_eq!((found.len(), parts), (expected, 4), "{text}");
        let (found, parts) = read(looking_for(text, None), patient).await;
        assert_eq!((found.len(), parts), (expected, 1), "{text}");
    }
    // A stretch that ends with the last key.
    let whole = Effort { stretch: 50, patience: Duration::ZERO };
    assert_eq!(read(looking_for("99", None), whole).await, (vec!["99".to_owned()], 3));
    // A page that is full ends the search, whatever its patience.
    house
        .add(
            &all.iter()
                .map(|key| format!("x{key}"))
                .collect::<Vec<_>>()
                .iter()
                .map(|k| (k.as_str(), 1))
                .collect::<Vec<_>>(),
        )
        .await;
    for effort in [patient, Effort::USUAL] {
        let (found, parts) = read(looking_for("x", None), effort).await;
        assert_eq!((found.len(), parts), (100, 2));
    }
}

#[tokio::test]
async fn searches_wait_for_their_turn_and_lists_do_not() {
    let house = House::new().await;
    house.add(&[("k", 1)]).await;
    let endless =
        (0..web::Searches::AT_ONCE).map(|_| house.counters.0.searches.run::<(), _>(std::future::pending()));
    let busy = futures_util::future::join_all(endless);
    let meanwhile = async {
        assert_eq!(house.page("/counters?q=k").await.status, 503);
        assert_eq!(keys(&house.page("/counters").await.text), ["k"]);
    };
    tokio::select! {
        biased;
        _ = busy => panic!("they never end"),
        () = meanwhile => {}
    }
}
