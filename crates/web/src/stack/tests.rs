use super::*;
use crate::testing::{body_of, get, request, send, session, status_and_body, web};
use crate::{Failure, Result, Unhurried};
use axum::routing::{any, get as on_get, post};
use contracts::Role;
use kernel::Error;
use serde_json::Value;

fn app(web: &Web) -> Router {
    let router = Router::new()
        .route("/ok", on_get(|| async { "ok" }).post(|| async { "done" }))
        .route("/fail", on_get(|| async { Err::<(), _>(Failure(Error::invalid("No <b>tea</b>").at("tea"))) }))
        .route("/ours", on_get(|| async { Err::<(), _>(Failure(Error::internal("SELECT secret"))) }))
        .route("/away", on_get(|| async { Err::<(), _>(Failure(Error::unavailable("/var/lib/db"))) }))
        .route(
            "/panic",
            on_get(|| async {
                if true {
                    panic!("at /src/secret.rs")
                }
            }),
        )
        .route(
            "/panic/text",
            on_get(|| async {
                if true {
                    std::panic::panic_any(7)
                }
            }),
        )
        .route("/slow", any(|| async { tokio::time::sleep(Duration::from_secs(61)).await }))
        .route("/upload", post(|_: Unhurried| async { tokio::time::sleep(Duration::from_secs(3600)).await }))
        .route(
            "/library",
            on_get(|| async {
                (StatusCode::RANGE_NOT_SATISFIABLE, [("content-range", "bytes */7")], "plain")
            }),
        )
        .route(
            "/own",
            on_get(|| async { (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], "{}") }),
        )
        .route("/policy", on_get(|| async { [(header::CONTENT_SECURITY_POLICY, "default-src *")] }))
        .route("/id/{id}", on_get(|| async {}))
        .route("/long", on_get(|| async { axum::Json(vec!["marquee"; 10_000]) }))
        .route("/nothing", on_get(|| async { StatusCode::NO_CONTENT }));
    stack(router, web)
}

/// What the answer says of its length; the server adds it where it is missing.
fn length_of(response: &Response) -> Option<usize> {
    response.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().parse().unwrap())
}

const HTML: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

#[tokio::test]
async fn every_answer_carries_an_id() {
    let (web, _) = web();
    for path in ["/ok", "/fail", "/panic", "/nowhere"] {
        let response = send(app(&web), get(path, &[("x-request-id", "mine-7")])).await;
        assert_eq!(response.headers()["x-request-id"], "mine-7", "{path}");
        let response = send(app(&web), get(path, &[("x-request-id", "not sane!")])).await;
        assert_eq!(response.headers()["x-request-id"].len(), 36, "{path}");
        assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    }
}

#[tokio::test]
async fn every_failure_is_a_problem() {
    let (web, _) = web();
    for (method, path, status, message) in [
        ("GET", "/fail", 400, "No <b>tea</b>"),
        ("GET", "/ours", 500, "Something went wrong on our side"),
        ("GET", "/away", 503, "The service is busy, please try again in a moment"),
        ("GET", "/panic", 500, "Something went wrong on our side"),
        ("GET", "/panic/text", 500, "Something went wrong on our side"),
        ("GET", "/nowhere", 404, "Not Found"),
        ("POST", "/nowhere", 404, "Not Found"),
        ("DELETE", "/ok", 405, "Method Not Allowed"),
        ("GET", "/library", 416, "Range Not Satisfiable"),
    ] {
        let response = send(app(&web), request(method, path, &[], "")).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json", "{method} {path}");
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 503);
        if status == 405 {
            assert_eq!(response.headers()[header::ALLOW], "GET,HEAD,POST");
        }
        if status == 416 {
            assert_eq!(response.headers()["content-range"], "bytes */7", "what the handler said stays");
        }
        let length = length_of(&response);
        let body = body_of(response).await;
        assert!(length.is_none_or(|length| length == body.len()), "{body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["status"], &problem["errors"][0]["message"]), (&status.into(), &message.into()));
    }
}

