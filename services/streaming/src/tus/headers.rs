//! What tus says in headers.

use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use contracts::Visibility;
use kernel::{Error, Kind, Result};
use objects::Digest;

use crate::uploads::Wish;

/// What is kept of what an uploader says of a file, at most, in bytes.
const METADATA: usize = 4096;

/// A number of bytes.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64> {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| digits && i64::try_from(*number).is_ok());
    let told = if *name == super::UPLOAD_LENGTH { "Upload-Length" } else { "Upload-Offset" };
    number.ok_or_else(|| Error::invalid(format!("{told} must be a number of bytes")))
}

/// The type that a part must have (tus, PATCH).
pub(super) fn offset_type(headers: &HeaderMap) -> Result<()> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.map(|text| text.split(';').next().unwrap_or_default().trim());
    if media_type.is_some_and(|text| text.eq_ignore_ascii_case("application/offset+octet-stream")) {
        return Ok(());
    }
    Err(Error::new(Kind::UnsupportedType, "Content-Type must be application/offset+octet-stream"))
}

/// What a part's bytes must add up to (tus, Checksum).
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Digest>> {
    let Some(value) = headers.get("upload-checksum") else { return Ok(None) };
    let wrong = || Error::invalid("Upload-Checksum must be sha1 or sha256 and base64");
    let (algorithm, digest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    let digest = BASE64_STANDARD.decode(digest.trim()).map_err(|_| wrong())?;
    match (algorithm, digest.len()) {
        ("sha1", 20) => Ok(Some(Digest::Sha1(digest))),
        ("sha256", 32) => Ok(Some(Digest::Sha256(digest))),
        _ => Err(wrong()),
    }
}

/// What the uploader says of the file (tus, Creation: Upload-Metadata); its length is not said here.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Wish> {
    let (name, visibility) = (String::new(), Visibility::Private);
    let mut wish = Wish { name, title: None, visibility, length: None, metadata: None };
    let wrong = || Error::invalid("Upload-Metadata must be names with base64 values");
    let Some(value) = headers.get("upload-metadata") else { return Ok(wish) };
    let text = value.to_str().map_err(|_| wrong())?;
    if text.len() > METADATA {
        return Err(Error::invalid("Upload-Metadata must be at most 4096 bytes"));
    }
    wish.metadata = Some(text.to_owned());
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
        let decoded = BASE64_STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
        let value = String::from_utf8(decoded).map_err(|_| wrong())?;
        match name {
            "filename" | "name" => wish.name = value,
            "title" if !value.trim().is_empty() => wish.title = Some(title(&value)?),
            "visibility" => {
                let unknown =
                    || Error::invalid("Visibility must be public, ticket or private").at("visibility");
                wish.visibility = Visibility::parse(&value).ok_or_else(unknown)?;
            }
            _ => {}
        }
    }
    Ok(wish)
}

fn title(value: &str) -> Result<String> {
    let title = value.trim();
    if title.chars().count() > 200 || title.chars().any(char::is_control) {
        return Err(Error::invalid("Title must be 1 to 200 characters").at("title"));
    }
    Ok(title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn metadata_is_names_with_base64_values() {
        let of = |value| metadata(&with("upload-metadata", value));
        let wish =
            of("filename ZmlsbS5tcDQ=,title IE1ldHJvcG9saXMg, visibility cHVibGlj,is_confidential").unwrap();
        assert_eq!((wish.name.as_str(), wish.title.as_deref()), ("film.mp4", Some("Metropolis")));
        assert_eq!(wish.visibility, Visibility::Public);
        assert_eq!(metadata(&HeaderMap::new()).unwrap().visibility, Visibility::Private);
        for wrong in ["filename !", "filename /w==", "visibility eA==", "title AQ=="] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_checksums_are_read_or_refused() {
        let of = |value| number(&with("upload-offset", value), &super::super::UPLOAD_OFFSET);
        assert_eq!(of("42").unwrap(), 42);
        for wrong in ["", "-1", "+1", "1.5", "99999999999999999999", "0x1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let sum = |value| checksum(&with("upload-checksum", value));
        assert!(matches!(sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="), Ok(Some(Digest::Sha1(_)))));
        for wrong in ["sha1", "sha1 AA==", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256 !"] {
            assert!(sum(wrong).is_err(), "{wrong}");
        }
    }
}
