//! The table for the proxies of deployments: which paths lead to which service.

use std::process::Command;

use crate::BINARY;

/// It is data for others (`deploy/routes.json`), so it is in the repository, as the code says it.
#[test]
fn the_published_routes_are_those_of_the_code() {
    let output = Command::new(BINARY).arg("routes").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/routes.json");
    let published = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        published == String::from_utf8_lossy(&output.stdout),
        "the routes have changed; renew the table: cargo run -- routes > deploy/routes.json"
    );
}
