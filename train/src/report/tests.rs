use super::*;
use crate::evaluate::{Row, Yardsticks, summarise};
use crate::metrics::{JsonlWriter, Metrics};

/// A run of 30 steps as training writes it.
fn run(folder: &Path, seed: u64) -> Run {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut w = JsonlWriter::create(&folder.join("metrics.jsonl")).expect("created");
    for step in 1..=30u64 {
        let mut m = Metrics::default();
        m.set("reward", 0.4 + 0.01 * step as f64 + 0.03 * seed as f64);
        m.set("entropy", 2.0 - 0.02 * step as f64);
        m.set("completions/mean_length", if step == 7 { None } else { Some(20.0 + (step % (3 + seed)) as f64) });
        m.set("eval/score", (step % 10 == 0).then_some(0.5 + 0.005 * step as f64));
        w.write(step, &m).expect("written");
    }
    Run::read(folder).expect("read")
}

fn rows(shift: f64) -> Vec<Row> {
    let row = |case: usize| Row {
        case,
        record: format!("r{case}"),
        seed: 0,
        score: Some(0.2 + shift + 0.01 * case as f64),
        unscored: None,
        axes: BTreeMap::from([("accuracy".to_owned(), Some(0.5))]),
        diagnosis_top1: Some(1.0),
        fact_coverage: None,
        turns: 5,
        tokens: Some(90),
        persona: Some("ENFP".to_owned()),
        source: "a|b".to_owned(),
        condition: "known".to_owned(),
        ending: "diagnosis_given".to_owned(),
    };
    (0..12).map(row).collect()
}

#[test]
fn a_report_has_a_readable_plot_in_both_forms_for_every_curve() {
    let dir = tempfile::tempdir().expect("a folder");
    let runs: Vec<Run> = (0..3).map(|s| run(&dir.path().join(format!("seed-{s}")), s)).collect();
    assert_eq!((runs[1].name.as_str(), runs[1].line("eval/score").len()), ("seed-1", 3));
    assert_eq!(runs[0].line("completions/mean_length").len(), 29, "null is no point");
    let (random, ours, oracle) = (rows(0.0), rows(0.2), rows(0.5));
    let yard = Some(Yardsticks { random: &random, oracle: &oracle });
    let evaluation = vec![summarise("runs/tiny", "tiny@1", &ours, Some(("random", &random)), yard)];
    let report = Report { title: "A run".to_owned(), notes: vec!["Made up.".to_owned()], runs, evaluation };
    let out = dir.path().join("out");
    let path = report.write(&out).expect("written");
    let text = std::fs::read_to_string(&path).expect("read");
    for stem in ["score", "reward", "entropy", "length", "evaluation"] {
        assert!(text.contains(&format!("plots/{stem}.svg")) && text.contains(&format!("plots/{stem}.png")), "{stem}");
        let svg = std::fs::read_to_string(out.join(format!("plots/{stem}.svg"))).expect("an SVG");
        assert!(svg.starts_with("<svg") && svg.contains("<text"), "{stem}");
        let png = std::fs::read(out.join(format!("plots/{stem}.png"))).expect("a PNG");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 2_000, "{stem}");
    }
    // Three thin lines and a thick one.
    let svg = std::fs::read_to_string(out.join("plots/reward.svg")).expect("an SVG");
    assert_eq!(svg.matches("stroke=\"#96AFCD\"").count(), 3, "a line a seed");
    assert_eq!(svg.matches("stroke=\"#14468C\"").count(), 1, "and their mean");
    assert!(!text.contains("plots/loss"), "no plot of what was not measured");
    assert!(text.contains("| reward | 0.4400 | 0.7300 | 0.4100 | 0.7600 | 30 |"), "{text}");
    assert!(text.contains("0.200 [0.200, 0.200]"), "the paired difference: {text}");
    assert!(text.contains("source a\\|b"), "a name stays in its cell: {text}");
    // Written again, the same bytes.
    let png = std::fs::read(out.join("plots/reward.png")).expect("a PNG");
    report.write(&out).expect("written");
    assert_eq!(std::fs::read(out.join("plots/reward.png")).expect("a PNG"), png);
}

#[test]
fn a_torn_line_is_left_out_and_a_broken_one_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("metrics.jsonl");
    std::fs::write(&path, "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"rew").expect("written");
    assert_eq!(Run::read(&path).expect("read").line("reward"), [(1, 0.5)]);
    for (text, line) in
        [("{\"step\":1}\nnonsense\n", 2), ("{\"reward\":1}\n", 1), ("[1]\n", 1), ("{\"step\":1,\"a\":\"b\"}\n", 1)]
    {
        std::fs::write(&path, text).expect("written");
        let e = Run::read(&path).expect_err("broken").to_string();
        assert!(e.contains(&format!("line {line}:")) && e.contains("hint: "), "{e}");
    }
    assert!(matches!(Run::read(&dir.path().join("none")), Err(ReportError::Io { .. })));
    assert!(matches!(Report::default().write(dir.path()), Err(ReportError::Nothing)));
    std::fs::write(&path, "{}\n").expect("written");
    assert!(matches!(read_evaluation(&path), Err(ReportError::Line { line: 1, .. })));
}
