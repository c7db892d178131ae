//! Where the door begins, for people who have a code and no camera.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Error, Kind};
use serde::Deserialize;
use web::{FormView, Page, PageSession, see_other};

use crate::{Orders, code};

/// `/door`
#[derive(Template)]
#[template(path = "door.html")]
pub(super) struct DoorPage {
    pub page: Page,
    pub values: FormView,
}

/// What stands in the address.
#[derive(Deserialize)]
pub(super) struct Asked {
    code: Option<String>,
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    asked: Result<Query<Asked>, QueryRejection>,
) -> web::Result<Response> {
    // A query that cannot be read is no code.
    let asked = asked.map_or_else(|_| Some(String::new()), |Query(Asked { code })| code);
    let page = Page::new(&orders.0.web, Some(&session), "At the door", "/door");
    let Some(asked) = asked else {
        return Ok(web::html(&DoorPage { page, values: FormView::default() }));
    };
    let code = code::typed(&asked);
    match orders.admission(&code).await {
        Ok(_) => Ok(see_other(&format!("/admissions/{code}"))),
        Err(error) if error.kind == Kind::NotFound => {
            let unknown = Error::invalid("No such code").at("code");
            let values = FormView::failed([("code".to_owned(), asked)].into(), &unknown);
            Ok(web::html_with(StatusCode::NOT_FOUND, &DoorPage { page, values }))
        }
        Err(error) => Err(error.into()),
    }
}
