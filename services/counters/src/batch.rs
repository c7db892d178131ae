//! Many increments in one request. It is read and counted as it arrives, and never held whole; its answers are kept until
//! it has ended, for a client that sends does not read. With an idempotency key it is one transaction, so that all of
//! it, and the answer, is there or is not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use db::{IdempotencyKey, StoredAnswer};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use kernel::{Error, Kind, Result};
use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};
use web::{Fields, Kept, KeyHeader, Problem, read_body};

use crate::Counters;
use crate::answers::{Answers, Read, Room};
use crate::api::Caller;
use crate::bodies::IncrementBody;
use crate::model::Increment;
use crate::split::{Element, Form, Malformed, Splitter};
use crate::tally::{Command, Keyed, Outcome};

/// The longest body, in bytes, and the increments in it: what is wrong with a short one is a long sentence, and all
/// answers are kept until the end.
const LIMIT: usize = 8 << 20;
const MOST: usize = 200_000;
/// The longest body with an idempotency key, whose answer is kept for a day, and the increments in it.
const KEYED_LIMIT: usize = 256 << 10;
const KEYED_MOST: usize = 1_000;
/// Increments of a batch in one transaction, and such parts on their way.
const PART: usize = 256;
const PARTS: usize = 4;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// What has arrived waits no longer than this for more of its part.
const PAUSE: Duration = Duration::from_millis(100);

/// Add to many counters
///
/// A JSON array, or NDJSON, of what `/api/increment` takes, up to 8 MiB and 200,000 of them. The answer is of the same
/// form, in the same order. It is not atomic: an increment that is wrong has an `error` and leaves the others alone, and
/// where the body breaks off, or is wrong halfway, the last answer is an `error` without a `key`. With an
/// `Idempotency-Key` there may be 1,000 increments, and all of them are counted, or none.
#[utoipa::path(
    post, path = "/api/increments", tag = "counters", operation_id = "increments",
    params(KeyHeader), security(("session" = [])),
    extensions(("x-raw-body" = json!(true))),
    request_body(content(
        (Vec<IncrementBody> = "application/json"),
        (String = "application/x-ndjson", example = "{\"key\":\"visits\",\"value\":3}\n{\"key\":\"visits\",\"value\":1}\n"),
    )),
    responses(
        (status = 200, description = "For each increment its counter, or why it was refused", content(
            (Vec<Object> = "application/json", example = json!([
                {"key": "visits", "newValue": 3},
                {"key": "marquee:sold", "error": {"status": 400, "message": "Keys that begin with marquee: belong to the system"}},
            ])),
            (String = "application/x-ndjson", example = "{\"key\":\"visits\",\"newValue\":3}\n{\"key\":\"visits\",\"newValue\":4}\n"),
        )),
        (status = 400, description = "Body must be a JSON array"),
        (status = 413, description = "The body must be at most 8388608 bytes | \
            There may be at most 200000 increments | With an Idempotency-Key there may be at most 1000 increments"),
        (status = 415, description = "Content-Type must be application/json or application/x-ndjson"),
    ),
)]
pub(crate) async fn increments(
    State(counters): State<Counters>,
    Caller(user): Caller,
    key: std::result::Result<KeyHeader, Problem>,
    headers: HeaderMap,
    body: Body,
) -> web::Result<Response> {
    let form = match form(&headers) {
        Ok(form) => form,
        Err(problem) => return Ok(problem.into_response()),
    };
    let key = match key {
        Ok(key) => key,
        Err(problem) => return Ok(problem.into_response()),
    };
    if !key.is_given() {
        return Ok(counters.count_stream(form, &headers, body).await);
    }
    let body = match read_body(&headers, body, KEYED_LIMIT).await {
        Ok(body) => body,
        Err(problem) => return Ok(problem.into_response()),
    };
    // The same bytes under another type are another request.
    let once = key.over(&[form.media_type().as_bytes(), &body].concat());
    let mut response = once
        .within(&counters.0.db, user, "POST /api/increments", async |key| {
            counters.count_whole(form, &body, key).await
        })
        .await?;
    if response.status() == StatusCode::OK {
        response.headers_mut().insert(header::CONTENT_TYPE, form.media_type());
    }
    Ok(response)
}

