//! The domain, pure: what an address, a name and a password are, and what a user becomes when changed.

use std::borrow::Cow;

use contracts::{Role, UserState};
use kernel::{Error, FieldError, Instant, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is said of an address that is none.
pub const EMAIL: &str = "Email must be valid";
/// What is said of a password of the wrong length.
pub const PASSWORD: &str = "Password must be between 8 and 128 characters";
/// What is said of a name that cannot be.
pub const USERNAME: &str = "Username must be between 1 and 64 characters";

/// An e-mail address, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// One `@`, something before it (at most 64 characters), a domain of at least two labels behind it,
    /// no white space, at most 254 characters in all. Whether mail arrives, only mail can tell.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.split_once('@')?;
        let sane = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
        let ok = text.chars().count() <= 254
            && (1..=64).contains(&local.chars().count())
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && local.chars().chain(domain.chars()).all(sane);
        ok.then(|| Self(text.to_owned()))
    }

    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// A public name, as typed, without white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// 1–64 characters, none of them a control character.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let ok = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        ok.then(|| Self(text.to_owned()))
    }

    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique.
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// A password that somebody chose. It cannot be printed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// 8–128 characters, taken as they are.
    pub fn parse(text: &str) -> Option<Self> {
        (8..=128).contains(&text.chars().count()).then(|| Self(text.to_owned()))
    }

    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

/// Addresses and names that differ in case only are the same one.
pub(crate) fn key(text: &str) -> String {
    text.trim().to_lowercase()
}

/// What somebody signs up with, checked.
pub struct SignUp {
    /// Their address.
    pub email: Email,
    /// Their public name, if they want one.
    pub username: Option<Username>,
    /// Their password.
    pub password: Password,
}

/// A user to create, as an operator's command has it.
pub struct NewUser {
    /// Their address.
    pub email: String,
    /// Their public name.
    pub username: Option<String>,
    /// Their password.
    pub password: String,
    /// What they may do.
    pub role: Role,
}

impl NewUser {
    /// The same, checked.
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn checked(self) -> kernel::Result<(SignUp, Role)> {
        let email = Email::parse(&self.email);
        let username = self.username.as_deref().map(Username::parse);
        let password = Password::parse(&self.password);
        let wrong = [
            (email.is_none(), "email", EMAIL),
            (username == Some(None), "username", USERNAME),
            (password.is_none(), "password", PASSWORD),
        ];
        match (email, password) {
            (Some(email), Some(password)) if username != Some(None) => {
                Ok((SignUp { email, username: username.flatten(), password }, self.role))
            }
            _ => Err(Error::fields(wrong.into_iter().filter(|w| w.0).map(|(_, f, m)| at(f, m)).collect())),
        }
    }
}

fn at(field: &'static str, message: &'static str) -> FieldError {
    FieldError { message: Cow::Borrowed(message), field: Some(Cow::Borrowed(field)) }
}

/// A user at one version. It cannot be printed, for it has the hash.
#[derive(Clone, PartialEq)]
pub(crate) struct Account {
    pub id: UserId,
    pub version: i64,
    pub email: Option<String>,
    pub username: Option<String>,
    pub password_hash: Option<String>,
    pub role: Role,
    pub created_at: Instant,
    /// The number of the change that made this version, of all changes of all users.
    pub change: i64,
    /// When that was.
    pub changed_at: Instant,
}

impl Account {
    pub(crate) fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(key)
    }

    pub(crate) fn username_key(&self) -> Option<String> {
        self.username.as_deref().map(key)
    }

    /// What an event may say of it.
    pub(crate) fn state(&self) -> UserState {
        UserState {
            id: self.id,
            version: self.version,
            email: self.email.clone(),
            username: self.username.clone(),
            role: self.role,
            change: self.change,
            former_email: None,
            former_username: None,
        }
    }

    /// What an answer may say of it.
    pub(crate) fn view(&self) -> User {
        User {
            id: self.id,
            email: self.email.clone(),
            username: self.username.clone(),
            role: self.role,
            created_at: self.created_at,
            version: self.version,
        }
    }

    /// The account after `change`; the next version, unless nothing is different.
    pub(crate) fn after(&self, change: &Change) -> Self {
        let mut next = self.clone();
        if let Some(email) = &change.email {
            next.email = Some(email.as_str().to_owned());
        }
        if let Some(username) = &change.username {
            next.username = Some(username.as_str().to_owned());
        }
        if let Some(role) = change.role {
            next.role = role;
        }
        if let Some(hash) = &change.password_hash {
            next.password_hash = Some(hash.clone());
        }
        if next != *self {
            next.version += 1;
        }
        next
    }
}

