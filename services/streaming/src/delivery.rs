//! A body on its way to a viewer: what of it was delivered, and whether they may still watch. A part counts as delivered
//! when the next is asked for, for then it has left; a viewer who may no longer watch gets no further part.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use contracts::Visibility;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};
use kernel::{Error, Result, SessionId, UserId};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::known::{Known, LookUp};
use crate::store::sittings::Seat;
use crate::{Streaming, meters, store};

/// Whether somebody may still watch is asked again this often, while they do.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// A body of a video's bytes.
pub(crate) struct Delivery {
    body: Body,
    streaming: Streaming,
    video: Known,
    seat: Seat,
    admission: Admission,
    leave: Leave,
    /// Where in the file the next byte lies, as far as an answer of one range tells.
    at: u64,
    /// Handed over, and not known to have left.
    out: u64,
    /// Whether the seat is taken, as it is when the first part is handed over: whoever leaves while that is under way has
    /// watched.
    is_seated: bool,
    /// Not handed over yet, as the answer's head has it: storage elsewhere does not say when its body is at its end.
    rest: u64,
    asked_at: Instant,
    asking: Option<BoxFuture<'static, Result<Admission>>>,
}

/// By what somebody watches, and until when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leave {
    /// Their session, if it is one.
    pub session: Option<SessionId>,
    /// When that or their link ends.
    pub ends: Option<kernel::Instant>,
}

impl Delivery {
    /// The answer, with an eye on it.
    pub(crate) fn of(
        answer: Response,
        streaming: Streaming,
        video: Known,
        seat: Seat,
        (admission, leave): (Admission, Leave),
    ) -> Response {
        let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| range(value.to_str().ok()?));
        let at = range.map_or(0, |range| range.start);
        let length =
            answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let rest = length.unwrap_or(u64::MAX);
        answer.map(|body| {
            let (asked_at, asking) = (Instant::now(), None);
            Body::new(Self {
                body,
                streaming,
                video,
                seat,
                admission,
                leave,
                at,
                out: 0,
                is_seated: false,
                rest,
                asked_at,
                asking,
            })
        })
    }

    /// What was handed over has left.
    fn left(&mut self) {
        let bytes = std::mem::take(&mut self.out);
        if bytes > 0 {
            self.at += bytes;
            self.streaming.delivered(&self.seat, &self.video, self.admission, bytes, self.at);
        }
    }

    /// Asks again whether the viewer is admitted, if it is time.
    fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.asking.is_none() && self.asked_at.elapsed() >= ASKED_EVERY {
            let (streaming, id, viewer) = (self.streaming.clone(), self.video.id, self.seat.user);
            let leave = self.leave;
            self.asking = Some(
                async move {
                    let video = streaming.video(&LookUp::Id(id)).await?;
                    if video.visibility == Visibility::Public {
                        return Ok(Admission::Public);
                    }
                    if !streaming.lasts(leave, viewer).await? {
                        return Err(Error::unauthorized());
                    }
                    streaming.admit(&video, viewer).await
                }
                .boxed(),
            );
        }
        let Some(asking) = &mut self.asking else { return Poll::Ready(true) };
        let admitted = ready!(asking.as_mut().poll(cx));
        (self.asking, self.asked_at) = (None, Instant::now());
        match admitted {
            Ok(admission) => {
                // By another order than before, whoever watches takes the seat by that.
                self.is_seated &= self.admission.order() == admission.order();
                self.admission = admission;
                Poll::Ready(true)
            }
            // Nobody knows: those who were admitted are not sent away for it.
            Err(error) if error.is_transient() => Poll::Ready(true),
            Err(_) => Poll::Ready(false),
        }
    }
}

impl http_body::Body for Delivery {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.left();
        if !ready!(this.poll_admitted(cx)) {
            meters::ended();
            return Poll::Ready(Some(Err(axum::Error::new(Ended))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.out = frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            this.rest = this.rest.saturating_sub(this.out);
            if this.out > 0 && !std::mem::replace(&mut this.is_seated, true) {
                this.streaming.delivered(&this.seat, &this.video, this.admission, 0, this.at);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0 || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // The last part is not followed by another that would be asked for; and of one that was under way when its
        // viewer left, some has come. Where the viewer was sent away, nothing is out.
        self.left();
    }
}

impl Streaming {
    /// Whether what `viewer` watches by has neither ended nor been revoked.
    async fn lasts(&self, leave: Leave, viewer: Option<UserId>) -> Result<bool> {
        let web = &self.0.web;
        if leave.ends.is_some_and(|ends| ends <= web.clock().now()) {
            return Ok(false);
        }
        match (leave.session, viewer) {
            (Some(session), _) => Ok(!web.revocations().is_revoked(session)),
            // Nobody revokes a link, but it ends with whoever made it.
            (None, Some(user)) => Ok(!store::has_departed(&self.0.db, user).await?),
            (None, None) => Ok(true),
        }
    }
}

/// Why a body ended early: whoever watched was no longer admitted.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the viewer is no longer admitted")
    }
}

impl std::error::Error for Ended {}

/// `bytes 0-99/1000` as `0..100`.
fn range(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()? + 1)
}
