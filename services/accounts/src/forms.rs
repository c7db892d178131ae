//! What clients send, read by the same rules from JSON and from the forms of pages.

use contracts::Role;
use kernel::{Error, Result};
use web::Fields;

use crate::model::{EMAIL, Email, PASSWORD, Password, SignUp, USERNAME, Username};
use crate::profile::{AccountChange, UserChange};

/// What to sign in with.
pub struct Credentials {
    /// The address, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: String,
}

impl SignUp {
    /// `{email, password, username?}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let email = email(&mut fields);
        fields.require(email.is_some(), "email", EMAIL);
        let password = fields.raw_text("password", PASSWORD, 8..=128).as_deref().and_then(Password::parse);
        let username = username(&mut fields);
        match (fields.finish(), email, password) {
            (Ok(()), Some(email), Some(password)) => Ok(Self { email, username, password }),
            // Whatever is missing has been noted.
            (finished, ..) => Err(finished.err().unwrap_or_else(|| Error::internal("a form was misread"))),
        }
    }
}

impl Credentials {
    /// `{email, password}`. Anything that could be an address is one here: whether it is known is not said.
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let email = fields.text("email", EMAIL, 1..=254).unwrap_or_default();
        let password =
            fields.raw_text("password", "Password must be given", 1..=usize::MAX).unwrap_or_default();
        fields.finish().map(|()| Self { email, password })
    }
}

impl AccountChange {
    /// `{email?, username?, currentPassword?, newPassword?}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let (email, username) = (email(&mut fields), username(&mut fields));
        let current = |fields: &mut Fields| {
            fields.raw_text("currentPassword", "Current password is wrong", 1..=usize::MAX)
        };
        let current_password = if fields.has("currentPassword") { current(&mut fields) } else { None };
        let chosen = |fields: &mut Fields| fields.raw_text("newPassword", PASSWORD, 8..=128);
        let new_password = if fields.has("newPassword") { chosen(&mut fields) } else { None };
        fields.finish()?;
        let new_password = new_password.as_deref().and_then(Password::parse);
        Ok(Self { email, username, current_password, new_password })
    }
}

impl UserChange {
    /// `{email?, username?, role?}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let (email, username) = (email(&mut fields), username(&mut fields));
        let role = fields.optional_choice("role", "Role must be user or operator", Role::parse);
        fields.finish().map(|()| Self { email, username, role })
    }
}

fn email(fields: &mut Fields) -> Option<Email> {
    fields.optional_choice("email", EMAIL, Email::parse)
}

fn username(fields: &mut Fields) -> Option<Username> {
    fields.optional_choice("username", USERNAME, Username::parse)
}
