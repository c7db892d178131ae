//! Storage behind HTTP answers whoever has the installation's key, for one request and a minute, and nobody else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use kernel::Kind;
use objects::{Objects as _, Piece, Remote, Signer};
use tower::ServiceExt as _;

use super::{House, kind, serve};

/// What an upload's end is asked with.
async fn overheard(house: &House, signer: Signer, id: kernel::ObjectId) -> (String, String) {
    let heard = Arc::new(Mutex::new(None));
    let hearing = Arc::clone(&heard);
    let app = Router::new().fallback(move |request: Request| {
        let signature = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
        *hearing.lock().unwrap() = Some((request.uri().to_string(), signature));
        async { StatusCode::IM_A_TEAPOT }
    });
    let remote = Remote::new(&serve(app).await, signer).unwrap();
    assert_eq!(kind(remote.read_upload(id, 0..4).await), Kind::Unavailable);
    let heard = heard.lock().unwrap().take();
    assert!(house.is_apart);
    heard.unwrap()
}

async fn status(house: &House, method: Method, uri: &str, signature: &str) -> u16 {
    let request = axum::http::Request::builder().method(method).uri(uri);
    let request = request.header(header::AUTHORIZATION, signature).body(Body::empty()).unwrap();
    house.app().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_request_counts_as_it_was_signed_and_for_a_minute() {
    let house = House::apart().await;
    let id = house.uploaded(&[b"secret"]).await;
    let (object, _) = house.stored(b"secret too").await;
    let (uri, signature) = overheard(&house, house.signer(), id).await;
    let ask = async |method, uri: &str| status(&house, method, uri, &signature).await;
    assert_eq!(ask(Method::GET, &uri).await, 200);
    for (method, other) in [
        (Method::GET, uri.replace("until=4", "until=6")),
        (Method::GET, uri.replace(&id.to_string(), &object.to_string())),
        (Method::GET, format!("/storage/objects/{object}?type=a/b")),
        (Method::DELETE, format!("/storage/objects/{object}")),
        (Method::GET, "/storage/objects".to_owned()),
        (Method::PUT, format!("/storage/uploads/{id}")),
        (Method::PATCH, format!("/storage/uploads/{id}?offset=6&most=9")),
        (Method::POST, format!("/storage/objects/{id}")),
        (Method::HEAD, uri.clone()),
    ] {
        assert_eq!(ask(method.clone(), &other).await, 401, "{method} {other}");
    }
    let (_, wrong) = overheard(&house, Signer::new(b"the key of another", house.clock.clone()), id).await;
    for wrong in ["", "Bearer x", &wrong, &signature[..signature.len() - 2]] {
        assert_eq!(status(&house, Method::GET, &uri, wrong).await, 401, "{wrong}");
    }
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(Method::GET, &uri).await, 200);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(ask(Method::GET, &uri).await, 401, "it has ended");
    assert_eq!(house.objects.uploaded(id).await.unwrap(), 6);
}

#[tokio::test]
async fn whoever_has_another_key_is_told_what_to_do() {
    let house = House::apart().await;
    let other = Signer::new(b"the key of another", house.clock.clone());
    let remote = Remote::new(&serve(house.app()).await, other).unwrap();
    let refused = remote.list(None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(refused.to_string().contains("JWT_KEY"), "{refused}");
    let nobody = Remote::new("http://127.0.0.1:1", house.signer()).unwrap();
    assert_eq!(kind(nobody.list(None).await), Kind::Unavailable);
}

#[tokio::test]
async fn what_is_not_as_streaming_writes_it_is_refused() {
    let house = House::apart().await;
    let id = house.uploaded(&[b"1234"]).await;
    assert_eq!(kind(house.objects.publish(id, Some(vec![Piece::Upload(3..5)])).await), Kind::Invalid);
    let told = house.append(id, 9, b"x").await.unwrap_err();
    assert_eq!((told.kind, told.to_string()), (Kind::Conflict, "The upload ends at 4".to_owned()));
    // Whoever may sign may still be wrong: a signature is over these very characters.
    let (uri, signature) = overheard(&house, house.signer(), id).await;
    assert!(uri.contains("from=0"));
    assert_eq!(status(&house, Method::GET, &uri, &signature).await, 200);
}
