//! The spans of events on their way: one for each that a relay hands on, and one for each that a consumer takes in,
//! in the trace of whatever recorded the event. Events travel many at a time; their spans stand side by side.

use std::borrow::Cow;
use std::collections::BTreeMap;

use db::{Recorded, Tx};
use kernel::{EventId, Trace};
use traces::{About, KeyValue, Kind, Span};

use crate::delivery::Delivery;

/// Begins to hand events on. They follow from that from now on, until the spans are dropped.
pub(crate) fn publishing(batch: &mut [Recorded], service: &'static str) -> Vec<Span> {
    if !traces::is_on() {
        return Vec::new();
    }
    let spans = batch.iter_mut().map(|event| {
        let span = Span::after(event.trace, || about(event, Kind::Producer, "publish", service));
        event.trace = span.trace();
        span
    });
    spans.collect()
}

/// Says of all of them that they failed, if they did.
pub(crate) fn fail<'a>(spans: impl IntoIterator<Item = &'a Span>) {
    spans.into_iter().for_each(Span::fail);
}

/// Events that one consumer takes in.
#[derive(Debug, Default)]
pub(crate) struct Processing(BTreeMap<EventId, Span>);

impl Processing {
    /// Begins to take events in; it lasts until this is dropped, however often it is tried.
    pub(crate) fn of<'a>(batch: impl IntoIterator<Item = &'a Delivery>, consumer: &'static str) -> Self {
        if !traces::is_on() {
            return Self::default();
        }
        let spans = batch.into_iter().map(|Delivery { recorded, .. }| {
            let span = Span::after(recorded.trace, || about(recorded, Kind::Consumer, "process", consumer));
            (recorded.id, span)
        });
        Self(spans.collect())
    }

    /// Tells a transaction what follows from which of the events.
    pub(crate) fn tell(&self, tx: &Tx, delivery: &Delivery) {
        if let (Some(span), Ok(event)) = (self.0.get(&delivery.recorded.id), delivery.event()) {
            tx.caused_by(event.about(), span.trace());
        }
    }

    /// Says of some of the events that they cannot be taken.
    pub(crate) fn fail(&self, batch: &[&Delivery]) {
        fail(batch.iter().filter_map(|delivery| self.0.get(&delivery.recorded.id)));
    }

    /// What log lines about this batch stand in: the trace of all of it, if it has one.
    pub(crate) fn log(&self, batch: &[&Delivery], consumer: &'static str) -> tracing::Span {
        let mut traces = batch.iter().filter_map(|d| self.0.get(&d.recorded.id)).map(Span::trace);
        match traces.next() {
            Some(first) if traces.all(|other| other.trace() == first.trace()) => handling(first, consumer),
            _ => tracing::Span::none(),
        }
    }
}

fn handling(trace: Trace, consumer: &'static str) -> tracing::Span {
    // At the highest level, so that it is there whatever is logged within it.
    tracing::error_span!(
        "handler",
        consumer,
        trace_id = %trace.trace_id(),
        span_id = %trace.span_id()
    )
}

/// As OpenTelemetry's conventions for messaging have it: the name is the operation on its destination.
fn about(event: &Recorded, kind: Kind, operation: &'static str, service: &'static str) -> About {
    let name = Cow::Owned(format!("{} {operation}", event.subject));
    let (group, operation_type) = match kind {
        Kind::Consumer => ("messaging.consumer.group.name", "process"),
        _ => ("messaging.client.id", "send"),
    };
    let attributes = vec![
        KeyValue::new("messaging.system", "marquee"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation_type),
        KeyValue::new("messaging.destination.name", event.subject.clone()),
        KeyValue::new("messaging.message.id", event.id.to_string()),
        KeyValue::new(group, service),
    ];
    About { kind, name, attributes }
}
