//! `marquee`: see `marquee --help`.

use std::process::ExitCode;

/// Requests, events and rows are many small pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    marquee::main()
}
