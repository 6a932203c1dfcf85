//! The HTML page that ends a sign-in in the browser. It loads nothing, runs no script, and escapes every
//! text of a request.

use super::callback::Callback;

pub struct Page {
    pub status: u16,
    pub html: String,
}

/// Headers of each page: it is not cached, its URL (which holds the code) is not sent as a referrer, and
/// it may load and run nothing.
pub const HEADERS: [(&str, &str); 5] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// The page that answers this request.
pub fn of(callback: &Callback) -> Page {
    match callback {
        // Sent before the code is redeemed, so that a slow token endpoint does not keep the browser
        // waiting. The page claims only what is known by then.
        Callback::Code(_) => page(
            200,
            "Signed in at your provider",
            "<p>You can close this window.</p>
<p>woci continues in your terminal and reports the result there.</p>",
        ),
        Callback::Denied { error, description } => {
            let words = match description {
                Some(description) => format!("{}: {}", escape(error), escape(description)),
                None => escape(error),
            };
            let text = format!(
                "<p>Your provider answered:</p>
<blockquote>{words}</blockquote>
<p>To try again, close this window and run this in your terminal:</p>
<p><code>woci session authenticate</code></p>
<p>If the answer stays the same, ask the administrator of your provider.</p>"
            );
            page(400, "Not signed in", &text)
        }
        Callback::Stray(404) => page(404, "Nothing here", "<p>woci waits for a sign-in on this port.</p>"),
        Callback::Stray(status) => page(
            *status,
            "Not the answer woci waits for",
            "<p>This page may belong to an earlier sign-in. Nothing was changed.</p>
<p>Close this window and finish the sign-in in the newest one.</p>",
        ),
    }
}

fn page(status: u16, title: &str, text: &str) -> Page {
    let html = format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>woci: {title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem }}
h1 {{ font-size: 1.6rem; line-height: 1.25 }}
blockquote {{ margin: 0; padding-left: 1rem; border-left: 3px solid; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{title}</h1>
{text}
</body>
</html>
"
    );
    Page { status, html }
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
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    fn denied(error: &str, description: Option<&str>) -> String {
        of(&Callback::Denied { error: error.into(), description: description.map(Into::into) }).html
    }

    #[test]
    fn the_page_does_not_hold_the_code() {
        let page = of(&Callback::Code(Secret::new("C0DE".into())));
        assert_eq!(page.status, 200);
        assert!(!page.html.contains("C0DE") && page.html.contains("close this window"));
    }

    #[test]
    fn a_refusal_is_shown_escaped_in_the_words_of_the_provider() {
        let html = denied("access_denied", Some("You're <not> \"allowed\" & that's it"));
        assert!(html.contains(
            "access_denied: You&#39;re &lt;not&gt; &quot;allowed&quot; &amp; that&#39;s it</blockquote>"
        ));
    }

    /// The listener reads a response only after tiny_http has written all of it, so each has to fit the
    /// smallest socket buffer of any system: 8 KiB, on macOS.
    #[test]
    fn the_longest_response_fits_a_socket_buffer() {
        let longest = "'\u{10ffff}".repeat(150);
        let headers: usize = HEADERS.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        assert!(denied(&longest, Some(&longest)).len() + headers < 7 << 10);
    }

    proptest! {
        #[test]
        fn no_text_of_a_request_becomes_markup(text: String) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let markup = |html: &str| html.matches(['<', '>', '"']).count();
            prop_assert_eq!(markup(&denied(&text, Some(&text))), markup(&denied("", Some(""))));
        }
    }
}
