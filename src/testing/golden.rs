//! Golden files: texts of woci that are kept in `fixtures/`, where a person can read them.

use super::fixture_path;

/// Fails if `fixtures/<name>` is not this text. `make bless` rewrites the file instead.
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
pub fn check(name: &str, text: &str) {
    let path = fixture_path(name);
    if std::env::var_os("WOCI_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (line, (golden, said)) in golden.lines().zip(text.lines()).enumerate() {
        assert_eq!(golden, said, "line {} of fixtures/{name}; `make bless` rewrites it", line + 1);
    }
    assert!(golden == text, "fixtures/{name} has more or fewer lines; `make bless` rewrites it");
}
