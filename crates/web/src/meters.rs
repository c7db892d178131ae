//! The two metrics of every request. A metric's handle is looked up by its labels once and kept: asking
//! the recorder costs several allocations, a kept handle none.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

/// The handles by route template.
pub(crate) struct Meters(RwLock<HashMap<String, Vec<Meter>>>);

/// The handles of one route. There are few, so a list is searched faster than a table.
struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";

impl Meters {
    pub(crate) fn new() -> Self {
        describe_counter!(REQUESTS, "Requests answered, by method, route template and status.");
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "Time until the answer begins, by method, route template and status."
        );
        Self(RwLock::default())
    }

    /// Counts a request. `route` is its template, so that there are no more series than routes.
    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = label(method);
        let is_it = |meter: &&Meter| meter.method == method && meter.status == status;
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = table.get(route).and_then(|meters| meters.iter().find(is_it)) {
            return meter.record(took);
        }
        drop(table);
        let meter = Meter::new(method, route, status);
        meter.record(took);
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
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
fn label(method: &Method) -> &'static str {
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
        let table = meters.0.read().unwrap();
        let series: Vec<_> = table["/api/orders"].iter().map(|m| (m.method, m.status.as_u16())).collect();
        assert_eq!(series, [("GET", 200), ("GET", 404), ("OTHER", 405)]);
    }
}
