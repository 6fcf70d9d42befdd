//! Every importer on small files written by hand in its format.

use bedside_records::import::{ImportReport, SourceFile, formats, importer};
use bedside_records::{Access, Category, PatientRecord, Polarity, parse_records};

macro_rules! fixture {
    ($name:literal) => {
        SourceFile { name: $name.into(), bytes: include_bytes!(concat!("fixtures/", $name)).to_vec() }
    };
}

fn import(format: &str, files: &[SourceFile]) -> ImportReport {
    let report = importer(format).unwrap().import(files);
    let text = serde_json::to_string(&report.records).unwrap();
    if !report.records.is_empty() {
        parse_records(format, &text).unwrap_or_else(|e| panic!("{}", e[0]));
    }
    report
}

/// category, polarity and statement of every fact
fn said(r: &PatientRecord) -> Vec<(Category, Polarity, &str)> {
    r.facts.iter().map(|f| (f.category, f.polarity, f.statement.as_str())).collect()
}

#[track_caller]
fn holds(r: &PatientRecord, category: Category, polarity: Polarity, statement: &str) {
    assert!(said(r).contains(&(category, polarity, statement)), "no {statement:?} in {:#?}", said(r));
}

use Category::*;
use Polarity::*;

#[test]
fn an_unknown_format_is_answered_with_those_there_are() {
    let e = importer("emr").err().unwrap();
    assert!(formats().all(|f| e.contains(f)), "{e}");
}

#[test]
fn agentclinic_becomes_atomic_first_person_facts() {
    let report = import("agentclinic", &[fixture!("agentclinic.jsonl")]);
    assert_eq!((report.read, report.records.len(), report.rejected.len()), (3, 2, 1));
    let r = &report.records[0];
    holds(r, Hpi, Present, "I've had left calf pain for 3 days.");
    holds(r, Hpi, Absent, "I haven't had any chest pain.");
    holds(r, Hpi, Absent, "I haven't had any chills.");
    holds(r, Pmh, Present, "I have high blood pressure.");
    holds(r, Surgical, Present, "I've had a cholecystectomy (2015).");
    holds(r, Medication, Present, "I take lisinopril 10 mg.");
    holds(r, Allergy, Present, "I'm allergic to penicillin.");
    holds(r, Social, Present, "I live alone.");
    assert_eq!(r.demographics.occupation.as_deref(), Some("librarian"));
    let text = serde_json::to_string(r).unwrap();
    assert!(!text.contains("Lawson") && !text.contains("Assess the patient"));
    assert_eq!(r.facts.iter().filter(|f| f.access == Access::Volunteered).count(), 3);
    let scan = r.facts.iter().find(|f| f.statement.contains("femoral")).unwrap();
    assert!(scan.names_diagnosis && scan.asked_as.iter().any(|a| a == "ultrasound"), "{scan:?}");
    assert!(!r.chief_complaint.to_lowercase().contains("thrombosis"));
    assert_eq!(r.contraindications[0].treatment, "penicillin");
}

#[test]
fn a_parent_speaks_for_a_child() {
    let report = import("agentclinic", &[fixture!("agentclinic.jsonl")]);
    let r = &report.records[1];
    holds(r, Hpi, Present, "My son has had an earache for 2 days.");
    holds(r, Hpi, Absent, "My son hasn't had any sore throat.");
}

#[test]
fn mediq_takes_an_answer_for_the_diagnosis_only_where_it_is_a_condition() {
    let report = import("mediq", &[fixture!("mediq.jsonl")]);
    assert_eq!((report.records.len(), report.rejected[0].0.as_str()), (3, "2"));
    let named: Vec<&str> = report.records.iter().map(|r| r.diagnosis.name.as_str()).collect();
    assert_eq!(named, ["Diabetic neuropathy", "", "Acute gouty arthritis"]);
    let open = &report.records[1].diagnosis;
    assert!(!open.is_stated() && open.synonyms.is_empty() && open.differential.is_empty());
    let r = &report.records[0];
    holds(r, Hpi, Present, "I've had burning pain in my feet.");
    holds(r, Exam, Present, "Blood pressure is 132/80 mm Hg.");
    holds(r, Test, Present, "Serum vitamin B12 is 410 pg/mL.");
    assert_eq!(r.diagnosis.differential, ["Spinal stenosis"]);
}

