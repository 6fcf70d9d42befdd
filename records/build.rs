//! Lists the knowledge base's files so that the library can embed them, in name order.

#![allow(clippy::disallowed_methods)] // a build script reads cargo's own variables

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut out = String::new();
    for (name, folder) in [("FINDING_FILES", "findings"), ("CONDITION_FILES", "conditions")] {
        let dir = Path::new(&root).join("data/kb").join(folder);
        println!("cargo:rerun-if-changed={}", dir.display());
        let mut files: Vec<_> = std::fs::read_dir(&dir)
            .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "toml"))
            .collect();
        files.sort();
        writeln!(out, "pub const {name}: &[(&str, &str)] = &[").expect("to a string");
        for f in files {
            println!("cargo:rerun-if-changed={}", f.display());
            let short = f.file_name().and_then(|n| n.to_str()).expect("ascii names").to_owned();
            writeln!(out, "    ({short:?}, include_str!({:?})),", f.display().to_string()).expect("to a string");
        }
        out.push_str("];\n");
    }
    let target = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join("kb_files.rs");
    std::fs::write(&target, out).expect("OUT_DIR is writable");
}
