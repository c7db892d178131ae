//! What the pages show of a video, in the words in which they show it.

use contracts::Visibility;
use kernel::{UserId, VideoId};

use crate::bytes;
use crate::model::{self, Video};

/// What stands for a video in a list: its poster, or a drawn screen with its title.
pub struct Picture {
    pub id: VideoId,
    pub title: String,
    pub poster: Option<String>,
    /// How long the video lasts: `1:02:03`.
    pub length: Option<String>,
}

impl Picture {
    pub fn of(video: &Video) -> Self {
        Self {
            id: video.id,
            title: video.title.clone(),
            poster: poster(video),
            length: video.duration.map(model::clock),
        }
    }
}

/// Where a video's poster is. A new one has another address.
pub fn poster(video: &Video) -> Option<String> {
    video.poster.as_ref().map(|_| format!("/api/videos/{}/poster?v={}", video.id, video.version))
}

/// Who may watch, as it concerns a reader: the class of a badge, and its words.
pub type Label = (&'static str, &'static str);

pub fn label(video: &Video, viewer: Option<UserId>, has_ticket: bool) -> Label {
    let own = viewer == Some(video.owner_id);
    match video.visibility {
        Visibility::Public if own => ("badge--done", "Yours, open to all"),
        Visibility::Ticket if own => ("badge--flight", "Yours, with a ticket"),
        Visibility::Private => ("badge--off", "Yours alone"),
        Visibility::Public => ("badge--done", "Open to all"),
        Visibility::Ticket if has_ticket => ("badge--done", "You have a ticket"),
        Visibility::Ticket => ("badge--held", "Ticket needed"),
    }
}

/// How large a video is: `1.5 GiB`.
pub fn size(video: &Video) -> String {
    bytes::told(video.size.unsigned_abs())
}

/// How many hundredths `part` is of `whole`.
pub fn percent(part: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { (part.clamp(0, whole).saturating_mul(100)) / whole }
}

/// Before this, in milliseconds, one has hardly begun.
const BEGUN: i64 = 10_000;

/// Where one would go on, if there is something to go on with: not at the very begin, and not where only the credits are
/// left.
pub fn goes_on(position: i64, duration: Option<i64>) -> Option<i64> {
    let is_over = duration.is_some_and(|duration| position >= duration / 100 * 95);
    (position >= BEGUN && !is_over).then_some(position)
}

/// The name of a language, by its tag: in its own words, where they are known here.
pub fn language(tag: &str) -> String {
    let known = |tag: &str| {
        Some(match tag {
            "ar" => "العربية",
            "cs" => "Čeština",
            "da" => "Dansk",
            "de" => "Deutsch",
            "el" => "Ελληνικά",
            "en" => "English",
            "es" => "Español",
            "fi" => "Suomi",
            "fr" => "Français",
            "he" => "עברית",
            "hi" => "हिन्दी",
            "hu" => "Magyar",
            "it" => "Italiano",
            "ja" => "日本語",
            "ko" => "한국어",
            "nb" | "no" => "Norsk",
            "nl" => "Nederlands",
            "pl" => "Polski",
            "pt" => "Português",
            "ro" => "Română",
            "ru" => "Русский",
            "sv" => "Svenska",
            "tr" => "Türkçe",
            "uk" => "Українська",
            "zh" => "中文",
            _ => return None,
        })
    };
    match (known(tag), tag.split_once('-')) {
        (Some(name), _) => name.to_owned(),
        (None, Some((first, rest))) => match known(first) {
            Some(name) => format!("{name} ({})", rest.to_ascii_uppercase()),
            None => tag.to_owned(),
        },
        (None, None) => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_in_the_middle_only() {
        for (position, duration, on) in [
            (0, Some(600_000), None),
            (9_999, Some(600_000), None),
            (10_000, Some(600_000), Some(10_000)),
            (569_999, Some(600_000), Some(569_999)),
            (570_000, Some(600_000), None),
            (50_000, None, Some(50_000)),
        ] {
            assert_eq!(goes_on(position, duration), on, "{position}");
        }
    }

    #[test]
    fn parts_are_hundredths() {
        assert_eq!([percent(1, 4), percent(9, 4), percent(-1, 4), percent(1, 0)], [25, 100, 0, 0]);
    }

    #[test]
    fn languages_have_names() {
        let names: Vec<String> = ["de", "pt-br", "tlh", "tlh-x"].map(language).into();
        assert_eq!(names, ["Deutsch", "Português (BR)", "tlh", "tlh-x"]);
    }
}
