//! The catalogue of services. Which of them run in this process is one filter over it, and the only trace
//! of "one process or many" in the code.

use std::fmt;

use accounts::Accounts;
use counters::Counters;
use db::Migration;
use kernel::{Error, Result};
use orders::Orders;
use payments::Payments;
use streaming::Streaming;
use tickets::Tickets;
use web::Documentation;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Users, sessions.
    Accounts,
    /// What is listed.
    Tickets,
    /// Holds and admissions.
    Orders,
    /// The ends of holds.
    Expiration,
    /// Money.
    Payments,
    /// Durable increments.
    Counters,
    /// Objects.
    Storage,
    /// Videos.
    Streaming,
}

impl Service {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 8] = [
        Self::Accounts,
        Self::Tickets,
        Self::Orders,
        Self::Expiration,
        Self::Payments,
        Self::Counters,
        Self::Storage,
        Self::Streaming,
    ];

    /// Its name: of its database, on the command line, in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Tickets => "tickets",
            Self::Orders => "orders",
            Self::Expiration => "expiration",
            Self::Payments => "payments",
            Self::Counters => "counters",
            Self::Storage => "storage",
            Self::Streaming => "streaming",
        }
    }

    /// Whether it hears events, and so may have some that it could not take.
    pub(crate) fn hears(self) -> bool {
        self != Self::Storage
    }

    /// The services that were named, in starting order, each once; all, if none was.
    ///
    /// # Errors
    /// `Invalid` for a name that is none.
    pub fn named(names: &[String]) -> Result<Vec<Self>> {
        let known = |name: &String| Self::ALL.iter().any(|service| service.name() == name);
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            let all = Self::ALL.map(Self::name).join(", ");
            return Err(Error::invalid(format!("there is no service {unknown}; there are {all}")));
        }
        let chosen = |service: &Self| names.is_empty() || names.iter().any(|name| name == service.name());
        Ok(Self::ALL.into_iter().filter(chosen).collect())
    }

    /// Its database's scripts.
    pub(crate) fn migrations(self) -> &'static [Migration] {
        match self {
            Self::Accounts => accounts::MIGRATIONS,
            Self::Tickets => tickets::MIGRATIONS,
            Self::Orders => orders::MIGRATIONS,
            Self::Expiration => expiration::MIGRATIONS,
            Self::Payments => payments::MIGRATIONS,
            Self::Counters => counters::MIGRATIONS,
            Self::Storage => storage::MIGRATIONS,
            Self::Streaming => streaming::MIGRATIONS,
        }
    }

    /// The paths that it answers, as templates: what a proxy has to lead to it.
    pub fn paths(self) -> Vec<String> {
        match self {
            Self::Accounts => Accounts::paths(),
            Self::Tickets => Tickets::paths(),
            Self::Orders => Orders::paths(),
            // Nothing that the public may call.
            Self::Expiration | Self::Storage => Vec::new(),
            Self::Payments => Payments::paths(),
            Self::Counters => Counters::paths(),
            Self::Streaming => Streaming::paths(),
        }
    }

    /// What the OpenAPI document says of its calls.
    pub(crate) fn documentation(self) -> Documentation {
        match self {
            Self::Accounts => Accounts::documentation(),
            Self::Tickets => Tickets::documentation(),
            Self::Orders => Orders::documentation(),
            Self::Expiration | Self::Storage => Documentation::default(),
            Self::Payments => Payments::documentation(),
            Self::Counters => Counters::documentation(),
            Self::Streaming => Streaming::documentation(),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_or_refused() {
        let named =
            |names: &[&str]| Service::named(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(named(&[]).unwrap(), Service::ALL);
        assert_eq!(named(&["orders", "accounts", "orders"]).unwrap(), [Service::Accounts, Service::Orders]);
        assert!(
            named(&["popcorn"]).unwrap_err().to_string().contains("no service popcorn; there are accounts")
        );
    }

    #[test]
    fn no_path_belongs_to_two_services() {
        let mut seen = std::collections::HashMap::new();
        for service in Service::ALL {
            for path in service.paths() {
                assert_eq!(seen.insert(path.clone(), service), None, "{path}");
            }
        }
    }
}
