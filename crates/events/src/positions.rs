//! How far this process has taken in the partitions whose leases it holds.
//!
//! The position of a partition is the acknowledgement of its events, and it is stronger than one sent to
//! the server: it moves in the transaction of the effects, so there is no moment in which an effect is
//! durable and unacknowledged, or the other way round; it is one number, so what follows an event is never
//! taken before it, after a takeover neither; and it moves only for the owner of the lease, so a process
//! that was stopped and comes back late can change nothing. What a failed transaction did not take is
//! still there and is taken again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use db::{Db, Tx};
use kernel::{Error, Result};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::delivery::Delivery;

/// The partitions that one process reads for one subscription.
pub(crate) struct Positions {
    owner: String,
    held: Mutex<State>,
    /// Off only where a test shows what happens without.
    fenced: bool,
}

#[derive(Default)]
struct State {
    claims: u64,
    partitions: BTreeMap<Arc<str>, Partition>,
}

struct Partition {
    claim: u64,
    position: i64,
    mark: Arc<str>,
    /// Stops the reader when the partition is let go.
    _reader: DropGuard,
}

/// A step of one partition's position.
pub(crate) struct Step {
    lease: Arc<str>,
    from: i64,
    to: i64,
    mark: Arc<str>,
}

/// The lease of a partition has another owner.
#[derive(Debug)]
struct LeaseLost(Arc<str>);

impl std::fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the partition {} is read by another process", self.0)
    }
}
impl std::error::Error for LeaseLost {}

/// The partition whose loss this error is, if it is one.
pub(crate) fn lost(error: &Error) -> Option<&str> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<LeaseLost>().map(|LeaseLost(lease)| &**lease)
}

fn lease_lost(lease: &Arc<str>) -> Error {
    Error::conflict("a partition is read by another process").because(LeaseLost(Arc::clone(lease)))
}

impl Positions {
    pub(crate) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), held: Mutex::default(), fenced: true }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a claim that succeeded. Answers its number and the token that ends its reader.
    pub(crate) fn hold(&self, lease: &Arc<str>, from: &db::Lease) -> (u64, CancellationToken) {
        let stop = CancellationToken::new();
        let mut state = self.state();
        state.claims += 1;
        let partition = Partition {
            claim: state.claims,
            position: from.position,
            mark: from.mark.as_str().into(),
            _reader: stop.clone().drop_guard(),
        };
        state.partitions.insert(Arc::clone(lease), partition);
        (state.claims, stop)
    }

    /// Forgets a partition and stops its reader; what was read of it and not taken in is dropped.
    pub(crate) fn let_go(&self, lease: &str) {
        self.state().partitions.remove(lease);
    }

    /// As [`Positions::let_go`], unless it has been claimed again since.
    pub(crate) fn let_go_of(&self, lease: &str, claim: u64) {
        let mut state = self.state();
        if state.partitions.get(lease).is_some_and(|held| held.claim == claim) {
            state.partitions.remove(lease);
        }
    }

    /// The partitions that are held.
    pub(crate) fn held(&self) -> Vec<Arc<str>> {
        self.state().partitions.keys().cloned().collect()
    }

    /// Begins a partition from its start again, in the incarnation `mark` of its stream.
    ///
    /// # Errors
    /// `Conflict` if the lease has another owner; see [`lost`]. Else as the engine says.
    pub(crate) async fn restart(&self, db: &Db, lease: &Arc<str>, claim: u64, mark: &Arc<str>) -> Result<()> {
        let from = {
            let state = self.state();
            let held = state.partitions.get(lease).filter(|held| held.claim == claim);
            held.ok_or_else(|| lease_lost(lease))?.position
        };
        let step = &[Step { lease: Arc::clone(lease), from, to: 0, mark: Arc::clone(mark) }];
        // Before anything was taken in there is nothing to take back.
        if from != 0 {
            db.write(|tx| async move { self.advance(&tx, step).await }).await?;
        }
        let mut state = self.state();
        if let Some(held) = state.partitions.get_mut(lease).filter(|held| held.claim == claim) {
            held.position = 0;
            held.mark = Arc::clone(mark);
        }
        Ok(())
    }

    /// Whether a delivery is still to be taken in here: read under the present claim, and not taken yet.
    pub(crate) fn wants(&self, delivery: &Delivery) -> bool {
        let Some(place) = &delivery.place else { return true };
        self.state().partitions.get(&place.lease).is_some_and(|partition| {
            partition.claim == place.claim && partition.mark == place.mark && place.seq > partition.position
        })
    }

    /// The steps that taking in `batch` means, in the order of the leases' names, in which every process
    /// locks them.
    ///
    /// # Errors
    /// `Conflict` if a partition was let go meanwhile; see [`lost`].
    pub(crate) fn steps(&self, batch: &[&Delivery]) -> Result<Vec<Step>> {
        let mut steps: BTreeMap<Arc<str>, Step> = BTreeMap::new();
        let state = self.state();
        for place in batch.iter().filter_map(|delivery| delivery.place.as_ref()) {
            let present = |held: &&Partition| held.claim == place.claim && held.mark == place.mark;
            let held = state.partitions.get(&place.lease).filter(present);
            let held = held.ok_or_else(|| lease_lost(&place.lease))?;
            let (lease, mark) = (Arc::clone(&place.lease), Arc::clone(&place.mark));
            steps.insert(Arc::clone(&lease), Step { lease, from: held.position, to: place.seq, mark });
        }
        Ok(steps.into_values().collect())
    }

    /// Moves the positions in the transaction of the effects.
    ///
    /// # Errors
    /// `Conflict` if a lease has another owner; see [`lost`]. Else as the engine says.
    pub(crate) async fn advance(&self, tx: &Tx, steps: &[Step]) -> Result<()> {
        for Step { lease, from, to, mark } in steps {
            if !tx.advance(&self.owner, lease, *from, *to, mark).await? && self.fenced {
                return Err(lease_lost(lease));
            }
        }
        Ok(())
    }

    /// The transaction that made these steps is durable.
    pub(crate) fn moved(&self, steps: &[Step]) {
        let mut state = self.state();
        for step in steps {
            if let Some(partition) = state.partitions.get_mut(&step.lease)
                && (partition.position, &partition.mark) == (step.from, &step.mark)
            {
                partition.position = step.to;
            }
        }
    }
}

#[cfg(test)]
mod tests;
