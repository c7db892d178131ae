//! The answers to a batch: kept until it has ended, within what all batches of a process may keep, and sent piece by
//! piece.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use kernel::{Error, Result};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use web::Problem;

use crate::api::NewValue;
use crate::model::Increment;
use crate::split::Form;

/// What the answers of all batches at work in a process may come to, in steps of so many bytes: 64 MiB.
const STEP: usize = 64 << 10;
const STEPS: usize = 1_024;
/// An increment of a batch, or what its answer says instead: the key, where there is one, and why.
pub(crate) type Read = std::result::Result<Increment, (Option<String>, Error)>;

impl Form {
    pub(crate) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
        })
    }
}

/// What the answers of batches may come to together.
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STEPS)))
    }
}

/// The answers to a batch, as text.
pub(crate) struct Answers {
    form: Form,
    text: String,
    room: Arc<Semaphore>,
    /// Given back when the answers were sent.
    taken: Vec<OwnedSemaphorePermit>,
}

impl Answers {
    pub(crate) fn new(form: Form, Room(room): &Room) -> Self {
        Self { form, text: String::new(), room: Arc::clone(room), taken: Vec::new() }
    }

    /// Takes the room that the answers need; false if there is none.
    pub(crate) fn has_room(&mut self) -> bool {
        while self.taken.len() * STEP <= self.text.len() {
            match Arc::clone(&self.room).try_acquire_owned() {
                Ok(step) => self.taken.push(step),
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether there is none yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What became of those that were read; `values` are of those of them that could be counted.
    pub(crate) fn add(&mut self, reads: &[Read], mut values: impl Iterator<Item = Result<i64>>) {
        for read in reads {
            match read {
                Err((key, error)) => self.refuse(key.as_deref(), &Problem::of(error)),
                Ok(increment) => match values.next() {
                    Some(Ok(value)) => {
                        self.push(&NewValue::new(&increment.key, value));
                    }
                    Some(Err(error)) => self.refuse(Some(&increment.key), &Problem::of(&error)),
                    None => self.refuse(Some(&increment.key), &Problem::of(&Error::internal("no answer"))),
                },
            }
        }
    }

    pub(crate) fn refuse(&mut self, key: Option<&str>, problem: &Problem) {
        let message: Vec<&str> = problem.messages().collect();
        let error = json!({ "status": problem.status().as_u16(), "message": message.join("; ") });
        self.push(
            &key.map_or_else(|| json!({ "error": error }), |key| json!({ "key": key, "error": error })),
        );
    }

    fn push(&mut self, answer: &impl Serialize) {
        let before = match self.form {
            Form::Array if self.text.is_empty() => "[",
            Form::Array => ",",
            Form::Lines => "",
        };
        self.text.push_str(before);
        // Texts and numbers: there is no such value without its JSON.
        self.text.push_str(&serde_json::to_string(answer).unwrap_or_default());
        if self.form == Form::Lines {
            self.text.push('\n');
        }
    }

    /// The body of the response.
    pub(crate) fn text(mut self) -> String {
        if self.form == Form::Array {
            self.text.push_str(if self.text.is_empty() { "[]" } else { "]" });
        }
        self.text
    }

    pub(crate) fn response(mut self) -> Response {
        let (form, taken) = (self.form, std::mem::take(&mut self.taken));
        let text = Bytes::from(self.text());
        let pieces: Vec<Bytes> =
            (0..text.len()).step_by(STEP).map(|at| text.slice(at..text.len().min(at + STEP))).collect();
        let sent = stream::iter(pieces).map(move |piece| {
            // They go with the stream, once all of it was sent.
            let _room = &taken;
            Ok::<_, Infallible>(piece)
        });
        let headers =
            [(header::CONTENT_TYPE, form.media_type()), (header::CONTENT_LENGTH, text.len().into())];
        (headers, Body::from_stream(sent)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test]
    async fn what_all_batches_keep_is_bounded_and_given_back_when_it_was_sent() {
        let room = Room::default();
        let filled = |count: usize| {
            let mut answers = Answers::new(Form::Lines, &room);
            let reads: Vec<Read> = vec![Err((None, Error::invalid("no"))); count];
            answers.add(&reads, std::iter::empty());
            answers
        };
        let mut large = filled(STEPS * STEP / 30);
        assert!(!large.has_room(), "it has taken all there is");
        assert!(!filled(0).has_room());
        let response = large.response();
        assert!(!filled(0).has_room(), "nothing of it was sent yet");
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(filled(0).has_room());
    }
}
