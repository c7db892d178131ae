//! The OpenAPI document. Each operation is described at its handler (`#[utoipa::path]`) and comes along
//! with its route ([`crate::Routes::api`]), so that neither is there without the other. What all operations
//! of a kind have in common is not said there but added here, by their nature: see [`common`].
//!
//! A failure is described by its sentences alone, those that are the operation's own:
//!
//! ```text
//! (status = 400, description = "title: Title is required | Cannot edit a reserved ticket")
//! ```
//!
//! A sentence about one member names it first. From them come the `problem+json` answers with an example each.

mod common;
mod examples;
mod parameters;
mod problems;

use serde_json::{Map, Value, json};
use utoipa::openapi::path::Paths;
use utoipa::openapi::{RefOr, Schema};

pub use parameters::Price;

/// What is known of a set of routes: their operations, and the schemas that those refer to.
#[derive(Clone, Default)]
pub struct Documentation {
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Documentation {
    pub(crate) fn new(paths: Paths, schemas: Vec<(String, RefOr<Schema>)>) -> Self {
        Self { paths, schemas }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
    }
}

/// What the document says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Of the API: the version of the program.
    pub version: &'static str,
    /// Markdown.
    pub description: &'static str,
    /// The groups of operations, each with a sentence, in the order in which they are shown.
    pub tags: &'static [(&'static str, &'static str)],
}

/// The OpenAPI 3.1 document of everything in `parts`.
///
/// # Errors
/// `Internal` if two schemas share a name or a description has no JSON; both are bugs.
pub fn document(about: &About, parts: impl IntoIterator<Item = Documentation>) -> kernel::Result<Value> {
    let mut all = Documentation::default();
    for part in parts {
        all.merge(part);
    }
    let mut schemas: Map<String, Value> = common::schemas();
    for (name, schema) in &all.schemas {
        let schema = tidy(json_of(schema)?);
        if schemas.get(name).is_some_and(|known| *known != schema) {
            return Err(kernel::Error::internal(format!("two schemas are called {name}")));
        }
        schemas.insert(name.clone(), schema);
    }
    let mut paths = tidy(json_of(&all.paths)?);
    for (_, item) in paths.as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                common::complete(method, operation);
                problems::spell_out(operation);
                examples::fill_in(operation, &schemas);
            }
        }
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Marquee",
            "version": about.version,
            "description": about.description,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "This installation" }],
        "tags": about.tags.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect::<Value>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problems::shared(),
            "headers": common::headers(),
            "securitySchemes": common::security_schemes(),
        },
    }))
}

fn json_of(value: &impl serde::Serialize) -> kernel::Result<Value> {
    serde_json::to_value(value)
        .map_err(|e| kernel::Error::internal("a part of the OpenAPI document has no JSON").because(e))
}

/// Without what says nothing in JSON, the widths of numbers, and with what is said of a member at the member.
fn tidy(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            if let Some(said) = members.get_mut("oneOf").and_then(|choices| choices[0].as_object_mut())
                && said.contains_key("$ref")
                && let Some(said) = said.remove("description")
            {
                members.insert("description".to_owned(), said);
            }
            if members.get("format").is_some_and(|format| format == "int64") {
                members.remove("format");
            }
            for (_, member) in members.iter_mut() {
                *member = tidy(member.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = tidy(item.take());
            }
        }
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests;
