//! The binary's parts: the command line, the catalogue of services, start and stop.
//!
//! Tests start the same [`House`] from the same builder as `marquee serve` does.

mod backup;
mod caching;
mod catalogue;
mod cli;
mod collect;
mod commands;
mod connection;
mod contents;
mod control;
mod data_dir;
mod databases;
mod demo;
mod flags;
mod gateway;
mod gauges;
mod health;
mod house;
mod letters;
mod limits;
mod log_lines;
mod look;
mod neighbours;
mod openapi;
mod operations;
mod pages;
mod process;
mod progress;
mod reference;
mod report;
mod restore;
mod secrets;
mod serve;
mod settings;
mod telemetry;
mod tls;
mod traces;
mod verify;

pub use caching::Caching;
pub use catalogue::Service;
pub use cli::{Cli, main};
pub use house::House;
pub use secrets::Secret;
pub use serve::{Running, start};
pub use settings::{Databases, Settings};
pub use tls::{Tls, use_ring};
