//! JSON as a tree that borrows its texts. A body is read once and most of it is left where it is, so neither texts nor names are
//! copied and objects are lists: servers' objects have few fields.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A value.
#[derive(Debug)]
pub(super) enum Tree<'a> {
    Null,
    Bool,
    Whole(u64),
    /// Below zero, or with a fraction.
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
}

impl<'a> Tree<'a> {
    /// The field of that name, if this is an object that has it. Of several the last counts.
    pub(super) fn find(&self, name: &str) -> Option<&Tree<'a>> {
        match self {
            Tree::Object(fields) => fields.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// As [`Tree::find`], with null for what is missing, so that a path can be followed without asking at each step.
    pub(super) fn get(&self, name: &str) -> &Tree<'a> {
        self.find(name).unwrap_or(&Tree::Null)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Tree::Whole(n) => Some(*n),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Tree::Whole(n) => Some(*n as f64),
            Tree::Number(n) => Some(*n),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Tree<'a>]> {
        match self {
            Tree::List(items) => Some(items),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Tree::Bool)
    }

    fn visit_u64<E>(self, n: u64) -> Result<Self::Value, E> {
        Ok(Tree::Whole(n))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(n).map_or(Tree::Number(n as f64), Tree::Whole))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Self::Value, E> {
        Ok(Tree::Number(n))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Tree::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::with_capacity(8);
        while let Some(Name(name)) = fields.next_key()? {
            object.push((name, fields.next_value()?));
        }
        Ok(Tree::Object(object))
    }
}

/// A field's name: `Cow` alone would be copied.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyName;
        impl<'de> Visitor<'de> for AnyName {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// The same value as serde_json reads it; true and false are one here.
    fn same(tree: &Tree, value: &Value) -> bool {
        match value {
            Value::Null => tree.is_null(),
            Value::Bool(_) => matches!(tree, Tree::Bool),
            Value::Number(n) => tree.whole() == n.as_u64() && tree.number() == n.as_f64(),
            Value::String(s) => tree.text() == Some(s),
            Value::Array(a) => {
                tree.list().is_some_and(|l| l.len() == a.len() && l.iter().zip(a).all(|(t, v)| same(t, v)))
            }
            Value::Object(o) => matches!(tree, Tree::Object(_)) && o.iter().all(|(k, v)| same(tree.get(k), v)),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_tree_holds_what_serde_json_reads(value in any_json()) {
            let text = value.to_string();
            // Not the value itself: the last digit of a long number may be read as another.
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let tree: Tree = serde_json::from_str(&text).expect("JSON");
            prop_assert!(same(&tree, &value), "{text}: {tree:?}");
        }
    }

    #[test]
    fn texts_are_borrowed_unless_they_are_escaped_and_of_equal_names_the_last_counts() {
        let text = r#"{"a":1,"b":"plain","c":"es\"caped","a":{"n":-2.5}}"#;
        let tree: Tree = serde_json::from_str(text).expect("JSON");
        assert!(matches!(tree.get("b"), Tree::Text(Cow::Borrowed("plain"))));
        assert_eq!(tree.get("c").text(), Some("es\"caped"));
        assert_eq!(tree.get("a").get("n").number(), Some(-2.5));
        assert!(tree.get("none").get("deeper").is_null());
        let value: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(value["a"], json!({ "n": -2.5 }), "as serde_json has it");
        for wrong in ["", "{", "[1,]", "nul", "{\"a\":1}x", &"[".repeat(200)] {
            let of = |e: serde_json::Error| e.to_string();
            let (ours, theirs) = (serde_json::from_str::<Tree>(wrong), serde_json::from_str::<Value>(wrong));
            assert_eq!(ours.expect_err("no JSON").to_string(), theirs.map_err(of).expect_err("no JSON"));
        }
    }
}
