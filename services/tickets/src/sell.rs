//! What a seller does: list, edit, withdraw.

use db::{IdempotencyKey, StoredAnswer};
use futures_util::future::try_join;
use kernel::{Error, Result, TicketId, UserId};
use web::Session;

use crate::model::{Draft, Ticket};
use crate::{Tickets, api, store};

impl Tickets {
    /// Lists a ticket; durable and announced when it returns. With a `key`, the answer is kept under it in
    /// the same transaction.
    ///
    /// # Errors
    /// 401 for a seller who is deleted; 400 for a video that is not theirs.
    pub async fn list(&self, seller: UserId, draft: Draft, key: Option<IdempotencyKey>) -> Result<Ticket> {
        if let Some(Some(video)) = draft.changes.video_id {
            self.may_admit_to(video, seller).await?;
        }
        let ticket = &draft.create(TicketId::new(self.0.web.clock()), seller);
        let key = &key;
        self.0
            .db
            .write(|tx| async move {
                let listing = store::insert(&tx, ticket);
                let (may_list, ()) = try_join(store::sellers::may_list(&tx, seller), listing).await?;
                if !may_list {
                    return Err(Error::unauthorized());
                }
                if let Some(key) = key {
                    let answer = StoredAnswer { status: 201, body: api::body(ticket)? };
                    if !tx.remember(key, Some(&answer)).await? {
                        return Err(Error::unavailable("the first request with this key is still running"));
                    }
                }
                self.changed(&tx);
                Ok(())
            })
            .await?;
        Ok(ticket.clone())
    }

    /// Edits one's own ticket.
    ///
    /// # Errors
    /// 404; 401 for another's; 400 for a video that is not theirs, unless the ticket has it already, and for one that
    /// nobody else may watch, unless the ticket is over; those of [`Ticket::edited`].
    pub async fn edit(&self, session: &Session, id: TicketId, draft: Draft) -> Result<Ticket> {
        let ticket = self.read(id).await?;
        session.require_owner(ticket.user_id)?;
        let closes_at = draft.changes.closes_at.unwrap_or(ticket.closes_at);
        let is_over = closes_at.is_some_and(|at| at <= self.0.web.clock().now());
        match draft.changes.video_id.unwrap_or(ticket.video_id) {
            Some(video) if ticket.video_id != Some(video) => self.may_admit_to(video, session.user).await?,
            Some(video) if !ticket.withdrawn && !is_over => {
                self.may_still_admit_to(video, session.user).await?;
            }
            _ => {}
        }
        let draft = &draft;
        self.0
            .db
            .write(|tx| async move {
                let ticket = store::find(&tx, id).await?;
                session.require_owner(ticket.user_id)?;
                let next = ticket.edited(draft.clone())?;
                store::update(&tx, &next).await?;
                self.announce(&tx, id);
                self.changed(&tx);
                Ok(next)
            })
            .await
    }

    /// Takes one's own ticket from sale; existing orders stay. Withdrawing twice is once.
    ///
    /// # Errors
    /// 404; 401 for another's.
    pub async fn withdraw(&self, session: &Session, id: TicketId) -> Result<()> {
        self.0
            .db
            .write(|tx| async move {
                let ticket = store::find(&tx, id).await?;
                session.require_owner(ticket.user_id)?;
                if let Some(next) = ticket.withdrawn() {
                    store::update(&tx, &next).await?;
                    self.announce(&tx, id);
                    self.changed(&tx);
                }
                Ok(())
            })
            .await
    }

    /// A ticket, sold out and withdrawn ones too.
    ///
    /// # Errors
    /// 404.
    pub async fn read(&self, id: TicketId) -> Result<Ticket> {
        store::read(&self.0.db, id).await
    }

    /// Whether nothing was ever listed here.
    ///
    /// # Errors
    /// As the database says.
    pub async fn is_empty(&self) -> Result<bool> {
        store::any(&self.0.db).await.map(|any| !any)
    }
}
