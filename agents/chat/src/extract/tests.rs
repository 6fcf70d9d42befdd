use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json as j;

#[test]
fn what_stands_around_it_does_not_matter() {
    let wanted = j!({ "explanation": "says }] and \"{\"", "met": true });
    let plain = wanted.to_string();
    for text in [
        plain.clone(),
        format!("  \n{plain}\n"),
        format!("```json\n{plain}\n```"),
        format!("```\n{plain}\n```\nI hope this helps."),
        format!("Here is my verdict:\n\n{plain}"),
        format!("<think>Is it {{met}}? Perhaps {{\"met\": false}}.</think>\n{plain}"),
        format!("It was asked in the opening.</think>{plain}"),
        format!("The set {{a, b}} and the list [see above] are covered. {plain}"),
        format!("As said in turn [3], {plain}"),
        format!("{plain}\n\nTo repeat: {plain}"),
        serde_json::to_string_pretty(&wanted).expect("text"),
    ] {
        assert_eq!(json(&text).as_ref(), Ok(&wanted), "{text}");
    }
    assert_eq!(json("[1, 2]"), Ok(j!([1, 2])));
}

#[test]
fn the_thing_itself_is_never_guessed_at() {
    for (text, kind) in [
        ("", "no JSON"),
        ("The criterion is met.", "no JSON"),
        ("true", "no JSON"),
        ("\"met\"", "no JSON"),
        (r#"{"met": true"#, "never ends"),
        (r#"{"items": [{"id": "1", "met": true}, {"id": "2", "m"#, "never ends"),
        (
            r#"```json
{"met": tr"#,
            "never ends",
        ),
        ("{'met': true}", "is not"),
        (r#"{"met": true,}"#, "is not"),
        (r#"{"met": True}"#, "is not"),
        (r#"{"met": NaN}"#, "is not"),
        (r#"{"met": true} or rather {"met": false}"#, "2 different"),
        (r#"{"met": true, "met": false}"#, "stands twice"),
        (r#"{"a": {"met": true, "met": true}}"#, "stands twice"),
        (r#"{"met": true, "met": false} {"met": true}"#, "stands twice"),
        ("<think>I should answer {\"met\": true}", "reasoning never ends"),
    ] {
        let why = json(text).expect_err(text).to_string();
        assert!(why.contains(kind), "{text}: {why}");
    }
    assert!(json(&"[".repeat(100_000)).is_err(), "depth is bounded");
    assert!(json(&("[".repeat(9_000) + &"]".repeat(9_000))).is_err(), "depth is bounded");
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Verdict {
    acceptable: bool,
}

#[test]
fn a_boolean_is_a_boolean() {
    assert_eq!(typed::<Verdict>(r#"{"acceptable": false}"#), Ok(Verdict { acceptable: false }));
    for text in
        [r#"{"acceptable": "true"}"#, r#"{"acceptable": 1}"#, r#"{"acceptable": null}"#, r#"{"met": true}"#, "[]"]
    {
        assert!(matches!(typed::<Verdict>(text), Err(ExtractError::Shape(_))), "{text}");
    }
}

#[test]
fn items_are_found_by_id_and_all_others_are_named() {
    let v = |acceptable| Verdict { acceptable };
    let text = r#"{"verdicts": [
        {"id": "a", "acceptable": true}, {"id": "b", "acceptable": true}, {"id": "b", "acceptable": false},
        {"id": "c", "acceptable": "yes"}, {"id": "z", "acceptable": true}, {"id": 7, "acceptable": false},
        {"id": "e", "acceptable": true}, {"id": "e", "acceptable": true}]}"#;
    let got: Items<Verdict> = items(text, &["a", "b", "c", "d", "7", "e"]).expect("items");
    assert_eq!(got.found, BTreeMap::from([("a".into(), v(true)), ("7".into(), v(false)), ("e".into(), v(true))]));
    assert_eq!(got.missing, ["b", "c", "d"]);
    assert_eq!((got.unknown, got.contradicted), (vec!["z".to_owned()], vec!["b".to_owned()]));
    assert!(got.malformed.len() == 1 && got.malformed[0].0 == "c", "{:?}", got.malformed);
    for text in [r#"[{"id":"a","acceptable":true}]"#, r#"{"id":"a","acceptable":true}"#, r#"{"a":{"acceptable":true}}"#]
    {
        let got: Items<Verdict> = items(text, &["a"]).expect(text);
        assert_eq!((got.found.len(), got.missing.len()), (1, 0), "{text}");
    }
    for text in ["[1]", r#"[{"acceptable": true}]"#, r#"{"a": 1, "b": []}"#, r#"[{"id": null}]"#] {
        assert!(items::<Verdict>(text, &["a"]).is_err(), "{text}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_as_an_object_is_read_back(value in any_value(), before in "[^{}\\[\\]\"<]{0,20}", after in "[^{}\\[\\]\"<]{0,20}") {
        let wanted = j!({ "value": value });
        prop_assert_eq!(json(&format!("{before}{wanted}{after}")), Ok(wanted.clone()));
        let pretty = serde_json::to_string_pretty(&wanted).expect("text");
        prop_assert_eq!(json(&format!("{before}```json\n{pretty}\n```{after}")), Ok(wanted));
    }

    #[test]
    fn no_text_panics_and_a_cut_object_is_never_an_answer(text in ".{0,60}", value in any_value(), cut in 0.0..1.0f64) {
        let _ = json(&text);
        let whole = j!({ "value": value }).to_string();
        let at = (0..whole.len()).rev().find(|i| *i <= (whole.len() as f64 * cut) as usize && whole.is_char_boundary(*i)).unwrap_or(0);
        prop_assert!(json(&whole[..at]).is_err(), "{}", &whole[..at]);
    }
}
