//! Who watches right now, as far as this process delivers to them: so that a sitting is one however many ranges a player
//! asks for, and how far they have come is written down now and then and not with every range.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{OrderId, PlayId, Result, UserId};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use web::ClientAddr;

use crate::admission::Admission;
use crate::known::Known;
use crate::store::sittings::{self, Seat};
use crate::{Streaming, meters};

/// Who has not watched for so long has left; what comes after is another sitting.
pub(crate) const PAUSE: Duration = Duration::from_secs(30 * 60);
/// Who was delivered nothing for so long is not counted as watching.
const AWAY: Duration = Duration::from_secs(30);
/// How far somebody has come is written down this often.
pub(crate) const NOTED_EVERY: Duration = Duration::from_secs(5);
/// Seats that are remembered; a crowd that is larger is asked for in the database.
const MOST: usize = 100_000;

/// Who watches.
pub(crate) struct Seats(Mutex<HashMap<Seat, Taken>>);

struct Taken {
    delivered_at: Instant,
    /// By which order they were admitted last, if it took one.
    order: Option<OrderId>,
    /// Delivered and not written down yet.
    bytes: u64,
    /// Where the last delivered byte lies in the film, in milliseconds.
    position: i64,
    size: u64,
    duration: Option<i64>,
}

/// How far somebody has come since that was last written down.
struct Moved {
    seat: Seat,
    /// In milliseconds, as what follows.
    position: i64,
    played: i64,
    duration: i64,
    bytes: u64,
}

/// The seat of whoever asks. Who is not signed in is told from others by address alone, by a digest that does not say it:
/// all else is theirs to choose, and one machine is not to count as many.
pub(crate) fn seat(video: &Known, user: Option<UserId>, client: &ClientAddr) -> Seat {
    let viewer = match user {
        Some(user) => user.to_string(),
        None => {
            let digest = Sha256::digest(client.network().to_string());
            let short = digest.iter().take(12).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
            format!("guest:{short:024x}")
        }
    };
    Seat { viewer, video: video.id, user }
}

impl Seats {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Seat, Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Viewers to whom something was delivered lately.
    pub(crate) fn count(&self) -> usize {
        self.all().values().filter(|taken| taken.delivered_at.elapsed() < AWAY).count()
    }

    /// Notes what was delivered; whether that has to be told to the database, for the seat is taken, or held by another
    /// order than before.
    fn deliver(&self, seat: &Seat, video: &Known, order: Option<OrderId>, bytes: u64, until: u64) -> bool {
        let mut all = self.all();
        let now = Instant::now();
        let Some(taken) = all.get_mut(seat) else {
            let taken = Taken {
                delivered_at: now,
                order,
                bytes,
                position: video.moment(until),
                size: video.size.unsigned_abs(),
                duration: video.duration,
            };
            if all.len() < MOST {
                all.insert(seat.clone(), taken);
                return true;
            }
            // Once a body, then.
            return bytes == 0;
        };
        // As a body begins, or goes on by another order: those of one viewer may have been admitted by different ones.
        let is_other = bytes == 0 && order.is_some() && order != taken.order;
        if is_other {
            taken.order = order;
        }
        let is_new = is_other || taken.delivered_at.elapsed() >= PAUSE;
        taken.delivered_at = now;
        if bytes > 0 {
            taken.position = video.moment(until);
            taken.bytes += bytes;
        }
        is_new
    }

    /// Whoever watches on sits down anew.
    pub(crate) fn forget(&self, seat: &Seat) {
        self.all().remove(seat);
    }

    /// What is to be written down, and forgets who has left.
    fn take(&self) -> Vec<Moved> {
        let mut all = self.all();
        all.retain(|_, taken| taken.bytes > 0 || taken.delivered_at.elapsed() < PAUSE);
        let mut moved = Vec::new();
        for (seat, taken) in all.iter_mut().filter(|(_, taken)| taken.bytes > 0) {
            let duration = taken.duration.unwrap_or(0);
            let played = i128::from(duration) * i128::from(taken.bytes) / i128::from(taken.size.max(1));
            let played = i64::try_from(played).unwrap_or(duration);
            let bytes = std::mem::take(&mut taken.bytes);
            moved.push(Moved { seat: seat.clone(), position: taken.position, played, duration, bytes });
        }
        moved
    }

