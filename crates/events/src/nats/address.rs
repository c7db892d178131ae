//! Addresses of NATS servers: `nats://user:password@host:4222,nats://other:4222`.

use async_nats::{ConnectOptions, ServerAddr};
use kernel::{Error, Result};

/// Where to connect, and as whom.
pub(super) struct Address {
    /// Without credentials, so that no log can show them.
    pub(super) servers: Vec<ServerAddr>,
    who: Who,
}

#[derive(Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    User(String, String),
    Token(String),
}

impl Address {
    /// Reads addresses separated by commas. Credentials are those of the first that has some: `user:password@`, or
    /// a token alone, with `%` before what has a meaning in addresses.
    ///
    /// # Errors
    /// `Invalid`, without saying what was read: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid("The address of NATS must be like nats://host:4222, or tls://user:password@host")
        };
        let (mut servers, mut who) = (Vec::new(), Who::Anybody);
        for server in text.split(',') {
            let server: ServerAddr = server.trim().parse().map_err(|_| malformed())?;
            if !matches!(server.scheme(), "nats" | "tls") {
                return Err(malformed());
            }
            if let (Who::Anybody, Some(user)) = (&who, server.username()) {
                let user = unescaped(user).ok_or_else(malformed)?;
                who = match server.password() {
                    Some(password) => Who::User(user, unescaped(password).ok_or_else(malformed)?),
                    None => Who::Token(user),
                };
            }
            let mut bare = server.into_inner();
            if bare.host_str().is_none_or(str::is_empty)
                || bare.set_username("").is_err()
                || bare.set_password(None).is_err()
            {
                return Err(malformed());
            }
            servers.push(ServerAddr::from_url(bare).map_err(|_| malformed())?);
        }
        Ok(Self { servers, who })
    }

    pub(super) fn sign_in(&self, options: ConnectOptions) -> ConnectOptions {
        match &self.who {
            Who::Anybody => options,
            Who::User(user, password) => options.user_and_password(user.clone(), password.clone()),
            Who::Token(token) => options.token(token.clone()),
        }
    }
}

/// `None` if a `%` is not followed by two hexadecimal digits, or the text is not UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_the_address() {
        let address = Address::parse("nats://ada:p%40ss%2Fword@one:4223, tls://two").unwrap();
        assert_eq!(address.who, Who::User("ada".into(), "p@ss/word".into()));
        let servers: Vec<&str> = address.servers.iter().map(ServerAddr::as_url_str).collect();
        assert_eq!(servers, ["nats://one:4223", "tls://two"]);
        assert_eq!(Address::parse("nats://s3cret@one").unwrap().who, Who::Token("s3cret".into()));
        assert_eq!(Address::parse("one").unwrap().who, Who::Anybody);
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for bad in ["", "http://one", "nats://ada:hush@", "nats://a%zz@one", "ws://one", "nats://one,,"] {
            let error = Address::parse(bad).map(|_| ()).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{bad}");
        }
    }
}
