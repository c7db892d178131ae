//! The dead letters of the whole house: what is parked here, and what is where other processes run the services.

use std::time::Duration;

use events::{Nats, Replayed, Subscription};
use futures_util::future::join_all;
use kernel::{Error, Instant, Kind, Result};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::report::{Inspector, json};

/// Letters on one page.
pub(crate) const SHOWN: usize = 200;
/// Characters of a reason.
const REASON: usize = 300;
/// For the letters of a service.
const ANSWER: Duration = Duration::from_secs(2);
/// For a delivery. Where it takes longer it goes on, and nobody waits to hear of it.
const DELIVERY: Duration = Duration::from_secs(20);
/// For what another process says of a delivery: longer than that one waits for it.
const DELIVERY_ELSEWHERE: Duration = Duration::from_secs(22);

/// A parked event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Who could not take it.
    pub consumer: String,
    /// Its subject.
    pub subject: String,
    /// Its aggregate.
    pub aggregate: String,
    /// The aggregate's version.
    pub version: i64,
    /// When it was given up.
    pub parked_at: Instant,
    /// Why, cut to a length.
    pub reason: String,
}

/// The parked events of one service, or of all.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Letters {
    /// At most [`SHOWN`], in order per aggregate.
    pub some: Vec<Letter>,
    /// How many there are.
    pub total: i64,
    /// Who could not be asked.
    #[serde(default)]
    pub silent: Vec<String>,
}

/// What a delivery came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivered {
    /// Events that took effect now.
    pub done: usize,
    /// Events that stay parked.
    pub left: usize,
    /// Who did not say in time.
    #[serde(default)]
    pub silent: Vec<String>,
    /// Where a delivery was under way already.
    #[serde(default)]
    pub busy: Vec<String>,
}

impl Inspector {
    /// The parked events of the house.
    pub(crate) async fn letters(&self) -> Letters {
        let parts = Service::ALL.into_iter().filter(|service| service.hears()).map(|service| async move {
            let runs_here = self.subscriptions.iter().any(|own| own.name() == service.name());
            let part = match runs_here {
                true => match timeout(ANSWER, self.own_letters(service.name())).await {
                    Ok(part) => part,
                    Err(e) => Err(Error::unavailable("the database does not answer").because(e)),
                },
                false => self.ask(&letters_of(service.name()), ANSWER).await,
            };
            (service, part)
        });
        let mut all = Letters::default();
        for (service, part) in join_all(parts).await {
            match part {
                Ok(part) => {
                    all.total += part.total;
                    all.some.extend(part.some);
                }
                Err(_) => all.silent.push(service.name().to_owned()),
            }
        }
        all.some.truncate(SHOWN);
        all
    }

    /// Delivers all of them again, as `marquee events retry` does.
    pub(crate) async fn deliver_again(&self) -> Delivered {
        let parts = Service::ALL.into_iter().filter(|service| service.hears()).map(|service| async move {
            let own = self.subscriptions.iter().find(|own| own.name() == service.name());
            let part = match own {
                Some(own) => deliver(own, self.web.shutdown()).await,
                None => self.ask(&delivery_of(service.name()), DELIVERY_ELSEWHERE).await,
            };
            (service, part)
        });
        let mut all = Delivered::default();
        for (service, part) in join_all(parts).await {
            match part {
                Ok(Delivered { done, left, busy, .. }) => {
                    all.done += done;
                    all.left += left;
                    all.busy.extend(busy);
                }
                Err(error) => {
                    tracing::warn!(%service, error = ?error, "a delivery of dead letters was not heard of");
                    all.silent.push(service.name().to_owned());
                }
            }
        }
        all
    }

    /// Answers other processes about the services that run here, one process for all that run a service.
    pub(crate) async fn answer_letters(&self, nats: &Nats) -> Result<()> {
        for subscription in self.subscriptions.iter() {
            let (this, name) = (self.clone(), subscription.name());
            let letters = move |_| {
                let this = this.clone();
                async move { json(&this.own_letters(name).await?) }
            };
            nats.answer(&letters_of(subscription.name()), letters).await?;
            let (own, stop) = (subscription.clone(), self.web.shutdown().clone());
            let delivery = move |_| {
                let (own, stop) = (own.clone(), stop.clone());
                async move { json(&deliver(&own, &stop).await?) }
            };
            nats.answer(&delivery_of(subscription.name()), delivery).await?;
        }
        Ok(())
    }

    /// What is parked in the database of a service.
    async fn own_letters(&self, service: &str) -> Result<Letters> {
        let db = self.databases.iter().find(|db| db.name() == service).ok_or_else(Error::not_found)?;
        let found = db.dead_letters(i64::try_from(SHOWN).unwrap_or(i64::MAX)).await?;
        let letter = |letter: db::DeadLetter| Letter {
            consumer: db.name().to_owned(),
            subject: letter.subject,
            aggregate: letter.aggregate,
            version: letter.version,
            parked_at: letter.parked_at,
            reason: letter.reason.chars().take(REASON).collect(),
        };
        let some = found.into_iter().map(letter).collect();
        Ok(Letters { some, total: db.count_dead_letters().await?, silent: Vec::new() })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, topic: &str, limit: Duration) -> Result<T> {
        let nats = self.bus.as_ref().ok_or_else(|| Error::unavailable("no process runs it"))?;
        let answer = nats.ask(topic, "", limit).await?;
        serde_json::from_str(&answer).map_err(|e| Error::internal("an answer that is none").because(e))
    }
}

/// Delivers what is parked for one service, on a task of its own: it goes on when nobody waits for it any more, and
/// ends with the process.
async fn deliver(subscription: &Subscription, stop: &CancellationToken) -> Result<Delivered> {
    let name = subscription.name();
    let (subscription, stop) = (subscription.clone(), stop.clone());
    let work = tokio::spawn(async move { stop.run_until_cancelled(subscription.replay()).await });
    let late = |e| Error::unavailable("the delivery goes on").because(e);
    let lost = |e| Error::internal("the delivery broke off").because(e);
    match timeout(DELIVERY, work).await.map_err(late)?.map_err(lost)? {
        Some(Ok(Replayed { done, left })) => Ok(Delivered { done, left, ..Delivered::default() }),
        Some(Err(error)) if error.kind == Kind::Conflict => {
            Ok(Delivered { busy: vec![name.to_owned()], ..Delivered::default() })
        }
        Some(Err(error)) => Err(error),
        None => Err(Error::unavailable("the process stops")),
    }
}

fn letters_of(service: &str) -> String {
    format!("letters-{service}")
}

fn delivery_of(service: &str) -> String {
    format!("delivery-{service}")
}
