//! HTTPS in the process: the certificate it makes, the cookie, what the plain port still does.

use reqwest::header::HeaderMap;
use reqwest::{Certificate, StatusCode, Version};
use serde_json::json;
use testkit::Process;

use crate::BINARY;

/// A client that trusts this certificate and nothing else.
fn trusting(pem: &[u8]) -> reqwest::Client {
    marquee::use_ring();
    let certificate = Certificate::from_pem(pem).unwrap();
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.tls_certs_only([certificate]).build().unwrap()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_our_own_serves_https_and_is_kept() {
    let mut process = Process::start(BINARY, &["--tls-self-signed", "--tls-port", "0"]).await;
    let pem = std::fs::read(process.data().join("tls-cert.pem")).unwrap();
    let client = trusting(&pem);
    let credentials = json!({"email": "buyer@example.com", "password": "a long password"});
    let sign_up = client.post(format!("{}/api/users/signup", process.base())).json(&credentials);
    let answer = sign_up.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.version(), Version::HTTP_2);
    // A browser that was told so could never come back to another server on this name.
    assert!(answer.headers().get("strict-transport-security").is_none());
    let cookie = text(answer.headers(), "set-cookie").to_string();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert!(cookie.split("; ").any(|part| part == "Secure"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let asked = client.get(format!("{}/api/orders", process.base())).header("cookie", session);
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::OK);

    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/health", 200), ("/", 308)]
    {
        let answer = client.get(format!("{}{path}", process.plain())).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let posted = client.post(format!("{}/api/orders?a=b", process.plain())).header("cookie", session);
    let answer = posted.json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(text(answer.headers(), "location"), format!("{}/api/orders?a=b", process.base()));

    assert!(process.terminate().await.success());
    process.resume().await;
    assert_eq!(std::fs::read(process.data().join("tls-cert.pem")).unwrap(), pem);
    let again = client.get(format!("{}/api/health", process.base())).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

/// Browsers are told to stay with HTTPS, by a certificate that somebody named; HTTP/1.1 works as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_certificate_is_served_strictly() {
    let maker = Process::start(BINARY, &["--tls-self-signed", "--tls-port", "0"]).await;
    let [cert, key] = ["tls-cert.pem", "tls-key.pem"].map(|name| maker.data().join(name));
    let named = ["--tls-port", "0", "--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let mut process = Process::start(BINARY, &named).await;
    marquee::use_ring();
    let certificate = Certificate::from_pem(&std::fs::read(&cert).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([certificate]).http1_only().build().unwrap();
    let answer = client.get(format!("{}/api/health", process.base())).send().await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_11));
    assert!(text(answer.headers(), "strict-transport-security").starts_with("max-age="));
    assert!(process.terminate().await.success());
    let half = process.command(&["serve", "--port", "0", "--tls-cert", "x.pem"], "").await;
    assert!(!half.status.success());
    let told = String::from_utf8_lossy(&half.stderr);
    assert!(told.contains("--tls-cert needs --tls-key"), "{told}");
}
