//! What a hostile or clumsy client sends: the contract's answer, quickly, and nothing changed.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use testkit::App;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bodies_get_a_problem_and_change_nothing() {
    let app = App::start().await;
    let mut seller = app.client();
    seller.sign_up("seller@example.com").await;
    let cases: [(&str, &str, &str, u16); 12] = [
        ("application/json", "{", "", 400),
        ("application/json", "[]", "", 400),
        ("application/json", "\"x\"", "", 400),
        ("application/json", "{\"title\":1,\"price\":20}", "title", 400),
        ("application/json", "{\"title\":\"a\\u0000b\",\"price\":20}", "title", 400),
        ("application/json", "{\"title\":\"  \",\"price\":20}", "title", 400),
        ("application/json", "{\"title\":\"x\",\"price\":true}", "price", 400),
        ("application/json", "{\"title\":\"x\",\"price\":20,\"capacity\":1.5}", "capacity", 400),
        ("application/json", "{\"title\":\"x\",\"price\":20,\"capacity\":0}", "capacity", 400),
        ("application/json", "{\"title\":\"x\",\"price\":20,\"startsAt\":\"soon\"}", "startsAt", 400),
        ("text/plain", "{\"title\":\"x\",\"price\":20}", "", 415),
        ("application/json", "\u{feff}nonsense", "", 400),
    ];
    for (kind, body, field, status) in cases {
        let request = seller.request(Method::POST, "/api/tickets").header("content-type", kind).body(body);
        let answer = seller.try_send(request).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{body}");
        if !field.is_empty() {
            assert_eq!(answer.json["errors"][0]["field"], field, "{body}: {}", answer.text);
        }
    }
    let huge = seller
        .request(Method::POST, "/api/tickets")
        .header("content-type", "application/json")
        .body("x".repeat(2_000_000));
    assert_eq!(seller.try_send(huge).await.expect("nobody is cut off").status.as_u16(), 413);
    let long = json!({"title": "x".repeat(201), "price": 1});
    seller.post("/api/tickets", long).await.expect(400);
    assert_eq!(seller.get("/api/tickets?mine=true").await.expect(200).json, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_queries_and_sessions_that_are_not() {
    let app = App::start().await;
    let mut buyer = app.client();
    buyer.sign_up("buyer@example.com").await;
    let nobody = app.client();
    for path in [
        "/api/tickets/1",
        "/api/tickets/..%2f",
        "/api/tickets/01a1fcab-6d9a-759a-9c8d-452838397400",
        "/api/nothing",
    ] {
        nobody.get(path).await.expect(404);
    }
    nobody.get("/api/tickets?limit=x").await.expect(400);
    nobody.get("/api/tickets?limit=1&limit=2").await.expect(400);
    nobody.get("/api/tickets?limit=100000").await.expect(200);
    nobody.get("/api/tickets?order=sideways").await.expect(400);
    nobody.get("/api/tickets?mine=true").await.expect(401);
    nobody.post("/api/orders", json!({"ticketId": "nonsense"})).await.expect(401);
    assert_eq!(
        buyer.post("/api/orders", json!({"ticketId": "nonsense"})).await.expect(400).message(),
        "TicketId must be provided"
    );
    assert_eq!(buyer.post("/api/orders", json!({})).await.expect(400).message(), "TicketId must be provided");
    buyer.post("/api/orders", json!({"ticketId": "01a1fcab-6d9a-759a-9c8d-452838397400"})).await.expect(404);
    buyer
        .post("/api/orders", json!({"ticketId": "01a1fcab-6d9a-759a-9c8d-452838397400", "quantity": 11}))
        .await
        .expect(400);
    let token = buyer.session().unwrap();
    let (head, tail) = token.rsplit_once('.').unwrap();
    let flipped = tail.chars().rev().collect::<String>();
    for forged in
        [format!("{head}.{flipped}"), format!("{head}."), "x".into(), "eyJhbGciOiJub25lIn0.e30.".into()]
    {
        buyer.with_session(&forged).get("/api/orders").await.expect(401);
    }
    let crossing = buyer.request(Method::POST, "/api/users/signout").header("sec-fetch-site", "cross-site");
    buyer.try_send(crossing.json(&json!({}))).await.unwrap().expect(403);
    buyer.get("/api/orders").await.expect(200);
}

/// Bytes that are no HTTP, or half of it, end the connection and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_on_the_wire_is_answered_or_cut_off() {
    let app = App::start().await;
    for noise in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-length: banana\r\n\r\n",
    ] {
        let mut stream = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
        stream.write_all(noise.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(testkit::DEADLINE, stream.read_to_end(&mut answer))
            .await
            .expect("it does not hang");
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400") || answer.starts_with(b"HTTP/1.0 400"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    app.client().get("/api/health").await.expect(200);
}

/// Who is refused in the middle of a long body, and goes on sending it as most clients do, is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refusal_of_a_long_body_arrives() {
    let app = App::start().await;
    let mut stream = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
    let body = vec![b'x'; 2 * 1024 * 1024];
    let head = format!(
        "POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.expect("nobody is cut off");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an end, and no reset");
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
}

/// A client that never finishes the head of its request does not keep its connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_head_is_cut_off_in_time() {
    let limit = Duration::from_millis(300);
    let app = App::with(|settings| settings.head_timeout = limit).await;
    let started = Instant::now();
    let mut stream = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
    stream.write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\nx-half: ").await.unwrap();
    let mut answer = Vec::new();
    let _ =
        tokio::time::timeout(testkit::DEADLINE, stream.read_to_end(&mut answer)).await.expect("it is closed");
    assert!(started.elapsed() >= limit, "closed after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10), "closed after {:?}", started.elapsed());
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
    app.client().get("/api/health").await.expect(200);
}
