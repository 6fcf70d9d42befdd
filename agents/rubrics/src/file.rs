//! Rubrics in a file: HealthBench's JSONL, one rubric a line, with what makes ours usable again beside it (`made_by`, `case`,
//! `record`, `persona`, and an `id` and a `check` for each criterion). So the published files are read here, and what is written
//! here is read wherever those are. A file that is one JSON object in the verifier's own shape (`made_by`, `criteria`) is read too.

use crate::guards::Fault;
use crate::source::{CasePrompt, Line, Source};
use bedside_env::rubric::{Criterion, Points};
use bedside_env::units::Check;
use bedside_env::{Persona, Rubric};
use serde_json::{Value, json};

/// One rubric of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Of its first line, from 1.
    pub line: usize,
    /// `prompt_id`, or what made it where there is none.
    pub id: String,
    /// What is asked of the doctor; empty where the file does not say.
    pub text: String,
    pub dialogue: Vec<Line>,
    /// Id of the record that it is about.
    pub case: Option<String>,
    /// Digest of that record, in hexadecimal.
    pub record: Option<String>,
    pub persona: Option<Persona>,
    pub rubric: Rubric,
    /// The line of each criterion.
    pub lines: Vec<usize>,
}

/// Something in a file that is no rubric or no criterion.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    pub line: usize,
    /// The rubric it stands in; empty where that is not known.
    pub rubric: String,
    /// Its id or place in the rubric, from 1; empty where the whole line is meant.
    pub criterion: String,
    pub fault: Fault,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    pub entries: Vec<Entry>,
    pub unread: Vec<Unread>,
}

/// A rubric as a line of a file, without its end.
pub fn line(prompt: &CasePrompt, rubric: &Rubric) -> String {
    let source = match prompt.source {
        Source::Record => "record",
        Source::Knowledge => "knowledge",
        Source::Scenario => "scenario",
    };
    let said = |l: &Line| json!({"role": if l.speaker == "doctor" { "assistant" } else { "user" }, "content": l.text});
    let said: Vec<Value> = std::iter::once(json!({"role": "user", "content": prompt.text}))
        .chain(prompt.dialogue.iter().map(said))
        .collect();
    let items: Vec<Value> = rubric
        .criteria
        .iter()
        .map(|c| json!({"id": c.id, "criterion": c.criterion, "points": c.points.get(), "tags": c.tags, "check": c.check}))
        .collect();
    json!({
        "prompt_id": prompt.id, "prompt": said, "example_tags": [format!("source:{source}")], "rubrics": items,
        "made_by": rubric.made_by, "case": prompt.case.as_ref().map(|c| c.record.id.to_string()),
        "record": prompt.case.as_ref().map(|c| c.hash.hex()), "persona": prompt.persona.to_string(),
    })
    .to_string()
}

/// Reads a file. What cannot be read is told with its line and costs only itself.
pub fn read(text: &str) -> Contents {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = Contents::default();
    // One object over several lines, as people write them.
    if text.trim().contains('\n')
        && let Ok(whole) = serde_json::from_str::<Value>(text)
    {
        let first = text.lines().position(|l| !l.trim().is_empty()).map_or(1, |i| i + 1);
        let list = match &whole {
            Value::Array(list) => list.iter().collect(),
            other => vec![other],
        };
        for value in list {
            entry(value, first, Some(text), &mut out);
        }
        return out;
    }
    for (i, l) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str::<Value>(l) {
            Ok(value) => entry(&value, i + 1, None, &mut out),
            Err(e) => out.unread.push(Unread {
                line: i + 1,
                rubric: String::new(),
                criterion: String::new(),
                fault: Fault::Unreadable(e.to_string()),
            }),
        }
    }
    out
}

/// One object; `text` is the whole file where the object is spread over its lines.
fn entry(value: &Value, line: usize, text: Option<&str>, out: &mut Contents) {
    let of = |key: &str| value.get(key).and_then(Value::as_str);
    let id = of("prompt_id").or(of("made_by")).map_or_else(|| format!("line {line}"), str::to_owned);
    let Some(list) = value.get("rubrics").or(value.get("criteria")).and_then(Value::as_array) else {
        let fault = Fault::Shape("an object with a list `rubrics` or `criteria` is wanted".to_owned());
        out.unread.push(Unread { line, rubric: id, criterion: String::new(), fault });
        return;
    };
    let (mut criteria, mut lines) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
    for (i, item) in list.iter().enumerate() {
        let at = text.map_or(line, |t| place(t, item).unwrap_or(line));
        match criterion(item, i) {
            Ok(c) => {
                criteria.push(c);
                lines.push(at);
            }
            Err(fault) => {
                let name = item.get("id").and_then(Value::as_str).map_or_else(|| (i + 1).to_string(), str::to_owned);
                out.unread.push(Unread { line: at, rubric: id.clone(), criterion: name, fault });
            }
        }
    }
    let mut said = value.get("prompt").and_then(Value::as_array).into_iter().flatten().map(|m| Line {
        speaker: if m["role"] == "assistant" { "doctor" } else { "patient" }.to_owned(),
        text: m["content"].as_str().unwrap_or_default().to_owned(),
    });
    let asked = said.next().map(|l| l.text).unwrap_or_default();
    out.entries.push(Entry {
        line,
        text: asked,
        dialogue: said.collect(),
        case: of("case").map(str::to_owned),
        record: of("record").map(str::to_owned),
        persona: of("persona").and_then(|p| p.parse().ok()),
        rubric: Rubric { made_by: of("made_by").unwrap_or("unknown").to_owned(), criteria },
        lines,
        id,
    });
}

