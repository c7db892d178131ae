//! An event as a message: its JSON is the body, for anybody to read, and what the outbox knows of it stands in
//! headers.

use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;
use db::Recorded;
use kernel::{Error, Instant, Result, Trace};

const ID: &str = "Nats-Msg-Id";
const AGGREGATE: &str = "Marquee-Aggregate";
const VERSION: &str = "Marquee-Version";
const OCCURRED: &str = "Marquee-Occurred";
/// As W3C Trace Context names it. It is not there where nobody collects traces, or an older process published.
const TRACE: &str = "traceparent";

/// The message of an event. The server knows it again by its id.
pub(crate) fn message(event: &Recorded) -> PublishMessage {
    let message = PublishMessage::build()
        .message_id(event.id.to_string())
        .header(AGGREGATE, event.aggregate.as_str())
        .header(VERSION, event.version.to_string().as_str())
        .header(OCCURRED, event.occurred_at.as_millis().to_string().as_str())
        .payload(event.payload.clone().into());
    if event.trace.is_none() { message } else { message.header(TRACE, event.trace.to_string().as_str()) }
}

/// Reads the event of a message back.
///
/// # Errors
/// `Internal` if it is not one of ours.
pub(crate) fn event(message: &async_nats::Message) -> Result<Recorded> {
    let headers = message.headers.as_ref().ok_or_else(|| unreadable("its headers"))?;
    let payload = std::str::from_utf8(&message.payload).map_err(|_| unreadable("its text"))?;
    // `<prefix>.<service>.<partition>.<subject>`
    let subject = message.subject.splitn(4, '.').nth(3).ok_or_else(|| unreadable("its subject"))?;
    Ok(Recorded {
        seq: 0,
        id: header(headers, ID)?.parse().map_err(|_| unreadable(ID))?,
        subject: subject.to_owned(),
        aggregate: header(headers, AGGREGATE)?.to_owned(),
        version: header(headers, VERSION)?.parse().map_err(|_| unreadable(VERSION))?,
        payload: payload.to_owned(),
        occurred_at: Instant::from_millis(
            header(headers, OCCURRED)?.parse().map_err(|_| unreadable(OCCURRED))?,
        ),
        trace: headers.get(TRACE).map_or(Trace::NONE, |trace| Trace::parse(trace.as_str())),
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str> {
    headers.get(name).map(|value| value.as_str()).ok_or_else(|| unreadable(name))
}

fn unreadable(what: &'static str) -> Error {
    Error::internal(format!("a message is not an event of ours: {what}"))
}
