//! The page of a counter that is not there, because nobody has added to it yet.

use askama::Template;
use web::{FormView, Page};

use super::key::{self, System};
use crate::model::{LONGEST_KEY, RESERVED};

#[derive(Template)]
#[template(path = "uncounted.html")]
pub(super) struct UncountedPage {
    page: Page,
    shown: String,
    system: Option<System>,
    /// As it is, for the form.
    key: String,
    values: FormView,
}

impl UncountedPage {
    pub(super) fn new(page: Page, key: &str) -> Self {
        let values = FormView::default().with("value", "1");
        Self { page, shown: key::shown(key), system: key::system(key), key: key.to_owned(), values }
    }
}

/// Whether there may be a counter with this key some day.
pub(super) fn is_possible(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= LONGEST_KEY && key != RESERVED
}
