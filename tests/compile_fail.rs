//! What a doctor's code cannot even say: an observation leads to no record, and nobody makes a privileged view.
//!
//! Each file of `compile_fail/` begins with the compiler's answer. They are compiled against the libraries that the command
//! line was just built from, which takes a second where a project of their own would take minutes.

use crate::cli::built;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The errors rustc finds in a file, as `error[E0599]: no method named ...`.
fn errors(file: &Path) -> Vec<String> {
    let library = |name: &str| {
        let named = |p: &&PathBuf| p.file_name().is_some_and(|f| f.to_string_lossy().starts_with(name));
        built().libraries.iter().find(named).unwrap_or_else(|| panic!("cargo built no {name}"))
    };
    let (env, agents) = (library("libbedside_env-"), library("libbedside_agents-"));
    let scratch = tempfile::tempdir().expect("a folder");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let out = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "--error-format", "json"])
        .arg("--extern")
        .arg(format!("bedside_env={}", env.display()))
        .arg("--extern")
        .arg(format!("bedside_agents={}", agents.display()))
        .arg("-L")
        .arg(format!("dependency={}", env.parent().expect("in a folder").display()))
        .arg("--out-dir")
        .arg(scratch.path())
        .arg(file)
        .output()
        .expect("rustc runs");
    String::from_utf8_lossy(&out.stderr)
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter(|m| m["level"] == "error" && !m["spans"].as_array().is_none_or(Vec::is_empty))
        .map(|m| {
            let code = m["code"]["code"].as_str().map_or(String::new(), |c| format!("[{c}]"));
            format!("error{code}: {}", m["message"].as_str().unwrap_or_default())
        })
        .collect()
}

#[test]
fn a_policy_that_reaches_for_the_record_does_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let mut refused = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let wanted: Vec<String> =
            text.lines().map_while(|l| l.strip_prefix("//~ ")).map(|l| l.trim().to_owned()).collect();
        assert_eq!(errors(&file), wanted, "{}", file.display());
        refused += usize::from(!wanted.is_empty());
    }
    assert!(refused >= 4, "only {refused} cases");
}
