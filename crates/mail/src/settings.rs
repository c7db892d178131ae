//! What an installation may choose about its mail.

use std::fmt;

use kernel::{Error, Result};
use lettre::Address;
use lettre::address::AddressError;
use lettre::message::Mailbox;

/// What an installation may choose about its mail. Nothing: mail goes into the folder.
#[derive(Clone, Default)]
pub struct Settings {
    /// The server: `smtps://user:password@host:465`, or `smtp://user:password@host:587`, with STARTTLS unless the host
    /// is this machine or the address ends in `?tls=none`.
    pub smtp_url: Option<String>,
    /// Whom mail is from: `Name <address>`.
    pub from: Option<String>,
}

impl Settings {
    /// Whom mail is from: as was said, else nobody at the host of `site`, or of this machine.
    pub(crate) fn sender(&self, site: Option<&str>) -> Result<Mailbox> {
        if let Some(from) = &self.from {
            let told = "MAIL_FROM is whom mail is from, e.g. Marquee <box-office@shop.example>";
            return from.parse().map_err(|e: AddressError| Error::invalid(told).because(e));
        }
        let site = site.and_then(|site| url::Url::parse(site).ok());
        let host = site.as_ref().and_then(url::Url::host).map(|host| match host {
            url::Host::Domain(name) => name.to_owned(),
            url::Host::Ipv4(ip) => format!("[{ip}]"),
            url::Host::Ipv6(ip) => format!("[IPv6:{ip}]"),
        });
        let from = |host: &str| Address::new("no-reply", host);
        from(host.as_deref().unwrap_or("localhost"))
            .or_else(|_| from("localhost"))
            .map(|address| Mailbox::new(Some("Marquee".to_owned()), address))
            .map_err(|e| Error::internal("no sender").because(e))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        write!(f, "Settings {{ smtp_url: {}, from: {:?} }}", self.smtp_url.is_some(), self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_from_whom_was_said_or_from_the_site() {
        let sender = |from: Option<&str>, site: Option<&str>| {
            let from = from.map(str::to_owned);
            Settings { from, smtp_url: None }.sender(site).map(|mailbox| mailbox.to_string())
        };
        for (from, site, mailbox) in [
            (None, None, "Marquee <no-reply@localhost>"),
            (None, Some("https://shop.example/"), "Marquee <no-reply@shop.example>"),
            (None, Some("http://192.0.2.7:3333"), "Marquee <no-reply@[192.0.2.7]>"),
            (None, Some("not a url"), "Marquee <no-reply@localhost>"),
            (Some("Box <box@b.example>"), Some("https://shop.example"), "Box <box@b.example>"),
            (Some("box@b.example"), None, "box@b.example"),
        ] {
            assert_eq!(sender(from, site).unwrap(), mailbox, "{from:?} {site:?}");
        }
        assert!(sender(Some("nobody"), None).unwrap_err().to_string().contains("MAIL_FROM is"));
    }

    #[test]
    fn no_password_is_shown() {
        let settings = Settings { smtp_url: Some("smtps://u:planted@h".into()), ..Settings::default() };
        assert!(!format!("{settings:?}").contains("planted"));
    }
}
