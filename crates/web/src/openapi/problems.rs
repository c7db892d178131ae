//! Failures in the document: from the sentences at an operation to the answers that [`Problem`] gives.

use axum::http::StatusCode;
use kernel::FieldError;
use serde_json::{Map, Value, json};

use super::common::header;
use crate::problem::Problem;

/// What parts the sentences of one status.
const BETWEEN: &str = " | ";

/// The statuses that the stack and the extractors answer by themselves, with the sentence that they have then.
const SHARED: [(StatusCode, &str, &str, &str); 9] = [
    (
        StatusCode::UNAUTHORIZED,
        "NotAuthorized",
        "Not authorized",
        "Nobody is signed in, or somebody who may not do this",
    ),
    (
        StatusCode::FORBIDDEN,
        "CrossSite",
        "Cross-site request refused",
        "Another site made a browser send this",
    ),
    (StatusCode::NOT_FOUND, "NotFound", "Not found", "There is no such thing"),
    (
        StatusCode::REQUEST_TIMEOUT,
        "TooSlow",
        "The body took too long to arrive",
        "The body took longer than 30 seconds",
    ),
    (
        StatusCode::PAYLOAD_TOO_LARGE,
        "TooLarge",
        "The body must be at most 65536 bytes",
        "The body is over its limit",
    ),
    (
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "NotJson",
        "Content-Type must be application/json",
        "The body is not said to be JSON",
    ),
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        "KeyReused",
        "This Idempotency-Key was used for another request",
        "The key was used for another request",
    ),
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "Failed",
        "Something went wrong on our side",
        "A fault of the server's; its log has the cause under the request's id",
    ),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Busy",
        "The service is busy, please try again in a moment",
        "Something that is needed is away or has too much to do",
    ),
];

fn shared_at(status: StatusCode) -> Option<&'static (StatusCode, &'static str, &'static str, &'static str)> {
    SHARED.iter().find(|(known, ..)| *known == status)
}

/// Adds a way to fail to an operation. Without a sentence it is the shared one of its status.
pub(super) fn add(operation: &mut Map<String, Value>, status: StatusCode, sentence: &str) {
    let sentence =
        if sentence.is_empty() { shared_at(status).map_or("", |shared| shared.2) } else { sentence };
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let response = &mut responses[status.as_str()];
    let told = match response["description"].as_str() {
        Some(own) if own.split(BETWEEN).any(|known| known == sentence) => own.to_owned(),
        Some(own) => format!("{own}{BETWEEN}{sentence}"),
        None => sentence.to_owned(),
    };
    response["description"] = told.into();
}

/// Turns the sentences of each failure into its answer.
pub(super) fn spell_out(operation: &mut Map<String, Value>) {
    let Some(Value::Object(responses)) = operation.get_mut("responses") else { return };
    for (code, response) in responses {
        let status = code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
        let Some(status) = status.filter(|s| s.is_client_error() || s.is_server_error()) else { continue };
        if response.get("content").is_some() {
            continue;
        }
        let told = response["description"].as_str().unwrap_or_default().to_owned();
        *response = match shared_at(status) {
            Some((_, name, sentence, _)) if told == *sentence => {
                json!({ "$ref": format!("#/components/responses/{name}") })
            }
            _ => answer(status, &told.split(BETWEEN).collect::<Vec<_>>(), None),
        };
    }
}

/// The failures that need no sentence of an operation's own.
pub(super) fn shared() -> Value {
    let one = |(status, name, sentence, description): &(StatusCode, &str, &str, &str)| {
        ((*name).to_owned(), answer(*status, &[sentence], Some(description)))
    };
    SHARED.iter().map(one).collect::<Map<_, _>>().into()
}

/// The answer of a status, with an example for each sentence.
fn answer(status: StatusCode, sentences: &[&str], description: Option<&str>) -> Value {
    let description = description.map_or_else(
        || sentences.iter().map(|s| format!("`{}`", parse(s).message)).collect::<Vec<_>>().join(", "),
        str::to_owned,
    );
    let examples: Map<String, Value> = sentences.iter().map(|sentence| example(status, sentence)).collect();
    let mut headers = json!({ "X-Request-Id": header("X-Request-Id") });
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers["Retry-After"] = header("Retry-After");
    }
    if status == StatusCode::UNAUTHORIZED {
        headers["WWW-Authenticate"] = header("WWW-Authenticate");
    }
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
    })
}

fn example(status: StatusCode, sentence: &str) -> (String, Value) {
    let error = parse(sentence);
    let key = slug(&error.message, error.field.as_deref());
    let summary = error.message.to_string();
    let problem = Problem::of_fields(status, vec![error]);
    let value: Value = serde_json::from_str(&problem.to_json()).unwrap_or_default();
    (key, json!({ "summary": summary, "value": value }))
}

/// `title: Title is required`, or a sentence without a member.
fn parse(sentence: &str) -> FieldError {
    let is_member = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    match sentence.split_once(": ") {
        Some((field, message)) if is_member(field) => {
            FieldError { message: message.to_owned().into(), field: Some(field.to_owned().into()) }
        }
        _ => FieldError { message: sentence.to_owned().into(), field: None },
    }
}

/// The name of an example: the sentence in small letters and hyphens, after its member if it has one.
fn slug(message: &str, field: Option<&str>) -> String {
    let text = format!("{} {message}", field.unwrap_or_default()).to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.take(8).collect::<Vec<_>>().join("-")
}
