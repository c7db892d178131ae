//! What the page of the reference shows, read from the OpenAPI document.

use serde_json::Value;

use super::prose::{Paragraph, paragraphs};
use super::schema::{Member, Schemas};

/// The whole reference.
pub(super) struct Reference {
    pub version: String,
    pub about: Vec<Paragraph>,
    pub groups: Vec<Group>,
    /// Failures that many operations share.
    pub shared: Vec<Answer>,
}

/// Operations of one service.
pub(super) struct Group {
    pub name: String,
    pub text: Vec<Paragraph>,
    pub operations: Vec<Operation>,
}

/// One method of one path.
pub(super) struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub text: Vec<Paragraph>,
    /// Who may call it.
    pub who: &'static str,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub answers: Vec<Answer>,
    /// What follows the address in a `curl` line.
    pub curl: String,
}

/// What an address or a header carries.
pub(super) struct Parameter {
    pub name: String,
    pub place: String,
    pub kind: String,
    pub required: bool,
    pub text: Vec<Paragraph>,
}

/// What is sent, or comes back.
pub(super) struct Body {
    pub kind: String,
    pub required: bool,
    pub members: Vec<Member>,
    pub example: String,
}

/// One way in which an operation ends.
pub(super) struct Answer {
    pub status: String,
    /// Where it is described, if that is not here.
    pub shared: Option<String>,
    pub text: Vec<Paragraph>,
    pub headers: Vec<(String, Vec<Paragraph>)>,
    pub body: Option<Body>,
    /// The sentences of a failure, each with the member that it is about.
    pub sentences: Vec<(Option<String>, String)>,
}

impl Answer {
    /// Whether it is a success.
    pub(super) fn is_good(&self) -> bool {
        self.status.starts_with('2')
    }

    /// The status' first digit.
    pub(super) fn class(&self) -> &str {
        self.status.get(..1).unwrap_or_default()
    }

    /// What it says first.
    pub(super) fn sentence(&self) -> &str {
        self.sentences.first().map_or("", |(_, sentence)| sentence)
    }

    /// The name of one that is shared, for links to it.
    pub(super) fn name(&self) -> &str {
        self.shared.as_deref().unwrap_or_default()
    }
}

impl Reference {
    /// Reads the document. `order` has the paths as they are to be shown; any others come last.
    pub(super) fn of(document: &Value, order: &[String]) -> Self {
        let reader = Reader { schemas: Schemas(document) };
        let operations = |tag: &str| {
            let paths = document["paths"].as_object().into_iter().flatten();
            let all = paths.flat_map(|(path, item)| {
                ["get", "head", "post", "put", "patch", "delete", "options"]
                    .into_iter()
                    .filter_map(move |method| Some((path, method, item.get(method)?)))
            });
            let mut own: Vec<_> = all.filter(|(_, _, operation)| operation["tags"][0] == tag).collect();
            own.sort_by_key(|(path, ..)| {
                order.iter().position(|known| known == *path).unwrap_or(order.len())
            });
            own.into_iter()
                .map(|(path, method, operation)| reader.operation(path, method, operation))
                .collect()
        };
        let groups = document["tags"].as_array().into_iter().flatten().map(|tag| Group {
            operations: operations(text_of(&tag["name"])),
            name: text_of(&tag["name"]).to_owned(),
            text: paragraphs(text_of(&tag["description"])),
        });
        let shared = document["components"]["responses"].as_object().into_iter().flatten();
        let mut shared: Vec<Answer> = shared.map(|(name, response)| reader.shared(name, response)).collect();
        shared.sort_by(|one, other| one.status.cmp(&other.status));
        Self {
            version: text_of(&document["info"]["version"]).to_owned(),
            about: paragraphs(text_of(&document["info"]["description"])),
            groups: groups.collect(),
            shared,
        }
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    schemas: Schemas<'a>,
}

impl<'a> Reader<'a> {
    fn operation(self, path: &str, method: &str, operation: &'a Value) -> Operation {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let body = operation.get("requestBody").map(|body| self.body(body));
        let answers = operation["responses"].as_object().into_iter().flatten();
        Operation {
            id: text_of(&operation["operationId"]).to_owned(),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text_of(&operation["summary"]).to_owned(),
            text: paragraphs(text_of(&operation["description"])),
            who: who(&operation["security"]),
            parameters: parameters.map(|parameter| self.parameter(parameter)).collect(),
            answers: answers.map(|(status, response)| self.answer(status, response)).collect(),
            curl: curl(method, operation),
            body,
        }
    }

