//! Lists of counters.

use super::*;

fn keys(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body.as_array().unwrap().iter().map(|counter| counter["key"].as_str().unwrap().to_owned()).collect()
}

/// Where the list goes on.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link").strip_prefix('<')?;
    Some(link.strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}

impl House {
    async fn whole(&self, path: &str) -> Vec<Vec<String>> {
        let (mut pages, mut path) = (Vec::new(), Some(path.to_owned()));
        while let Some(here) = path {
            let reply = self.get(&here).await;
            path = next(&reply);
            pages.push(keys(&reply));
            assert!(pages.len() < 100, "it goes on for ever");
        }
        pages
    }
}

#[tokio::test]
async fn a_list_is_in_order_of_creation_page_by_page() {
    let house = House::new().await;
    // Later ones have lower keys, and odd ones; two are of one moment.
    let names = ["z", "y/&x", "ü ü", "b", "a", "A"];
    for (n, key) in names.iter().enumerate() {
        if n != 5 {
            house.clock.advance(Duration::from_millis(1));
        }
        house.add(key, 1).await.value();
    }
    // What is counted again stays where it is.
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.add("z", 41).await.value(), 42);
    let order = ["z", "y/&x", "ü ü", "b", "A", "a"];
    let whole = house.get("/api/counters").await;
    assert_eq!((keys(&whole), next(&whole)), (order.map(str::to_owned).to_vec(), None));
    assert_eq!(whole.body[0], json!({ "key": "z", "value": 42 }));

    let mut reversed = order.to_vec();
    reversed.reverse();
    for (path, order, sizes) in [
        ("/api/counters?limit=2", order.to_vec(), vec![2, 2, 2, 0]),
        ("/api/counters?limit=4", order.to_vec(), vec![4, 2]),
        ("/api/counters?limit=1&order=asc", order.to_vec(), vec![1, 1, 1, 1, 1, 1, 0]),
        ("/api/counters?order=desc&limit=2", reversed.clone(), vec![2, 2, 2, 0]),
        ("/api/counters?order=desc", reversed, vec![6]),
    ] {
        let pages = house.whole(path).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{path}");
        assert_eq!(pages.concat(), order, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_part_of_the_list_is_said() {
    let house = House::new().await;
    house.add("a", 1).await.value();
    for (query, status) in [
        ("after=a", 200),
        ("after=nobody", 404),
        ("after=", 404),
        ("after=%00", 404),
        ("after=a%00", 404),
        ("limit=0", 400),
        ("limit=x", 400),
        ("limit=1&limit=2", 400),
        ("order=up", 400),
        ("limit=1000", 200),
    ] {
        assert_eq!(house.get(&format!("/api/counters?{query}")).await.status, status, "{query}");
    }
}