/// The line on which an item's sentence stands.
fn place(text: &str, item: &Value) -> Option<usize> {
    let sentence = item.get("criterion").filter(|c| c.is_string())?.to_string();
    text.lines().position(|l| l.contains(&sentence)).map(|i| i + 1)
}

fn criterion(item: &Value, i: usize) -> Result<Criterion, Fault> {
    let shape = |what: &str| Fault::Shape(what.to_owned());
    if !item.is_object() {
        return Err(shape("a criterion is an object"));
    }
    let sentence = item.get("criterion").and_then(Value::as_str).ok_or_else(|| shape("no text `criterion`"))?;
    if sentence.trim().is_empty() {
        return Err(Fault::Empty);
    }
    // Some files write 5.0.
    let points = item.get("points").ok_or_else(|| shape("no `points`"))?;
    let number = points.as_f64().filter(|p| p.fract() == 0.0 && p.abs() <= 100.0);
    let number = number.ok_or_else(|| Fault::Points(format!("{points} is no whole number in -10..=10")))?;
    let tags = match item.get("tags") {
        None | Some(Value::Null) => Vec::new(),
        Some(tags) => serde_json::from_value(tags.clone()).map_err(|_| shape("`tags` is a list of texts"))?,
    };
    let check: Option<Check> = match item.get("check") {
        None => None,
        Some(check) => serde_json::from_value(check.clone())
            .map_err(|e| Fault::Shape(format!("`check` names no program of the verifier ({e})")))?,
    };
    Ok(Criterion {
        id: item.get("id").and_then(Value::as_str).map_or_else(|| (i + 1).to_string(), str::to_owned),
        criterion: sentence.to_owned(),
        points: Points::new(number as i8).map_err(Fault::Points)?,
        tags,
        check,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{of_knowledge, of_record};
    use bedside_env::units::Case;
    use bedside_env::verifier::generator::whole;
    use bedside_records::KnowledgeBase;
    use bedside_records::kb::{Generator, Population};
    use bedside_records::seed::Seed;

    #[test]
    fn what_is_written_is_read_again_with_programs_persona_and_record() {
        let kb = KnowledgeBase::builtin();
        let generator = Generator::new(kb, Population::default());
        for seed in 0..5 {
            let case = Case::new(generator.generate(Seed(seed)).expect("a patient"));
            let rubric = whole(&case, &Persona::PLAIN);
            let contents = read(&line(&of_record(&case, Persona::PLAIN), &rubric));
            assert_eq!(contents.unread, []);
            let [entry] = &contents.entries[..] else { panic!("one rubric") };
            assert_eq!(entry.rubric, rubric);
            assert_eq!(entry.case.as_deref(), Some(case.record.id.0.as_str()));
            assert_eq!((entry.record.as_ref(), entry.persona), (Some(&case.hash.hex()), Some(Persona::PLAIN)));
        }
        let prompt = &of_knowledge(kb, &kb.conditions()[0])[0];
        let contents = read(&line(prompt, &Rubric { made_by: "m".to_owned(), criteria: Vec::new() }));
        let entry = &contents.entries[0];
        assert!(entry.case.is_none() && entry.text == prompt.text && entry.id == prompt.id, "{entry:?}");
    }

    #[test]
    fn faults_of_a_file_are_told_by_line_and_cost_only_themselves() {
        let good = r#"{"criterion": "Asks which knee", "points": 5.0, "tags": ["axis:completeness"]}"#;
        let text = [
            format!(
                r#"{{"prompt_id": "a", "prompt": [], "rubrics": [{good}, {{"criterion": "Asks", "points": 11}}, "x"]}}"#
            ),
            String::new(),
            "not JSON".to_owned(),
            r#"{"prompt_id": "c"}"#.to_owned(),
            format!(r#"{{"made_by": "mine/1", "criteria": [{good}, {{"criterion": " ", "points": 1}}]}}"#),
        ];
        let contents = read(&text.join("\n"));
        let told: Vec<(usize, &str, &str)> =
            contents.unread.iter().map(|u| (u.line, u.criterion.as_str(), u.fault.kind())).collect();
        let expected =
            [(1, "2", "points"), (1, "3", "shape"), (3, "", "unreadable"), (4, "", "shape"), (5, "2", "empty")];
        assert_eq!(told, expected);
        let kept: Vec<(usize, &str, usize)> =
            contents.entries.iter().map(|e| (e.line, e.id.as_str(), e.rubric.criteria.len())).collect();
        assert_eq!(kept, [(1, "a", 1), (5, "mine/1", 1)]);
    }

    #[test]
    fn an_object_over_several_lines_has_its_criteria_on_lines_of_their_own() {
        let text = "{\n  \"made_by\": \"mine/1\",\n  \"criteria\": [\n    {\"id\": \"x\", \"criterion\": \"Asks which knee\", \"points\": 5},\n    {\"id\": \"y\", \"criterion\": \"Asks about falls\", \"points\": 0}\n  ]\n}\n";
        let contents = read(text);
        assert_eq!(contents.entries[0].lines, [4]);
        assert_eq!((contents.unread[0].line, contents.unread[0].criterion.as_str()), (5, "y"));
    }
}
