//! What unit tests share: a throw-away home folder, test vectors, golden files, and `fixtures/`.

pub mod golden;
mod home;
pub mod vectors;

use std::path::{Path, PathBuf};

pub use home::Home;

/// A file of `fixtures/`.
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
pub fn fixture(name: &str) -> Vec<u8> {
    let path = fixture_path(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The names of the files in a folder of `fixtures/` that end in `.<extension>`, without this end.
pub fn fixtures_in(folder: &str, extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(fixture_path(folder)).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            Some(name.strip_suffix(extension)?.strip_suffix('.')?.to_owned())
        })
        .collect();
    assert!(!names.is_empty(), "fixtures/{folder} has no file *.{extension}");
    names.sort();
    names
}