#[test]
fn ddxplus_denies_what_its_patient_does_not_list() {
    let files =
        [fixture!("ddxplus_patients.csv"), fixture!("ddxplus_evidences.json"), fixture!("ddxplus_conditions.json")];
    let report = import("ddxplus", &files);
    assert_eq!((report.read, report.records.len()), (2, 1));
    let r = &report.records[0];
    holds(r, Hpi, Present, "I have a cough.");
    holds(r, Hpi, Absent, "I don't have a sore throat.");
    holds(r, Hpi, Present, "I've got pain in my right side of the chest.");
    holds(r, Social, Absent, "I don't smoke cigarettes.");
    assert!(report.rejected[0].1.contains("E_99"));
    assert!(import("ddxplus", &files[..1]).rejected[0].1.contains("hand it over together"));
}

#[test]
fn aci_bench_loses_its_names_and_its_assessment() {
    let report = import("aci_bench", &[fixture!("aci_bench.jsonl"), fixture!("aci_bench_metadata.csv")]);
    let r = &report.records[0];
    let text = serde_json::to_string(r).unwrap();
    assert!(!text.contains("Whitlock") && !text.contains("Dana") && !text.contains("brace"), "{text}");
    let denied = |w: &str| {
        r.facts.iter().any(|f| f.polarity == Absent && f.source_text.as_deref().is_some_and(|s| s.contains(w)))
    };
    assert!(denied("numbness") && denied("tingling"));
    holds(r, Medication, Present, "I take ibuprofen 400 mg.");
    assert_eq!(r.diagnosis.name, "Lateral epicondylitis");
}

#[test]
fn primock_shorthand_is_written_out_and_spoken() {
    let report = import("primock57", &[fixture!("primock57.jsonl")]);
    assert_eq!(report.rejected.len(), 1);
    let r = &report.records[0];
    assert_eq!(r.chief_complaint, "I have been coughing for days.");
    holds(r, Hpi, Present, "I've had a dry cough for 3 days.");
    holds(r, Hpi, Present, "It's worse at night.");
    holds(r, Pmh, Present, "I have asthma.");
    holds(r, Family, Present, "My mother has had eczema.");
    holds(r, Social, Absent, "I don't drink alcohol.");
    holds(r, Allergy, Absent, "I don't have any known allergies.");
    assert_eq!(r.demographics.years(), Some(34));
}

#[test]
fn medrbench_withholds_its_final_results() {
    let report = import("medrbench", &[fixture!("medrbench.json")]);
    let r = &report.records[0];
    assert_eq!(r.diagnosis.name, "Graves disease");
    holds(r, Hpi, Present, "I've had palpitations for two months.");
    holds(r, Pmh, Absent, "I don't have any other medical problems.");
    assert!(r.facts.iter().any(|f| f.names_diagnosis && f.access == Access::OnTest));
    assert!(r.history().all(|f| !f.names_diagnosis));
}

#[test]
fn phenopackets_hide_gene_title_and_disease() {
    let report = import("phenopackets", &[fixture!("phenopackets.jsonl")]);
    let r = &report.records[0];
    holds(r, Hpi, Present, "My son has had a seizure.");
    holds(r, Hpi, Absent, "My son hasn't had any feeding difficulties.");
    holds(r, Exam, Present, "Broad nasal tip.");
    let text = serde_json::to_string(&r.facts).unwrap();
    assert!(["ABCDX1", "Somebody", "PMID", "HP:"].iter().all(|w| !text.contains(w)));
    assert_eq!(report.rejected[0].1, "no disease is named");
}

