//! A sign-in's device in a few words, so that people recognise their own.

const BROWSERS: [(&str, &str); 9] = [
    // The more particular first: everybody claims to be Safari, and most to be Chrome.
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`; for an unknown program its name; `Unknown device` for none at all.
pub(crate) fn summary(user_agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, system) => program(user_agent)
            .or_else(|| system.map(str::to_owned))
            .unwrap_or_else(|| "Unknown device".to_owned()),
    }
}

/// The name in `name/1.2 (…)`, unless it says nothing.
fn program(user_agent: &str) -> Option<String> {
    let name: String =
        user_agent.split(['/', ' ', '(']).next()?.chars().filter(|c| !c.is_control()).take(40).collect();
    (!name.is_empty() && name != "Mozilla").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn people_recognise_their_devices() {
        for (agent, device) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.15.0", "curl"),
            ("python-requests/2.32", "python-requests"),
            ("Mozilla/5.0 (Windows NT 10.0)", "Windows"),
            ("", "Unknown device"),
            ("Mozilla", "Unknown device"),
        ] {
            assert_eq!(summary(agent), device, "{agent}");
        }
        assert_eq!(summary(&"x".repeat(5_000)).len(), 40);
    }
}
