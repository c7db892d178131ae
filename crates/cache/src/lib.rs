//! What was read is remembered, and never for longer than is promised.
//!
//! A [`Cache`] stands before a database: rows by typed keys ([`Key`]), in this process and, where processes share one,
//! in [`Redis`] behind it. It is a hint. Losing all of it costs time and nothing else.
//!
//! Three things make it one that does not lie:
//!
//! - **Stamps.** The database counts its changes, and every read says as of which change it is true. What is older never
//!   replaces what is newer that is there, in this process or in Redis, and a caller says which change they have seen: what
//!   is older than that is no answer for them.
//! - **Leases** (Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1). Whoever is about to read the
//!   database asks for the right to fill first; a write takes it away. So a fill that read before the write is refused
//!   even if nothing is left to compare it with: after an eviction, a flush, a failover.
//! - **A limit.** No entry lives longer than [`Policy::bound`] from the moment at which its read began, or before its write
//!   was committed, and whatever messages were lost. Clocks of machines are not compared: each counts onwards from its own
//!   question. (Redis ends entries by its machine's clock; one that is put back lengthens them by as much.)
//!
//! Redis may be slow or gone: each call has a limit of 50 ms, after a few failures none is made for a while, and the
//! database answers, to a bounded number at a time.

mod breaker;
mod cache;
mod entry;
mod local;
mod memory;
mod meters;
mod policy;
mod redis;

pub use cache::Cache;
pub use entry::{Found, Key, Read, Source};
pub use memory::Memory;
pub use policy::{Guard, Policy};
pub use redis::Redis;