fn form(headers: &HeaderMap) -> std::result::Result<Form, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Array),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/json or application/x-ndjson",
        )),
    }
}

fn read(element: &Element) -> Read {
    let Ok(element) = element else {
        return Err((None, Error::new(Kind::TooLarge, "An increment is too long")));
    };
    match serde_json::from_slice(element) {
        Ok(Value::Object(members)) => {
            let key = members.get("key").and_then(Value::as_str).map(str::to_owned);
            Increment::read(Fields::json(members)).map_err(|error| (key, error))
        }
        _ => Err((None, Error::invalid("An increment must be a JSON object"))),
    }
}

impl Counters {
    /// Counts a batch with a key in one transaction.
    async fn count_whole(&self, form: Form, body: &[u8], key: Option<IdempotencyKey>) -> Result<Kept> {
        let (mut splitter, mut elements) = (Splitter::new(form), Vec::new());
        splitter
            .feed(body, &mut elements)
            .and_then(|()| splitter.finish(&mut elements))
            .map_err(|Malformed| malformed())?;
        if elements.len() > KEYED_MOST {
            let message = format!("With an Idempotency-Key there may be at most {KEYED_MOST} increments");
            return Err(Error::new(Kind::TooLarge, message));
        }
        let reads: Vec<Read> = elements.iter().map(read).collect();
        let increments = reads.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
        let render = Arc::new(move |values: &[Result<i64>]| {
            let mut answers = Answers::new(form, &Room::default());
            answers.add(&reads, values.iter().cloned());
            StoredAnswer { status: 200, body: answers.text() }
        });
        let keyed = key.map(|key| Keyed { key, render });
        Ok(match self.count(Command { increments, keyed }).await? {
            Outcome::Kept(stored) => Kept::New(stored.try_into()?),
            Outcome::Before(stored) => Kept::Before(stored),
            Outcome::Counted(_) => return Err(Error::internal("a batch with a key was counted without it")),
        })
    }

    /// Counts a batch as it arrives.
    async fn count_stream(&self, form: Form, headers: &HeaderMap, body: Body) -> Response {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > LIMIT) {
            return too_large().into_response();
        }
        let mut run = Run::new(self, form);
        let ended = run.take(body.into_data_stream()).await;
        match ended {
            // Nothing was sent to be counted yet, so it may be refused as a whole.
            Err(problem) if run.is_untouched() => problem.into_response(),
            ended => {
                run.finish().await;
                if let Err(problem) = ended {
                    run.answers.refuse(None, &problem);
                }
                run.answers.response()
            }
        }
    }
}

fn malformed() -> Error {
    Error::invalid("Body must be a JSON array")
}

fn too_many() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("There may be at most {MOST} increments"))
}

fn no_room() -> Problem {
    let message = "Too many batches are at work; what follows was not counted";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).after(Duration::from_secs(1))
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body must be at most {LIMIT} bytes"))
}

/// A part that was counted: what was read, and what came of those that could be counted.
type Counted = (Vec<Read>, Vec<Result<i64>>);

/// A batch on its way: what was read waits to be a part, and the parts that were sent for their answers.
struct Run<'a> {
    counters: &'a Counters,
    splitter: Splitter,
    waiting: Vec<Read>,
    /// Since when the first of them waits.
    since: Instant,
    parts: FuturesOrdered<BoxFuture<'a, Counted>>,
    /// Whether a part could not be stored in time: then no more are tried, or each would wait as long.
    is_refused: bool,
    answers: Answers,
}

