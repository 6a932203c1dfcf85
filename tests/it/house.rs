//! Checks the rules for the sources that no lint can check: which room (module of src/) may use which other
//! room, and that each file begins with a description of what it owns.

use std::fs;
use std::path::{Path, PathBuf};

/// A room uses those to its right, and itself. `main` is the program, and `testing` is what unit tests share.
const ROOMS: &str = "main lib cli verbs output fresh session signin store oci config oauth command ini options files log host \
                     error sys jwt json time secret printable testing";

/// In one file, without its unit tests and tables.
const MOST_LINES: usize = 500;

struct Source {
    /// Below src/.
    path: PathBuf,
    text: String,
}

#[test]
fn a_room_uses_only_rooms_to_its_right() {
    for source in sources() {
        let own =
            place(source.room()).unwrap_or_else(|| panic!("{} is in no known room", source.path.display()));
        for (at, line) in source.code() {
            for path in line.split("crate::").skip(1) {
                let used = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                let used_place = place(used).unwrap_or_else(|| panic!("{at}: crate::{used} is no room"));
                assert!(
                    used_place >= own,
                    "{at}: {} uses {used}, which stands before it: {line}",
                    source.room()
                );
            }
        }
    }
}

#[test]
fn the_map_of_the_house_names_each_room_and_each_file() {
    let lib = include_str!("../../src/lib.rs");
    let map: String = lib.lines().take_while(|line| line.starts_with("//!")).collect();
    let rooms: Vec<_> = sources().iter().map(|source| source.room().to_owned()).collect();
    for room in ROOMS.split(' ') {
        assert!(rooms.iter().any(|there| there == room), "there is no room {room}");
        assert!(map.contains(&format!("`{room}`")), "the head of src/lib.rs does not name {room}");
    }
    let words: Vec<&str> = map.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for source in sources() {
        let name = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(words.contains(&name), "the head of src/lib.rs does not name {}", source.path.display());
    }
    for line in include_str!("main.rs").lines() {
        let Some(file) = line.strip_prefix("mod ").and_then(|rest| rest.split(';').next()) else { continue };
        assert!(
            map.contains(&format!("`{file}`")),
            "the head of src/lib.rs does not name tests/it/{file}.rs"
        );
    }
}

#[test]
fn super_stays_inside_a_room() {
    for source in sources() {
        // In the mod.rs of a room, and in a room of one file, one `super` is the crate itself.
        let leaves = "super::".repeat(source.depth());
        for (at, line) in source.code_without_tests() {
            assert!(!line.contains(&leaves), "{at}: write crate::<room> for another room, not super: {line}");
        }
    }
}

/// Both panic if the pipe cannot be read; `sys::output` and `sys::run_piped` return that as an error.
#[test]
fn no_program_is_run_by_a_function_of_std_that_panics() {
    // A file with tests outside of `mod tests` is for tests alone.
    for source in sources().into_iter().filter(|source| !source.without_tests().contains("#[test]")) {
        for (at, line) in source.code_without_tests() {
            let code = line.replace(".buffers.output()", "");
            assert!(!code.contains(".output()") && !code.contains(".wait_with_output()"), "{at}: {line}");
        }
    }
}

#[test]
fn a_file_says_what_it_owns_and_is_not_too_long() {
    for source in sources() {
        let path = source.path.display();
        assert!(source.text.starts_with("//! "), "{path} does not say at its head what it owns");
        let lines = source.lines_without_tests_and_tables();
        assert!(lines <= MOST_LINES, "{path} has {lines} lines: split it by what it does");
    }
}

impl Source {
    /// The folder, or the file's own name.
    fn room(&self) -> &str {
        let first = self.path.iter().next().and_then(|name| name.to_str()).unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// How many modules there are from the crate to this one.
    fn depth(&self) -> usize {
        self.path.iter().count() - usize::from(self.path.ends_with("mod.rs"))
    }

    /// Unit tests end a file.
    fn without_tests(&self) -> &str {
        let tests = self.text.match_indices("#[cfg(test)]\n").find(|(at, _)| {
            let attributes = self.text[*at..].lines().skip_while(|line| line.starts_with("#["));
            attributes.take(1).any(|line| line == "mod tests {")
        });
        tests.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    /// A table is a constant whose rows stand in lines of their own.
    fn lines_without_tests_and_tables(&self) -> usize {
        let mut in_table = false;
        let counts = |line: &&str| {
            in_table =
                if in_table { *line != "];" } else { line.contains("const ") && line.ends_with("= &[") };
            !in_table
        };
        self.without_tests().lines().filter(counts).count()
    }

    fn code(&self) -> impl Iterator<Item = (At<'_>, &str)> {
        code(&self.path, &self.text)
    }

    fn code_without_tests(&self) -> impl Iterator<Item = (At<'_>, &str)> {
        code(&self.path, self.without_tests())
    }
}

/// Lines that are no comment, each with its place.
fn code<'a>(path: &'a Path, text: &'a str) -> impl Iterator<Item = (At<'a>, &'a str)> {
    let lines = text.lines().enumerate().map(move |(line, text)| (At { path, line }, text));
    lines.filter(|(_, text)| !text.trim_start().starts_with("//"))
}

struct At<'a> {
    path: &'a Path,
    /// From 0.
    line: usize,
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "src/{}:{}", self.path.display(), self.line + 1)
    }
}

fn place(room: &str) -> Option<usize> {
    ROOMS.split(' ').position(|name| name == room)
}

/// All of the program.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the sources are there") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                let path = path.strip_prefix(&root).expect("it was found there").to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 40, "only {} files found", sources.len());
    sources
}
