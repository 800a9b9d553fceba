//! A fault of the program itself ends in one plain line and exit code 1, not in a panic message. (Its own process: the hook is global.)

use std::process::Command;

#[test]
fn a_panic_is_one_line_that_asks_for_a_report() {
    const CHILD: &str = "GTV_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        let code = gtv_cli::failure::guard(|| panic!("first line\nsecond line"));
        assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::from(1)));
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact", "a_panic_is_one_line_that_asks_for_a_report"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let said: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(said.len(), 1, "{stderr}");
    assert!(said[0].contains("first line second line") && said[0].contains("please report"), "{}", said[0]);
    assert!(!stderr.contains("stack backtrace") && !stderr.contains("panicked"), "{stderr}");
}
