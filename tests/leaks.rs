//! With every hidden string a word that occurs nowhere else, no observation holds one before a question has earned it.

use crate::fixtures::{cases, size};
use crate::sources::imported;
use bedside::promises::leaks;
use bedside_env::units::Case;
use std::sync::Arc;

fn tight(name: &str, cases: &Arc<Vec<Arc<Case>>>) {
    let promise = leaks(cases).expect("it can be tried");
    println!("{name}: {}", promise.figure);
    assert!(promise.holds, "{name}: {}", promise.figure);
}

#[test]
fn generated_records_do_not_leak() {
    tight("generated", &cases(size("generated records", 12, 200) as u64));
}

#[test]
fn records_of_every_imported_source_do_not_leak() {
    for (format, cases) in imported(size("records of each source at most", 3, 60)) {
        tight(format, &cases);
    }
}
