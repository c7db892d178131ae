//! What the page of a ticket says of the video that it admits to.

use contracts::Visibility;
use kernel::VideoId;
use web::Moment;

use crate::model::{Ticket, Video};

/// A video on the page of a ticket. Its words are for whoever reads that page.
pub struct Film {
    pub id: VideoId,
    /// Its title, where the reader may know it; otherwise what there is to say instead.
    pub name: String,
    /// Whether its own page will have the reader.
    pub is_there: bool,
    pub length: Option<String>,
    pub has_poster: bool,
    pub opens: Option<Moment>,
    pub closes: Option<Moment>,
    /// What else there is to know before one buys or sells it.
    pub note: Option<&'static str>,
}

impl Film {
    /// `video` is the copy of the one that `ticket` admits to, if there is one; `own` says that the reader sells it.
    pub fn new(id: VideoId, video: Option<&Video>, ticket: &Ticket, own: bool) -> Self {
        let (opens, closes) = (ticket.opens_at.map(Moment::from), ticket.closes_at.map(Moment::from));
        let nameless = |name: &str| Self {
            id,
            name: name.to_owned(),
            is_there: false,
            length: None,
            has_poster: false,
            opens: None,
            closes: None,
            note: None,
        };
        match video {
            // Heard of, for the ticket was listed; but perhaps before there were copies.
            None => Self { is_there: true, opens, closes, ..nameless("A video") },
            Some(video) if video.gone => nameless("A video that is gone"),
            Some(video) if video.visibility == Visibility::Private && !own => {
                Self { opens, closes, ..nameless("A video that is not shown yet") }
            }
            Some(video) => Self {
                name: video.title.clone(),
                is_there: true,
                length: video.duration.map(length),
                has_poster: video.has_poster,
                note: note(video.visibility, own),
                opens,
                closes,
                ..nameless("")
            },
        }
    }
}

fn note(visibility: Visibility, own: bool) -> Option<&'static str> {
    match (visibility, own) {
        (Visibility::Ticket, _) => None,
        (Visibility::Private, _) => {
            Some("It is private: nobody but you can watch it, with a ticket or without.")
        }
        (Visibility::Public, true) => Some("It is public: anybody can watch it, with a ticket or without."),
        (Visibility::Public, false) => Some("Anybody can watch it at present, with a ticket or without."),
    }
}

/// How long a film is, for people: `45 s`, `12 min`, `1 h 32 min`. `millis` may be anything that a container says.
fn length(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let minutes = (seconds + 30) / 60;
    match (seconds, minutes) {
        (0..60, _) => format!("{seconds} s"),
        (_, 0..60) => format!("{minutes} min"),
        _ if minutes % 60 == 0 => format!("{} h", minutes / 60),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_for_people() {
        for (millis, text) in [
            (-1, "0 s"),
            (0, "0 s"),
            (1_499, "1 s"),
            (59_400, "59 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (89_000, "1 min"),
            (90_000, "2 min"),
            (3_569_999, "59 min"),
            (3_570_000, "1 h"),
            (5_520_000, "1 h 32 min"),
            (i64::MAX, "2562047788015 h 13 min"),
        ] {
            assert_eq!(length(millis), text, "{millis}");
        }
    }
}