/// What is to be different; `None` stays as it is.
#[derive(Clone, Default)]
pub(crate) struct Change {
    pub email: Option<Email>,
    pub username: Option<Username>,
    pub role: Option<Role>,
    pub password_hash: Option<String>,
}

/// A user, as answers show one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user.
    pub id: UserId,
    /// Address, as typed.
    #[schema(nullable = false, example = "ada@example.com")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Public name.
    #[schema(nullable = false, example = "Ada")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What they may do.
    pub role: Role,
    /// When they signed up.
    pub created_at: Instant,
    /// 0 at sign-up.
    #[schema(minimum = 0)]
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    #[test]
    fn an_address_is_sane() {
        let long = format!("{}@example.com", "a".repeat(64));
        let domain = format!("a@{}.com", "b".repeat(248));
        for good in
            ["a@b.c", "test@test.com", " Ann.O'Hara+x@Sub.Example.ORG ", "ü@bücher.example", &long, &domain]
        {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        let longer = format!("a{long}");
        let wider = domain.replace("b.com", "bb.com");
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a@@b.c",
            "a@b@c.d",
            "a b@c.d",
            "a@b .c",
            "a\u{0}@b.c",
            "a\n@b.c",
            "a\u{a0}@b.c",
            &longer,
            &wider,
        ] {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Email::parse(" ANN@Example.Org").unwrap().key(), "ann@example.org");
    }

    #[test]
    fn names_and_passwords_have_their_lengths() {
        assert_eq!(Username::parse("  Ann ").unwrap().as_str(), "Ann");
        assert!(Username::parse(&"ü".repeat(64)).is_some());
        for bad in ["", "  ", "a\tb", &"ü".repeat(65)] {
            assert!(Username::parse(bad).is_none(), "{bad}");
        }
        assert!(Password::parse("ü2345678").is_some() && Password::parse(&"ü".repeat(128)).is_some());
        assert!(Password::parse("1234567").is_none() && Password::parse(&"x".repeat(129)).is_none());
        assert_eq!(Password::parse("  345678").unwrap().into_inner(), "  345678");
    }

    #[test]
    fn all_that_is_wrong_with_a_new_user_is_said() {
        let new = |email: &str, name: &str, password: &str| NewUser {
            email: email.into(),
            username: Some(name.into()),
            password: password.into(),
            role: Role::User,
        };
        let wrong = new("a", " ", "p").checked().err().unwrap();
        let fields: Vec<_> = wrong.errors.iter().filter_map(|e| e.field.as_deref()).collect();
        assert_eq!(fields, ["email", "username", "password"]);
        assert!(new("a@b.c", "Ann", "password").checked().is_ok());
    }

    #[test]
    fn a_change_is_a_version_and_no_change_is_none() {
        let clock = Clock::manual(Instant::from_millis(0));
        let account = Account {
            id: UserId::new(&clock),
            version: 3,
            email: Some("a@b.c".into()),
            username: None,
            password_hash: Some("h".into()),
            role: Role::User,
            created_at: clock.now(),
            change: 0,
            changed_at: clock.now(),
        };
        let same = Change { email: Email::parse("a@b.c"), role: Some(Role::User), ..Change::default() };
        assert!(account.after(&same) == account);
        let other = Change { username: Username::parse("Ann"), role: Some(Role::Operator), ..same };
        let next = account.after(&other);
        assert_eq!((next.version, next.username.as_deref(), next.role), (4, Some("Ann"), Role::Operator));
    }
}
