//! Looks at page after page as different people have them on different screens, and collects what is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::Client;

use super::driver::{Browser, LOOKS, tool};

/// WCAG 2.2 AA and what axe-core recommends besides.
const AXE: &str = "
    const done = arguments[arguments.length - 1];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'], preload: false }).then(
        (found) => done(found.violations.map((rule) => rule.id + ': ' + rule.help + ' – ' + rule.nodes.map((node) =>
            node.target.join(' ') + (node.any[0] ? ' (' + node.any[0].message + ')' : '')).join('; '))),
        (error) => done(['axe-core failed: ' + error]),
    );";

/// What axe-core does not ask: nothing sticks out at the side, and fingers find what they may press.
const MEASURES: &str = "
    const found = [];
    const wide = document.scrollingElement.scrollWidth;
    if (wide > arguments[0]) found.push('it is ' + wide + ' pixels wide');
    if (arguments[0] < 600) {
        for (const element of document.querySelectorAll('.button, .nav__link, .sign, .input, summary, main form button')) {
            const box = element.getBoundingClientRect();
            const small = box.height > 0 && (box.height < 43.5 || box.width < 43.5);
            if (small) found.push('too small to press: ' + element.outerHTML.slice(0, 90) + ' ' + box.width + 'x' + box.height);
        }
    }
    return found;";

/// Where the page leads, without queries.
const LINKS: &str = "
    return [...document.links].filter((a) => a.origin === location.origin).map((a) => a.pathname);";

/// What was seen, by whom, and what was wrong with it.
pub(super) struct Gallery<'a> {
    pub browser: &'a Browser,
    base: String,
    person: Client,
    axe: Option<String>,
    /// The shape of each path that was looked at.
    seen: BTreeSet<String>,
    /// One path of each shape that pages lead to, and who was led there.
    led_to: Vec<(String, Client)>,
    wrong: Vec<String>,
}

