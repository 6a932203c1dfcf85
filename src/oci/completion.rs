//! What oci itself completes. It is asked as its own script for bash asks it, by the variables of the Python library
//! click (8.0 and newer, which oci has required since 2022). That script still has the form of click 7, and completes
//! nothing behind the first word.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::program::find_oci;
use crate::error;
use crate::host::Env;
use crate::sys;

/// oci answers in one to two seconds. A person who waits longer has gone on typing.
const LIMIT: Duration = Duration::from_secs(8);

/// In bytes. The longest answer of oci, the options of one command, has a few kilobytes.
const LARGEST: usize = 256 << 10;

/// The words that may stand in place of `current` after these words of an oci command; none if oci is not installed or
/// gives no answer.
pub fn ask(env: &Env, words: &[&str], current: &str) -> Vec<String> {
    let Ok(oci) = find_oci(env) else { return Vec::new() };
    let line: Vec<String> =
        ["oci"].iter().chain(words).chain([&current]).map(|word| error::quoted(word)).collect();
    let mut program = Command::new(oci);
    program
        .env("_OCI_COMPLETE", "bash_complete")
        .env("COMP_WORDS", line.join(" "))
        .env("COMP_CWORD", (words.len() + 1).to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(ended) = sys::run_piped(&mut program, b"", LIMIT, LARGEST) else { return Vec::new() };
    offered(&String::from_utf8_lossy(&ended.stdout))
}

/// Each line of the answer has a word and its kind. Words that oci only knows to be files are left to the shell.
fn offered(answer: &str) -> Vec<String> {
    let words = answer.lines().filter_map(|line| line.strip_prefix("plain,"));
    words.filter(|word| !word.is_empty() && !word.contains(char::is_control)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_taken() {
        assert_eq!(
            offered("plain,get\nplain,get-metadata\nfile,\n\n{\"data\": 1}\nplain,\n"),
            ["get", "get-metadata"]
        );
    }
}
