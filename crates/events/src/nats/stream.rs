//! The streams: one for each service that publishes, in partitions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use kernel::Result;

use super::{Nats, away};

/// The partitions of each stream. An aggregate's events are in one partition, which one process reads at a
/// time, so this is also how many processes can share a consumer's work. To change it is to change where
/// aggregates are: drain the streams first.
pub const PARTITIONS: u64 = 8;

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// When it was made, which names its incarnation: a stream that was lost and made again counts anew.
    pub(crate) created: Arc<str>,
    /// Its last sequence.
    pub(crate) last: u64,
}

impl Known {
    fn of(info: &Info) -> Self {
        Self {
            created: info.created.unix_timestamp_nanos().to_string().into(),
            last: info.state.last_sequence,
        }
    }

    /// Reads what [`Known::mark`] wrote.
    pub(crate) fn parse(mark: &str) -> Option<Self> {
        let (created, last) = mark.split_once(' ')?;
        Some(Self { created: created.into(), last: last.parse().ok()? })
    }

    pub(crate) fn mark(&self) -> String {
        format!("{} {}", self.created, self.last)
    }
}

/// A partition that a subscription reads.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    /// Its lease in the consumer's database.
    pub(crate) lease: Arc<str>,
    /// The service that publishes it.
    pub(crate) source: &'static str,
    /// Its number.
    pub(crate) number: u64,
}

/// The partitions in which these subjects are published.
pub(crate) fn partitions_of(subjects: &[&str]) -> Vec<Partition> {
    let sources: BTreeSet<&'static str> =
        subjects.iter().filter_map(|subject| contracts::publisher(subject)).collect();
    let all = sources.into_iter().flat_map(|source| (0..PARTITIONS).map(move |number| (source, number)));
    all.map(|(source, number)| Partition { lease: format!("{source}/{number}").into(), source, number })
        .collect()
}

/// The partition of an aggregate.
pub(crate) fn partition_of(aggregate: &str) -> u64 {
    hash(aggregate) % PARTITIONS
}

/// FNV-1a, 64 bits (draft-eastlake-fnv, section 2), which every build and every other program computes alike.
pub(crate) fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Nats {
    /// The name of a service's stream.
    pub(crate) fn stream_name(&self, service: &str) -> String {
        format!("{}_{service}", self.0.settings.prefix).to_uppercase()
    }

    /// What the stream is now, and all that the server says of it. `None` if there is none.
    pub(crate) async fn stream(&self, name: &str) -> Result<Option<(Known, Info)>> {
        match self.0.jetstream.get_stream(name).await {
            Ok(stream) => {
                let info = stream.cached_info();
                Ok(Some((Known::of(info), info.clone())))
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                _ => Err(away(error)),
            },
        }
    }

    /// Makes the stream of `service`, or answers the one that somebody made meanwhile.
    pub(crate) async fn make_stream(&self, service: &str) -> Result<Known> {
        let name = self.stream_name(service);
        match self.0.jetstream.create_stream(self.stream_config(service)).await {
            Ok(stream) => Ok(Known::of(stream.cached_info())),
            Err(error) => {
                let exists = matches!(error.kind(), CreateStreamErrorKind::JetStream(e)
                    if e.error_code() == ErrorCode::STREAM_NAME_EXIST);
                match self.stream(&name).await? {
                    Some((known, _)) if exists => Ok(known),
                    _ => Err(away(error)),
                }
            }
        }
    }

    /// Brings a stream that was made under other settings up to date. What it holds stays.
    pub(crate) async fn update_stream(&self, service: &str, present: Config) -> Result<()> {
        let wanted = self.stream_config(service);
        let mut subjects = present.subjects.clone();
        subjects.extend(wanted.subjects.iter().filter(|s| !present.subjects.contains(s)).cloned());
        let next = Config {
            subjects,
            num_replicas: wanted.num_replicas,
            max_age: wanted.max_age,
            duplicate_window: wanted.duplicate_window,
            ..present.clone()
        };
        if next != present {
            self.0.jetstream.update_stream(next).await.map_err(away)?;
        }
        Ok(())
    }

    /// Deletes a stream with what it holds.
    pub(crate) async fn delete_stream(&self, name: &str) -> Result<()> {
        self.0.jetstream.delete_stream(name).await.map(drop).map_err(away)
    }

    fn stream_config(&self, service: &str) -> Config {
        let settings = self.settings();
        Config {
            name: self.stream_name(service),
            subjects: vec![format!("{}.{service}.*.*", settings.prefix)],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            num_replicas: settings.replicas,
            max_age: settings.keep,
            duplicate_window: settings.duplicate_window.min(settings.keep).max(Duration::from_millis(100)),
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_is_where_it_always_was() {
        // The published vectors of FNV-1a.
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(partition_of("foobar"), 0);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let known = Known { created: "1790000000000000001".into(), last: 42 };
        assert_eq!(Known::parse(&known.mark()), Some(known));
        assert_eq!(Known::parse(""), None);
    }

    #[test]
    fn a_subscription_reads_the_partitions_of_its_sources() {
        let all = partitions_of(&["order:created", "stock:updated", "ticket:updated"]);
        let leases: Vec<&str> = all.iter().map(|partition| &*partition.lease).collect();
        assert_eq!(leases.len(), 16);
        assert_eq!((leases[0], leases[15]), ("orders/0", "tickets/7"));
    }
}
