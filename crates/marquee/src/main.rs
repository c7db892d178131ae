//! `marquee`: see `marquee --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    marquee::main()
}
