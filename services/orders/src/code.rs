//! The code of an admission, as a path or a person gives it.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use kernel::Error;
use web::Failure;

/// The path parameter `code`. What is none, such as bytes that are no text, is not found, like an unknown one.
pub(crate) struct PathCode(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathCode {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())?;
        let code = params.iter().find(|(name, _)| *name == "code").map(|(_, code)| code.to_owned());
        code.map(Self).ok_or_else(|| Failure(Error::not_found()))
    }
}

/// A code as people type it: in whatever case, with spaces and dashes to read it by.
pub(crate) fn typed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for text in ["0b7c41f2", " 0B7C 41F2\n", "0b7c-41f2", "0b-7C\u{a0}41-f2"] {
            assert_eq!(typed(text), "0b7c41f2", "{text:?}");
        }
        assert_eq!(typed(" - "), "");
    }
}
