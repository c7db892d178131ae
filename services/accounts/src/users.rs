//! The operators' page of users: who there is, and who runs the house.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use contracts::Role;
use kernel::{Error, UserId};
use serde::Deserialize;
use web::{Form, Moment, Page, PageOperator, Paging, PathId, Routes, Session, Span, see_other};

use crate::model::User;
use crate::seen::Seen;
use crate::user::{address as page_of, known_by, not_oneself};
use crate::{Accounts, UserChange, store};

/// The longest text that is searched for: that of an address.
const SEARCH: usize = 254;

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new().route("/house/users", get(show)).route("/house/users/{id}/role", post(change_role))
}

/// `/house/users`
#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    page: Page,
    /// What was searched for.
    search: String,
    /// Where in the list this is: the id that came before.
    after: String,
    rows: Vec<Row>,
    /// What was just done.
    done: Option<String>,
    /// Leads to the older ones, if there are any.
    older: Option<String>,
}

struct Row {
    id: String,
    /// What they are known by: the address, or the name of one who has no address.
    name: String,
    username: String,
    operator: bool,
    /// Whether it is the one who looks.
    own: bool,
    joined: Moment,
}

impl Row {
    fn new(user: User, session: &Session) -> Self {
        Self {
            id: user.id.to_string(),
            name: known_by(&user),
            username: user.username.unwrap_or_default(),
            operator: user.role == Role::Operator,
            own: user.id == session.user,
            joined: user.created_at.into(),
        }
    }
}

/// What of the address is not [`Paging`].
#[derive(Deserialize, Default)]
struct Wanted {
    /// What addresses or names begin with.
    #[serde(default)]
    q: String,
    /// Whose role was changed.
    changed: Option<String>,
    /// Who was deleted.
    deleted: Option<String>,
}

impl Wanted {
    /// The text to search for. Control characters are in no address and no name.
    fn search(&self) -> String {
        self.q.trim().chars().filter(|c| !c.is_control()).take(SEARCH).collect()
    }
}

async fn show(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageOperator(session): PageOperator,
    paging: Paging,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> web::Result<Response> {
    let Query(wanted) = wanted.unwrap_or_default();
    let search = wanted.search();
    let span: Span<UserId> = paging.span()?;
    // One more than is shown says whether there are older ones.
    let span = Span { limit: span.limit + 1, descending: true, ..span };
    let mut found = store::users(&accounts.0.db, &search, &span).await?;
    let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let older = found.last().filter(|_| more).map(|last| address(&search, Some(&last.id.to_string()), limit));
    let rows: Vec<Row> = found.into_iter().map(|user| Row::new(user, &session)).collect();
    let changed = wanted.changed.and_then(|id| told(rows.iter().find(|row| row.id == id)?));
    let done = match changed {
        Some(changed) => Some(changed),
        None => accounts.told_deleted(wanted.deleted).await?,
    };
    let page = Page::new(&accounts.0.web, Some(&session), "Users", "/house/users");
    let after = paging.after.unwrap_or_default();
    let shown = web::html(&UsersPage { page, search, after, rows, done, older });
    Ok(accounts.told_of_all(seen, shown).await?)
}

/// What a change of role came to.
fn told(row: &Row) -> Option<String> {
    let role = if row.operator { "an operator" } else { "a user" };
    Some(format!("{} is {role} now, and has to sign in again.", row.name))
}

impl Accounts {
    /// That somebody was deleted, if they are not there.
    async fn told_deleted(&self, id: Option<String>) -> kernel::Result<Option<String>> {
        let Some(id) = id.and_then(|id| id.parse::<UserId>().ok()) else { return Ok(None) };
        let gone = self.find(id).await?.is_none();
        Ok(gone.then(|| {
            "The user is deleted. What they have for sale is withdrawn, and what they had not paid is let go.".into()
        }))
    }
}

/// The address of a part of the list.
fn address(search: &str, after: Option<&str>, limit: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("q", search);
    }
    if let Some(after) = after {
        query.append_pair("after", after).append_pair("limit", &limit.to_string());
    }
    format!("/house/users?{}", query.finish())
}

