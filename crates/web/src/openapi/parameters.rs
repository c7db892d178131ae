//! What the extractors of `web` take from a request besides its body, and the prices that its bodies carry.

use kernel::MAX_PRICE;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::idempotency::{KeyHeader, Post};
use crate::paging::{DEFAULT, MOST, Paging};
use crate::path::PathId;

fn parameter(
    name: &str,
    place: ParameterIn,
    description: impl Into<String>,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description.into()))
        .schema(Some(schema))
        .build()
}

fn text() -> ObjectBuilder {
    Object::builder().schema_type(Type::String)
}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit =
            Object::builder().schema_type(Type::Integer).minimum(Some(1)).default(Some(DEFAULT.into()));
        let order = text().enum_values(Some(["asc", "desc"])).default(Some("asc".into()));
        vec![
            parameter(
                "limit",
                ParameterIn::Query,
                format!("At most so many; more than {MOST} is read as {MOST}."),
                limit,
            ),
            parameter(
                "after",
                ParameterIn::Query,
                "Those after the element with this id, in the list's order: the last one that was seen. The header `Link` of a full page has it filled in.",
                text().format(Some(utoipa::openapi::SchemaFormat::Custom("uuid".to_owned()))),
            ),
            parameter("order", ParameterIn::Query, "In order of creation, or newest first.", order),
        ]
    }
}

impl<I: PartialSchema + ToSchema> IntoParams for PathId<I> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameter(
            "id",
            ParameterIn::Path,
            "Which one. An id that is not well formed names nothing.",
            I::schema(),
        )]
    }
}

impl IntoParams for Post {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        KeyHeader::into_params(place)
    }
}

impl IntoParams for KeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$"));
        vec![parameter(
            IDEMPOTENCY_KEY,
            ParameterIn::Header,
            "Makes the call safe to repeat: the same key with the same body gets the first answer again. Kept for 24 hours, per user and route.",
            key,
        )]
    }
}

/// The header's name as people write it.
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// A price as [`crate::Fields::price`] reads it.
#[derive(Debug, Clone, Copy)]
pub struct Price;

impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        let number = Object::builder()
            .schema_type(Type::Number)
            .exclusive_minimum(Some(0))
            .maximum(Some(MAX_PRICE as f64))
            .multiple_of(Some(0.01));
        let written = "^(?:[1-9][0-9]{0,5}(?:\\.[0-9]{1,2})?|0\\.(?:0[1-9]|[1-9][0-9]?)|1000000(?:\\.00?)?)$";
        OneOfBuilder::new()
            .item(number)
            .item(text().pattern(Some(written)))
            .description(Some("A price in the installation's currency: major units with at most two decimals, as a number or as text."))
            .examples([24])
            .into()
    }
}

impl ToSchema for Price {}
