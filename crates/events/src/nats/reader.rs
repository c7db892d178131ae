//! Reading one partition of a stream in order, from a place on.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use db::{Db, Recorded};
use futures_util::StreamExt as _;
use kernel::{Error, EventId, Result, Trace};
use metrics::Counter;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::stream::Partition;
use super::{Link, Nats, away, wire};
use crate::delivery::{Delivery, Place};
use crate::meters::Share;
use crate::positions::{Positions, lost};

/// Messages asked for at a time.
const PULL: usize = 256;
/// How long one request for messages lasts.
const EXPIRES: Duration = Duration::from_secs(30);
/// The server's sign of life while there is nothing to read; two that are missing, and it is asked anew.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// When the server forgets a reader that is not there any more.
const FORGET: Duration = Duration::from_secs(10);
/// How long to wait before the stream is looked at again: it doubles from the first to the last. At a first
/// start the streams are about to be made.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(640);
/// Reading that went well for so long is not a failure that goes on.
const LASTING: Duration = Duration::from_secs(10);
/// So many failures in a row are worth a line in the log.
const SPEAK: u32 = 15;

/// Reads one partition under one claim of its lease.
///
/// The consumer on the server is ordered and short-lived: it lives in memory, is not acknowledged, and is
/// made again from the place reached whenever anything is amiss. What was taken in is known to the
/// database alone ([`Positions`]).
pub(crate) struct Reader {
    pub(crate) nats: Nats,
    pub(crate) db: Db,
    pub(crate) positions: Arc<Positions>,
    pub(crate) partition: Partition,
    /// Which claim of the lease this is.
    pub(crate) claim: u64,
    /// The sequence of the last event handed on, in the incarnation `mark` of the stream.
    pub(crate) position: i64,
    pub(crate) mark: Arc<str>,
    pub(crate) arrivals: mpsc::Sender<Delivery>,
    /// What the server still has for this reader, as it says with each message.
    pub(crate) backlog: Share,
    pub(crate) missed: Counter,
}

impl Reader {
    /// Reads until it is dropped, or the lease is lost.
    pub(crate) async fn run(mut self) {
        let mut link = self.nats.link();
        let mut failures = 0_u32;
        loop {
            // Nothing is asked of a server that is away; its answer would come when it is not wanted any more.
            if link.wait_for(|link| link.connected).await.is_err() {
                return;
            }
            let begun = Instant::now();
            match self.read(&mut link).await {
                Ok(()) => return,
                // The keeper claims it again, from where the database says, if it can.
                Err(error) if lost(&error).is_some() => {
                    return self.positions.let_go_of(&self.partition.lease, self.claim);
                }
                Err(error) => {
                    failures = if begun.elapsed() < LASTING { failures + 1 } else { 1 };
                    // A stream that has not been made, or a server that went, is nothing to speak of at once.
                    if failures == SPEAK {
                        tracing::warn!(partition = &*self.partition.lease, error = ?error, "a partition cannot be read");
                    }
                }
            }
            sleep(LATER.min(SOON * 2_u32.saturating_pow(failures.saturating_sub(1)))).await;
        }
    }

    /// Reads on. Ends well if nobody wants to know any more.
    async fn read(&mut self, link: &mut watch::Receiver<Link>) -> Result<()> {
        let name = self.nats.stream_name(self.partition.source);
        let Some((stream, info)) = self.nats.stream(&name).await? else {
            return Err(Error::unavailable("the stream has not been made yet"));
        };
        let last = i64::try_from(stream.last).unwrap_or(i64::MAX);
        if stream.created != self.mark || last < self.position {
            self.restart(stream.created).await?;
        }
        // A stream that was made and filled before this consumer came is not a loss; it begins where that does.
        let (position, first) = (self.position, info.state.first_sequence);
        if position > 0 && u64::try_from(position).unwrap_or(0) + 1 < first {
            self.missed.increment(1);
            tracing::error!(
                consumer = self.db.name(),
                partition = &*self.partition.lease,
                position,
                first,
                "the stream dropped events that this consumer may not have heard: it was away longer than NATS_KEEP"
            );
        }
        let config = pull::Config {
            filter_subject: self.nats.event_subject(self.partition.source, self.partition.number, "*"),
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: u64::try_from(self.position).unwrap_or(0) + 1,
            },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGET,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = self.nats.0.jetstream.create_consumer_on_stream(config, &name).await.map_err(away)?;
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(PULL)
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(away)?;
        let mut expected = 1;
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = link.changed() => None,
            };
            let message =
                message.ok_or_else(|| Error::unavailable("the connection was lost"))?.map_err(away)?;
            let info =
                message.info().map_err(|_| Error::unavailable("a message without a place in its stream"))?;
            if info.consumer_sequence != expected {
                return Err(Error::unavailable("a message was lost on its way"));
            }
            expected += 1;
            self.backlog.set(info.pending);
            let seq = i64::try_from(info.stream_sequence).unwrap_or(i64::MAX);
            if self.arrivals.send(self.delivery(&message, seq)).await.is_err() {
                return Ok(());
            }
            self.position = seq;
        }
    }

    fn delivery(&self, message: &async_nats::Message, seq: i64) -> Delivery {
        let recorded = wire::event(message).unwrap_or_else(|error| {
            tracing::error!(subject = %message.subject, seq, error = ?error, "a message in a stream is passed over");
            let clock = self.db.clock();
            // Nobody hears it, and the position moves past it.
            let (subject, aggregate, payload) = Default::default();
            let (id, occurred_at) = (EventId::new(clock), clock.now());
            let trace = Trace::NONE;
            Recorded { seq: 0, id, subject, aggregate, version: 0, payload, occurred_at, trace }
        });
        let (lease, mark) = (Arc::clone(&self.partition.lease), Arc::clone(&self.mark));
        Delivery::at(recorded, Place { lease, claim: self.claim, seq, mark })
    }

    /// Begins at the start of a stream that is not the one that was read before. What comes again was heard,
    /// as the inbox knows.
    async fn restart(&mut self, mark: Arc<str>) -> Result<()> {
        self.positions.restart(&self.db, &self.partition.lease, self.claim, &mark).await?;
        self.position = 0;
        self.mark = mark;
        Ok(())
    }
}
