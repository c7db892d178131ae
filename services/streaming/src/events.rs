//! What streaming hears: tickets and orders, which say who may watch, and that somebody is gone.

use std::collections::BTreeSet;

use ::events::Handler;
use contracts::Event;
use db::Tx;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Result, UserId};

use crate::Streaming;
use crate::store::{self, admissions, sittings, uploads};

impl Handler for Streaming {
    fn subjects(&self) -> &'static [&'static str] {
        &[
            "ticket:created",
            "ticket:updated",
            "order:created",
            "order:updated",
            "order:cancelled",
            "user:deleted",
        ]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut concerned = BTreeSet::new();
            for event in events {
                match event {
                    Event::TicketCreated(ticket) | Event::TicketUpdated(ticket) => {
                        admissions::ticket(tx, ticket).await?;
                    }
                    Event::OrderCreated(order)
                    | Event::OrderUpdated(order)
                    | Event::OrderCancelled(order) => {
                        admissions::order(tx, order).await?;
                        concerned.insert(order.user_id);
                    }
                    Event::UserDeleted(user) => self.depart(tx, user.id).await?,
                    _ => {}
                }
            }
            let live = self.0.web.changes().clone();
            tx.after_commit(move || concerned.into_iter().for_each(|user| live.announce(seat(user))));
            Ok(())
        }
        .boxed()
    }
}

/// What open players of a user listen for.
pub(crate) fn seat(user: UserId) -> String {
    format!("seat:{user}")
}

/// Videos of a deleted user that are let go in one transaction; they have no more in all likelihood, and a job sees to
/// the others.
const AT_ONCE: i64 = 50;

impl Streaming {
    /// Somebody is gone: so are their history, and their videos but for those to which tickets were sold, which go on
    /// admitting until they are over.
    async fn depart(&self, tx: &Tx, user: UserId) -> Result<()> {
        sittings::forget_user(tx, user).await?;
        store::mark_departed(tx, user).await?;
        uploads::depart(tx, user).await?;
        self.let_go_of(tx, user, AT_ONCE).await.map(drop)
    }

    /// Deletes videos that nobody has a ticket for; answers how many.
    pub(crate) async fn let_go_of(&self, tx: &Tx, owner: UserId, limit: i64) -> Result<usize> {
        let videos = store::of_departed(tx, owner, limit).await?;
        for video in &videos {
            let last = store::delete(tx, video).await?;
            self.changed(tx, &last, true);
        }
        Ok(videos.len())
    }
}
