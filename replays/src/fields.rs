//! The first field in which two values differ, by its path.

use serde::Serialize;

/// Path and both values of the first field that differs, in the order of the first value's fields.
pub fn first_difference<T: Serialize>(a: &T, b: &T) -> (String, String, String) {
    let (a, b) = (tree(a), tree(b));
    let mut path = String::new();
    match differ(&a, &b, &mut path) {
        Some((x, y)) => (if path.is_empty() { "/".to_owned() } else { path }, x, y),
        None => ("/".to_owned(), short(&a), short(&b)),
    }
}

/// A value as JSON. What JSON's numbers cannot hold (a fork names its parent in 128 bits) is compared as its text.
fn tree<T: Serialize>(v: &T) -> serde_json::Value {
    serde_json::to_value(v).unwrap_or_else(|_| serde_json::to_string(v).unwrap_or_else(|e| e.to_string()).into())
}

fn differ(a: &serde_json::Value, b: &serde_json::Value, path: &mut String) -> Option<(String, String)> {
    use serde_json::Value::{Array, Object};
    let show = |v: Option<&serde_json::Value>| v.map_or("nothing".to_owned(), short);
    let length = path.len();
    match (a, b) {
        (Object(x), Object(y)) => {
            // Two different events: their names say more than a missing field.
            if x.len() == 1 && y.len() == 1 && x.keys().ne(y.keys()) {
                return Some((short(a), short(b)));
            }
            let more = y.keys().filter(|k| !x.contains_key(*k));
            for key in x.keys().chain(more) {
                path.push('/');
                path.push_str(key);
                match (x.get(key), y.get(key)) {
                    (Some(v), Some(w)) => {
                        if let Some(found) = differ(v, w, path) {
                            return Some(found);
                        }
                    }
                    (v, w) => return Some((show(v), show(w))),
                }
                path.truncate(length);
            }
            None
        }
        (Array(x), Array(y)) => {
            for i in 0..x.len().max(y.len()) {
                path.push_str(&format!("/{i}"));
                match (x.get(i), y.get(i)) {
                    (Some(v), Some(w)) => {
                        if let Some(found) = differ(v, w, path) {
                            return Some(found);
                        }
                    }
                    (v, w) => return Some((show(v), show(w))),
                }
                path.truncate(length);
            }
            None
        }
        _ if a == b => None,
        _ => Some((short(a), short(b))),
    }
}

/// A value on one line, cut where nobody would read on.
pub(crate) fn short(v: &serde_json::Value) -> String {
    let text = v.to_string();
    match text.char_indices().nth(400) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}
