//! The `gtv-cli` binary.
fn main() {}
