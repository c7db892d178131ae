//! What streaming tells of itself.

use std::sync::LazyLock;

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    describe_counter!(
        "video_plays_total",
        "Sittings: a viewer began to watch a video, who had not been watching it."
    );
    describe_counter!("video_delivered_bytes_total", Unit::Bytes, "Bytes of videos that were delivered.");
    describe_counter!(
        "video_ended_total",
        "Deliveries that were ended, as their viewer was no longer admitted."
    );
    describe_counter!(
        "video_uploads_total",
        "Uploads, by what became of them: published, refused or given up."
    );
    describe_gauge!("video_viewers", "Viewers to whom bytes were delivered in the last half minute.");
    describe_gauge!("video_orphans", "Objects in storage that no video needs, when it was last looked.");
    let uploads = |outcome| counter!("video_uploads_total", "outcome" => outcome);
    Meters {
        plays: counter!("video_plays_total"),
        delivered: counter!("video_delivered_bytes_total"),
        ended: counter!("video_ended_total"),
        published: uploads("published"),
        refused: uploads("refused"),
        given_up: uploads("given_up"),
        viewers: gauge!("video_viewers"),
        orphans: gauge!("video_orphans"),
    }
});

struct Meters {
    plays: Counter,
    delivered: Counter,
    ended: Counter,
    published: Counter,
    refused: Counter,
    given_up: Counter,
    viewers: Gauge,
    orphans: Gauge,
}

/// Has the series begin at zero. The recorder has to be installed before.
pub(crate) fn begin() {
    METERS.viewers.set(0.0);
    METERS.orphans.set(0.0);
}

/// A sitting began.
pub(crate) fn played() {
    METERS.plays.increment(1);
}

/// Bytes were delivered.
pub(crate) fn delivered(bytes: u64) {
    METERS.delivered.increment(bytes);
}

/// A delivery was ended.
pub(crate) fn ended() {
    METERS.ended.increment(1);
}

/// An upload became a video.
pub(crate) fn published() {
    METERS.published.increment(1);
}

/// An upload was no video.
pub(crate) fn refused() {
    METERS.refused.increment(1);
}

/// An upload was given up.
pub(crate) fn given_up() {
    METERS.given_up.increment(1);
}

/// How many watch.
pub(crate) fn watching(viewers: usize) {
    METERS.viewers.set(viewers as f64);
}

/// How many objects were found that nobody needs, and are left.
pub(crate) fn orphans(left: usize) {
    METERS.orphans.set(left as f64);
}
