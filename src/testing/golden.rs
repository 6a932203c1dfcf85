//! Golden files: what woci says, in `fixtures/` for a person to read; `make bless` rewrites them.

use std::path::Path;

/// Fails where `fixtures/<name>` is not this text.
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
pub fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    if std::env::var_os("WOCI_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (line, (golden, said)) in golden.lines().zip(text.lines()).enumerate() {
        assert_eq!(golden, said, "line {} of fixtures/{name}; `make bless` rewrites it", line + 1);
    }
    assert!(golden == text, "fixtures/{name} has more or fewer lines; `make bless` rewrites it");
}
