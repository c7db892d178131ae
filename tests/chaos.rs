//! kill -9 and SIGSTOP at random over three copies under load: nothing that was acknowledged is lost, nothing
//! is oversold, whoever comes back late does no harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::{Client, Installation, Topology};

use crate::BINARY;
use crate::crashes::{Told, deal, kept, market};

const ROUNDS: usize = 30;
const BUYERS: usize = 9;
/// How often `verify` runs beside the load.
const VERIFY_EVERY: usize = 10;
/// How long an answer may take: a copy that stands still gives none.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same numbers in every run (Knuth, "The Art of Computer Programming", volume 2, 3.3.4, MMIX).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Buys, pays and cancels until `stop`, whatever becomes of the server.
async fn shop(buyer: Client, tickets: Vec<String>, first: usize, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    for n in first.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let dealt =
            tokio::time::timeout(PATIENCE, deal(&buyer, &tickets[n % tickets.len()], n, &mut told)).await;
        if !matches!(dealt, Ok(Some(()))) {
            // No answer, or 503: as a person would, a moment later.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_kills_and_stops_over_three_copies_lose_nothing_that_was_acknowledged() {
    let Some(mut house) = Installation::start(BINARY, Topology::Copies(3), &[]).await else { return };
    let (tickets, buyers) = market(house.client(), BUYERS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let shops: Vec<_> = (buyers.iter().enumerate())
        .map(|(n, buyer)| tokio::spawn(shop(buyer.clone(), tickets.clone(), n, stop.clone())))
        .collect();
    let mut chance = Chance(20_261_121);
    for round in 1..=ROUNDS {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(500))).await;
        let victim = usize::try_from(chance.below(3)).unwrap();
        if chance.below(2) == 0 {
            house.processes[victim].kill().await;
            house.processes[victim].resume().await;
            house.lead();
        } else {
            // Now and then longer than a lease lasts, so that others take its work over.
            house.processes[victim].pause().await;
            tokio::time::sleep(Duration::from_millis(200 + chance.below(3_300))).await;
            house.processes[victim].go_on().await;
        }
        if round % VERIFY_EVERY == 0 {
            house.verify().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged = 0;
    for (shop, buyer) in shops.into_iter().zip(&buyers) {
        let told = shop.await.unwrap();
        kept(buyer, &told).await;
        acknowledged += told.orders.len();
    }
    assert!(acknowledged > 500, "only {acknowledged} orders: that is no load");
    house.verify().await;
}