impl<'a> Run<'a> {
    fn new(counters: &'a Counters, form: Form) -> Self {
        let (splitter, answers) = (Splitter::new(form), Answers::new(form, &counters.0.room));
        let (waiting, parts) = (Vec::new(), FuturesOrdered::new());
        Self { counters, splitter, waiting, since: Instant::now(), parts, is_refused: false, answers }
    }

    /// Reads the body to its end, or to what is wrong with it; what came before that is counted.
    async fn take(&mut self, mut body: BodyDataStream) -> std::result::Result<(), Problem> {
        let (deadline, mut length, mut count) = (Instant::now() + PATIENCE, 0, 0);
        let late = |_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "The batch took longer than 30 seconds; what follows was not counted",
            )
        };
        let mut elements = Vec::new();
        loop {
            let piece = tokio::select! {
                piece = timeout_at(deadline, body.next()) => piece.map_err(late)?,
                Some(counted) = self.parts.next(), if !self.parts.is_empty() => {
                    self.answer(counted);
                    continue;
                }
                () = sleep_until(self.since + PAUSE), if !self.waiting.is_empty() => {
                    let part = std::mem::take(&mut self.waiting);
                    self.send(part).await;
                    continue;
                }
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The body broke off"))?;
            length += piece.len();
            if length > LIMIT {
                return Err(too_large());
            }
            let fed = self.splitter.feed(&piece, &mut elements);
            count += elements.len();
            elements.truncate(elements.len().saturating_sub(count.saturating_sub(MOST)));
            if self.waiting.is_empty() {
                self.since = Instant::now();
            }
            self.waiting.extend(elements.drain(..).map(|element| read(&element)));
            fed.map_err(|Malformed| Problem::of(&malformed()))?;
            if !self.answers.has_room() {
                return Err(no_room());
            }
            if count > MOST {
                return Err(too_many());
            }
            while self.waiting.len() >= PART {
                let rest = self.waiting.split_off(PART);
                let part = std::mem::replace(&mut self.waiting, rest);
                self.send(part).await;
            }
        }
        let ended = self.splitter.finish(&mut elements);
        if count + elements.len() > MOST {
            return Err(too_many());
        }
        self.waiting.extend(elements.iter().map(read));
        ended.map_err(|Malformed| Problem::of(&malformed()))
    }

    /// Whether no part was sent yet.
    fn is_untouched(&self) -> bool {
        self.parts.is_empty() && self.answers.is_empty()
    }

    /// Counts what waits still.
    async fn finish(&mut self) {
        let part = std::mem::take(&mut self.waiting);
        if !part.is_empty() {
            self.send(part).await;
        }
        while let Some(counted) = self.parts.next().await {
            self.answer(counted);
        }
    }

    fn answer(&mut self, (reads, values): Counted) {
        let away = |value: &Result<i64>| value.as_ref().is_err_and(|error| error.kind == Kind::Unavailable);
        self.is_refused |= values.iter().any(away);
        self.answers.add(&reads, values.into_iter());
    }

    async fn send(&mut self, part: Vec<Read>) {
        if self.parts.len() == PARTS
            && let Some(counted) = self.parts.next().await
        {
            self.answer(counted);
        }
        let (counters, is_refused) = (self.counters, self.is_refused);
        self.parts.push_back(Box::pin(async move {
            let increments: Vec<Increment> =
                part.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
            let count = increments.len();
            if count == 0 {
                return (part, Vec::new());
            }
            if is_refused {
                let error = Error::unavailable("a part of the batch before it was not durable in time");
                return (part, vec![Err(error); count]);
            }
            let values = match counters.count(Command { increments, keyed: None }).await {
                Ok(Outcome::Counted(values)) => values,
                Ok(_) => vec![Err(Error::internal("a part of a batch has no key")); count],
                Err(error) => {
                    // Its answer is one of many in a response that went well, which nobody looks into.
                    if error.kind == Kind::Internal {
                        tracing::error!(?error, "a part of a batch could not be counted");
                    }
                    vec![Err(error); count]
                }
            };
            (part, values)
        }));
    }
}
