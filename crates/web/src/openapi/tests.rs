use super::*;
use crate::{Json, Paging, PathId, Post, Routes, Session};
use kernel::{Instant, Money, TicketId};
use utoipa::ToSchema;
use utoipa_axum::routes;

#[derive(ToSchema)]
#[schema(as = Show)]
#[allow(dead_code)]
struct ShowView {
    id: TicketId,
    price: Money,
    title: Option<String>,
    #[schema(example = 40)]
    seats: i64,
    begins: Vec<Instant>,
}

#[utoipa::path(get, path = "/api/shows", operation_id = "listShows", params(Paging), security(),
    responses((status = 200, description = "The shows", body = Vec<ShowView>)))]
async fn list() {}

/// Put on a show
#[utoipa::path(post, path = "/api/shows", operation_id = "createShow", params(Post), security(("session" = ["operator"])),
    request_body = ShowView,
    responses((status = 201, description = "The show", body = ShowView),
              (status = 400, description = "title: Title is required | Not tonight"),
              (status = 429, description = "Too many shows")))]
async fn create() {}

#[utoipa::path(delete, path = "/api/shows/{id}", operation_id = "deleteShow", params(PathId<TicketId>), security((), ("session" = [])),
    responses((status = 204, description = "Gone")))]
async fn remove() {}

fn shows() -> Value {
    let routes: Routes = Routes::new().api(routes!(list, create)).api(routes!(remove));
    assert_eq!(routes.paths(), ["/api/shows", "/api/shows/{id}"]);
    let about = About { version: "1.2.3", description: "Shows", tags: &[("shows", "What is on")] };
    document(&about, [routes.documentation()]).unwrap()
}

fn statuses(operation: &Value) -> Vec<&str> {
    operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn what_an_operation_may_answer_follows_from_its_nature() {
    let document = shows();
    let shows = &document["paths"]["/api/shows"];
    assert_eq!(statuses(&shows["get"]), ["200", "400", "404", "500", "503"]);
    assert_eq!(
        statuses(&shows["post"]),
        ["201", "400", "401", "403", "408", "413", "415", "422", "429", "500", "503"]
    );
    let remove = &document["paths"]["/api/shows/{id}"]["delete"];
    assert_eq!(statuses(remove), ["204", "403", "404", "500", "503"], "a session is optional there");
    assert_eq!(remove["security"], json!([{}, {"session": []}, {"bearer": []}]));
    assert_eq!(shows["get"]["security"], json!([]));
    assert_eq!(shows["post"]["security"], json!([{"session": ["operator"]}, {"bearer": ["operator"]}]));
}

#[test]
fn sentences_become_the_problems_that_are_answered() {
    let document = shows();
    let post = &document["paths"]["/api/shows"]["post"]["responses"];
    let bad = &post["400"]["content"]["application/problem+json"]["examples"];
    assert_eq!(
        bad["title-title-is-required"]["value"],
        json!({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "Title is required",
               "errors": [{"message": "Title is required", "field": "title"}]})
    );
    assert!(bad["not-tonight"]["value"]["errors"][0].get("field").is_none());
    assert_eq!(bad["body-must-be-a-json-object"]["summary"], "Body must be a JSON object");
    assert_eq!(post["401"], json!({"$ref": "#/components/responses/NotAuthorized"}));
    assert_eq!(post["429"]["headers"]["Retry-After"]["$ref"], "#/components/headers/Retry-After");
    assert_eq!(
        document["components"]["responses"]["Busy"]["headers"]["Retry-After"],
        post["429"]["headers"]["Retry-After"]
    );
}

/// The shared sentences are written down a second time, so each is compared with what is really answered.
#[tokio::test]
async fn the_shared_problems_are_what_is_answered() {
    use crate::testing::{request, served, status_and_body, web};
    use axum::Router;
    use axum::routing::post;
    let (web, _) = web();
    let router = Router::new()
        .route("/json", post(|Json(fields): Json| async move { fields.finish().map_err(crate::Failure) }))
        .route("/session", post(|_: Session| async {}))
        .route("/t/{id}", post(|PathId(_): PathId<TicketId>| async {}))
        .route(
            "/panic",
            post(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/away", post(|| async { crate::Result::<()>::Err(kernel::Error::unavailable("x").into()) }));
    let json = ("content-type", "application/json");
    let long = "x".repeat(70_000);
    let shared = shows()["components"]["responses"].clone();
    for (name, path, headers, body) in [
        ("NotAuthorized", "/session", &[][..], ""),
        ("CrossSite", "/session", &[("sec-fetch-site", "cross-site")][..], ""),
        ("NotFound", "/t/1", &[][..], ""),
        ("TooLarge", "/json", &[json][..], long.as_str()),
        ("NotJson", "/json", &[("content-type", "text/plain")][..], "{}"),
        ("Failed", "/panic", &[][..], ""),
        ("Busy", "/away", &[][..], ""),
    ] {
        let (_, answered) =
            status_and_body(served(router.clone(), &web), request("POST", path, headers, body.to_owned()))
                .await;
        let examples = shared[name]["content"]["application/problem+json"]["examples"].as_object().unwrap();
        let documented = &examples.values().next().unwrap()["value"];
        assert_eq!(serde_json::from_str::<Value>(&answered).unwrap(), *documented, "{name}");
    }
}

#[test]
fn bodies_have_examples_of_their_members() {
    let document = shows();
    let get = &document["paths"]["/api/shows"]["get"]["responses"]["200"];
    let example = &get["content"]["application/json"]["example"];
    let id: TicketId = example[0]["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        *example,
        json!([{"id": id, "price": 24, "title": "…", "seats": 40, "begins": ["2026-11-21T19:30:00.000Z"]}])
    );
    assert_eq!(get["headers"]["Link"]["$ref"], "#/components/headers/Link");
}

#[test]
fn two_schemas_of_one_name_are_refused() {
    #[derive(ToSchema)]
    #[schema(as = Show)]
    #[allow(dead_code)]
    struct Other {
        name: String,
    }
    #[utoipa::path(get, path = "/api/other", responses((status = 200, description = "x", body = Other)))]
    async fn other() {}
    let routes: Routes = Routes::new().api(routes!(list)).api(routes!(other));
    let about = About { version: "1", description: "", tags: &[] };
    let refused = document(&about, [routes.documentation()]).unwrap_err();
    assert!(refused.to_string().contains("two schemas are called Show"), "{refused}");
}

#[test]
fn paging_is_described_as_it_is_read() {
    let document = shows();
    let parameters = document["paths"]["/api/shows"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["limit", "after", "order"]);
    assert_eq!(parameters[0]["schema"]["default"], crate::paging::DEFAULT);
}
