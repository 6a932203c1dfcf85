//! Test vectors: a file each under `fixtures/`, with its expectation at its head.

use std::path::Path;

pub struct Vector {
    pub name: String,
    pub expect: String,
    pub passphrase: String,
    pub bytes: Vec<u8>,
}

/// The vectors of a folder of `fixtures/`.
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
pub fn all(folder: &str) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let vectors: Vec<Vector> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "vector"))
        .map(|file| {
            let bytes = std::fs::read(&file).unwrap();
            let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
            let head = std::str::from_utf8(&bytes[..end]).unwrap();
            let field = |name| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
            Vector {
                name: file.file_stem().unwrap().to_string_lossy().into_owned(),
                expect: field("expect: ").to_owned(),
                passphrase: field("passphrase: ").to_owned(),
                bytes: bytes[end + 2..].to_vec(),
            }
        })
        .collect();
    assert!(!vectors.is_empty());
    vectors
}