/// A path with its ids and codes left out.
pub(super) fn shape(path: &str) -> String {
    let is_id = |part: &str| part.len() >= 16 && part.chars().any(|c| c.is_ascii_digit());
    path.split('/')
        .map(|part| if is_id(part) || part.starts_with('{') { "{}" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

impl<'a> Gallery<'a> {
    pub(super) fn new(browser: &'a Browser, nobody: &Client) -> Self {
        let axe =
            tool("node/node_modules/axe-core/axe.min.js").map(|path| std::fs::read_to_string(path).unwrap());
        Self {
            browser,
            base: nobody.base().to_string(),
            person: nobody.clone(),
            axe,
            seen: BTreeSet::new(),
            led_to: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Is `person` from now on.
    pub(super) async fn become_person(&mut self, person: &Client) {
        self.base = person.base().to_string();
        self.person = person.clone();
        self.browser.become_person(person, &self.base).await;
    }

    /// Opens a page that is well.
    pub(super) async fn visit(&mut self, name: &str, path: &str) {
        self.browser.go(&format!("{}{path}", self.base)).await;
        self.examine(name, &[]).await;
    }

    /// Opens a page that is a 4xx.
    pub(super) async fn visit_refused(&mut self, name: &str, path: &str) {
        self.browser.go(&format!("{}{path}", self.base)).await;
        self.examine(name, &[path]).await;
    }

    /// Looks at the page that is open now. At `refused` it may be the 4xx answer to a form.
    pub(super) async fn examine(&mut self, name: &str, refused: &[&str]) {
        let tab = &self.browser.tab;
        if let Some(axe) = &self.axe {
            tab.execute(axe, vec![]).await.unwrap();
        }
        for look in LOOKS {
            self.browser.look(look).await;
            let mut wrong = texts(tab.execute(MEASURES, vec![json!(look.width)]).await.unwrap());
            if self.axe.is_some() {
                wrong.extend(texts(tab.execute_async(AXE, vec![]).await.unwrap()));
            }
            let at = format!("{name} {}", look.name());
            self.wrong.extend(wrong.into_iter().map(|what| format!("{at}: {what}")));
            self.picture(&format!("{name}-{}", look.name())).await;
        }
        let told = self.browser.console(refused).await;
        self.wrong.extend(told.into_iter().map(|what| format!("{name}: the console says {what}")));
        self.seen.insert(shape(&self.browser.path().await));
        for path in texts(tab.execute(LINKS, vec![]).await.unwrap()) {
            if self.led_to.iter().all(|(known, _)| shape(known) != shape(&path)) {
                self.led_to.push((path, self.person.clone()));
            }
        }
    }

    /// What is found on the page that is open after `damage` was done to it: the control of all this.
    pub(super) async fn damaged(&mut self, damage: &str) -> String {
        self.browser.tab.execute(damage, vec![]).await.unwrap();
        let before = self.wrong.len();
        self.examine("damaged", &[]).await;
        self.wrong.split_off(before).join("\n")
    }

    /// Whether axe-core is there.
    pub(super) fn has_axe(&self) -> bool {
        self.axe.is_some()
    }

    /// The whole page, however long, up to a bound.
    async fn picture(&self, name: &str) {
        let metrics = self.browser.protocol("Page.getLayoutMetrics", json!({})).await;
        let (width, height) =
            (&metrics["cssLayoutViewport"]["clientWidth"], &metrics["cssContentSize"]["height"]);
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height.as_f64().map(|h| h.min(6000.0)), "scale": 1});
        let options = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.browser.protocol("Page.captureScreenshot", options).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/artefacts");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = BASE64_STANDARD.decode(picture["data"].as_str().expect("a picture")).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Goes where pages led that nobody has looked at yet, so that a new page is not forgotten here.
    pub(super) async fn follow_links(&mut self) {
        for _ in 0..20 {
            let unseen = self.led_to.iter().find(|(path, _)| !self.seen.contains(&shape(path))).cloned();
            let Some((path, person)) = unseen else { return };
            self.seen.insert(shape(&path));
            if !is_page(&person, &path).await {
                continue;
            }
            self.become_person(&person).await;
            let name = shape(&path).replace("{}", "one").replace('/', "-");
            self.visit(&format!("x{name}"), &path).await;
        }
        panic!("pages lead to more than twenty that are not looked at");
    }

    /// Every path of `templates` that answers one of `people` with a page was looked at.
    pub(super) async fn nothing_is_missing(&mut self, templates: &[String], people: &[Client]) {
        for template in templates.iter().filter(|template| !template.starts_with("/api/")) {
            if self.seen.contains(&shape(template)) {
                continue;
            }
            let path = self.example_of(template);
            for person in people {
                if is_page(person, &path).await {
                    self.wrong.push(format!("nobody looks at the page {template}"));
                    break;
                }
            }
        }
    }

    /// A path of a template, with ids out of a path that begins as it does.
    fn example_of(&self, template: &str) -> String {
        let (head, tail) = template.split_once('{').unwrap_or((template, ""));
        let known = self.led_to.iter().find_map(|(path, _)| {
            let id = path.strip_prefix(head)?.split('/').next()?;
            (shape(id) == "{}").then(|| id.to_string())
        });
        match tail.split_once('}') {
            Some((_, tail)) => format!("{head}{}{tail}", known.unwrap_or_else(|| "none".into())),
            None => template.to_string(),
        }
    }

    /// # Panics
    /// With all that is wrong.
    pub(super) fn finish(self) {
        assert!(self.wrong.is_empty(), "{} things are wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

fn texts(value: Value) -> Vec<String> {
    serde_json::from_value(value).expect("a list of texts")
}

/// Whether a GET is answered with a page. Only the head is read, for a live page never ends.
async fn is_page(person: &Client, path: &str) -> bool {
    let request = person.request(reqwest::Method::GET, path).header("accept", "text/html");
    let answer = request.send().await.expect("an answer");
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    answer.status() == 200 && kind.starts_with("text/html")
}
