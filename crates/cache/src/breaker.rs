//! When to leave a server alone that does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many calls in a row that came to nothing.
const FAILURES: u32 = 3;
/// The first wait before the next try; each further one is twice as long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(2);

/// A connection that is there, or is being waited for.
pub(crate) struct Breaker<C>(Mutex<State<C>>);

enum State<C> {
    /// Calls are made.
    Closed { connection: C, failures: u32 },
    /// None is made. `wait` is for the try after the next.
    Open { until: Instant, wait: Duration },
    /// Somebody tries.
    Trying { wait: Duration },
}

/// What to do.
pub(crate) enum Way<C> {
    /// Call.
    Call(C),
    /// Do without, and connect meanwhile; then say how it went.
    Connect,
    /// Do without.
    Without,
}

impl<C: Clone> Breaker<C> {
    /// Nothing is connected yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Open { until: Instant::now(), wait: SHORTEST }))
    }

    pub(crate) fn way(&self) -> Way<C> {
        let mut state = self.state();
        match &*state {
            State::Closed { connection, .. } => Way::Call(connection.clone()),
            State::Open { until, wait } if *until <= Instant::now() => {
                let wait = *wait;
                *state = State::Trying { wait };
                Way::Connect
            }
            State::Open { .. } | State::Trying { .. } => Way::Without,
        }
    }

    /// A try has ended: with a connection that answers, or not.
    pub(crate) fn tried(&self, connection: Option<C>) {
        let mut state = self.state();
        let State::Trying { wait } = *state else { return };
        *state = match connection {
            Some(connection) => State::Closed { connection, failures: 0 },
            None => State::Open { until: Instant::now() + wait, wait: (wait * 2).min(LONGEST) },
        };
    }

    /// A call was answered.
    pub(crate) fn succeeded(&self) {
        if let State::Closed { failures, .. } = &mut *self.state() {
            *failures = 0;
        }
    }

    /// A call came to nothing; `broken` if the connection is of no more use. Answers whether this opened the breaker.
    pub(crate) fn failed(&self, broken: bool) -> bool {
        let mut state = self.state();
        let State::Closed { failures, .. } = &mut *state else { return false };
        *failures += 1;
        let open = broken || *failures >= FAILURES;
        if open {
            *state = State::Open { until: Instant::now() + SHORTEST, wait: SHORTEST * 2 };
        }
        open
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(&*self.state(), State::Closed { .. })
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn kind(breaker: &Breaker<u8>) -> &'static str {
        match breaker.way() {
            Way::Call(_) => "call",
            Way::Connect => "connect",
            Way::Without => "without",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_tries_and_the_others_do_without() {
        let breaker = Breaker::new();
        assert_eq!([kind(&breaker), kind(&breaker)], ["connect", "without"]);
        breaker.tried(Some(1));
        assert_eq!([kind(&breaker), kind(&breaker)], ["call", "call"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let breaker = Breaker::new();
        kind(&breaker);
        breaker.tried(Some(1));
        for _ in 0..2 * FAILURES {
            assert!(!breaker.failed(false));
            breaker.succeeded();
        }
        assert_eq!(
            [breaker.failed(false), breaker.failed(false), breaker.failed(false)],
            [false, false, true]
        );
        assert_eq!(kind(&breaker), "without");
        advance(SHORTEST).await;
        assert_eq!([kind(&breaker), kind(&breaker)], ["connect", "without"]);
        breaker.tried(Some(2));
        assert!(breaker.is_closed() && breaker.failed(true), "a broken connection is not called again");
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_longer_each_time_and_never_long() {
        let breaker = Breaker::new();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let since = Instant::now();
            while kind(&breaker) != "connect" {
                advance(Duration::from_millis(10)).await;
            }
            waits.push(since.elapsed());
            breaker.tried(None);
        }
        assert!(waits.windows(2).all(|two| two[0] <= two[1]) && waits[7] == LONGEST, "{waits:?}");
    }
}
