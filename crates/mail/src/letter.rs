//! A mail before it is sent. What stands in a header is typed or encoded by the library, so no line end in it begins
//! another.

use std::time::{Duration, UNIX_EPOCH};

use kernel::{Error, Instant, Result};
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message};

/// A plain text to one address.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The address alone, without a name.
    pub to: &'a str,
    /// What it is about, in a line.
    pub subject: &'a str,
    /// What it says.
    pub text: &'a str,
}

impl Letter<'_> {
    pub(crate) fn message(&self, from: &Mailbox, now: Instant) -> Result<Message> {
        // The reason would name the address.
        let to: Address =
            self.to.parse().map_err(|_| Error::invalid("an address cannot be written in a mail"))?;
        let id = format!("<{}@{}>", kernel::random_code(), from.email.domain());
        let date = UNIX_EPOCH + Duration::from_millis(now.as_millis().max(0).unsigned_abs());
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.subject)
            .message_id(Some(id))
            .date(date)
            // Nobody's absence note is to answer it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(body(self.text))
            .map_err(|e| Error::invalid("a mail cannot be written").because(e))
    }
}

/// The longest line of a mail (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// A text as it is, where that may be: the library would break lines of more than 76 characters, and a link in a file is
/// copied as it stands there.
fn body(text: &str) -> Body {
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let is_plain = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    if is_plain && !text.replace("\r\n", "").contains('\r') {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(to: &str, subject: &str, text: &str) -> Result<String> {
        let from = "Marquee <no-reply@shop.example>".parse().unwrap();
        let message = Letter { to, subject, text }.message(&from, Instant::from_millis(1_800_000_000_500))?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn has_what_a_mail_needs() {
        let text = written("ann@example.com", "Hello", "One\nTwo\n").unwrap();
        for line in [
            "From: Marquee <no-reply@shop.example>\r\n",
            "To: ann@example.com\r\n",
            "Subject: Hello\r\n",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "\r\n\r\nOne\r\nTwo\r\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(text.contains("@shop.example>\r\n") && text.contains("Message-ID: <"), "{text}");
    }

    #[test]
    fn a_link_stays_whole_and_other_alphabets_arrive() {
        let link = format!("https://{}.example/reset?code=x\n", "long".repeat(50));
        let text = written("ann@example.com", "Hi", &link).unwrap();
        assert!(text.contains(link.trim_end()) && text.contains("Encoding: 7bit"), "{text}");
        for text in ["Grüße\n", &"x".repeat(999)] {
            let text = written("ann@example.com", "Hi", text).unwrap();
            assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 76), "{text}");
        }
    }

    #[test]
    fn no_header_comes_from_what_somebody_typed() {
        let text = written("ann@example.com", "Hi\r\nBcc: eve@evil.example\r\n\r\nBuy", "Text").unwrap();
        assert!(!text.contains("\r\nBcc:") && text.ends_with("\r\n\r\nText"), "{text}");
        for to in ["ann@example.com\r\nBcc: eve@evil.example", "ann@example.com, eve@evil.example", "a b@c.d"]
        {
            let refused = written(to, "Hi", "Text").unwrap_err();
            let told = format!("{refused:?}");
            assert!(
                refused.kind == kernel::Kind::Invalid && !told.contains(to) && !told.contains('@'),
                "{told}"
            );
        }
    }
}
