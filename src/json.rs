//! JSON objects that other programs wrote. A number that no double holds costs only its own member, and a name that is
//! there twice with two values is known: two readers may take another value each.

use std::fmt;

use serde_core::Deserialize;
use serde_core::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

#[derive(Default)]
pub struct Object {
    /// Of a name that is there more than once, the last value. Null where a value cannot be held.
    pub members: Map<String, Value>,
    /// The first name that is there twice, with different values.
    pub twice: Option<String>,
}

impl Object {
    /// `None` if the bytes are not one JSON object.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        // A larger answer is refused before it is parsed; so many members are an attack on the memory.
        const MOST: usize = 10_000;
        let mut object = Object::default();
        while let Some((name, text)) = map.next_entry::<String, Box<RawValue>>()? {
            let value = serde_json::from_str(text.get()).unwrap_or(Value::Null);
            if object.members.get(&name).is_some_and(|other| *other != value) {
                object.twice.get_or_insert_with(|| name.clone());
            }
            object.members.insert(name, value);
            if object.members.len() > MOST {
                return Err(A::Error::custom("it has too many members"));
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_beyond_all_doubles_is_null() {
        let object = Object::parse(br#"{"a":1e400,"b":{"c":[-1e999]},"d":"e"}"#).unwrap();
        assert_eq!(Value::Object(object.members), serde_json::json!({"a": null, "b": null, "d": "e"}));
        assert_eq!(object.twice, None);
    }

    #[test]
    fn a_name_with_two_values_is_known() {
        for (text, twice) in [
            (r#"{"a":1,"a":1}"#, None),
            (r#"{"a":1,"b":1}"#, None),
            (r#"{"a":1,"b":2,"a":3,"b":4}"#, Some("a")),
            (r#"{"a":1,"\u0061":"1"}"#, Some("a")),
        ] {
            assert_eq!(Object::parse(text.as_bytes()).unwrap().twice.as_deref(), twice, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in
            ["", "[]", "1", "null", "{", "{} {}", r#"{"a":01}"#, r#"{"a"}"#, r#"{"a":1,}"#, "\u{feff}{}"]
        {
            assert!(Object::parse(text.as_bytes()).is_none(), "{text}");
        }
        let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
        assert!(Object::parse(deep.as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Object::parse(&bytes);
        }

        #[test]
        fn what_serde_json_reads_is_read_alike(names in prop::collection::btree_map("[a-c]{1,2}", any::<Option<i64>>(), 0..4)) {
            let text = serde_json::to_string(&names).unwrap();
            let members: Map<String, Value> = serde_json::from_str(&text).unwrap();
            prop_assert!(Object::parse(text.as_bytes()).unwrap().members == members);
        }
    }
}
