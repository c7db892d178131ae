//! Spans of requests and events, and the context that ties them together. It is the one place where services and
//! seams meet OpenTelemetry; the binary sets up what becomes of the spans, or nothing.
//!
//! Where nobody collects ([`is_on`]), no span is made, nothing is computed, and every [`Trace`] is none.

mod span;
mod within;

use std::sync::OnceLock;

use kernel::Trace;
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, trace};

pub use opentelemetry::{KeyValue, Value};
pub use span::{About, Kind, Span};
pub use within::{Within, carry};

static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

/// Makes spans from now on, for as long as the process lives; they go to OpenTelemetry's global provider, which is
/// to be set before.
pub fn turn_on() {
    let _ = TRACER.set(global::tracer("marquee"));
}

/// Whether anybody collects spans.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// The span that the work at hand belongs to.
pub fn current() -> Trace {
    if is_on() { Context::map_current(read) } else { Trace::NONE }
}

fn read(context: &Context) -> Trace {
    let span = context.span();
    let here = span.span_context();
    let number = u128::from_be_bytes(here.trace_id().to_bytes());
    Trace::new(number, u64::from_be_bytes(here.span_id().to_bytes()), here.trace_flags().to_u8())
}

fn write(trace: Trace) -> Context {
    if trace.is_none() {
        return Context::new();
    }
    Context::new().with_remote_span_context(trace::SpanContext::new(
        trace::TraceId::from_bytes(trace.trace().to_be_bytes()),
        trace::SpanId::from_bytes(trace.span().to_be_bytes()),
        opentelemetry::TraceFlags::new(trace.flags()) & opentelemetry::TraceFlags::SAMPLED,
        true,
        trace::TraceState::NONE,
    ))
}
