//! Test vectors: files `fixtures/<folder>/<name>.vector`. A vector has a head of lines `expect: …`,
//! `passphrase: …` and `comment: …`, a blank line, and the bytes that are tested.

use super::{fixture, fixtures_in};

pub struct Vector {
    pub name: String,
    pub expect: String,
    /// Empty unless the head has one.
    pub passphrase: String,
    pub bytes: Vec<u8>,
}

/// The vectors of a folder, sorted by name.
pub fn all(folder: &str) -> Vec<Vector> {
    fixtures_in(folder, "vector").iter().map(|name| read(folder, name)).collect()
}

pub fn read(folder: &str, name: &str) -> Vector {
    let file = fixture(&format!("{folder}/{name}.vector"));
    let end = file.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let head = str::from_utf8(&file[..end]).unwrap();
    let field = |start| head.lines().find_map(|line| line.strip_prefix(start));
    Vector {
        name: name.to_owned(),
        expect: field("expect: ").unwrap_or_else(|| panic!("{name} expects nothing")).to_owned(),
        passphrase: field("passphrase: ").unwrap_or_default().to_owned(),
        bytes: file[end + 2..].to_vec(),
    }
}