    fn parameter(self, parameter: &'a Value) -> Parameter {
        let kind = self.schemas.kind(&parameter["schema"]);
        let usual = parameter["schema"]
            .get("default")
            .map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned));
        Parameter {
            name: text_of(&parameter["name"]).to_owned(),
            place: text_of(&parameter["in"]).to_owned(),
            kind: usual.map_or(kind.clone(), |usual| format!("{kind}; {usual} unless it is said")),
            required: parameter["required"] == true,
            text: paragraphs(text_of(&parameter["description"])),
        }
    }

    fn body(self, body: &'a Value) -> Body {
        let mut kinds = body["content"].as_object().into_iter().flatten();
        let (kind, content) =
            kinds.next().map_or(("", &Value::Null), |(kind, content)| (kind.as_str(), content));
        let first = || content["examples"].as_object().and_then(|all| Some(&all.values().next()?["value"]));
        let example = content.get("example").or_else(first).map(|example| match example {
            Value::String(text) => text.clone(),
            other => serde_json::to_string_pretty(other).unwrap_or_default(),
        });
        Body {
            kind: kind.to_owned(),
            required: body["required"] == true,
            members: self.schemas.members(&content["schema"]),
            example: example.unwrap_or_default(),
        }
    }

    fn answer(self, status: &str, response: &'a Value) -> Answer {
        let shared = response["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
        let response = self.schemas.resolve(response);
        let examples = response["content"]["application/problem+json"]["examples"].as_object();
        let sentences = examples.into_iter().flatten().map(|(_, example)| {
            let error = &example["value"]["errors"][0];
            (error["field"].as_str().map(str::to_owned), text_of(&error["message"]).to_owned())
        });
        let mut sentences: Vec<_> = sentences.collect();
        // The description has them in order: the operation's own first.
        let description = text_of(&response["description"]);
        sentences.sort_by_key(|(_, sentence)| description.find(&format!("`{sentence}`")));
        let headers = response["headers"].as_object().into_iter().flatten();
        // The introduction says it of all answers.
        let headers = headers.filter(|(name, _)| *name != "X-Request-Id").map(|(name, header)| {
            (name.clone(), paragraphs(text_of(&self.schemas.resolve(header)["description"])))
        });
        Answer {
            status: status.to_owned(),
            text: paragraphs(text_of(&response["description"])),
            headers: headers.collect(),
            body: response.get("content").map(|_| self.body(response)),
            sentences,
            shared,
        }
    }

    fn shared(self, name: &str, response: &'a Value) -> Answer {
        let answer = self.answer("", response);
        let example = response.pointer("/content/application~1problem+json/examples");
        let status = example
            .and_then(Value::as_object)
            .and_then(|all| all.values().next()?["value"]["status"].as_u64());
        Answer { status: status.unwrap_or_default().to_string(), shared: Some(name.to_owned()), ..answer }
    }
}

/// Who may call, from the security requirements.
fn who(security: &Value) -> &'static str {
    let requirements = security.as_array().map(Vec::as_slice).unwrap_or_default();
    if requirements.is_empty() {
        "Anyone"
    } else if requirements.iter().any(|one| one.as_object().is_some_and(serde_json::Map::is_empty)) {
        "Anyone; a session is used if there is one"
    } else if requirements.iter().any(|one| one["session"][0] == "operator") {
        "An operator"
    } else {
        "Whoever is signed in"
    }
}

/// The rest of a `curl` line: method, session and body. Quotes in a body are written as a shell reads them.
fn curl(method: &str, operation: &Value) -> String {
    let mut line = match method {
        "get" => String::new(),
        // With -X it would wait for a body.
        "head" => " \\\n  -I".to_owned(),
        _ => format!(" \\\n  -X {}", method.to_uppercase()),
    };
    if !matches!(who(&operation["security"]), "Anyone") {
        line.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
    }
    if let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") {
        let body = example.to_string().replace('\'', r"'\''");
        line.push_str(" \\\n  -H 'Content-Type: application/json' \\\n  -d '");
        line.push_str(&body);
        line.push('\'');
    }
    line
}