#[test]
fn fhir_takes_the_last_visit_for_the_case() {
    let report = import("fhir", &[fixture!("fhir.json")]);
    let r = &report.records[0];
    assert_eq!((r.diagnosis.name.as_str(), r.demographics.years()), ("Osteoarthritis of knee", Some(50)));
    holds(r, Pmh, Present, "I have high blood pressure.");
    holds(r, Allergy, Present, "I'm allergic to aspirin.");
    holds(r, Test, Present, "Hemoglobin: 14.1 g/dL.");
    holds(r, Vaccination, Present, "I've had the Influenza vaccine.");
    let text = serde_json::to_string(r).unwrap();
    assert!(!text.contains("Quimby") && !text.contains("Orson"));
}

#[test]
fn broken_files_are_reported_and_never_panic() {
    for format in formats() {
        for bytes in
            [&b""[..], b"{", b"[1, null, {}]", b"\xff\xfe", b"\x1f\x8b\x08broken", b"a,b\n1,2\n", b"{\"id\": {}}"]
        {
            let file = SourceFile { name: "broken.json".into(), bytes: bytes.to_vec() };
            let report = importer(format).unwrap().import(&[file]);
            assert!(report.records.is_empty(), "{format}");
        }
    }
}

#[test]
fn our_own_json_comes_back_as_it_went() {
    let made = import("agentclinic", &[fixture!("agentclinic.jsonl")]).records;
    let file = SourceFile { name: "x.json".into(), bytes: serde_json::to_vec(&made).unwrap() };
    assert_eq!(import("bedside", &[file]).records, made);
}

/// One vignette through the narrator: what it makes of each sentence.
fn narrated(sentences: &[&str], age: &str) -> Vec<String> {
    let case = serde_json::json!({"OSCE_Examination": {
        "Patient_Actor": {
            "Demographics": age,
            "History": sentences.join(" "),
            "Symptoms": {"Primary_Symptom": "Cough", "Secondary_Symptoms": ["Fever", "Chills"]},
        },
        "Correct_Diagnosis": "Extramammary Paget's disease",
    }});
    let file = SourceFile { name: "one.jsonl".into(), bytes: serde_json::to_vec(&case).unwrap() };
    let report = importer("agentclinic").unwrap().import(&[file]);
    report.records.iter().flat_map(|r| r.facts.iter().map(|f| f.statement.clone())).collect()
}

#[test]
fn notes_are_put_into_the_patients_own_english() {
    for (note, spoken) in [
        ("His daughter says that he has been forgetful.", "My daughter says I've been forgetful."),
        ("Today, he describes a burning in the left foot.", "I've had a burning in the left foot."),
        ("He is on long-term warfarin.", "I'm on long-term warfarin."),
        ("He checks his sugar and rarely has a snack.", "I check my sugar and rarely have a snack."),
        ("Had a fall 2 days ago. 3 weeks ago developed a limp.", "3 weeks ago I developed a limp."),
        ("The patient reports lifting a crate 5 days ago.", "I remember lifting a crate 5 days ago."),
        ("He explains that when he had pain, it would go to his back.", "When I had pain, it would go to my back."),
        ("He has type 2 diabetes (T2DM).", "I have type 2 diabetes."),
    ] {
        let all = narrated(&[note], "61-year-old male");
        assert!(all.iter().any(|s| s == spoken), "{note} became {all:#?}");
    }
    let all = narrated(&["His mother says that he has not had any fever."], "4-year-old boy");
    assert!(all.iter().all(|s| !s.contains("family")), "{all:#?}");
}

