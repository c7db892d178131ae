//! The contract's lines about single increments.

use super::*;

#[tokio::test]
async fn an_increment_is_answered_with_the_sum_at_either_path() {
    let house = House::new().await;
    let mut sum = 0;
    for (path, value, added) in [
        ("/api/increment", json!(3), 3),
        ("/increment", json!(4), 4),
        ("/api/increment", json!(0), 0),
        ("/increment", json!(-10), -10),
        ("/api/increment", json!("12"), 12),
        ("/api/increment", json!("-5"), -5),
    ] {
        let reply = house.post(Some(&house.user), path, wish("visits", value)).await;
        sum += added;
        assert_eq!((reply.status, &reply.body), (200, &json!({ "key": "visits", "newValue": sum })));
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(house.get("/api/counters/visits").await.body, json!({ "key": "visits", "value": sum }));
    }
    let none = house.get("/api/counters/nobody").await;
    assert_eq!((none.status, none.message()), (404, "Not found"));
}

#[tokio::test]
async fn what_cannot_be_counted_says_why_and_counts_nothing() {
    let house = House::new().await;
    let user = Some(&house.user);
    for (body, fields) in [
        (json!({}), &["key", "value"][..]),
        (json!({ "key": "", "value": 1.5 }), &["key", "value"]),
        (json!({ "key": 7, "value": 1 }), &["key"]),
        (json!({ "key": "a\0b", "value": 1 }), &["key"]),
        (json!({ "key": "é".repeat(257), "value": 1 }), &["key"]),
        (json!({ "key": "marquee:sold", "value": 1 }), &["key"]),
        (json!({ "key": "k", "value": "0x10" }), &["value"]),
        (json!({ "key": "k", "value": 1e300 }), &["value"]),
        (json!({ "key": "k", "value": null }), &["value"]),
    ] {
        for path in ["/api/increment", "/increment"] {
            let reply = house.post(user, path, body.to_string()).await;
            let errors = reply.body["errors"].as_array().unwrap().iter();
            let told: Vec<&str> = errors.map(|error| error["field"].as_str().unwrap()).collect();
            assert_eq!((reply.status, &*told), (400, fields), "{body}");
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
    }
    for body in ["", "{", "[]", "7", "null"] {
        assert_eq!(house.post(user, "/api/increment", body).await.status, 400, "{body}");
    }
    assert_eq!(house.get("/api/counters").await.body, json!([]));
}

#[tokio::test]
async fn who_one_is_comes_before_what_is_sent_and_how() {
    let house = House::new().await;
    let long = "x".repeat(4 << 20);
    for path in ["/api/increment", "/increment", "/api/increments"] {
        for body in ["{}", "[", &long] {
            assert_eq!(house.post(NOBODY, path, body.to_owned()).await.status, 401, "{path}");
        }
        let text = |who| house.request("POST", who, path).header("content-type", "text/plain");
        assert_eq!(house.send(text(NOBODY).body("x".into()).unwrap()).await.status, 401, "{path}");
        assert_eq!(house.send(text(Some(&house.user)).body("x".into()).unwrap()).await.status, 415, "{path}");
        let forged = house.request("POST", NOBODY, path).header("cookie", "session=forged");
        assert_eq!(house.send(forged.body("{}".into()).unwrap()).await.status, 401, "{path}");
        for (name, value) in [("idempotency-key", ""), ("idempotency-key", "a b")] {
            let request = house.request("POST", Some(&house.user), path).header(name, value);
            let request = request.header("content-type", "application/json");
            assert_eq!(house.send(request.body("[]".into()).unwrap()).await.status, 400, "{path}");
        }
    }
    for path in ["/api/increment", "/increment"] {
        assert_eq!(house.post(Some(&house.user), path, long.clone()).await.status, 413, "{path}");
    }
    for path in ["/api/counters", "/api/counters/visits", "/api/counters/marquee:sold"] {
        let request = house.request("GET", NOBODY, path).body(Body::empty()).unwrap();
        assert_eq!(house.send(request).await.status, 401, "{path}");
    }
    // A token counts as well as a cookie does.
    let token = house.web.sessions().issue(&house.user).unwrap();
    let request =
        house.request("POST", NOBODY, "/api/increment").header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json").body(Body::from(wish("visits", 1)));
    assert_eq!(house.send(request.unwrap()).await.value(), 1);
}

#[tokio::test]
async fn open_counters_are_everybodys_and_the_systems_stay_the_systems() {
    let house = House::with(Settings { open: true }).await;
    assert_eq!(house.post(NOBODY, "/increment", wish("visits", 1)).await.value(), 1);
    assert_eq!(house.post(NOBODY, "/api/increment", wish("visits", 1)).await.value(), 2);
    let batch = house.post(NOBODY, "/api/increments", format!("[{}]", wish("visits", 1))).await;
    assert_eq!(batch.body, json!([{ "key": "visits", "newValue": 3 }]));
    for path in ["/api/counters", "/api/counters/visits"] {
        let request = house.request("GET", NOBODY, path).body(Body::empty()).unwrap();
        assert_eq!(house.send(request).await.status, 200, "{path}");
    }
    assert_eq!(house.post(NOBODY, "/increment", wish("marquee:sold", 1)).await.status, 400);
    // Nobody in particular has idempotency keys too, and whoever is signed in has others.
    let keyed = |who| {
        let request = house.request("POST", who, "/api/increment").header("idempotency-key", "k");
        request.header("content-type", "application/json").body(Body::from(wish("visits", 1))).unwrap()
    };
    let (first, again) = (house.send(keyed(NOBODY)).await, house.send(keyed(NOBODY)).await);
    assert_eq!((first.value(), again.value(), again.is_replayed()), (4, 4, true));
    assert_eq!(house.send(keyed(Some(&house.user))).await.value(), 5);
}

/// Any text may be a key, and is found again as it was.
#[tokio::test]
async fn a_key_may_be_any_text() {
    let house = House::new().await;
    let long = "🎬".repeat(256);
    let odd = [
        "a",
        " ",
        "  a ",
        "a/b",
        "/",
        "..",
        "%2F",
        "a%",
        "a?b#c&d=e;f",
        "\"quoted\"\\",
        "<b>",
        "\n\t\u{1}",
        "ünïcødé",
        "e\u{301}",
        "é",
        "日本語",
        "A",
        "Marquee:sold",
        "marquee",
        "marquee :x",
        "\u{feff}",
        "' OR 1=1 --",
        &long,
    ];
    for (n, key) in odd.iter().enumerate() {
        let n = n as i64 + 1;
        assert_eq!(house.add(key, n).await.value(), n, "{key:?}");
        assert_eq!(house.read(key).await, Some(n), "{key:?}");
    }
    let listed = house.get("/api/counters?limit=200").await.body;
    let mut listed: Vec<&str> =
        listed.as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    let mut keys = odd.to_vec();
    listed.sort_unstable();
    keys.sort_unstable();
    assert_eq!(listed, keys, "none is taken for another");
    for path in ["/api/counters/a%00b", "/api/counters/%FF", "/api/counters/%00"] {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_would_overflow_is_refused_and_changes_nothing() {
    let house = House::new().await;
    for (key, end, step) in [("high", i64::MAX, 1), ("low", i64::MIN, -1)] {
        assert_eq!(house.add(key, end).await.value(), end);
        let refused = house.add(key, step).await;
        assert_eq!((refused.status, refused.message()), (409, "The counter would overflow"));
        assert_eq!(refused.body["errors"][0]["field"], "value");
        assert_eq!(house.add(key, end).await.status, 409);
        assert_eq!(house.read(key).await, Some(end));
        assert_eq!(house.add(key, 0).await.value(), end);
        assert_eq!(house.add(key, -step).await.value(), end - step);
        assert_eq!(house.add(key, step).await.value(), end);
        assert_eq!(house.add(key, if end > 0 { i64::MIN } else { i64::MAX }).await.value(), -1);
    }
}
