//! The OpenAPI document is in the repository, as the code says it, and leaves nothing out.

use std::process::Command;

use marquee::Service;
use serde_json::Value;
use testkit::App;

use crate::BINARY;

/// Where the document is in the repository.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/marquee.json");

fn committed() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap_or_default()).unwrap_or_default()
}

/// Each operation with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

/// Clients are made from it, so a change of the API shows where it is reviewed.
#[test]
fn the_committed_document_is_that_of_the_code() {
    let output = Command::new(BINARY).arg("openapi").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == String::from_utf8_lossy(&output.stdout),
        "the API has changed; renew its document: cargo run -- openapi > openapi/marquee.json"
    );
}

#[test]
fn every_call_of_the_api_is_in_it() {
    let document = committed();
    let documented = document["paths"].as_object().unwrap();
    let paths = Service::ALL.into_iter().flat_map(Service::paths);
    let missing: Vec<String> =
        paths.filter(|path| path.starts_with("/api/") && !documented.contains_key(path)).collect();
    assert_eq!(missing, [""; 0], "add them with Routes::api, and say at their handlers what they do");
    assert!(documented.len() > 20, "{}", documented.len());
}

/// What a reader of any operation is promised.
#[test]
fn every_operation_is_described_whole() {
    let document = committed();
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = std::collections::HashSet::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name} has no summary");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name} has another's operationId");
        assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{name} is in no group");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
        for (place, body) in responses.iter().chain([(&"request".to_owned(), &operation["requestBody"])]) {
            let shared = body["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
            let body = shared.map_or(body, |path| document.pointer(path).unwrap());
            // A look-up that finds nobody answers as one that does (contract, Conventions).
            let nobody = name == "GET /api/users" && place == "404";
            let failure = (place.starts_with('4') || place.starts_with('5')) && !nobody;
            let problem = &body["content"]["application/problem+json"];
            assert!(!failure || problem.is_object(), "{name} does not say what a {place} looks like");
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                let has_one = content.get("example").is_some() || content.get("examples").is_some();
                assert!(has_one || !kind.ends_with("json"), "{name} has no example of its {place}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_what_is_printed() {
    let app = App::start().await;
    let answer = app.client().get("/api/openapi.json").await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(answer.json == committed(), "it serves another document than it prints");
    let client = app.client();
    let again = client
        .request(reqwest::Method::GET, "/api/openapi.json")
        .header("if-none-match", answer.headers["etag"].clone());
    let again = client.try_send(again).await.unwrap();
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "who has it is not sent it again");
}

/// Its page is whole without anything from elsewhere, for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_is_read_without_the_internet() {
    let app = App::start().await;
    let page = app.client().get("/docs").await.expect(200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for (name, operation) in operations(&committed()) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.text.contains(&format!("id=\"{id}\"")), "{name} is not on the page");
    }
    let foreign = ["src=\"http", "href=\"http", "src=\"//", "href=\"//"];
    assert!(foreign.iter().all(|link| !page.text.contains(link)), "it wants something from elsewhere");
    let home = app.client().get("/").await.expect(200).text;
    assert!(home.contains("href=\"/docs\""), "no page leads to it");
}
