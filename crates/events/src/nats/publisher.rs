//! Publishing the outbox of one service into its stream.
//!
//! The relay is the only one who writes to the stream, and each message says which sequence it expects to
//! be the last (`Nats-Expected-Last-Sequence`). So a whole batch is on its way at once and still in order: if
//! one message is refused, all behind it are. And a relay that was stopped in the middle of a batch and comes
//! back after another one took over is refused too, for the stream has moved on. (Fencing: Kleppmann,
//! "Designing Data-Intensive Applications", chapter 8.) The server looks at the event's id before it looks
//! at the sequence, so an event that it has already is answered as a duplicate.

use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream::context::PublishErrorKind;
use db::Recorded;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use kernel::{Error, Result};
use metrics::{Counter, counter};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::stream::{Known, partition_of};
use super::{ANSWER, Link, Nats, away, wire};
use crate::bus::Opened;
use crate::relay::Fence;

/// How often the stream is looked at while there is nothing to publish.
const CHECK: Duration = Duration::from_secs(5);
/// Looks at a stream that seems to be lost before it is believed: a cluster may be about to find it.
const LOOKS: usize = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Tries without any progress before the relay begins from its position again.
const FRUITLESS: usize = 3;

/// The publishing end of one service's stream.
pub(crate) struct Publisher {
    nats: Nats,
    service: &'static str,
    stream: String,
    /// What this publisher knows to be stored.
    known: Option<Known>,
    bells: Option<Subscriber>,
    link: watch::Receiver<Link>,
    /// When the stream was last seen to be as it should, and over which connection.
    checked: (Instant, u64),
    /// Off only where a test shows what happens without.
    fenced: bool,
    published: Counter,
}

/// What became of a batch that was sent.
struct Sent {
    /// So many from its head on are stored.
    stored: usize,
    refused: Option<Refused>,
}

enum Refused {
    /// The stream's last sequence is not the one that was expected.
    Sequence,
    Other(Error),
}

impl Publisher {
    pub(crate) fn new(nats: Nats, service: &'static str) -> Self {
        let (stream, link) = (nats.stream_name(service), nats.link());
        let checked = (Instant::now(), 0);
        let published = counter!("events_published_total", "service" => service);
        Self { nats, service, stream, known: None, bells: None, link, checked, fenced: true, published }
    }

    pub(crate) fn mark(&self) -> String {
        self.known.as_ref().map(Known::mark).unwrap_or_default()
    }

    /// Waits for the connection.
    pub(crate) async fn ready(&mut self) {
        if self.link.wait_for(|link| link.connected).await.is_err() {
            // Only when everything ends.
            std::future::pending::<()>().await;
        }
    }

    /// Begins with the stream that `mark` speaks of. One that is gone, or has lost its end, is made anew.
    pub(crate) async fn open(&mut self, mark: &str, fence: &Fence<'_>) -> Result<Opened> {
        self.known = None;
        let (before, mut now) = (Known::parse(mark), self.nats.stream(&self.stream).await?);
        if let Some(before) = &before {
            for _ in 1..LOOKS {
                if now
                    .as_ref()
                    .is_some_and(|(now, _)| now.created != before.created || now.last >= before.last)
                {
                    break;
                }
                sleep(LOOK_AGAIN).await;
                now = self.nats.stream(&self.stream).await?;
            }
        }
        let opened = match (&before, &now) {
            (Some(before), Some((now, _))) if now.created == before.created && now.last >= before.last => {
                Opened::AsItWas
            }
            (Some(_), _) => Opened::Anew,
            (None, _) => Opened::AsItWas,
        };
        if let (Some(before), Some((short, _))) = (&before, &now)
            && before.created == short.created
            && opened == Opened::Anew
        {
            fence.check().await?;
            tracing::error!(
                service = self.service,
                stored = before.last,
                found = short.last,
                "NATS lost events"
            );
            self.nats.delete_stream(&self.stream).await?;
            now = None;
        }
        let known = match now {
            Some((known, info)) => {
                self.nats.update_stream(self.service, info.config).await?;
                known
            }
            None => self.nats.make_stream(self.service).await?,
        };
        self.known = Some(known);
        self.checked = (Instant::now(), self.link.borrow().connects);
        if self.bells.is_none() {
            self.bells = Some(self.nats.bells(self.service).await?);
        }
        Ok(opened)
    }

