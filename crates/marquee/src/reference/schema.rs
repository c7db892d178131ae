//! Schemas as tables: a row for each member, those within members after a dot.

use serde_json::Value;

use super::prose::{Paragraph, paragraphs};

/// No schema of ours is nested deeper; a circle ends here.
const DEPTH: u8 = 4;

/// A member of an object.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name, with those that it is in: `ticket.id`, `admissions[].code`.
    pub name: String,
    /// What it is: `text, 1 to 200 characters`.
    pub kind: String,
    /// Whether it is always there, or has to be given.
    pub required: bool,
    /// What it means.
    pub text: Vec<Paragraph>,
}

/// Finds what a `$ref` stands for.
#[derive(Clone, Copy)]
pub(super) struct Schemas<'a>(pub &'a Value);

impl<'a> Schemas<'a> {
    /// The schema itself, or what it refers to.
    pub(super) fn resolve(self, value: &'a Value) -> &'a Value {
        let path = value["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| self.0.pointer(path)).unwrap_or(value)
    }

    /// The schema where it may be null as well, and otherwise itself.
    fn given(self, schema: &'a Value) -> &'a Value {
        let choices =
            schema["oneOf"].as_array().filter(|choices| choices.iter().any(|c| c["type"] == "null"));
        let given = choices.into_iter().flatten().find(|choice| choice["type"] != "null");
        self.resolve(given.unwrap_or(schema))
    }

    /// The members of an object, or of the objects of a list.
    pub(super) fn members(self, schema: &'a Value) -> Vec<Member> {
        let mut members = Vec::new();
        self.add_members(schema, "", DEPTH, &mut members);
        members
    }

    fn add_members(self, schema: &'a Value, within: &str, depth: u8, members: &mut Vec<Member>) {
        let schema = self.given(schema);
        if depth == 0 {
            return;
        }
        if has_type(schema, "array") {
            let list = if within.is_empty() {
                "[].".to_owned()
            } else {
                format!("{}[].", within.trim_end_matches('.'))
            };
            return self.add_members(&schema["items"], &list, depth - 1, members);
        }
        let is_required =
            |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
        let mut properties: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
        properties.sort_by_key(|(name, _)| !is_required(name));
        for (name, member) in properties {
            let required = is_required(name);
            let name = format!("{within}{name}");
            let own = member["description"].as_str();
            let text = own.or_else(|| self.given(member)["description"].as_str()).unwrap_or_default();
            members.push(Member {
                kind: self.kind(member),
                required,
                text: paragraphs(text),
                name: name.clone(),
            });
            self.add_members(member, &format!("{name}."), depth - 1, members);
        }
    }

    /// What a value is, in words.
    pub(super) fn kind(self, schema: &'a Value) -> String {
        let schema = self.given(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            return choices.iter().map(|choice| self.kind(choice)).collect::<Vec<_>>().join(", or ");
        }
        if let Some(words) = schema["enum"].as_array() {
            return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
        }
        let name = match schema["format"].as_str() {
            Some("uuid") => "id",
            Some("date-time") => "point in time",
            Some("email") => "e-mail address",
            _ if has_type(schema, "array") => return format!("list of {}", self.kind(&schema["items"])),
            _ if has_type(schema, "string") => "text",
            _ if has_type(schema, "integer") => "whole number",
            _ if has_type(schema, "number") => "number",
            _ if has_type(schema, "boolean") => "true | false",
            _ => "object",
        };
        match bounds(schema) {
            Some(bounds) => format!("{name}, {bounds}"),
            None => name.to_owned(),
        }
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    let kind = &schema["type"];
    kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == name))
}

fn bounds(schema: &Value) -> Option<String> {
    let between = |low: Option<&Value>, high: Option<&Value>| match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (Some(low), None) => Some(format!("at least {low}")),
        (None, Some(high)) => Some(format!("at most {high}")),
        (None, None) => None,
    };
    let length =
        between(schema.get("minLength"), schema.get("maxLength")).map(|told| format!("{told} characters"));
    let above = schema.get("exclusiveMinimum").map(|low| format!("more than {low}"));
    let size = between(schema.get("minimum"), schema.get("maximum"));
    let all: Vec<String> = [length, above, size].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_of_members_come_after_a_dot() {
        let document = json!({"components": {"schemas": {
            "Id": {"type": "string", "format": "uuid", "description": "Which"},
            "Order": {"type": "object", "required": ["id", "seats"], "properties": {
                "id": {"$ref": "#/components/schemas/Id"},
                "seats": {"type": "array", "items": {"type": "object", "required": ["row"], "properties": {
                    "row": {"type": "integer", "minimum": 1, "description": "From the front"}}}},
                "word": {"oneOf": [{"type": "null"}, {"type": "string", "enum": ["held", "paid"]}]},
                "name": {"type": ["string", "null"], "maxLength": 9},
            }},
        }}});
        let order = json!({"type": "array", "items": {"$ref": "#/components/schemas/Order"}});
        let members = Schemas(&document).members(&order);
        let told: Vec<_> = members
            .iter()
            .map(|m| format!("{} ({}){}", m.name, m.kind, if m.required { "" } else { "?" }))
            .collect();
        assert_eq!(
            told,
            [
                "[].id (id)",
                "[].seats (list of object)",
                "[].seats[].row (whole number, at least 1)",
                "[].name (text, at most 9 characters)?",
                "[].word (held | paid)?",
            ]
        );
        assert_eq!(members[0].text, paragraphs("Which"));
    }

    #[test]
    fn a_circle_of_schemas_comes_to_an_end() {
        let document = json!({"components": {"schemas": {
            "Loop": {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Loop"}}},
        }}});
        let members = Schemas(&document).members(&document["components"]["schemas"]["Loop"]);
        assert_eq!(members.len(), usize::from(DEPTH));
    }
}
