//! Lists of tickets as pages: what is on sale, and what one sells oneself. Both are searched, read in parts, and
//! kept up to date while they are open.

use std::collections::BTreeSet;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use kernel::{Error, Instant, Result, TicketId};
use serde::Deserialize;
use serde_json::{Map, Value};
use web::{Answer, MaybeSession, PageSession, Session};

use super::rows::{Count, Empty, HomePage, Left, List, MinePage, Row};
use crate::Tickets;
use crate::model::Ticket;
use crate::search::{self, Place, Search};
use crate::store;

/// How many tickets a part of a list shows.
pub const PER_PAGE: usize = 50;
/// One more, to know whether there are more.
const LIMIT: i64 = PER_PAGE as i64 + 1;

type Asked<Q> = std::result::Result<Query<Q>, QueryRejection>;

fn asked<Q>(query: Asked<Q>) -> Result<Q> {
    let Query(query) = query.map_err(|_| Error::invalid("A parameter must be there once and be text"))?;
    Ok(query)
}

pub async fn home(
    State(tickets): State<Tickets>,
    MaybeSession(session): MaybeSession,
    query: Asked<search::Query>,
) -> web::Result<Response> {
    let search = Search::read(asked(query)?)?;
    Ok(web::html_text(tickets.front(session.as_ref(), &search).await?))
}

pub async fn mine(
    State(tickets): State<Tickets>,
    PageSession(session): PageSession,
    query: Asked<search::Query>,
) -> web::Result<Response> {
    let search = Search::read(asked(query)?.in_no_order())?;
    let (user, now) = (session.user, tickets.0.web.clock().now());
    let (db, looked_for) = (tickets.0.db.clone(), search.clone());
    let queries = async move {
        let found = store::search::of_user(&db, user, &looked_for, LIMIT).await?;
        let counted = match known(&looked_for, &found) {
            Some(counted) => counted,
            None => store::search::count_of_user(&db, user, &looked_for).await?,
        };
        Ok((found, counted))
    };
    let (found, counted) = tickets.found(&search, queries).await?;
    let page = tickets.page(Some(&session), &title("My tickets", &search), "/tickets/mine");
    let list = List::new(&page, "/tickets/mine", search, found, counted, now);
    Ok(web::html(&MinePage { page, list }))
}

/// How many there are, if nothing has to be counted for that: this part is all that there is, or nobody is told. Of
/// what is looked for the first part alone tells it.
fn known(search: &Search, found: &[Ticket]) -> Option<i64> {
    let is_told = search.is_for_words() && search.place.is_none();
    (!is_told || found.len() <= PER_PAGE).then_some(found.len() as i64)
}

fn title(name: &str, search: &Search) -> String {
    if search.is_for_words() { format!("“{}” in {name}", search.text) } else { name.to_owned() }
}

impl List {
    /// The list at `path`, of which `found` is the part that was asked for and one more, if there is more.
    pub fn new(
        page: &web::Page,
        path: &'static str,
        search: Search,
        mut found: Vec<Ticket>,
        counted: i64,
        now: Instant,
    ) -> Self {
        let more = found.len() > PER_PAGE;
        found.truncate(PER_PAGE);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| search.address(path, Some(Place::after(last, search.sort, search.place, now))));
        let first = search.place.map(|_| search.address(path, None));
        let empty = match (&first, search.is_for_words()) {
            _ if !found.is_empty() => None,
            (Some(_), _) => Some(Empty::Further),
            (None, true) => Some(Empty::Match),
            (None, false) => Some(Empty::All),
        };
        let count = match &first {
            _ if !search.is_for_words() || empty.is_some() => None,
            None => Some(Count::Of(counted)),
            Some(_) => Some(Count::More),
        };
        let rows = found.iter().map(|ticket| Row::new(page, ticket, now)).collect();
        Self { path, rows, empty, count, next, first, text: search.text, sort: search.sort }
    }
}

/// Which tickets an open list asks about.
#[derive(Deserialize)]
pub struct Which {
    ids: String,
}

/// The ids that a query names, at most as many as a list shows.
fn which(query: Asked<Which>) -> Result<Vec<TicketId>> {
    let Which { ids } = asked(query)?;
    let ids: BTreeSet<TicketId> = ids
        .split(',')
        .take(PER_PAGE + 1)
        .map(|id| id.parse().map_err(|_| Error::not_found()))
        .collect::<Result<_>>()?;
    if ids.len() > PER_PAGE {
        return Err(Error::invalid(format!("Ids must be at most {PER_PAGE}")).at("ids"));
    }
    Ok(ids.into_iter().collect())
}

pub async fn now(State(tickets): State<Tickets>, query: Asked<Which>) -> web::Result<Answer> {
    let states = tickets.left(&which(query)?).await?;
    let states: serde_json::Result<Map<String, Value>> =
        states.into_iter().map(|(id, state)| Ok((id.to_string(), serde_json::to_value(state)?))).collect();
    Ok(Answer::ok(&states.map_err(|e| Error::internal("a state has no JSON").because(e))?))
}

pub async fn live(State(tickets): State<Tickets>, query: Asked<Which>) -> web::Result<Response> {
    let ids = which(query)?;
    tickets.left(&ids).await?;
    let web = tickets.0.web.clone();
    Ok(web::live_many(
        &web,
        ids,
        |id| format!("ticket:{id}"),
        move |ids| {
            let tickets = tickets.clone();
            async move { tickets.left(&ids).await }
        },
    ))
}

impl Tickets {
    /// The front page as `session` sees it, with what was looked for.
    pub(crate) async fn render_front(&self, session: Option<&Session>, search: Search) -> Result<String> {
        let now = self.0.web.clock().now();
        let (db, looked_for) = (self.0.db.clone(), search.clone());
        let queries = async move {
            let found = store::search::on_sale(&db, &looked_for, LIMIT, now).await?;
            let counted = match known(&looked_for, &found) {
                Some(counted) => counted,
                None => store::search::count_on_sale(&db, &looked_for, now).await?,
            };
            Ok((found, counted))
        };
        let (found, counted) = self.found(&search, queries).await?;
        let page = self.page(session, &title("Tickets", &search), "/");
        let list = List::new(&page, "/", search, found, counted, now);
        web::rendered(&HomePage { page, list, hold: self.hold() })
    }

    /// Runs the queries of a list, which have to wait for their turn if they are for words.
    pub(super) async fn found<T, Fut>(&self, search: &Search, queries: Fut) -> Result<T>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        if search.is_for_words() { self.0.searches.run(queries).await } else { queries.await }
    }

    /// What is left of some tickets, as a list shows it; 404 if none of them is there.
    async fn left(&self, ids: &[TicketId]) -> Result<Vec<(TicketId, Left)>> {
        let now = self.0.web.clock().now();
        let found = self.0.looks.load(ids).await?;
        if found.is_empty() {
            return Err(Error::not_found());
        }
        Ok(found.iter().map(|ticket| (ticket.id, Left::of(ticket, now))).collect())
    }
}
