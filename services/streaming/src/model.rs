//! A video, and the rules of naming one; pure.

use contracts::{VideoState, Visibility};
use kernel::{Instant, ObjectId, UserId, VideoId};

/// A video of the catalogue.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Video {
    /// The video.
    pub id: VideoId,
    /// 0 when it was published.
    pub version: i64,
    /// Who uploaded it.
    pub owner_id: UserId,
    /// Its title.
    pub title: String,
    /// The uploaded file's name, made unique.
    pub path: String,
    /// Who may watch it.
    pub visibility: Visibility,
    /// In bytes.
    pub size: i64,
    /// Its media type, as its first bytes say.
    pub content_type: String,
    /// In milliseconds, if its container says so.
    pub duration: Option<i64>,
    /// Its bytes.
    pub object_id: ObjectId,
    /// The picture that stands for it, and that picture's media type.
    pub poster: Option<Poster>,
    /// When it was published.
    pub created_at: Instant,
    /// The number of the change that made this version.
    pub change: i64,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Poster {
    /// Its bytes.
    pub object_id: ObjectId,
    /// Its media type.
    pub content_type: String,
}

impl Video {
    /// The state that its events carry.
    pub fn state(&self) -> VideoState {
        VideoState {
            id: self.id,
            version: self.version,
            owner_id: self.owner_id,
            title: self.title.clone(),
            path: self.path.clone(),
            visibility: self.visibility,
            duration: self.duration,
            has_poster: self.poster.is_some(),
            change: self.change,
        }
    }

    /// The next version, which a change makes.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// Where in the film a byte lies, in milliseconds, as far as that can be told from its place in the file.
    pub fn moment(&self, byte: u64) -> i64 {
        let (Some(duration), true) = (self.duration, self.size > 0) else { return 0 };
        let part = i128::from(duration) * i128::from(byte) / i128::from(self.size);
        i64::try_from(part).unwrap_or(duration).clamp(0, duration)
    }
}

/// The longest name, in bytes, that a file keeps.
const NAME: usize = 120;

/// What a file may be called here, from what it was called where it came from: the last part of that, without what
/// means something in paths, URLs or headers. `ending` is what it ends in if nothing is left.
pub fn file_name(given: &str, ending: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept =
        |c: char| !c.is_control() && !matches!(c, '"' | '%' | '?' | '#' | '&' | '<' | '>' | '|' | ':' | '*');
    let mut name: String =
        last.chars().filter(|c| kept(*c)).collect::<String>().trim().trim_matches('.').to_owned();
    if name.len() > NAME {
        let end = (0..=NAME).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(end);
    }
    if name.is_empty() { format!("video.{ending}") } else { name }
}

/// The path of a video: its file's name, with `mark` before the ending if the name is taken.
pub fn path(name: &str, mark: Option<&str>) -> String {
    match (mark, name.rsplit_once('.')) {
        (None, _) => name.to_owned(),
        (Some(mark), Some((stem, ending))) if !stem.is_empty() => format!("{stem}-{mark}.{ending}"),
        (Some(mark), _) => format!("{name}-{mark}"),
    }
}

/// A title for a film whose owner gave none: its file's name, without the ending, in words.
pub fn title(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let words = stem.replace(['_', '-', '.'], " ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { name.to_owned() } else { words.chars().take(200).collect() }
}

/// How long a film lasts, for people: `1:02:03`, `2:05`, `0:07`.
pub fn clock(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_is_harmless() {
        for (given, name) in [
            ("SampleVideo_1280x720_1mb.mp4", "SampleVideo_1280x720_1mb.mp4"),
            ("C:\\films\\Metropolis (1927).mp4", "Metropolis (1927).mp4"),
            ("../../etc/passwd", "passwd"),
            ("..", "video.mp4"),
            ("a/..", "video.mp4"),
            (" \"x\"\r\ny%2e?.mp4 ", "xy2e.mp4"),
            ("Ä Ω.webm", "Ä Ω.webm"),
            ("", "video.mp4"),
        ] {
            assert_eq!(file_name(given, "mp4"), name, "{given:?}");
        }
        assert!(file_name(&"é".repeat(500), "mp4").len() <= NAME);
    }

    #[test]
    fn a_taken_name_is_marked_before_its_ending() {
        assert_eq!(path("a.mp4", None), "a.mp4");
        assert_eq!(path("a.b.mp4", Some("7f")), "a.b-7f.mp4");
        assert_eq!(path("film", Some("7f")), "film-7f");
        assert_eq!(path(".mp4", Some("7f")), ".mp4-7f");
    }

    #[test]
    fn a_title_is_made_of_a_name() {
        assert_eq!(title("A_Trip-to.the Moon.mp4"), "A Trip to the Moon");
        assert_eq!(title("___.mp4"), "___.mp4");
        assert_eq!(title("x"), "x");
    }

    #[test]
    fn a_length_is_told_as_clocks_do() {
        let told: Vec<String> = [0, 7_900, 125_000, 3_723_000, -5].into_iter().map(clock).collect();
        assert_eq!(told, ["0:00", "0:07", "2:05", "1:02:03", "0:00"]);
    }
}
