//! A line of the log as JSON, flat: what is said, and beside it the ids of the request, of the trace and of the span
//! in which it is said, all by their names at the top.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes such lines; the fields of spans are to be kept as JSON (`JsonFields`).
pub(crate) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        // From the inside out: what is nearer to the line is what is meant.
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let text = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let known: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            for (name, value) in known {
                // The id of a request, say.
                let name = if name == "id" { format!("{}_id", span.name()) } else { name };
                fields.0.entry(name).or_insert(value);
            }
        }
        let Fields(fields) = fields;
        write!(writer, r#"{{"timestamp":"{time}","level":"{}""#, event.metadata().level())?;
        for (name, value) in fields {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_flat_and_has_the_ids_of_the_spans_around_it() {
        let written = Written::default();
        let writer = written.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let logs = logs.fmt_fields(JsonFields::new()).event_format(JsonLine).finish();
        tracing::subscriber::with_default(logs, || {
            let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
            let _request =
                tracing::info_span!("request", id = "r1", trace_id = %trace_id, span_id = "1").entered();
            let _handler = tracing::info_span!("handler", span_id = "2").entered();
            tracing::info!(status = 201, ms = 0.5, route = "say \"hello\"", user = ?Some(1), "answered");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let mut line: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert!(line.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'), "{text}");
        let expected = serde_json::json!({
            "level": "INFO", "message": "answered", "status": 201, "ms": 0.5, "route": "say \"hello\"",
            "user": "Some(1)", "request_id": "r1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "2",
        });
        assert_eq!(Value::from(line), expected);
        assert_eq!(text.lines().count(), 1);
    }
}