#[test]
fn no_opening_line_names_the_diagnosis_or_its_initials_and_more_is_kept_for_an_open_question() {
    let case = |primary: &str| {
        let case = serde_json::json!({"OSCE_Examination": {
            "Patient_Actor": {
                "Demographics": "61-year-old male",
                "History": "The patient has had an itchy patch for 6 months. It has been bleeding. He has tried a cream.",
                "Symptoms": {"Primary_Symptom": primary, "Secondary_Symptoms": ["Soreness", "Redness"]},
            },
            "Correct_Diagnosis": "Extramammary Paget's disease",
        }});
        let file = SourceFile { name: "one.jsonl".into(), bytes: serde_json::to_vec(&case).unwrap() };
        importer("agentclinic").unwrap().import(&[file]).records.remove(0)
    };
    for primary in ["Biopsy-proven EMPD of the groin", "Extramammary Paget disease", "EPD", "Itchy patch"] {
        let r = case(primary);
        let lower = r.chief_complaint.to_lowercase();
        assert!(!["empd", "epd", "paget"].iter().any(|w| lower.contains(w)), "{primary}: {}", r.chief_complaint);
        let told: Vec<&str> =
            r.facts.iter().filter(|f| f.access == Access::Volunteered).map(|f| f.statement.as_str()).collect();
        assert!(told.len() >= 2 && r.facts[0].access == Access::Volunteered, "{primary}: {told:?}");
        assert!(told.iter().any(|s| *s != r.chief_complaint), "{primary}: {told:?}");
    }
}

#[test]
fn a_broken_line_costs_itself_alone_and_is_named_by_file_and_line() {
    for (format, fixture) in [
        ("agentclinic", fixture!("agentclinic.jsonl")),
        ("mediq", fixture!("mediq.jsonl")),
        ("primock57", fixture!("primock57.jsonl")),
        ("phenopackets", fixture!("phenopackets.jsonl")),
        ("aci_bench", fixture!("aci_bench.jsonl")),
    ] {
        let text = fixture.text().unwrap();
        let whole = import(format, &[fixture]);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        // Cut off, and in front of all the others.
        let cut = &lines[0][..lines[0].len() / 2];
        for name in ["odd.jsonl", "odd.txt"] {
            let bytes = format!("{cut}\n{text}").into_bytes();
            let report = import(format, &[SourceFile { name: name.into(), bytes }]);
            assert_eq!(report.records.len(), whole.records.len(), "{format}: {:?}", report.rejected);
            let (place, why) = &report.rejected[0];
            assert!(report.broken == 1 && *place == format!("{name}:1") && why.contains("JSON"), "{place}: {why}");
            assert!(report.to_string().contains("1 could not be read"), "{report}");
        }
    }
    // Those behind it are called as they would be without it.
    let text = fixture!("agentclinic.jsonl").text().unwrap();
    let first_broken = text.replacen("{ \"OSCE", "{ OSCE", 1);
    let report = import("agentclinic", &[SourceFile { name: "agentclinic.jsonl".into(), bytes: first_broken.into() }]);
    assert_eq!(report.records[0].provenance.source_id, "agentclinic_2");
}

#[test]
fn a_broken_line_of_our_own_format_costs_itself_alone() {
    let made = import("agentclinic", &[fixture!("agentclinic.jsonl")]).records;
    let line = |r: &PatientRecord| serde_json::to_string(r).unwrap();
    let text = format!("{}\n{{\"id\": 3}}\n\nnonsense\n{}\n{0}\n", line(&made[0]), line(&made[1]));
    let report = import("bedside", &[SourceFile { name: "own.jsonl".into(), bytes: text.into() }]);
    assert_eq!((report.records.len(), report.rejected.len(), report.broken), (2, 3, 1), "{:?}", report.rejected);
    let places: Vec<&str> = report.rejected.iter().map(|r| r.0.as_str()).collect();
    assert_eq!(places[..2], ["own.jsonl:2", "own.jsonl:4"]);
    assert!(report.rejected[2].1.contains("already"));
}

#[test]
fn where_nothing_was_imported_nothing_was_covered() {
    let report = import("mediq", &[SourceFile { name: "none.jsonl".into(), bytes: b"nonsense\n".to_vec() }]);
    assert_eq!((report.records.len(), report.broken), (0, 1));
    assert!(!report.to_string().contains('%'), "{report}");
}
