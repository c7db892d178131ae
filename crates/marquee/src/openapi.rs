//! The OpenAPI document of all services, whichever of them run in this process.

use std::sync::LazyLock;

use kernel::{Error, Result};
use serde_json::Value;
use web::{About, Tagged};

use crate::{Service, operations};

const ABOUT: About = About {
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("openapi.md"),
    tags: &[
        ("accounts", "Users, their sessions and API tokens."),
        ("tickets", "What sellers list."),
        ("orders", "Holds, what was sold, and admission at the door."),
        ("payments", "Money, there and back."),
        ("videos", "What is uploaded, streamed and watched."),
        ("counters", "Increments that are durable when they are answered."),
        ("operations", "How the installation is, for those who run it."),
    ],
};

/// Built when it is first asked for: most commands never do.
static DOCUMENT: LazyLock<Result<Document>> = LazyLock::new(|| {
    let services = Service::ALL.into_iter().map(Service::documentation);
    let value = web::document(&ABOUT, services.chain([operations::documentation()]))?;
    let text = serde_json::to_string_pretty(&value);
    let mut text = text.map_err(|e| Error::internal("the OpenAPI document has no JSON").because(e))?;
    text.push('\n');
    Ok(Document { value, tagged: Tagged::new(text.clone()), text })
});

struct Document {
    value: Value,
    text: String,
    tagged: Tagged,
}

fn document() -> Result<&'static Document> {
    DOCUMENT.as_ref().map_err(Clone::clone)
}

/// The document as JSON, indented.
pub(crate) fn text() -> Result<&'static str> {
    document().map(|document| document.text.as_str())
}

/// The same as an answer.
pub(crate) fn tagged() -> Result<&'static Tagged> {
    document().map(|document| &document.tagged)
}

/// The document.
pub(crate) fn value() -> Result<&'static Value> {
    document().map(|document| &document.value)
}
