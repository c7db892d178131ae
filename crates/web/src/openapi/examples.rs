//! An example for each JSON body that has none, put together from those of its schema's members.

use serde_json::{Map, Value, json};

/// No schema of ours is nested deeper; a circle ends here.
const DEPTH: u8 = 8;

/// Gives each JSON body of an operation an example.
pub(super) fn fill_in(operation: &mut Map<String, Value>, schemas: &Map<String, Value>) {
    let (mut request, mut responses) = (operation.remove("requestBody"), operation.remove("responses"));
    if let Some(request) = &mut request {
        fill_content(request, schemas);
    }
    for (_, response) in responses.iter_mut().filter_map(Value::as_object_mut).flatten() {
        fill_content(response, schemas);
    }
    operation.extend(request.map(|request| ("requestBody".to_owned(), request)));
    operation.extend(responses.map(|responses| ("responses".to_owned(), responses)));
}

fn fill_content(body: &mut Value, schemas: &Map<String, Value>) {
    for (kind, content) in body.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        let has_one = content.get("example").is_some() || content.get("examples").is_some();
        if kind.ends_with("json") && !has_one {
            content["example"] = of(&content["schema"], schemas, DEPTH);
        }
    }
}

/// An example of a schema.
fn of(schema: &Value, schemas: &Map<String, Value>, depth: u8) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let own =
        [schema.get("example"), schema.get("examples").and_then(|all| all.get(0)), schema.get("default")];
    if let Some(own) = own.into_iter().flatten().next() {
        return own.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return schemas.get(name).map_or(Value::Null, |schema| of(schema, schemas, depth - 1));
    }
    if let Some(first) = schema.get("enum").and_then(|all| all.get(0)) {
        return first.clone();
    }
    let choices = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(choice) = choices.into_iter().flatten().find(|choice| choice["type"] != "null") {
        return of(choice, schemas, depth - 1);
    }
    match kind(schema) {
        "object" => {
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            members.map(|(name, member)| (name.clone(), of(member, schemas, depth - 1))).collect()
        }
        "array" => json!([of(&schema["items"], schemas, depth - 1)]),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "string" => json!("…"),
        _ => Value::Null,
    }
}

/// Its type; where it may be null as well, the other one.
fn kind(schema: &Value) -> &str {
    let types = schema["type"].as_array().into_iter().flatten();
    let mut types = types.chain(Some(&schema["type"])).filter_map(Value::as_str);
    types.find(|name| *name != "null").unwrap_or_default()
}
