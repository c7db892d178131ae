//! What the targets share: a web side whose key, clock and one signed-in user are always the same, and a way to
//! send it a request. A panic anywhere ends the run, also one that the stack would turn into a 500.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use contracts::Role;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

/// What signs the sessions.
pub const KEY: &[u8] = b"a key for fuzzing, long enough";
/// When it is.
pub const NOW: Instant = Instant::from_millis(1_800_000_000_000);
/// The network of the proxies that are believed.
pub const PROXIES: &str = "10.0.0.0/8";

/// The web side that every target asks.
pub static WEB: LazyLock<Web> = LazyLock::new(|| {
    Web::new(Config {
        clock: Clock::manual(NOW),
        jwt_key: KEY.to_vec(),
        trusted_proxies: vec![PROXIES.parse().expect("a network")],
        ..Config::default()
    })
});

/// Who is signed in.
pub static SESSION: LazyLock<Session> = LazyLock::new(|| Session {
    id: "01890000-0000-7000-8000-000000000001".parse().expect("an id"),
    user: "01890000-0000-7000-8000-000000000002".parse().expect("an id"),
    role: Role::User,
    expires_at: Instant::from_millis(NOW.as_millis() + 3_600_000),
});

/// The one good token: the same in every run, as its claims and the key are.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| WEB.sessions().issue(&SESSION).expect("a token"));

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// Sends `request` as if a proxy had, and reads the answer to its end.
pub fn send(
    app: &RefCell<Option<Router>>,
    routes: fn() -> Router,
    mut request: Request<Body>,
) -> Response<Bytes> {
    let proxy = SocketAddr::from(([10, 0, 0, 1], 80));
    request.extensions_mut().insert(ConnectInfo(proxy));
    let app = app.borrow_mut().get_or_insert_with(|| web::stack(routes(), &WEB)).clone();
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let Ok(response) = app.oneshot(request).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            Response::from_parts(parts, body)
        })
    })
}
