//! A key as people see it. It may be any text: markup, a line end, nothing but spaces, or what turns the letters
//! after it around.

use kernel::TicketId;

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
    /// Of which ticket, if it is of one.
    pub(super) ticket: Option<TicketId>,
}

/// What a key counts that is the system's own.
pub(super) fn system(key: &str) -> Option<System> {
    let name = key.strip_prefix(RESERVED)?;
    let (what, of) = name.split_once(':').map_or((name, None), |(what, of)| (what, of.parse().ok()));
    let what = match (what, of) {
        ("sold", None) if name == "sold" => "Tickets sold, all together",
        ("sold", Some(_)) => "Sold of one ticket",
        ("refunded", None) if name == "refunded" => "Tickets given back, all together",
        ("refunded", Some(_)) => "Given back of one ticket",
        _ => return Some(System { what: "Counted by the house itself", ticket: None }),
    };
    Some(System { what, ticket: of })
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
        let id = TicketId::new(&Clock::system());
        let system = |key: &str| system(key).map(|System { what, ticket }| (what, ticket));
        assert_eq!(system("visits"), None);
        assert_eq!(system("marquee"), None);
        assert_eq!(system("marquee:sold"), Some(("Tickets sold, all together", None)));
        assert_eq!(system(&format!("marquee:refunded:{id}")), Some(("Given back of one ticket", Some(id))));
        for key in ["marquee:", "marquee:plays:7", "marquee:sold:7", "marquee:sold:"] {
            assert_eq!(system(key), Some(("Counted by the house itself", None)), "{key}");
        }
    }
}