#[tokio::test]
async fn a_browser_gets_a_page_of_the_same_content() {
    let (web, _) = web();
    for (path, status, text) in [
        ("/fail", 400, "No &#60;b&#62;tea&#60;/b&#62;"),
        ("/ours", 500, "Something went wrong on our side"),
        ("/panic", 500, "Something went wrong on our side"),
        ("/nowhere", 404, "Not Found"),
        ("/library", 416, "Range Not Satisfiable"),
    ] {
        let response = send(app(&web), get(path, &[HTML])).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
        assert_eq!(response.headers()[header::VARY], "accept");
        let length = length_of(&response);
        let body = body_of(response).await;
        assert!(length.is_none_or(|length| length == body.len()), "{body}");
        assert!(body.contains(text), "{path}: {body}");
        for leak in ["SELECT", "secret", "/src", "/var"] {
            assert!(!body.contains(leak), "{path}: {body}");
        }
    }
    let (status, body) = status_and_body(app(&web), get("/own", &[HTML])).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, "{}"), "a body of its own stays");
}

#[tokio::test]
async fn a_head_request_gets_the_head() {
    let (web, _) = web();
    let response = send(app(&web), request("HEAD", "/fail", &[], "")).await;
    assert_eq!(response.status(), 400);
    assert_eq!(body_of(response).await, "");
}

#[tokio::test]
async fn every_answer_is_guarded() {
    let (web, _) = web();
    for path in ["/ok", "/fail", "/panic", "/nowhere", "/nothing"] {
        let headers = send(app(&web), get(path, &[])).await.headers().clone();
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY, "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin", "{path}");
    }
    let headers = send(app(&web), get("/policy", &[])).await.headers().clone();
    assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "default-src *");
}

#[tokio::test]
async fn a_cross_site_post_is_refused_before_the_handler() {
    let (web, _) = web();
    let cross = ("sec-fetch-site", "cross-site");
    let (status, body) = status_and_body(app(&web), request("POST", "/ok", &[cross], "")).await;
    assert_eq!(status, 403);
    assert!(body.contains(r#""errors":[{"message":"Cross-site request refused"}]"#), "{body}");
    assert_eq!(send(app(&web), request("POST", "/ok", &[cross, HTML], "")).await.status(), 403);
    assert_eq!(send(app(&web), request("POST", "/ok", &[], "")).await.status(), 200);
    let bearer = ("authorization", "Bearer x");
    assert_eq!(send(app(&web), request("POST", "/ok", &[cross, bearer], "")).await.status(), 200);
}

#[tokio::test]
async fn beside_a_bearer_token_the_cookie_counts_for_nothing() {
    let (web, _) = web();
    let router = Router::new().route("/me", post(|s: crate::Session| async move { s.user.to_string() }));
    let cookie = format!("session={}", web.sessions().issue(&session(&web, Role::User)).unwrap());
    let forged =
        [("cookie", cookie.as_str()), ("authorization", "Bearer x"), ("sec-fetch-site", "cross-site")];
    let app = stack(router, &web);
    assert_eq!(send(app.clone(), request("POST", "/me", &forged, "")).await.status(), 401);
    assert_eq!(send(app, request("POST", "/me", &forged[..1], "")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_take_for_ever() {
    let (web, _) = web();
    let response = send(app(&web), get("/slow", &[])).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert_eq!(send(app(&web), request("POST", "/upload", &[], "")).await.status(), 200);
}

#[tokio::test]
async fn long_answers_are_compressed_and_short_ones_are_not() {
    let (web, _) = web();
    let zip = ("accept-encoding", "gzip, br");
    let response = send(app(&web), get("/long", &[zip])).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    for (path, headers) in [("/long", &[][..]), ("/ok", &[zip]), ("/fail", &[zip])] {
        let response = send(app(&web), get(path, headers)).await;
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "{path}");
    }
}

#[tokio::test]
async fn a_route_outside_the_stack_fails_closed() {
    async fn handler(_: crate::Session) -> Result<()> {
        Ok(())
    }
    let response = send(Router::new().route("/", on_get(handler)), get("/", &[])).await;
    assert_eq!(response.status(), 500);
}
