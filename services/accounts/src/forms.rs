//! What clients send, read by the same rules from JSON and from the forms of pages.

use contracts::Role;
use kernel::{Error, Result};
use web::Fields;

use crate::model::{EMAIL, Email, PASSWORD, Password, SignUp, USERNAME, Username};
use crate::post::Code;
use crate::profile::{AccountChange, UserChange};

/// Where the password is asked for that somebody has.
pub(crate) const CURRENT_PASSWORD: &str = "currentPassword";
/// What is said of one that is not theirs.
pub(crate) const WRONG_PASSWORD: &str = "Current password is wrong";
/// [`CURRENT_PASSWORD`] in the form of a password.
const OLD_PASSWORD: &str = "oldPassword";

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
            (finished, ..) => Err(finished.err().unwrap_or_else(misread)),
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
        let current = |fields: &mut Fields| fields.raw_text(CURRENT_PASSWORD, WRONG_PASSWORD, 1..=usize::MAX);
        let current_password = if fields.has(CURRENT_PASSWORD) { current(&mut fields) } else { None };
        let chosen = |fields: &mut Fields| fields.raw_text("newPassword", PASSWORD, 8..=128);
        let new_password = if fields.has("newPassword") { chosen(&mut fields) } else { None };
        fields.finish()?;
        let new_password = new_password.as_deref().and_then(Password::parse);
        Ok(Self { email, username, current_password, new_password })
    }
}

/// `{oldPassword, newPassword}`, as the form of a password has it, both required. Beside the form that asks for the
/// current password for another reason it is called otherwise, for what is on one page has a name of its own.
///
/// # Errors
/// `Invalid` with one sentence per field.
pub(crate) fn read_password_change(mut fields: Fields) -> Result<AccountChange> {
    let current = fields.raw_text(OLD_PASSWORD, WRONG_PASSWORD, 1..=usize::MAX);
    let new = fields.raw_text("newPassword", PASSWORD, 8..=128);
    fields.finish()?;
    let new_password = new.as_deref().and_then(Password::parse);
    Ok(AccountChange { current_password: current, new_password, ..AccountChange::default() })
}

/// What is wrong with the current password is said where [`read_password_change`] reads it.
pub(crate) fn at_old_password(mut error: Error) -> Error {
    let misplaced = error.errors.iter_mut().filter(|e| e.field.as_deref() == Some(CURRENT_PASSWORD));
    misplaced.for_each(|e| e.field = Some(OLD_PASSWORD.into()));
    error
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

/// What the link of a mail to verify an address says.
pub(crate) struct Confirmation {
    /// The link's code.
    pub code: Code,
}

impl Confirmation {
    /// `{code}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let code = code(&mut fields);
        fields.finish().map(|()| Self { code })
    }
}

/// Whose password is forgotten.
pub(crate) struct Reset {
    /// The address, as typed.
    pub email: Email,
}

impl Reset {
    /// `{email}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let email = email(&mut fields);
        fields.require(email.is_some(), "email", EMAIL);
        match (fields.finish(), email) {
            (Ok(()), Some(email)) => Ok(Self { email }),
            (finished, _) => Err(finished.err().unwrap_or_else(misread)),
        }
    }
}

/// The password to have from now on.
pub(crate) struct NewPassword {
    /// The code of a mail's link.
    pub code: Code,
    /// The password, as typed.
    pub password: Password,
}

impl NewPassword {
    /// `{code, newPassword}`
    ///
    /// # Errors
    /// `Invalid` with one sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let code = code(&mut fields);
        let password = fields.raw_text("newPassword", PASSWORD, 8..=128).as_deref().and_then(Password::parse);
        match (fields.finish(), password) {
            (Ok(()), Some(password)) => Ok(Self { code, password }),
            (finished, _) => Err(finished.err().unwrap_or_else(misread)),
        }
    }
}

/// Whatever is missing has been noted.
fn misread() -> Error {
    Error::internal("a form was misread")
}

fn code(fields: &mut Fields) -> Code {
    Code::given(fields.text("code", "Code must be given", 1..=128).unwrap_or_default())
}

fn email(fields: &mut Fields) -> Option<Email> {
    fields.optional_choice("email", EMAIL, Email::parse)
}

fn username(fields: &mut Fields) -> Option<Username> {
    fields.optional_choice("username", USERNAME, Username::parse)
}
