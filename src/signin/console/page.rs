//! The page at `/`, to which Oracle's sign-in sends the browser: it hands over the fragment of its address. And the
//! page that shows an error response.

use crate::signin::page::{self, Kind, Page};

/// The page that hands over.
const HANDS_OVER: Kind = Kind {
    // The tokens leave the address bar first of all.
    script: "const fragment = location.hash.slice(1);
history.replaceState(null, '', '/');
if (fragment) {
const form = document.forms[0];
form.elements.answer.value = fragment;
form.submit();
}",
    policy: "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'; script-src 'sha256-n4l9VC+eDW8QIuqGU/BuD9uW40N/ixvHTcziqSpDcaI='",
    // Under `no-referrer`, browsers send `Origin: null` with a form.
    referrer: "same-origin",
};

/// `value` is base64url and new at each sign-in. It stands in the form, so that the script is constant.
pub fn hands_over(value: &str) -> Page {
    let text = format!(
        "<form method=\"post\" action=\"/\" autocomplete=\"off\" hidden>
<input type=\"hidden\" name=\"value\" value=\"{value}\">
<input type=\"hidden\" name=\"answer\">
</form>
<p>This page hands the answer of Oracle's sign-in over to woci.</p>
<noscript><p>It cannot do so in this browser, which runs no scripts: copy the whole address of this page, and paste it in \
the terminal in which woci waits.</p></noscript>
<p>If you came here in another way, there is nothing to do: finish the sign-in in the window that woci opened.</p>"
    );
    page::page_of(&HANDS_OVER, 200, "", "woci waits for your sign-in", &text)
}

/// An error response, which does not end the sign-in.
pub fn refused(error: &str, description: Option<&str>) -> Page {
    let description = description.map_or(String::new(), |text| format!(": {}", page::shown(text, 450)));
    let text = format!(
        "<p>The answer was:</p>
<blockquote>{}{description}</blockquote>
<p>woci still waits. Resolve this, then open the Auth URL in your terminal again.</p>
<p>You can close this window.</p>",
        page::shown(error, 200),
    );
    page::page(400, "bad", "You are not signed in", &text)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    const VALUE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";

    #[test]
    fn the_policy_names_the_script_by_its_hash() {
        let hash = STANDARD.encode(Sha256::digest(HANDS_OVER.script.as_bytes()));
        assert!(HANDS_OVER.policy.ends_with(&format!("; script-src 'sha256-{hash}'")), "{hash}");
        let page = hands_over(VALUE);
        assert_eq!(page.html.matches(&format!("<script>{}</script>", HANDS_OVER.script)).count(), 1);
        assert_eq!(page.html.matches("<script").count(), 1);
        assert!(page.headers().contains(&("Content-Security-Policy", HANDS_OVER.policy)));
    }

    #[test]
    fn the_pages_load_nothing() {
        for html in [hands_over(VALUE).html, refused("access_denied", None).html] {
            for loads in ["src=", "href=", "url(", "@import"] {
                assert!(!html.contains(loads), "{loads}");
            }
        }
    }

    #[test]
    fn the_value_stands_in_the_form_alone() {
        let html = hands_over(VALUE).html;
        assert_eq!(html.matches(VALUE).count(), 1);
        assert!(html.contains(&format!("<input type=\"hidden\" name=\"value\" value=\"{VALUE}\">")));
    }

    /// See the same test of `signin/page`.
    #[test]
    fn the_longest_response_fits_a_socket_buffer() {
        let longest = "'".repeat(9_000);
        for page in [hands_over(VALUE), refused(&longest, Some(&longest))] {
            let headers: usize =
                page.headers().iter().map(|(name, value)| name.len() + value.len() + 4).sum();
            assert!(page.html.len() + headers < 15 << 9, "{}", page.html.len());
        }
    }

    proptest! {
        #[test]
        fn no_text_of_an_error_becomes_markup(error: String, description: String) {
            let markup = |html: &str| html.matches(['<', '>', '"']).count();
            let html = refused(&error, Some(&description)).html;
            prop_assert_eq!(markup(&html), markup(&refused("", None).html));
        }
    }
}
