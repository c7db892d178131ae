//! The users who are looked up, and how they are asked for.

use serde_json::{Value, json};

use crate::Result;
use crate::http::request;
use crate::load::{Ask, Expected};
use crate::server::Server;

/// Users that are looked up in turn. The number has no factor in common with the steps of [`crate::load`].
pub const USERS: usize = 1_000;

/// What a user is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The id.
    Id,
    /// The address.
    Email,
}

/// The users of one house.
pub struct People {
    ids: Vec<String>,
    emails: Vec<String>,
    /// How the answer that shows each of them ends.
    shown: Vec<String>,
}

impl People {
    /// Enters them by the directory and gives each an address: so nobody waits for a thousand hashes of passwords.
    pub async fn enter(server: &mut Server, cookie: &str) -> Result<Self> {
        let mut people = Self { ids: Vec::new(), emails: Vec::new(), shown: Vec::new() };
        for number in 0..USERS {
            let (username, email) = (format!("user{number:04}"), format!("user{number:04}@example.com"));
            let body = json!({ "username": username }).to_string();
            let entered = server.control().call(&request("POST", "/user", Some(cookie), Some(&body))).await?;
            let entered = entered.json(201)?;
            let id = entered.get("id").and_then(Value::as_str).ok_or("a user without an id")?.to_owned();
            let (path, body) = (format!("/api/users/{id}"), json!({ "email": email }).to_string());
            let changed = server.control().call(&request("PATCH", &path, Some(cookie), Some(&body))).await?;
            let shown = changed.json(200)?;
            if shown.get("id") != Some(&id.as_str().into())
                || shown.get("email") != Some(&email.as_str().into())
            {
                return Err(format!("the directory has {shown} for {email}").into());
            }
            people.shown.push(format!("\"result\":[{}]}}", changed.body));
            people.ids.push(id);
            people.emails.push(email);
        }
        Ok(people)
    }

    /// Look-ups of the first `users` of them in turn. Each answer must show that user as a whole; those that say that they
    /// come from a cache are counted.
    pub fn ask(&self, by: By, users: usize) -> Ask {
        let (path, values) = match by {
            By::Id => ("/api/users?id=", &self.ids),
            By::Email => ("/api/users?email=", &self.emails),
        };
        let first = |all: &[String]| all.iter().take(users).cloned().collect::<Vec<_>>();
        let expected = Expected { begin: "{\"source\":\"cache\",", ends: first(&self.shown) };
        Ask { method: "GET", path, body: None, values: first(values), status: 200, expected: Some(expected) }
    }
}

/// A look-up by what is no id: the session is checked, and nobody is looked for.
pub fn nobody() -> Ask {
    let expected = Expected { begin: "", ends: vec!["\"result\":[]}".to_owned()] };
    let values = Vec::new();
    Ask {
        method: "GET",
        path: "/api/users?id=none",
        body: None,
        values,
        status: 404,
        expected: Some(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_answer() {
        let named = |name: &str| (0..3).map(|number| format!("{name}{number}")).collect();
        let people = People { ids: named("id"), emails: named("email"), shown: named("user") };
        let ask = people.ask(By::Email, 2);
        assert_eq!((ask.path, ask.values), ("/api/users?email=", vec!["email0".into(), "email1".into()]));
        assert_eq!(ask.expected.unwrap().ends, ["user0", "user1"]);
        assert_eq!(people.ask(By::Id, 1).values, ["id0"]);
    }
}
