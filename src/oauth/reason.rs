//! The reason that a server gives for a refusal, in whatever form it comes. Pure.

use serde_json::{Map, Value};

/// The reason, in the server's own words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// A short code, as `invalid_client`.
    pub error: Option<String>,
    pub why: Option<String>,
}

/// In the order in which they are looked for: OAuth (RFC 6749 section 5.2), Okta, OCI, and others.
const CODES: [&str; 3] = ["error", "errorCode", "code"];
/// OAuth, Okta, SCIM (RFC 7644 section 3.12) and problem details (RFC 9457), OCI.
const WORDS: [&str; 5] = ["error_description", "errorSummary", "detail", "message", "title"];

/// The reason in a response body that is no JSON object: a JSON string, the title of a page, or bare text.
/// The text of a page besides its title is not for people who wanted no page.
pub fn of_text(body: &[u8]) -> Reason {
    let text = match serde_json::from_slice(body) {
        Ok(Value::String(text)) => Some(text),
        Ok(_) => None,
        Err(_) => str::from_utf8(body).ok().map(str::to_owned),
    };
    let why = text.and_then(|text| match text.trim_start().starts_with('<') {
        true => title(&text),
        false => Some(text),
    });
    Reason { error: None, why: why.filter(|why| !why.trim().is_empty()) }
}

/// The reason in a JSON object, or in an object inside it: `{"error": {"message": …}}`.
pub fn of_object(object: &Map<String, Value>) -> Reason {
    let inside = match (object.get("error"), object.get("errors")) {
        (Some(Value::Object(inside)), _) => of_members(inside),
        (_, Some(Value::Array(all))) => {
            all.first().and_then(Value::as_object).map(of_members).unwrap_or_default()
        }
        _ => Reason::default(),
    };
    let own = of_members(object);
    Reason { error: own.error.or(inside.error), why: own.why.or(inside.why) }
}

fn of_members(object: &Map<String, Value>) -> Reason {
    Reason {
        error: CODES.iter().find_map(|name| word(object.get(*name)?)),
        why: WORDS.iter().find_map(|name| word(object.get(*name)?)).map(|why| why + &causes(object)),
    }
}

/// Okta's details of a summary, in brackets.
fn causes(object: &Map<String, Value>) -> String {
    let all = object.get("errorCauses").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let causes: Vec<String> = all.iter().filter_map(|cause| word(cause.get("errorSummary")?)).collect();
    if causes.is_empty() { String::new() } else { format!(" ({})", causes.join("; ")) }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The title of an HTML page.
fn title(page: &str) -> Option<String> {
    // As long as the page, so that a place in one is a place in the other.
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = begin + lower[begin..].find('<')?;
    let mut text = page[begin..end].to_owned();
    for (entity, c) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        text = text.replace(entity, c);
    }
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(body: &str) -> (Option<String>, Option<String>) {
        let Reason { error, why } = match serde_json::from_str(body) {
            Ok(object) => of_object(&object),
            Err(_) => of_text(body.as_bytes()),
        };
        (error, why)
    }

    #[test]
    fn each_form_is_read() {
        let some = |text: &str| Some(text.to_owned());
        for (body, error, why) in [
            (r#"{"error":"e","error_description":"d"}"#, some("e"), some("d")),
            (r#"{"error":"Not Found","status":404,"message":"m"}"#, some("Not Found"), some("m")),
            (r#"{"errorCode":"E1","errorSummary":"s","errorCauses":[]}"#, some("E1"), some("s")),
            (
                r#"{"errorSummary":"s","errorCauses":[{"errorSummary":"a"},{"errorSummary":"b"}]}"#,
                None,
                some("s (a; b)"),
            ),
            (r#"{"detail":"d","status":"404"}"#, None, some("d")),
            (r#"{"code":"C","message":"m"}"#, some("C"), some("m")),
            (r#"{"error":{"code":403,"message":"m"}}"#, some("403"), some("m")),
            (r#"{"errors":[{"code":"C","message":"m"}]}"#, some("C"), some("m")),
            (r#"{"error":true,"error_description":["x"],"message":" "}"#, None, None),
            ("{}", None, None),
            ("[1]", None, None),
            ("7", None, None),
            ("", None, None),
            (" \n", None, None),
            ("\"text\"", None, some("text")),
            ("bare text", None, some("bare text")),
            ("<HTML><Title lang=en>A &lt;b&gt;\n c</TITLE><p>x", None, some("A <b> c")),
            ("<h1>no</h1>", None, None),
            ("<title></title>", None, None),
            ("<title>cut", None, None),
        ] {
            assert_eq!(of(body), (error, why), "{body}");
        }
        assert_eq!(of_text(b"\xff\xfe"), Reason::default());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in "[<>/a-zA-Zé\\PC\"{}:]{0,60}|<title.*") {
            let _ = of(&body);
        }
    }
}
