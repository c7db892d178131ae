//! Session tokens. Nothing counts but what the key signed, in the one spelling in which it was issued.

#![no_main]

use fuzz::{KEY, SESSION, TOKEN, WEB};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use web::Session;

/// What `claimed` makes of these is a session: else nothing would be tried that is nearly one.
const GOOD: &[u8] = include_bytes!("../seeds/tokens/claimed");

fuzz_target!(init: {
    assert!(WEB.sessions().verify(&signed(&GOOD[1..], Algorithm::HS256, KEY)).is_some());
}, |data: &[u8]| {
    let Some((&way, data)) = data.split_first() else { return };
    match way % 4 {
        0 => whole(&String::from_utf8_lossy(data)),
        1 => edited(data),
        2 => whole(&signed(data, Algorithm::HS256, b"another key")),
        _ => claimed(data),
    }
});

/// Anything that is not the token.
fn whole(token: &str) {
    let session = WEB.sessions().verify(token);
    assert_eq!(session, (token == *TOKEN).then(|| SESSION.clone()), "{token}");
}

/// The good token with some bytes of it replaced, left out or put in: where, how many, by what.
fn edited(data: &[u8]) {
    let [at, gone, new @ ..] = data else { return };
    let mut token = TOKEN.clone().into_bytes();
    let at = (usize::from(*at) * token.len()).div_ceil(256).min(token.len());
    let end = (at + usize::from(gone % 64)).min(token.len());
    token.splice(at..end, new.iter().copied());
    whole(&String::from_utf8_lossy(&token));
}

/// A header and claims of somebody's own making, signed by the key as only we could. They may be refused; accepted,
/// they say what the session says.
fn claimed(data: &[u8]) {
    let algorithm = match data.first() {
        Some(b'3') => Algorithm::HS384,
        Some(b'5') => Algorithm::HS512,
        _ => Algorithm::HS256,
    };
    let Some(Session { id, user, role, expires_at }) = WEB.sessions().verify(&signed(data, algorithm, KEY))
    else {
        return;
    };
    assert_eq!(algorithm, Algorithm::HS256);
    assert!(expires_at > WEB.clock().now());
    let (header, claims) = split(data);
    let header: Value = serde_json::from_slice(header).expect("a header that was read");
    assert_eq!(header["alg"], "HS256");
    let claims: Value = serde_json::from_slice(claims).expect("claims that were read");
    assert_eq!(claims["sid"], id.to_string());
    assert_eq!(claims["sub"], user.to_string());
    assert_eq!(claims["role"], role.as_str());
    assert_eq!(claims["exp"], expires_at.as_seconds());
}

/// Header and claims stand on a line each, after one byte that says which algorithm.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let data = data.get(1..).unwrap_or_default();
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

fn signed(data: &[u8], algorithm: Algorithm, key: &[u8]) -> String {
    let (header, claims) = split(data);
    let message = format!("{}.{}", base64(header), base64(claims));
    let key = EncodingKey::from_secret(key);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("it is signed");
    format!("{message}.{signature}")
}

/// base64url without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        let letters = chunk.len() + 1;
        (0..letters).map(move |at| char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]))
    };
    bytes.chunks(3).flat_map(group).collect()
}
