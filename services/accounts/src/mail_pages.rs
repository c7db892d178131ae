//! The pages that the links of mails lead to, and the one that asks for such a mail. Looking at one changes nothing, for
//! some mail readers follow links before anybody has.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use kernel::Result;
use serde::Deserialize;
use web::{Form, FormView, MaybeSession, Page, Routes, Session, see_other};

use crate::forms::{Confirmation, NewPassword, Reset};
use crate::pages::again;
use crate::post::Code;
use crate::seen::Seen;
use crate::{Accounts, Client};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .route("/verify", get(verify_form).post(verify))
        .route("/forgot", get(forgot_form).post(forgot))
        .route("/reset", get(reset_form).post(reset))
}

/// `/verify`
#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    page: Page,
    done: bool,
    values: FormView,
}

/// `/forgot`
#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage {
    page: Page,
    done: bool,
    values: FormView,
}

/// `/reset`
#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    page: Page,
    /// Whose password it is, if the link counts, as far as can be known before it is used.
    email: Option<String>,
    values: FormView,
}

/// What the address of a page says.
#[derive(Deserialize, Default)]
struct Asked {
    /// The code of a mail's link.
    #[serde(default)]
    code: String,
    /// That what was sent has been done.
    done: Option<String>,
}

type AskedQuery = std::result::Result<Query<Asked>, QueryRejection>;

fn asked(query: AskedQuery) -> Asked {
    let Query(asked) = query.unwrap_or_default();
    asked
}

async fn verify_form(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    query: AskedQuery,
) -> Response {
    let Asked { code, done } = asked(query);
    let values = FormView::default().with("code", code);
    web::html(&accounts.verify_page(session.as_ref(), done.is_some(), values))
}

async fn verify(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let verifying = async { accounts.verify(Confirmation::read(fields)?.code).await };
    match verifying.await {
        Ok(_) => see_other("/verify?done=1"),
        Err(error) => again(error, |error| {
            accounts.verify_page(session.as_ref(), false, FormView::failed(typed, error))
        }),
    }
}

async fn forgot_form(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    query: AskedQuery,
) -> Response {
    web::html(&accounts.forgot_page(session.as_ref(), asked(query).done.is_some(), FormView::default()))
}

async fn forgot(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    client: Client,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let asking = async { accounts.ask_to_reset(&Reset::read(fields)?.email, &client).await };
    match asking.await {
        Ok(()) => see_other("/forgot?done=1"),
        Err(error) => again(error, |error| {
            accounts.forgot_page(session.as_ref(), false, FormView::failed(typed, error))
        }),
    }
}

async fn reset_form(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    query: AskedQuery,
) -> web::Result<Response> {
    let code = asked(query).code;
    let email = accounts.may_reset(&Code::given(code.clone())).await?;
    let values = FormView::default().with("code", code);
    Ok(web::html(&accounts.reset_page(session.as_ref(), email, values)))
}

async fn reset(
    State(accounts): State<Accounts>,
    seen: Seen,
    MaybeSession(session): MaybeSession,
    Form(fields): Form,
) -> web::Result<Response> {
    let typed = fields.typed();
    let code = Code::given(typed.get("code").cloned().unwrap_or_default());
    match accounts.choose(fields).await {
        Ok(change) => Ok(accounts.told(seen, change, see_other("/signin?reset=1"))),
        Err(error) => {
            let email = accounts.may_reset(&code).await?;
            let page =
                |error: &_| accounts.reset_page(session.as_ref(), email, FormView::failed(typed, error));
            Ok(again(error, page))
        }
    }
}

impl Accounts {
    async fn choose(&self, fields: web::Fields) -> Result<i64> {
        let NewPassword { code, password } = NewPassword::read(fields)?;
        self.reset(code, password).await
    }

    fn verify_page(&self, session: Option<&Session>, done: bool, values: FormView) -> VerifyPage {
        VerifyPage { page: Page::new(&self.0.web, session, "Your e-mail address", "/verify"), done, values }
    }

    fn forgot_page(&self, session: Option<&Session>, done: bool, values: FormView) -> ForgotPage {
        ForgotPage { page: Page::new(&self.0.web, session, "Forgotten password", "/forgot"), done, values }
    }

    fn reset_page(&self, session: Option<&Session>, email: Option<String>, values: FormView) -> ResetPage {
        ResetPage { page: Page::new(&self.0.web, session, "A new password", "/reset"), email, values }
    }
}
