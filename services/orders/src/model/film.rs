//! The film that an order admits to, and from when until when: pure.

use kernel::{Instant, VideoId};

/// What orders knows of a ticket and of an order beside what the order itself holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Showing {
    /// When the ticket begins, as orders has heard last.
    pub starts_at: Option<Instant>,
    /// The video that it admits to.
    pub film: Option<Film>,
    /// When the order was watched first.
    pub watched_at: Option<Instant>,
}

/// A video behind a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Film {
    /// The video.
    pub id: VideoId,
    /// From when it may be watched; always, if it is not said.
    pub opens_at: Option<Instant>,
    /// Until when it may; for ever, if it is not said.
    pub closes_at: Option<Instant>,
}

/// Where a moment lies to the time in which a film may be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Before it.
    Early,
    /// Within it.
    Open,
    /// After it.
    Over,
}

impl Film {
    /// Whether it may be watched at `now`. It closes at the very moment that is named, as its sale does.
    pub fn window(&self, now: Instant) -> Window {
        if self.closes_at.is_some_and(|at| at <= now) {
            Window::Over
        } else if self.opens_at.is_some_and(|at| at > now) {
            Window::Early
        } else {
            Window::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    #[test]
    fn a_film_is_open_from_its_first_moment_and_not_at_its_last() {
        let film = |opens: Option<i64>, closes: Option<i64>| Film {
            id: VideoId::new(&Clock::system()),
            opens_at: opens.map(Instant::from_millis),
            closes_at: closes.map(Instant::from_millis),
        };
        for (film, now, window) in [
            (film(None, None), 5, Window::Open),
            (film(Some(5), None), 4, Window::Early),
            (film(Some(5), None), 5, Window::Open),
            (film(None, Some(5)), 4, Window::Open),
            (film(None, Some(5)), 5, Window::Over),
            (film(Some(3), Some(5)), 2, Window::Early),
            (film(Some(3), Some(5)), 6, Window::Over),
        ] {
            assert_eq!(film.window(Instant::from_millis(now)), window, "{film:?} at {now}");
        }
    }
}
