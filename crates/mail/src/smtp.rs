//! Mail by a server.

use std::error::Error as _;
use std::time::Duration;

use kernel::{Error, Result};
use lettre::message::Message;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use url::{Host, Url};

/// How long the server may take to answer one command.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a mail may take in all.
const BOUND: Duration = Duration::from_secs(30);
/// Connections at most, and how long an idle one is kept.
const CONNECTIONS: u32 = 2;
const IDLE: Duration = Duration::from_secs(60);

/// What is wrong with a recipient for good, as RFC 3463 (section 3.2) and RFC 7505 number it: no such mailbox, no such
/// host, no such name, not one alone, moved, takes no mail. Others of 5.1 are of the sender (5.1.7, 5.1.8) or of either
/// (5.1.0). A number without this says as little: by 550 and 553 servers refuse a sender or the whole house as well, and
/// somebody may mend that.
const NO_SUCH_ADDRESS: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"];

const SHAPE: &str = "SMTP_URL is the address of a mail server, e.g. smtps://user:password@host:465, or \
                     smtp://user:password@host:587; leave it out to keep mail in files";

pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    pub(crate) fn open(url: &str) -> Result<Self> {
        // The cause may repeat the address, which may hold a password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(secured(url)?.as_str())
            .map_err(|_| Error::invalid(SHAPE))?
            .timeout(Some(TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE))
            .build();
        Ok(Self(transport))
    }

    pub(crate) async fn send(&self, message: Message) -> Result<()> {
        let is_ascii = message.envelope().to().iter().all(|to| to.to_string().is_ascii());
        match tokio::time::timeout(BOUND, self.0.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(error, is_ascii)),
            Err(_) => Err(Error::unavailable("the mail server takes too long")),
        }
    }
}

/// What a failure comes to. What the server says may name the address, so its numbers alone are kept.
fn told(error: lettre::transport::smtp::Error, is_ascii: bool) -> Error {
    let code = error.status().map(u16::from);
    let reason = enhanced(&error).unwrap_or_default();
    match code {
        Some(code) if error.is_permanent() && NO_SUCH_ADDRESS.contains(&reason.as_str()) => {
            Error::invalid(format!("the mail server refused an address with {code} {reason}"))
        }
        Some(code) => {
            Error::unavailable(format!("the mail server answered {code} {reason}").trim_end().to_owned())
        }
        // It is found out before anything is sent that this server takes no such address.
        None if error.is_client() && !is_ascii => {
            Error::invalid("the mail server takes no address like this one")
        }
        None => Error::unavailable("the mail server is away").because(error),
    }
}

/// The code of RFC 3463 that what a server said begins with, if it does: `5.1.1`.
fn enhanced(error: &lettre::transport::smtp::Error) -> Option<String> {
    let said = error.source()?.to_string();
    let word = said.split_whitespace().next()?;
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (word.split('.').count() == 3 && word.split('.').all(is_number)).then(|| word.to_owned())
}

/// The address as the library reads it: plain where the host is this machine, by STARTTLS elsewhere, unless `?tls=` says
/// which.
fn secured(url: &str) -> Result<Url> {
    let wrong = || Error::invalid(SHAPE);
    let mut url = Url::parse(url).map_err(|_| wrong())?;
    let is_near = match url.host().ok_or_else(wrong)? {
        // A scheme that the standard of URLs does not know has no numbers, only names.
        Host::Domain(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let query = match (url.scheme(), asked.as_deref()) {
        ("smtps", None) | ("smtp", Some("none")) => None,
        ("smtp", None) if is_near => None,
        ("smtp", None | Some("required")) => Some("tls=required"),
        _ => return Err(wrong()),
    };
    url.set_query(query);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_travels_in_the_clear_only_where_that_was_asked_for() {
        for (given, taken) in [
            ("smtp://u:p@mail.example:587", "smtp://u:p@mail.example:587?tls=required"),
            ("smtp://mail.example?tls=required", "smtp://mail.example?tls=required"),
            ("smtp://mail.example?tls=none", "smtp://mail.example"),
            ("smtp://192.0.2.7:2525", "smtp://192.0.2.7:2525?tls=required"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
            ("smtp://localhost:2525", "smtp://localhost:2525"),
            ("smtp://localhost:2525?tls=required", "smtp://localhost:2525?tls=required"),
            ("smtps://u:p@mail.example:465", "smtps://u:p@mail.example:465"),
        ] {
            assert_eq!(secured(given).unwrap().as_str(), taken);
        }
        for wrong in [
            "mail.example:25",
            "https://mail.example",
            "smtp:",
            "smtp://h?tls=opportunistic",
            "smtps://h?tls=none",
        ] {
            let refused = Smtp::open(wrong).err().map(|e| e.to_string());
            assert!(refused.is_some_and(|told| told.contains("smtps://user:password@host")), "{wrong}");
        }
    }
}
