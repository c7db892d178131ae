//! Whether whoever asks wants a page or data. Errors alone are negotiated; a route serves one of the two.

use axum::http::{HeaderMap, header};

/// Whether `Accept` names `text/html` and likes it better than JSON. A bare `*/*` (curl) gets JSON.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let mut page: Option<(u16, usize)> = None;
    let mut data: Option<(u16, usize)> = None;
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    for (place, range) in values.flat_map(|v| v.split(',')).enumerate() {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let name = name.trim();
        let slot = if name.eq_ignore_ascii_case("text/html") {
            &mut page
        } else if ["application/json", "application/problem+json"]
            .iter()
            .any(|json| name.eq_ignore_ascii_case(json))
        {
            &mut data
        } else {
            continue;
        };
        let found = (weight(parameters), usize::MAX - place);
        *slot = (*slot).max(Some(found));
    }
    match (page, data) {
        (None | Some((0, _)), _) => false,
        (page, data) => page > data,
    }
}

/// The `q` among a media range's parameters, in thousandths.
fn weight(parameters: &str) -> u16 {
    let q = parameters.split(';').find_map(|p| p.trim().strip_prefix("q=")).map(str::parse::<f32>);
    match q {
        None => 1000,
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped, and `as` takes NaN to 0
        Some(Ok(q)) => (q.clamp(0.0, 1.0) * 1000.0) as u16,
        Some(Err(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_pages_and_everything_else_data() {
        for (accept, page) in [
            ("", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/html", true),
            ("TEXT/HTML;level=1", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("text/html;q=NaN", false),
            ("application/json, text/html;q=0.9", false),
            ("application/json;q=0.5, text/html", true),
            ("application/json, text/html", false),
            ("text/html, application/json", true),
            ("text/html;q=0.8, application/problem+json;q=0.8", true),
        ] {
            let headers = [(header::ACCEPT, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(wants_page(&headers), page, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
