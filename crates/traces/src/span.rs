//! One span.

use std::borrow::Cow;

use kernel::Trace;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};

use crate::{TRACER, Within, is_on, read, write};

/// A piece of work that a collector shall know of, from its making until it is dropped or [ended](Span::end). Where
/// nobody collects, it is nothing.
#[derive(Debug)]
pub struct Span(Option<Context>);

/// On which side of a call or a message the work is, as OpenTelemetry tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Asks somebody else.
    Client,
    /// Hands an event on.
    Producer,
    /// Takes an event in.
    Consumer,
    /// None of these.
    Internal,
}

/// What a collector is told of a span. Nothing secret, and nobody's business: no query string, no address.
#[derive(Debug)]
pub struct About {
    /// On which side it is.
    pub kind: Kind,
    /// What is done; few words, the same for all work of a kind.
    pub name: Cow<'static, str>,
    /// More, by the names of OpenTelemetry's semantic conventions where they have one.
    pub attributes: Vec<KeyValue>,
}

impl About {
    /// Work within the house that needs no more words than its name.
    pub fn named(name: &'static str) -> Self {
        Self { kind: Kind::Internal, name: name.into(), attributes: Vec::new() }
    }
}

impl Span {
    /// No span.
    pub const NONE: Self = Self(None);

    /// Begins work that follows from `parent`; a trace of its own, if there is none.
    pub fn after(parent: Trace, about: impl FnOnce() -> About) -> Self {
        if is_on() { Self::begin(&write(parent), about()) } else { Self::NONE }
    }

    /// Begins a part of the work at hand. None, if that belongs to no trace.
    pub fn here(about: impl FnOnce() -> About) -> Self {
        if crate::current().is_none() { Self::NONE } else { Self::begin(&Context::current(), about()) }
    }

    fn begin(parent: &Context, about: About) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::NONE };
        let About { kind, name, attributes } = about;
        let kind = match kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal => SpanKind::Internal,
        };
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = tracer.build_with_context(builder, parent);
        Self(Some(parent.with_span(span)))
    }

    /// Where it stands.
    pub fn trace(&self) -> Trace {
        self.0.as_ref().map_or(Trace::NONE, read)
    }

    /// Says more about it.
    pub fn tell(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value.into()));
        }
    }

    /// Says that it failed, through no fault of whoever asked. Why is in the log.
    pub fn fail(&self) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(""));
        }
    }

    /// Ends it, though work that it began may go on.
    pub fn end(self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }

    /// Does `work` as a part of it.
    pub fn around<F>(&self, work: F) -> Within<F> {
        Within::new(work, self.0.clone())
    }
}
