//! The strict door: all errors at once, each with its place; nothing half-loaded; no panic on anything.

use bedside_records::{KnowledgeBase, Library, RecordId, Split, parse_records};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The example of SCHEMA.md, so that the page stays true.
fn example() -> Value {
    let page = include_str!("../data/SCHEMA.md");
    let text = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    serde_json::from_str(text).unwrap()
}

fn errors(v: &Value) -> Vec<(String, String)> {
    let e = parse_records("case.json", &v.to_string()).unwrap_err();
    e.into_iter().map(|e| (e.path, e.expected)).collect()
}

#[test]
fn one_record_an_array_and_lines_all_load() {
    let (a, mut b) = (example(), example());
    b["id"] = json!("example-2");
    assert_eq!(parse_records("a.json", &serde_json::to_string_pretty(&a).unwrap()).unwrap().len(), 1);
    assert_eq!(parse_records("a.json", &json!([a, b]).to_string()).unwrap().len(), 2);
    assert_eq!(parse_records("a.jsonl", &format!("{a}\n\n{b}\n")).unwrap().len(), 2);
    assert_eq!(parse_records("a.txt", &format!("{a}\n{b}\n")).unwrap().len(), 2);
}

#[test]
fn every_error_is_reported_with_its_path_and_a_hint() {
    let mut v = example();
    v["schema"] = json!(2);
    v["facts"][0]["weight"] = json!(11);
    v["facts"][1]["sensitivity"] = json!(4);
    v["facts"][1]["id"] = json!("f1");
    v["facts"][2]["statement"] = json!("  ");
    v["facts"][2]["access"] = json!("on_ask");
    v["facts"][2]["wieght"] = json!(3);
    v["contraindications"][0]["because"] = json!("f9");
    v["chief_complaint"] = json!("a\u{7}b");
    let found: Vec<String> = errors(&v).into_iter().map(|(p, _)| p).collect();
    for path in [
        "$.schema",
        "$.facts[0].weight",
        "$.facts[1].sensitivity",
        "$.facts[1].id",
        "$.facts[2].statement",
        "$.facts[2].access",
        "$.facts[2]",
        "$.contraindications[0].because",
        "$.chief_complaint",
    ] {
        assert!(found.iter().any(|p| p == path), "{path} in {found:?}");
    }
    let shown = parse_records("case.json", &v.to_string()).unwrap_err()[0].to_string();
    assert_eq!(
        shown,
        "case.json: at $.schema, expected schema version 1, found 2.\nhint: this build reads that version only; export the record again with it"
    );
}

#[test]
fn a_diagnosis_may_be_unstated_but_then_has_no_other_name_either() {
    let mut v = example();
    v["diagnosis"] = json!({"name": "", "differential": ["Angina"]});
    assert!(!parse_records("case.json", &v.to_string()).unwrap()[0].diagnosis.is_stated());
    v["diagnosis"] = json!({"name": "", "synonyms": ["Gout"], "icd10": "M10", "condition": "gout"});
    let at: Vec<String> = errors(&v).into_iter().map(|(p, _)| p).collect();
    assert_eq!(at, ["$.diagnosis.synonyms", "$.diagnosis.icd10", "$.diagnosis.condition"]);
    v["diagnosis"] = json!({"name": "  "});
    assert_eq!(errors(&v)[0].0, "$.diagnosis.name");
}

#[test]
fn a_misspelt_field_is_answered_with_the_right_one() {
    let mut v = example();
    v["facts"][0]["statment"] = v["facts"][0]["statement"].take();
    let e = parse_records("case.json", &v.to_string()).unwrap_err();
    assert!(e.iter().any(|e| e.hint == "did you mean `statement`?"), "{e:?}");
}

#[test]
fn one_bad_line_keeps_the_good_ones_out_and_names_itself() {
    let e = parse_records("a.jsonl", &format!("{}\n{{\"id\": 3}}\n", example())).unwrap_err();
    assert!(e.iter().all(|e| e.path.starts_with("line 2: $")), "{e:?}");
}

#[test]
fn a_key_written_twice_too_many_facts_and_an_empty_file_are_errors() {
    let twice = example().to_string().replacen("\"schema\":1", "\"schema\":1,\"schema\":1", 1);
    assert!(parse_records("a.json", &twice).unwrap_err()[0].found.contains("duplicate field"));
    let mut v = example();
    v["facts"] = Value::Array(vec![json!({}); 65_536]);
    assert_eq!(errors(&v)[0].1, "at most 65535 facts");
    assert_eq!(parse_records("a.json", "[]").unwrap_err()[0].expected, "at least one record");
    assert!(parse_records("a.json", "").is_err());
}

#[test]
fn a_library_finds_records_and_notices_one_id_in_two_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.json"), example().to_string()).unwrap();
    let library = Library::from_dir(dir.path()).unwrap();
    let id = RecordId("example-1".into());
    assert_eq!((library.len(), library.ids().next()), (1, Some(&id)));
    let splits =
        [Split::Train, Split::Validation, Split::HeldOut].map(|s| library.split(KnowledgeBase::builtin(), s).len());
    assert_eq!(splits.iter().sum::<usize>(), 1);
    std::fs::write(dir.path().join("b.json"), example().to_string()).unwrap();
    let e = Library::from_dir(dir.path()).unwrap_err();
    assert!(e.to_string().contains("a.json has too"), "{e}");
    assert!(Library::from_dir(dir.path().join("nowhere")).unwrap_err().to_string().contains("hint: "));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..5).prop_map(|o| Value::Object(o.into_iter().collect()))
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}", name in "[a-z]{1,4}\\.(json|jsonl)") {
        let _ = parse_records(&name, &text);
    }

    #[test]
    fn a_record_with_any_field_replaced_by_anything_is_refused_or_whole(at in 0usize..11, inner in 0usize..9, v in any_json()) {
        let mut record = example();
        let key = record.as_object().unwrap().keys().nth(at % record.as_object().unwrap().len()).unwrap().clone();
        if key == "facts" {
            let field = record["facts"][0].as_object().unwrap().keys().nth(inner % 7).unwrap().clone();
            record["facts"][0][&field] = v;
        } else {
            record[&key] = v;
        }
        if let Ok(records) = parse_records("x.json", &record.to_string()) {
            prop_assert_eq!(records.len(), 1);
            let again = serde_json::to_string(&records).unwrap();
            prop_assert_eq!(parse_records("y.json", &again).unwrap(), records);
        }
    }
}
