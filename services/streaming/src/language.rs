//! Languages of captions.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use kernel::{Error, Result};
use web::Failure;

/// The path parameter `lang`, in lower case. It need not be a language; what is no text, once decoded, or one that not
/// every database takes, is the name of nothing: 404.
pub(crate) struct Lang(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Lang {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> web::Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())?;
        let lang = params.iter().find(|(name, _)| *name == "lang").map(|(_, lang)| lang.to_ascii_lowercase());
        let lang = lang.filter(|lang| !lang.chars().any(char::is_control));
        lang.map(Self).ok_or_else(|| Failure(Error::not_found()))
    }
}

/// A language tag (BCP 47), in lower case.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn language(text: &str) -> Result<String> {
    let mut parts = text.split('-');
    let first = parts
        .next()
        .is_some_and(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if first && rest && text.len() <= 35 {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::invalid("The language must be a tag as en or pt-BR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_a_tag() {
        assert_eq!(language("pt-BR").unwrap(), "pt-br");
        assert_eq!(language("en").unwrap(), "en");
        for wrong in ["", "e", "en_US", "en-", "../x", "e1", "abcdefghi", "a-b"] {
            assert!(language(wrong).is_err(), "{wrong}");
        }
    }
}
