//! Words of strangers (providers, services, other programs), made fit to be shown: one line of printable
//! characters. Pure.

use zeroize::Zeroizing;

/// In characters: enough for a reason, and a message stays readable.
const MOST: usize = 500;

/// One line of at most [`MOST`] characters, for words where they enter.
pub fn line(words: &str) -> String {
    text(words).trim().chars().take(MOST).collect()
}

/// The same without these secrets, which the words may quote. Both are compared as they are shown: a secret may be
/// quoted with a tab where it has a space. What is left of a secret at a cut would be shown, so they go first.
pub fn line_without<'a>(words: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let secrets = secrets.into_iter().map(|secret| Zeroizing::new(text(secret)));
    let remove = |words: String, secret: &str| words.replace(secret, "[removed]");
    let is_some = |secret: &Zeroizing<String>| !secret.trim().is_empty();
    line(&secrets.filter(is_some).fold(text(words), |words, secret| remove(words, &secret)))
}

/// The whole text on one line, with a space for each character that is not printable.
pub fn text(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect()
}

/// False for control characters and for those that would reorder, join or hide the text around them:
/// format characters (Unicode category Cf), separators of lines and paragraphs, characters without a
/// shape of their own (Default_Ignorable_Code_Point), private use and noncharacters.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_joins_or_hides_text_becomes_a_space() {
        for c in "\0\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{202a}\
                  \u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\u{e0041}\u{e0100}\u{f0000}\u{10ffff}\u{fe0f}"
            .chars()
        {
            assert_eq!(text(&format!("a{c}b")), "a b", "{c:?}");
        }
    }

    #[test]
    fn words_of_all_languages_stay_as_they_are() {
        for words in ["Straße, café", "e\u{301}", "Доступ запрещён", "アクセス拒否", "🙂", "נדחה", "مرفوض"]
        {
            assert_eq!(line(words), words);
        }
    }

    #[test]
    fn a_secret_is_removed_however_its_white_space_is_quoted() {
        for words in ["a s3cr3t word b", "a s3cr3t\tword b", "a s3cr3t\u{b}word\u{200b}b"] {
            assert_eq!(line_without(words, ["", "s3cr3t word"]), "a [removed] b", "{words:?}");
        }
        assert_eq!(line_without("a\tb, a b", ["a\u{200b}b"]), "[removed], [removed]");
        let long = format!("{}s3cr3t", "é".repeat(497));
        assert_eq!(line_without(&long, ["s3cr3t"]), format!("{}[re", "é".repeat(497)));
    }

    #[test]
    fn a_line_is_cut_at_500_characters() {
        assert_eq!(line(&format!("  {}", "é".repeat(600))), "é".repeat(500));
    }
}
