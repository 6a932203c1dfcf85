//! A QR code for a phone's camera, drawn with half blocks on a terminal that can show it. Without colours: the light
//! modules are drawn, since most terminals are dark, and cameras read the other kind too.

use std::io::{self, IsTerminal as _};

use qrcodegen::{QrCode, QrCodeEcc};

use crate::host::Env;
use crate::sys;

/// Light modules on each side (ISO/IEC 18004 asks for four; cameras do with two).
const QUIET: i32 = 2;

/// The picture of a text, if stderr is a terminal that can show it.
pub fn picture(env: &Env, text: &str) -> Option<String> {
    if !io::stderr().is_terminal() || !shows_blocks(env) {
        return None;
    }
    let columns = sys::terminal_columns(&std::io::stderr())?;
    draw(text).filter(|picture| picture.lines().all(|line| line.chars().count() < columns))
}

/// Whether the terminal takes UTF-8 and is none of a printer's kind. The first of these variables that is set counts
/// (POSIX, chapter 8.2).
fn shows_blocks(env: &Env) -> bool {
    let text = |name: &str| env.get(name).map(|value| value.to_string_lossy().to_ascii_lowercase());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text).unwrap_or_default();
    (locale.contains("utf-8") || locale.contains("utf8")) && text("TERM").is_some_and(|term| term != "dumb")
}

/// Two rows of modules in one line. None if the text is too long for any code.
fn draw(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let range = || -QUIET..code.size() + QUIET;
    let line = |top: i32| -> String {
        let half = |x: i32| match (!code.get_module(x, top), !code.get_module(x, top + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        range().map(half).collect()
    };
    let lines: Vec<String> = range().step_by(2).map(line).collect();
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_row_for_two_rows_of_modules() {
        let picture = draw("https://idp.example.com/device?user_code=WDJB-MJHT").unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        // Version 3 has 29 modules a side.
        assert_eq!((lines.len(), lines[0].chars().count()), (17, 33));
        assert!(lines.iter().all(|line| line.chars().count() == 33));
        assert_eq!(lines[0], "█".repeat(33), "the quiet zone");
        // The corner of a finder pattern: a dark frame of seven modules, and a light ring in it.
        assert_eq!(lines[1].chars().take(10).collect::<String>(), "██ ▄▄▄▄▄ █");
        assert_eq!(draw(&"x".repeat(3000)), None);
    }

    #[test]
    fn only_a_terminal_with_utf_8_shows_blocks() {
        for (variables, expected) in [
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")][..], true),
            (&[("LC_CTYPE", "C.utf8"), ("TERM", "linux")], true),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8"), ("TERM", "xterm")], false),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")], false),
            (&[("LANG", "en_GB.UTF-8")], false),
            (&[("TERM", "xterm")], false),
        ] {
            assert_eq!(shows_blocks(&Env::of(variables)), expected, "{variables:?}");
        }
    }
}
