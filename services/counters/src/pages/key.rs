//! A key as people see it. It may be any text: markup, a line end, nothing but spaces, or what turns the letters
//! after it around.

use kernel::{TicketId, VideoId};

use crate::model::RESERVED;

/// A key with everything that does not show written out: `␣`, `⟨U+000A⟩`, `⟨U+202E⟩`.
pub(super) fn shown(key: &str) -> String {
    // Joiners are part of many a word and picture; alone they are nothing.
    let is_visible =
        key.chars().any(|c| !(c.is_whitespace() || c.is_control() || is_unseen(c) || is_joiner(c)));
    let mut text = String::with_capacity(key.len());
    let mut before = None;
    let mut chars = key.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // One between two others is a space; the others would be lost.
            ' ' if is_visible
                && before.is_some_and(|c| c != ' ')
                && chars.peek().is_some_and(|c| *c != ' ') =>
            {
                text.push(' ');
            }
            ' ' => text.push('␣'),
            c if c.is_control() || c.is_whitespace() || is_unseen(c) || (!is_visible && is_joiner(c)) => {
                text.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
            }
            c => text.push(c),
        }
        before = Some(c);
    }
    text
}

/// Neither white space nor a control, and still nothing to see, or something that moves what is there.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// What is seen only by what it does to its neighbours.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// What a key of the system counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct System {
    /// In words.
    pub(super) what: &'static str,
    /// Of what, if it is of one thing.
    pub(super) of: Option<Of>,
}

/// What a counter of the system is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Ticket(TicketId),
    Video(VideoId),
}

impl System {
    /// The address of what it is of, and the words of a link to it.
    pub(super) fn link(&self) -> Option<(String, &'static str)> {
        self.of.map(|of| match of {
            Of::Ticket(id) => (format!("/tickets/{id}"), "see the ticket"),
            Of::Video(id) => (format!("/videos/{id}"), "see the video"),
        })
    }
}

/// What a key counts that is the system's own.
pub(super) fn system(key: &str) -> Option<System> {
    let name = key.strip_prefix(RESERVED)?;
    let all = |what| System { what, of: None };
    let own = all("Counted by the house itself");
    let Some((name, id)) = name.split_once(':') else {
        return Some(match name {
            "sold" => all("Tickets sold, all together"),
            "refunded" => all("Tickets given back, all together"),
            "plays" => all("Times that videos were watched, all together"),
            _ => own,
        });
    };
    let ticket = |what| id.parse().ok().map(|id| System { what, of: Some(Of::Ticket(id)) });
    let video = |what| id.parse().ok().map(|id| System { what, of: Some(Of::Video(id)) });
    let one = match name {
        "sold" => ticket("Sold of one ticket"),
        "refunded" => ticket("Given back of one ticket"),
        "plays" => video("Times that one video was watched"),
        _ => None,
    };
    Some(one.unwrap_or(own))
}

#[cfg(test)]
mod tests {
    use kernel::Clock;

    use super::*;

    #[test]
    fn what_does_not_show_is_written_out() {
        for (key, text) in [
            ("visits", "visits"),
            ("a b", "a b"),
            (" a  b ", "␣a␣␣b␣"),
            (" ", "␣"),
            ("a\n\t\u{7f}", "a⟨U+000A⟩⟨U+0009⟩⟨U+007F⟩"),
            ("a\u{85}b", "a⟨U+0085⟩b"),
            ("\u{a0}", "⟨U+00A0⟩"),
            ("\u{202e}gpj.exe", "⟨U+202E⟩gpj.exe"),
            ("\u{200b}", "⟨U+200B⟩"),
            ("\u{200d}", "⟨U+200D⟩"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("نمی\u{200c}دانم", "نمی\u{200c}دانم"),
            ("<b>&amp;", "<b>&amp;"),
        ] {
            assert_eq!(shown(key), text, "{key:?}");
        }
    }

    #[test]
    fn the_systems_keys_say_what_they_count() {
        let clock = Clock::system();
        let (ticket, video) = (TicketId::new(&clock), VideoId::new(&clock));
        let system = |key: &str| system(key).map(|System { what, of }| (what, of));
        assert_eq!(system("visits"), None);
        assert_eq!(system("marquee"), None);
        assert_eq!(system("marquee:sold"), Some(("Tickets sold, all together", None)));
        assert_eq!(system("marquee:plays"), Some(("Times that videos were watched, all together", None)));
        let of_one = Some(("Given back of one ticket", Some(Of::Ticket(ticket))));
        assert_eq!(system(&format!("marquee:refunded:{ticket}")), of_one);
        let of_one = Some(("Times that one video was watched", Some(Of::Video(video))));
        assert_eq!(system(&format!("marquee:plays:{video}")), of_one);
        for key in ["marquee:", "marquee:plays:7", "marquee:plays:", "marquee:sold:7", "marquee:sold:"] {
            assert_eq!(system(key), Some(("Counted by the house itself", None)), "{key}");
        }
    }
}
