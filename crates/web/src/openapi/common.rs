//! What an operation has in common with all others of its nature: what the stack may answer to it, and what the
//! extractors that it takes refuse.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::parameters::IDEMPOTENCY_KEY;
use super::problems::add;

/// Marks an operation that takes its body as bytes, of whatever type.
const RAW: &str = "x-raw-body";

/// Completes an operation by its nature.
pub(super) fn complete(method: &str, operation: &mut Map<String, Value>) {
    let nature = Nature::of(method, operation);
    operation.entry("security").or_insert_with(|| json!([]));
    offer_bearer(operation);
    drop_nulls(operation);
    for (status, sentence) in nature.refusals() {
        add(operation, status, sentence);
    }
    describe_headers(operation, &nature);
}

/// What decides how an operation may fail.
struct Nature {
    /// It changes something, so another site must not make a browser send it.
    acts: bool,
    body: Option<Body>,
    /// Nobody may call it without a session.
    session: bool,
    keyed: bool,
    paged: bool,
    /// Its path has a part that names something.
    named: bool,
}

#[derive(PartialEq, Eq)]
enum Body {
    Json,
    Raw,
}

impl Nature {
    fn of(method: &str, operation: &mut Map<String, Value>) -> Self {
        let raw = operation.remove(RAW).is_some();
        let takes = |name: &str, place: &str| {
            let parameters = operation.get("parameters").and_then(Value::as_array);
            parameters
                .into_iter()
                .flatten()
                .any(|p| p["in"] == place && (name.is_empty() || p["name"] == name))
        };
        let requirements = operation.get("security").and_then(Value::as_array);
        Self {
            acts: !matches!(method, "get" | "head" | "options"),
            body: operation.contains_key("requestBody").then_some(if raw { Body::Raw } else { Body::Json }),
            session: requirements.is_some_and(|all| !all.is_empty() && !all.contains(&json!({}))),
            keyed: takes(IDEMPOTENCY_KEY, "header"),
            paged: takes("limit", "query"),
            named: takes("", "path"),
        }
    }

    /// Each with its sentence; none if the status alone says it.
    fn refusals(&self) -> Vec<(StatusCode, &'static str)> {
        let mut refusals =
            vec![(StatusCode::INTERNAL_SERVER_ERROR, ""), (StatusCode::SERVICE_UNAVAILABLE, "")];
        if self.acts {
            refusals.push((StatusCode::FORBIDDEN, ""));
        }
        if self.body.is_some() {
            refusals.push((StatusCode::REQUEST_TIMEOUT, ""));
            refusals.push((StatusCode::PAYLOAD_TOO_LARGE, ""));
        }
        if self.body == Some(Body::Json) {
            refusals.push((StatusCode::BAD_REQUEST, "Body must be a JSON object"));
            refusals.push((StatusCode::UNSUPPORTED_MEDIA_TYPE, ""));
        }
        if self.session {
            refusals.push((StatusCode::UNAUTHORIZED, ""));
        }
        if self.keyed {
            let form = "Idempotency-Key must be one value of 1 to 255 visible ASCII characters";
            refusals.push((StatusCode::BAD_REQUEST, form));
            refusals.push((StatusCode::UNPROCESSABLE_ENTITY, ""));
        }
        if self.paged {
            refusals.push((StatusCode::BAD_REQUEST, "limit: Limit must be a whole number greater than 0"));
            refusals.push((StatusCode::BAD_REQUEST, "order: Order must be asc or desc"));
            refusals.push((StatusCode::BAD_REQUEST, "limit: A parameter must not be repeated"));
        }
        if self.paged || self.named {
            refusals.push((StatusCode::NOT_FOUND, ""));
        }
        refusals
    }
}

/// A session may come as a cookie or as a bearer token, wherever one is asked for.
fn offer_bearer(operation: &mut Map<String, Value>) {
    let Some(Value::Array(requirements)) = operation.get_mut("security") else { return };
    let bearers: Vec<Value> = requirements
        .iter()
        .filter_map(|requirement| Some(json!({ "bearer": requirement.get("session")? })))
        .collect();
    requirements.extend(bearers);
}