    /// What could not be written down is to be, the next time.
    fn put_back(&self, moved: &[Moved]) {
        let mut all = self.all();
        for Moved { seat, bytes, .. } in moved {
            if let Some(taken) = all.get_mut(seat) {
                taken.bytes += bytes;
            }
        }
    }
}

impl Streaming {
    /// Notes that bytes were delivered which end at `until`; none, when some are about to be.
    pub(crate) fn delivered(&self, seat: &Seat, video: &Known, admission: Admission, bytes: u64, until: u64) {
        meters::delivered(bytes);
        if self.0.seats.deliver(seat, video, admission.order(), bytes, until) {
            let (this, seat) = (self.clone(), seat.clone());
            tokio::spawn(async move {
                if let Err(error) = this.sit(&seat, admission).await {
                    tracing::warn!(video = %seat.video, error = ?error, "a sitting could not be noted");
                    // The next part that is delivered tries again.
                    this.0.seats.forget(&seat);
                }
            });
        }
    }

    pub(crate) async fn sit(&self, seat: &Seat, admission: Admission) -> Result<()> {
        let play = PlayId::new(self.0.web.clock());
        if sittings::sit(&self.0.db, seat, play, admission.order(), PAUSE).await? {
            meters::played();
        }
        Ok(())
    }

    /// Writes down how far those have come who watch.
    pub(crate) async fn note_seats(&self) -> Result<()> {
        let moved = self.0.seats.take();
        let mut rest = moved.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rest.len().min(200));
            let noted = self
                .0
                .db
                .write(|tx| async move {
                    let mut gone = Vec::new();
                    for Moved { seat, position, played, duration, .. } in some {
                        if !sittings::go_on(&tx, seat, *position, *played, *duration).await? {
                            gone.push(seat);
                        }
                    }
                    Ok(gone)
                })
                .await;
            match noted {
                Ok(gone) => gone.into_iter().for_each(|seat| self.0.seats.forget(seat)),
                Err(error) => {
                    self.0.seats.put_back(rest);
                    return Err(error);
                }
            }
            rest = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Visibility;
    use kernel::{Clock, ObjectId, VideoId};

    use crate::model::Video;

    fn film() -> Known {
        let clock = Clock::system();
        Known::from(Video {
            id: VideoId::new(&clock),
            version: 0,
            owner_id: UserId::new(&clock),
            title: String::new(),
            path: String::new(),
            visibility: Visibility::Public,
            size: 1000,
            content_type: String::new(),
            duration: Some(10_000),
            object_id: ObjectId::new(&clock),
            poster: None,
            created_at: clock.now(),
            change: 0,
        })
    }

    fn guest(n: usize, video: &Known) -> Seat {
        Seat { viewer: n.to_string(), video: video.id, user: None }
    }

    #[test]
    fn what_could_not_be_written_down_is_not_lost() {
        let (seats, film) = (Seats::new(), film());
        let seat = guest(1, &film);
        assert!(seats.deliver(&seat, &film, None, 0, 0));
        assert!(seats.take().is_empty(), "nothing has left");
        assert!(!seats.deliver(&seat, &film, None, 100, 100));
        seats.put_back(&seats.take());
        seats.deliver(&seat, &film, None, 50, 150);
        let moved = seats.take();
        assert_eq!((moved[0].played, moved[0].position), (1500, 1500));
        assert!(seats.take().is_empty());
    }

    #[test]
    fn a_crowd_asks_once_a_body() {
        let (seats, film) = (Seats::new(), film());
        assert!((0..MOST).all(|n| seats.deliver(&guest(n, &film), &film, None, 0, 0)));
        let late = guest(MOST, &film);
        assert!(seats.deliver(&late, &film, None, 0, 0));
        assert!((1..9).all(|n| !seats.deliver(&late, &film, None, 10, n * 10)));
    }
}
