//! The HTML pages of a sign-in in the browser: one calm card each. A page loads nothing, and escapes every text that is
//! not its own. It has one script, which is constant and takes the answer out of the address bar.

use crate::error::Said;
use crate::printable;

pub struct Page {
    pub status: u16,
    pub html: String,
    kind: &'static Kind,
}

/// What a page may do in the browser.
pub struct Kind {
    pub script: &'static str,
    /// The page may load nothing and run only `script`, which is named by its hash.
    pub policy: &'static str,
    pub referrer: &'static str,
}

/// A page that a person only reads. Its URL, which may hold a code, is not sent as a referrer.
const TO_READ: Kind = Kind {
    // Without it, the address and the browser's history would show the code and the state.
    script: "history.replaceState(null, '', '/done')",
    policy: "default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'sha256-pLXOrwzPVL6UwY53m39cy78VN9fF7FsUEl/LgDq2jF0='",
    referrer: "no-referrer",
};

impl Page {
    pub fn headers(&self) -> [(&'static str, &'static str); 5] {
        [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", self.kind.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", self.kind.referrer),
        ]
    }
}

/// The session is stored.
pub fn signed_in(profile: &str, user: Option<&str>, until: &str) -> Page {
    let row = |name: &str, value: &str| format!("<dt>{name}</dt>\n<dd>{}</dd>\n", shown(value, 200));
    let rows = row("Profile", profile)
        + &user.map_or(String::new(), |user| row("User", user))
        + &row("Valid until", until);
    let text = format!("<dl>\n{rows}</dl>\n<p>You can close this window.</p>");
    page(200, "good", "You are signed in", &text)
}

/// The sign-in, or what came after it, has failed.
pub fn failed(said: &Said) -> Page {
    let text = format!(
        "<p>woci {}:</p>
<blockquote>{}</blockquote>
<p>What to do now: {}.</p>
<p>You can close this window.</p>",
        shown(&said.what, 200),
        shown(&said.why, 450),
        with_commands(&shown(&said.next, 350)),
    );
    page(400, "bad", "The sign-in failed", &text)
}

/// The outcome is not known yet.
pub fn continues() -> Page {
    page(
        200,
        "",
        "Your answer has arrived",
        "<p>woci continues in your terminal and reports the result there.</p>
<p>You can close this window.</p>",
    )
}

/// Not the answer.
pub fn stray(status: u16) -> Page {
    match status {
        404 => page(404, "", "Nothing here", "<p>woci waits for a sign-in on this port.</p>"),
        status => page(
            status,
            "",
            "Not the answer woci waits for",
            "<p>This page may belong to an earlier sign-in. Nothing was changed.</p>
<p>Close this window and finish the sign-in in the newest one.</p>",
        ),
    }
}

/// A page to read. `text` is markup.
pub fn page(status: u16, mood: &str, title: &str, text: &str) -> Page {
    page_of(&TO_READ, status, mood, title, text)
}

pub fn page_of(kind: &'static Kind, status: u16, mood: &str, title: &str, text: &str) -> Page {
    let script = kind.script;
    let html = format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>woci: {title}</title>
<style>
:root {{ color-scheme: light dark; --back: #f3f4f6; --card: #fff; --text: #1d2127; --soft: #59626e; --line: #d9dee4; --mark: #68727e }}
.good {{ --mark: #1a7f4b }} .bad {{ --mark: #b93a2b }}
@media (prefers-color-scheme: dark) {{
:root {{ --back: #121519; --card: #1c2025; --text: #e7eaee; --soft: #a3acb7; --line: #343b44; --mark: #8b95a1 }}
.good {{ --mark: #4cc38a }} .bad {{ --mark: #ff8b7b }}
}}
body {{ margin: 0; padding: 14vh 1rem 2rem; background: var(--back); color: var(--text); font: 1rem/1.55 system-ui, sans-serif }}
main {{ box-sizing: border-box; max-width: 36rem; margin: auto; padding: 1.75rem 2rem; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--mark); border-radius: 10px; overflow-wrap: anywhere }}
h1 {{ margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; color: var(--mark) }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.25rem; margin: 0 }}
dt, p:last-child {{ color: var(--soft) }} dd {{ margin: 0 }}
blockquote {{ margin: 0; padding-left: 1rem; border-left: 3px solid var(--mark) }}
code {{ font-size: .9em; background: var(--back); padding: .1em .3em; border-radius: 4px }}
p:last-child {{ margin-bottom: 0 }}
</style>
</head>
<body>
<main class=\"{mood}\">
<h1>{title}</h1>
{text}
</main>
<script>{script}</script>
</body>
</html>
"
    );
    Page { status, html, kind }
}

/// A text that is not the page's own, in at most this many characters.
pub fn shown(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    escape(&printable::text(&cut))
}

/// What stands in backquotes is a command to copy. An odd backquote stays as it is.
fn with_commands(text: &str) -> String {
    let mut parts = text.split('`');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    while let Some(inside) = parts.next() {
        match parts.next() {
            Some(after) => shown.push_str(&format!("<code>{inside}</code>{after}")),
            None => shown.push_str(&format!("`{inside}")),
        }
    }
    shown
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn denied(what: &str, why: &str, next: &str) -> String {
        let said = Said { code: 1, what: what.into(), why: why.into(), next: next.into() };
        failed(&said).html
    }

    #[test]
    fn a_failure_is_shown_escaped_with_the_command_to_run() {
        let html = denied("cannot sign in", "You're <not> \"allowed\" & that's it", "run `woci a --b 'c d'`");
        assert!(html.contains("You&#39;re &lt;not&gt; &quot;allowed&quot; &amp; that&#39;s it</blockquote>"));
        assert!(html.contains("run <code>woci a --b &#39;c d&#39;</code>."), "{html}");
    }

    #[test]
    fn a_success_says_who_and_until_when() {
        let html = signed_in("prod", Some("ocid1.user.<b>"), "2026-11-23T21:00:00Z").html;
        for text in ["<dd>prod</dd>", "<dd>ocid1.user.&lt;b&gt;</dd>", "<dd>2026-11-23T21:00:00Z</dd>"] {
            assert!(html.contains(text), "{html}");
        }
        assert!(!signed_in("prod", None, "").html.contains("User"));
    }

    #[test]
    fn the_policy_names_the_script_by_its_hash() {
        let hash = STANDARD.encode(Sha256::digest(TO_READ.script.as_bytes()));
        assert!(TO_READ.policy.ends_with(&format!("script-src 'sha256-{hash}'")), "{hash}");
        assert_eq!(continues().html.matches(&format!("<script>{}</script>", TO_READ.script)).count(), 1);
        for loads in ["src=", "href=", "url(", "@import"] {
            assert!(!continues().html.contains(loads), "{loads}");
        }
    }

    /// The listener reads a response only after tiny_http has written all of it, so each has to fit the
    /// smallest socket buffer of any system: 8 KiB, on macOS.
    #[test]
    fn the_longest_response_fits_a_socket_buffer() {
        let longest = "'".repeat(9_000);
        let headers: usize =
            continues().headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let length = denied(&longest, &longest, &longest).len() + headers;
        assert!(length < 15 << 9, "{length}");
    }

    proptest! {
        #[test]
        fn no_text_of_a_request_becomes_markup(text: String) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let markup = |html: &str| html.matches(['<', '>', '"']).count();
            prop_assert_eq!(markup(&denied(&text, &text, &text.replace('`', ""))), markup(&denied("", "", "")));
        }
    }
}
