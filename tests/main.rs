//! One binary for what crosses services: journeys, races, crashes, faults, commands, pages.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod api_checks;
mod browser;
mod chaos;
mod commands;
mod copies;
mod counters;
mod crashes;
mod deletion;
mod engines_away;
mod faults;
mod house_page;
mod input;
mod journey;
mod lookups;
mod observability;
mod openapi;
mod race;
mod routes;
mod statements;
mod tls;
mod traces;
mod uploads_killed;
mod videos;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_marquee");
