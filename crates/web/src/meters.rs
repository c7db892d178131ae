//! The metrics of every request, and of open live pages. A metric's handle is looked up by its labels once and kept: asking
//! the recorder costs several allocations, a kept handle none.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// The handles.
pub(crate) struct Meters {
    /// By route template.
    routes: RwLock<HashMap<String, Vec<Meter>>>,
    in_flight: Gauge,
    streams: Gauge,
}

/// Something that is under way. A gauge counts it until it is dropped, however it ends.
pub(crate) struct UnderWay(Gauge);

impl UnderWay {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// The handles of one route. There are few, so a list is searched faster than a table.
struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const IN_FLIGHT: &str = "http_requests_in_flight";
const STREAMS: &str = "live_streams";

impl Meters {
    pub(crate) fn new() -> Self {
        describe_counter!(REQUESTS, "Requests answered, by method, route template and status.");
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "Time until the answer begins, by method, route template and status."
        );
        describe_gauge!(IN_FLIGHT, "Requests whose answer has not begun yet.");
        describe_gauge!(STREAMS, "Open pages that are sent live numbers.");
        Self { routes: RwLock::default(), in_flight: gauge!(IN_FLIGHT), streams: gauge!(STREAMS) }
    }

    /// Notes a request, until its answer begins.
    pub(crate) fn request(&self) -> UnderWay {
        UnderWay::new(&self.in_flight)
    }

    /// Notes an open live page.
    pub(crate) fn stream(&self) -> UnderWay {
        UnderWay::new(&self.streams)
    }

    /// Counts a request. `route` is its template, so that there are no more series than routes.
    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = label(method);
        let is_it = |meter: &&Meter| meter.method == method && meter.status == status;
        let table = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = table.get(route).and_then(|meters| meters.iter().find(is_it)) {
            return meter.record(took);
        }
        drop(table);
        let meter = Meter::new(method, route, status);
        meter.record(took);
        let mut table = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let meters = table.entry(route.to_owned()).or_default();
        if !meters.iter().any(|other| is_it(&other)) {
            meters.push(meter);
        }
    }
}

impl Meter {
    fn new(method: &'static str, route: &str, status: StatusCode) -> Self {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        Self {
            method,
            status,
            requests: counter!(REQUESTS, &labels),
            duration: histogram!(DURATION, &labels),
        }
    }

    fn record(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took);
    }
}

/// The methods that exist; whatever else a client makes up is one label.
pub(crate) fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_handle_per_series() {
        let meters = Meters::new();
        for (method, status) in [("GET", 200), ("GET", 200), ("GET", 404), ("BREW", 405), ("STEEP", 405)] {
            let (method, status) = (method.parse().unwrap(), StatusCode::from_u16(status).unwrap());
            meters.record(&method, "/api/orders", status, Duration::from_millis(1));
        }
        let table = meters.routes.read().unwrap();
        let series: Vec<_> = table["/api/orders"].iter().map(|m| (m.method, m.status.as_u16())).collect();
        assert_eq!(series, [("GET", 200), ("GET", 404), ("OTHER", 405)]);
    }
}
