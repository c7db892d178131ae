//! The binary's parts: the command line, the catalogue of services, start and stop.
//!
//! Tests start the same [`House`] from the same builder as `marquee serve` does.

mod backup;
mod cli;
mod commands;
mod control;
mod data_dir;
mod demo;
mod gateway;
mod house;
mod operations;
mod secrets;
mod serve;
mod telemetry;
mod tls;
mod verify;

pub use cli::{Cli, main};
pub use house::{House, Settings};
pub use serve::{Running, start};
pub use tls::{Tls, use_ring};
