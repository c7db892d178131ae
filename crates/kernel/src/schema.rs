//! What the OpenAPI document says of the words that every service shares.

use std::borrow::Cow;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::id::Described;
use crate::{Id, Instant, Money};

fn text(format: &str, description: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom(format.to_owned())))
        .description(Some(description))
        .examples([example])
        .into()
}

impl<K: Described> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        text("uuid", K::DESCRIPTION, K::EXAMPLE)
    }
}

impl<K: Described> ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(K::NAME)
    }
}

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let description = "A point in time: RFC 3339, written in UTC with milliseconds.";
        text("date-time", description, "2026-11-21T19:30:00.000Z")
    }
}

impl ToSchema for Instant {}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some(
                "An amount in the installation's currency: major units with at most two decimals.",
            ))
            .examples([24])
            .into()
    }
}

impl ToSchema for Money {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrderId, TicketId};

    #[test]
    fn each_kind_of_id_has_a_name_and_an_example_of_its_own() {
        assert_eq!((TicketId::name(), OrderId::name()), ("TicketId".into(), "OrderId".into()));
        let example = |schema: RefOr<Schema>| serde_json::to_value(schema).unwrap()["examples"][0].clone();
        let (ticket, order) = (example(TicketId::schema()), example(OrderId::schema()));
        assert_ne!(ticket, order);
        assert!(ticket.as_str().unwrap().parse::<TicketId>().is_ok(), "{ticket}");
        assert!(Instant::parse(example(Instant::schema()).as_str().unwrap()).is_some());
    }
}
