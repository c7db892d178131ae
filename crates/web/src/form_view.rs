//! A form as its page shows it: what was typed, and what was wrong with it.

use std::collections::HashMap;

use kernel::Error;

use crate::problem::Problem;

/// What a form's fields show. An empty one is `FormView::default()`.
#[derive(Debug, Clone, Default)]
pub struct FormView {
    values: HashMap<String, String>,
    errors: Vec<(Option<String>, String)>,
}

impl FormView {
    /// A form that has to be filled in again. `typed` is [`crate::Fields::typed`].
    pub fn failed(typed: HashMap<String, String>, error: &Error) -> Self {
        // Through `Problem`, since that knows what may be told.
        let told = Problem::of(error);
        let errors =
            told.errors().iter().map(|e| (e.field.as_deref().map(str::to_owned), e.message.to_string()));
        Self { values: typed, errors: errors.collect() }
    }

    /// Shows `value` in `field` at first.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(field.into(), value.into());
        self
    }

    /// What a field shows.
    pub fn value(&self, field: &str) -> &str {
        self.values.get(field).map_or("", String::as_str)
    }

    /// What is wrong with a field.
    pub fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|(at, _)| at.as_deref() == Some(field)).map(|(_, message)| message.as_str())
    }

    /// What is wrong with the whole.
    pub fn problems(&self) -> Vec<&str> {
        self.errors.iter().filter(|(at, _)| at.is_none()).map(|(_, message)| message.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::FieldError;

    #[test]
    fn shows_what_was_typed_and_what_was_wrong() {
        let error = Error::fields(vec![
            FieldError { message: "Title is required".into(), field: Some("title".into()) },
            FieldError { message: "Not today".into(), field: None },
        ]);
        let form = FormView::failed(HashMap::from([("price".to_owned(), "20".to_owned())]), &error);
        assert_eq!((form.value("price"), form.value("title")), ("20", ""));
        assert_eq!((form.error("title"), form.error("price")), (Some("Title is required"), None));
        assert_eq!(form.problems(), ["Not today"]);
        let form = FormView::default().with("title", "Tea");
        assert_eq!((form.value("title"), form.error("title"), form.problems().len()), ("Tea", None, 0));
    }

    #[test]
    fn our_own_failures_stay_with_us() {
        let form = FormView::failed(HashMap::new(), &Error::internal("/var/lib is full"));
        assert!(!form.problems()[0].contains("/var"));
    }
}
