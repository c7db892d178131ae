//! Where spans go: to a collector over OTLP, if one is named; else none is made.
//!
//! They wait in a queue of bounded length for a thread of their own. A collector that is away, or slower than the
//! house, costs spans, and nobody waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use kernel::{Error, Result};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData};

/// How long the collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the end waits for the last spans to be taken.
const LAST: Duration = Duration::from_secs(3);
/// Where a collector takes spans, below its address (OTLP, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// Whoever watches from outside. A collector's address may hold a password.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watching")]
pub(crate) struct Watching {
    /// Where traces go: a collector that takes OTLP over HTTP, e.g. http://127.0.0.1:4318. What it wants to know
    /// besides is in OTEL_EXPORTER_OTLP_HEADERS
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        global = true,
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    otlp_endpoint: Option<String>,
    /// Which share of the traces that begin here is recorded, from 0 to 1; one that began elsewhere is recorded if
    /// it is there, as a request's own `traceparent` says
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 1.0, global = true, value_name = "SHARE",
          value_parser = share, hide_short_help = true)]
    trace_share: f64,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1, e.g. 0.1".into())
}

/// Spans on their way to a collector.
pub(crate) struct Traces(SdkTracerProvider);

impl Watching {
    /// Makes spans from now on, and sends them to the collector, if there is one.
    ///
    /// # Errors
    /// `Invalid` if its address is none, with a sentence that says what to set.
    pub(crate) fn start(&self) -> Result<Option<Traces>> {
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(None);
        };
        let wrong =
            || Error::invalid("OTEL_EXPORTER_OTLP_ENDPOINT is an address, e.g. http://127.0.0.1:4318");
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            return Err(wrong());
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(ANSWER)
            .build()
            .map_err(|e| wrong().because(e))?;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.trace_share)));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_sampler(sampler)
            .with_batch_exporter(Watched { exporter, is_away: AtomicBool::new(false) })
            .build();
        global::set_tracer_provider(provider.clone());
        ::traces::turn_on();
        Ok(Some(Traces(provider)))
    }
}

/// Who sends the spans. Whoever installs may say more, or otherwise, by OTEL_RESOURCE_ATTRIBUTES and
/// OTEL_SERVICE_NAME.
fn resource() -> Resource {
    let given = Resource::builder().build();
    let known = Resource::builder_empty().with_service_name("marquee").with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", kernel::random_code()),
    ]);
    let is_named = |(name, value): &(&opentelemetry::Key, &opentelemetry::Value)| {
        name.as_str() != "service.name" || !value.as_str().starts_with("unknown_service")
    };
    let given = given.iter().filter(is_named).map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    known.with_attributes(given).build()
}

impl Traces {
    /// Sends what is left, within a limit.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            tracing::debug!(%error, "the last spans were dropped");
        }
    }
}

/// Says once that the collector is away, and once that it is back.
struct Watched {
    exporter: SpanExporter,
    is_away: AtomicBool,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exporter.fmt(f)
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let was_away = self.is_away.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_away => {
                tracing::warn!(%error, "the collector does not take traces, and they are dropped until it does");
            }
            Ok(()) if was_away => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_nothing_to_all() {
        assert_eq!((share("0"), share("0.25"), share("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        for bad in ["", "-0.1", "1.1", "NaN", "10%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_none_is_nothing() {
        let watching = |endpoint: &str| Watching { otlp_endpoint: Some(endpoint.into()), trace_share: 1.0 };
        assert!(watching("collector:4318").start().err().unwrap().to_string().contains("e.g. http://"));
        assert!(watching("").start().unwrap().is_none());
        assert!(!::traces::is_on());
    }

    #[test]
    fn spans_say_who_sends_them() {
        let resource = resource();
        let of = |name: &'static str| resource.get(&name.into()).map(|value| value.to_string());
        assert_eq!(of("service.name").as_deref(), Some("marquee"));
        assert_eq!(of("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert!(of("service.instance.id").is_some_and(|id| id.len() > 10));
    }
}