    /// Stores a batch, in order.
    pub(crate) async fn publish(&mut self, batch: &[Recorded], fence: &Fence<'_>) -> Result<()> {
        let (mut rest, mut fruitless) = (batch, 0);
        while !rest.is_empty() {
            let Sent { stored, refused } = self.send(rest).await?;
            self.published.increment(stored as u64);
            rest = &rest[stored..];
            fruitless = if stored == 0 { fruitless + 1 } else { 0 };
            match refused {
                None => {}
                Some(Refused::Sequence) if fruitless < FRUITLESS => self.resume(fence).await?,
                Some(Refused::Sequence) => {
                    return Err(Error::unavailable("the stream moves under the relay"));
                }
                Some(Refused::Other(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends all of a batch, each message expecting the one before it, and waits for the answers.
    async fn send(&mut self, batch: &[Recorded]) -> Result<Sent> {
        let jetstream = &self.nats.0.jetstream;
        let known = self.known.as_mut().ok_or_else(|| Error::internal("a publisher was not opened"))?;
        let (mut answers, mut refused) = (Vec::with_capacity(batch.len()), None);
        for (expected, event) in (known.last..).zip(batch) {
            let mut message = wire::message(event).expected_stream(&self.stream);
            if self.fenced {
                message = message.expected_last_sequence(expected);
            }
            let subject =
                self.nats.event_subject(self.service, partition_of(&event.aggregate), &event.subject);
            match jetstream.send_publish(subject, message).await {
                Ok(answer) => answers.push(answer.into_future()),
                Err(error) => {
                    refused = Some(Refused::Other(away(error)));
                    break;
                }
            }
        }
        let mut stored = 0;
        for answer in join_all(answers).await {
            match answer {
                Ok(ack) => {
                    known.last = known.last.max(ack.sequence);
                    stored += 1;
                }
                Err(error) => {
                    refused = Some(match error.kind() {
                        PublishErrorKind::WrongLastSequence => Refused::Sequence,
                        _ => Refused::Other(away(error)),
                    });
                    break;
                }
            }
        }
        Ok(Sent { stored, refused })
    }

    /// Finds the end of the stream again, where events are that were stored unknown to us, or by the relay
    /// before. Only then is the lease looked at: whoever takes it over after this look moves the stream on,
    /// and what we send is refused.
    async fn resume(&mut self, fence: &Fence<'_>) -> Result<()> {
        self.known = Some(self.look().await?);
        fence.check().await
    }

    /// The stream, if it is still the one, with all that is known to be stored.
    async fn look(&self) -> Result<Known> {
        let now = self.nats.stream(&self.stream).await?;
        match (&self.known, now) {
            (Some(known), Some((now, _))) if now.created == known.created && now.last >= known.last => {
                Ok(now)
            }
            _ => Err(Error::unavailable("a stream was lost, or a part of it")),
        }
    }

    /// Looks from time to time, and after each new connection, whether the stream is as it was left.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let connects = self.link.borrow().connects;
        if self.checked.0.elapsed() < CHECK && self.checked.1 == connects {
            return Ok(());
        }
        let now = self.look().await?;
        if self.known.as_ref() != Some(&now) {
            return Err(Error::conflict("the stream has another relay"));
        }
        self.checked = (Instant::now(), connects);
        Ok(())
    }

    /// Returns when another process rings the relay's bell, or the connection has come or gone.
    pub(crate) async fn stirred(&mut self) {
        let Self { bells, link, .. } = self;
        let bell = async {
            match bells {
                Some(bells) => bells.next().await,
                None => None,
            }
        };
        tokio::select! {
            Some(_) = bell => {}
            Ok(()) = link.changed() => {}
            else => std::future::pending().await,
        }
    }

    /// Rings the bell of the process that relays this service.
    pub(crate) async fn ring(&self) {
        // At most once; the relay looks twice a second anyway.
        if self.nats.is_connected() {
            let _ = tokio::time::timeout(ANSWER, self.nats.ring(self.service)).await;
        }
    }
}

#[cfg(test)]
mod tests;
