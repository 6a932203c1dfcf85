//! A QR code for a phone's camera, drawn with half blocks on a terminal that can show it. Black on white by colours of
//! its own: many cameras do not read a code that the colours of a dark terminal invert.

use std::io::{self, IsTerminal as _};

use qrcodegen::{QrCode, QrCodeEcc};

use crate::host::Env;
use crate::sys;

/// Light modules on each side (ISO/IEC 18004).
const QUIET: i32 = 4;

/// Black on white: as names, for a terminal with 8 colours, then by their numbers among 256, which no palette changes.
const BLACK_ON_WHITE: &str = "\x1b[30;47;38;5;16;48;5;231m";
const USUAL_COLOURS: &str = "\x1b[0m";

/// The picture of a text, if stderr is a terminal that can show it.
pub fn picture(env: &Env, text: &str) -> Option<String> {
    if !io::stderr().is_terminal() || !shows_blocks(env) {
        return None;
    }
    let columns = sys::terminal_columns(&io::stderr())?;
    let rows = draw(text).filter(|rows| rows.iter().all(|row| row.chars().count() < columns))?;
    let coloured = |row: &String| format!("{BLACK_ON_WHITE}{row}{USUAL_COLOURS}");
    Some(rows.iter().map(coloured).collect::<Vec<_>>().join("\n"))
}

/// Whether the terminal takes UTF-8 and colours (NO_COLOR: no-color.org). The first of the locale's variables that is
/// set counts (POSIX, chapter 8.2).
fn shows_blocks(env: &Env) -> bool {
    let text = |name: &str| env.get(name).map(|value| value.to_string_lossy().to_ascii_lowercase());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text).unwrap_or_default();
    let is_utf_8 = locale.contains("utf-8") || locale.contains("utf8");
    is_utf_8 && text("TERM").is_some_and(|term| term != "dumb") && text("NO_COLOR").is_none()
}

/// Two rows of modules in one. None if the text is too long for any code.
fn draw(text: &str) -> Option<Vec<String>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let range = || -QUIET..code.size() + QUIET;
    let line = |top: i32| -> String {
        let half = |x: i32| match (code.get_module(x, top), code.get_module(x, top + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        range().map(half).collect()
    };
    Some(range().step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_row_for_two_rows_of_modules_and_a_quiet_zone() {
        let rows = draw("https://idp.example.com/device?user_code=WDJB-MJHT").unwrap();
        // Version 3 has 29 modules a side.
        assert_eq!(rows.len(), 19);
        assert!(rows.iter().all(|row| row.chars().count() == 37));
        // The quiet zone: four light modules on each side.
        let blank = " ".repeat(37);
        assert_eq!(
            (&rows[..2], &rows[17..]),
            (&[blank.clone(), blank.clone()][..], &[blank.clone(), blank][..])
        );
        assert!(rows.iter().all(|row| row.starts_with("    ") && row.ends_with("    ")));
        // The corner of a finder pattern: a dark frame of seven modules, a light ring in it, a dark middle.
        let corner = |row: usize| rows[row].chars().skip(4).take(8).collect::<String>();
        assert_eq!(
            [corner(2), corner(3), corner(4), corner(5)],
            ["█▀▀▀▀▀█ ", "█ ███ █ ", "█ ▀▀▀ █ ", "▀▀▀▀▀▀▀ "]
        );
        assert_eq!(draw(&"x".repeat(3000)), None);
    }

    #[test]
    fn only_a_terminal_with_utf_8_and_colours_shows_blocks() {
        for (variables, expected) in [
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm")][..], true),
            (&[("LC_CTYPE", "C.utf8"), ("TERM", "linux")], true),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8"), ("TERM", "xterm")], false),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")], false),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (&[("LANG", "en_GB.UTF-8"), ("TERM", "xterm"), ("NO_COLOR", "")], true),
            (&[("LANG", "en_GB.UTF-8")], false),
            (&[("TERM", "xterm")], false),
        ] {
            assert_eq!(shows_blocks(&Env::of(variables)), expected, "{variables:?}");
        }
    }
}
