//! What the calls take, as the API's reference says it. Nothing is ever made of these: `forms.rs` reads the
//! members, with a sentence for each that is wrong.
#![allow(dead_code)]

use contracts::Role;
use utoipa::ToSchema;

/// Who wants to sign up.
#[derive(ToSchema)]
pub(crate) struct SignUpBody {
    /// Unique without regard to case.
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
    #[schema(format = "password", min_length = 8, max_length = 128, example = "a long password")]
    password: String,
    /// A public name, unique without regard to case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Ada"
    )]
    username: Option<String>,
}

/// Who is to be in the directory.
#[derive(ToSchema)]
pub(crate) struct DirectoryBody {
    /// Unique without regard to case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Ada"
    )]
    username: String,
}

/// What to sign in with.
#[derive(ToSchema)]
pub(crate) struct CredentialsBody {
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
    #[schema(format = "password", min_length = 1, example = "a long password")]
    password: String,
}

/// The code of a mail's link.
#[derive(ToSchema)]
pub(crate) struct CodeBody {
    #[schema(min_length = 1, max_length = 128, example = "6f1d0c2b9a8e4d7f8a35c1e20b9f4c27")]
    code: String,
}

/// Whose password is forgotten.
#[derive(ToSchema)]
pub(crate) struct ResetBody {
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: String,
}

/// The password to have from now on.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewPasswordBody {
    /// Of the mail's link.
    #[schema(min_length = 1, max_length = 128, example = "6f1d0c2b9a8e4d7f8a35c1e20b9f4c27")]
    code: String,
    #[schema(format = "password", min_length = 8, max_length = 128, example = "a longer password")]
    new_password: String,
}

/// What somebody wants to be different about themselves; what is left out stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AccountChangeBody {
    /// Takes the current password.
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Ada"
    )]
    username: Option<String>,
    #[schema(format = "password", min_length = 1, example = "a long password")]
    current_password: Option<String>,
    /// Takes the current password.
    #[schema(format = "password", min_length = 8, max_length = 128, example = "a longer password")]
    new_password: Option<String>,
}

/// What an operator wants to be different about somebody; what is left out stays.
#[derive(ToSchema)]
pub(crate) struct UserChangeBody {
    #[schema(format = "email", max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Ada"
    )]
    username: Option<String>,
    role: Option<Role>,
}