async fn change_role(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageOperator(session): PageOperator,
    PathId(id): PathId<UserId>,
    Form(fields): Form,
) -> web::Result<Response> {
    let typed = fields.typed();
    let role =
        UserChange::read(fields)?.role.ok_or_else(|| Error::invalid("Role must be given").at("role"))?;
    not_oneself(&session, id, "You cannot change your own role: another operator can")?;
    let changed = accounts.change_user(id, UserChange { role: Some(role), ..UserChange::default() }).await?;
    let text = |name: &str| typed.get(name).cloned().unwrap_or_default();
    if text("from") == "user" {
        return Ok(accounts.told(seen, changed.change, see_other(&page_of(id, "role"))));
    }
    let after: Option<UserId> = text("after").parse().ok();
    let wanted = Wanted { q: text("q"), ..Wanted::default() };
    let mut back = form_urlencoded::Serializer::new(String::new());
    back.append_pair("changed", &changed.user.id.to_string());
    if !wanted.search().is_empty() {
        back.append_pair("q", &wanted.search());
    }
    if let Some(after) = after {
        back.append_pair("after", &after.to_string());
    }
    Ok(accounts.told(seen, changed.change, see_other(&format!("/house/users?{}", back.finish()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, Instant, SessionId};
    use web::{Config, Web};

    const HOSTILE: &str = "<script>alert('x')</script>\"&";

    fn page_of(rows: impl Fn(&Session) -> Vec<Row>, search: &str) -> String {
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let session = Session {
            id: SessionId::new(&clock),
            user: UserId::new(&clock),
            role: Role::Operator,
            expires_at: clock.now(),
        };
        let web = Web::new(Config { clock, ..Config::default() });
        let page = Page::new(&web, Some(&session), "Users", "/house/users");
        let rows = rows(&session);
        let done = rows.first().and_then(told);
        let older = Some(address(search, Some("an-id"), 50));
        let after = if rows.is_empty() { "" } else { HOSTILE };
        UsersPage { page, search: search.into(), after: after.into(), rows, done, older }.render().unwrap()
    }

    fn user(id: UserId, role: Role) -> User {
        let (email, username) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
        User { id, email, username, role, created_at: Instant::from_millis(1_800_000_000_000), version: 0 }
    }

    #[test]
    fn the_page_escapes_what_users_call_themselves_and_what_was_searched_for() {
        let other = UserId::new(&Clock::system());
        let text = page_of(
            |session| {
                let own = Row::new(user(session.user, Role::Operator), session);
                vec![Row::new(user(other, Role::User), session), own]
            },
            HOSTILE,
        );
        assert!(!text.contains("<script>") && text.contains("&#60;script&#62;"), "{text}");
        assert!(!text.contains("style=") && !text.contains("onclick"), "{text}");
        assert!(text.contains("q=%3Cscript%3E") && text.contains("after=an-id"), "{text}");
        assert_eq!(text.matches("/role\"").count(), 1, "one's own role has no button: {text}");
        assert!(text.contains("Make operator") && text.contains("is a user now"), "{text}");
        assert!(text.contains(r#"href="/house" aria-current="true""#), "the navigation knows: {text}");
    }

    #[test]
    fn nobody_found_is_said() {
        assert!(page_of(|_| Vec::new(), "ann").contains("Nobody’s address or name begins with"));
    }

    #[test]
    fn a_search_is_one_line_of_bounded_length() {
        let wanted = Wanted { q: format!(" a\0\n{}", "b".repeat(1000)), ..Wanted::default() };
        assert_eq!(wanted.search(), format!("a{}", "b".repeat(253)));
        assert_eq!(address("", None, 50), "/house/users?");
    }
}