/// A parameter or a body that may be left out is not null therefore.
fn drop_nulls(operation: &mut Map<String, Value>) {
    let content = operation.get_mut("requestBody").and_then(|body| body["content"].as_object_mut());
    for (_, content) in content.into_iter().flatten() {
        let mut choices = content["schema"]["oneOf"].as_array().into_iter().flatten();
        if let Some(body) = choices.find(|choice| choice["type"] != "null").cloned() {
            content["schema"] = body;
        }
    }
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for schema in parameters.into_iter().flatten().filter_map(|parameter| parameter.get_mut("schema")) {
        let mut kinds = schema["type"].as_array().into_iter().flatten();
        if let Some(kind) = kinds.find(|kind| *kind != "null").cloned() {
            schema["type"] = kind;
        }
    }
}

fn describe_headers(operation: &mut Map<String, Value>, nature: &Nature) {
    let Some(Value::Object(responses)) = operation.get_mut("responses") else { return };
    for (status, response) in responses {
        // Failures without a sentence of their own are shared, and have their headers there.
        let Some(response) = response.as_object_mut() else { continue };
        let good = status.starts_with('2');
        let headers = response.entry("headers").or_insert_with(|| json!({}));
        headers["X-Request-Id"] = header("X-Request-Id");
        if status == "200" && nature.paged {
            headers["Link"] = header("Link");
        }
        if good && nature.keyed {
            headers["Idempotency-Replayed"] = header("Idempotency-Replayed");
        }
    }
}

/// A reference to one of [`headers`].
pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// The headers that more than one operation answers with.
pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "Names this request in the server's log: the request's own `X-Request-Id`, if that is sane, else a new one.",
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
            "example": "3f1c9a52-7be0-8d41-8000-0000000000a7",
        },
        "Link": {
            "description": "On a page as long as it may be: where the next one is, as `<…>; rel=\"next\"`.",
            "schema": { "type": "string" },
            "example": "</api/tickets?limit=50&after=01a1fcab-6d9a-759a-9c8d-452838397400>; rel=\"next\"",
        },
        "Idempotency-Replayed": {
            "description": "`true` if this is the stored answer to an earlier request with the same key.",
            "schema": { "type": "string", "enum": ["true"] },
            "example": "true",
        },
        "Retry-After": {
            "description": "Seconds after which it is worth trying again.",
            "schema": { "type": "integer", "minimum": 1 },
            "example": 1,
        },
        "WWW-Authenticate": {
            "description": "How to sign in without a cookie.",
            "schema": { "type": "string", "enum": ["Bearer"] },
            "example": "Bearer",
        },
    })
}

pub(super) fn security_schemes() -> Value {
    json!({
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "session",
            "description": "What signing up or in sets. Behind TLS it is called `__Host-session`.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The same token, or an API token that `marquee token create` prints.",
        },
    })
}

/// The schemas that no type of a service stands for.
pub(super) fn schemas() -> Map<String, Value> {
    let problem = json!({
        "type": "object",
        "description": "A failure (RFC 9457).",
        "required": ["type", "title", "status", "detail", "errors"],
        "properties": {
            "type": { "type": "string", "description": "The title says what it is.", "examples": ["about:blank"] },
            "title": { "type": "string", "description": "The status in words.", "examples": ["Bad Request"] },
            "status": { "type": "integer", "description": "The HTTP status.", "minimum": 400, "maximum": 599, "examples": [400] },
            "detail": { "type": "string", "description": "All sentences in one text.", "examples": ["Title is required"] },
            "reason": { "type": "string", "description": "The same text again; at `/user` alone.", "examples": ["User already exists"] },
            "errors": {
                "type": "array",
                "description": "A sentence for each thing that is wrong.",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "message": { "type": "string", "description": "For people.", "examples": ["Title is required"] },
                        "field": { "type": "string", "description": "The member or parameter that it is about, if it is about one.", "examples": ["title"] },
                    },
                },
            },
        },
    });
    Map::from_iter([("Problem".to_owned(), problem)])
}
