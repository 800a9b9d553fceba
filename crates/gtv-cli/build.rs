//! Hands the commit that the program is built from to `env!("GTV_COMMIT")`; empty outside of a git checkout.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| {
        let out = Command::new("git").args(arguments).output().ok().filter(|out| out.status.success())?;
        Some(String::from_utf8(out.stdout).ok()?.trim().to_owned())
    };
    // Checkouts that are moved or committed to leave a line in this file.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rustc-env=GTV_COMMIT={}", git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default());
}
