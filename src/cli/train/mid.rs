//! `bedside train mid`: reading, before consulting is taught.

use super::RunArgs;
use super::tasks::{data_folder, found};
use crate::cli::fail::Fail;
use crate::cli::source::{MOST, within};
use bedside::env::Digest;
use bedside::records::kb::KnowledgeBase;
use bedside::train::policy_folder::PolicyFolder;
use bedside::train::stage::fresh::{self, Size};
use bedside::train::stage::{MidConfig, MidTraining, Parent, Readings, RunRecord, device};
use bedside::train::texts::{Corpus, Document, Notes, TextError, corpora, files, knowledge, lessons, notes, split};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  bedside train mid --new 128,4,2048 --out runs/mid\n  \
                        bedside train mid --policy smollm2-135m-instruct --lora 16 --lr 2e-4 --general-corpus gsm8k --data DIR --out runs/mid\n  \
                        bedside train mid --policy runs/base --text notes.jsonl --general news.txt --kl-weight 2 --out runs/mid\n\n\
                        --text is learnt by cross-entropy. --notes holds texts with reasoning between <note> and </note>, learnt by\n\
                        cross-entropy on what --learn leaves of them. --general is not learnt: KL(policy || policy as it was) keeps it.\n\
                        Without --text, --corpus and --notes, the pages and passages of the knowledge base are read.\n\
                        Files are text (.txt, .md: a text each), .json or .jsonl (a text a row), or folders of them.")]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// The policy to begin with: a folder, `embedded`, or a name of `bedside models list`
    #[arg(long, value_name = "DIR|NAME", conflicts_with = "new", required_unless_present = "new")]
    policy: Option<PathBuf>,
    /// Begin with random weights and a vocabulary of its own: width,layers,vocab
    #[arg(long, value_name = "W,L,V")]
    new: Option<Size>,
    #[command(flatten)]
    texts: TextArgs,
    /// Passes over the texts
    #[arg(long, default_value_t = 1, value_parser = within::<u64>(1, MOST))]
    epochs: u64,
    /// Windows of a step
    #[arg(long, default_value_t = 16, value_parser = within::<usize>(1, MOST))]
    batch: usize,
    /// Tokens of a window
    #[arg(long, default_value_t = 256, value_parser = within::<usize>(1, 65_536))]
    window: usize,
    /// Shares of text, notes and general text in a batch
    #[arg(long, value_delimiter = ',', num_args = 1, default_values_t = [1.0, 1.0, 3.0], value_name = "T,N,G")]
    mix: Vec<f64>,
    /// Weight of the KL term
    #[arg(long, default_value_t = 1.0, value_name = "W", value_parser = weight)]
    kl_weight: f64,
    /// Weight of the notes' cross-entropy
    #[arg(long, default_value_t = 1.0, value_name = "W", value_parser = weight)]
    notes_weight: f64,
    /// What of texts with notes is learnt: only the notes, all except them, or all
    #[arg(long, default_value = "only", value_parser = ["only", "except", "all"])]
    learn: String,
    /// The greatest learning rate
    #[arg(long, default_value_t = 1e-3, value_parser = super::sft::rate)]
    lr: f64,
    /// Steps in which it is reached; at most a tenth of all
    #[arg(long, default_value_t = 40, value_parser = within::<u64>(0, MOST))]
    warmup: u64,
}

fn weight(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1e6).contains(&value) { Ok(value) } else { Err(format!("{text} is not in 0..=1000000")) }
}

/// What is read, and what is only looked at.
#[derive(clap::Args)]
pub struct TextArgs {
    /// Medical text; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    text: Vec<PathBuf>,
    /// Texts with notes between <note> and </note>; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    notes: Vec<PathBuf>,
    /// General text, which the policy is to keep; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    general: Vec<PathBuf>,
    /// Published corpora as medical text: aci_bench, mts_dialog, osce_fareez, primock57, medrbench, pubmedqa, gsm8k
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    corpus: Vec<Corpus>,
    /// The same as general text
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    general_corpus: Vec<Corpus>,
    /// Folder that holds the corpora; BEDSIDE_DATA by default. Where none is named, all that are found in it are read
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Field of JSON rows that holds the text
    #[arg(long, default_value = "text", value_name = "NAME")]
    field: String,
    /// Share of the texts that is never learnt from, in per cent
    #[arg(long, default_value_t = 5, value_parser = within::<u32>(0, 90))]
    held_percent: u32,
}

/// Texts by what is learnt from them.
struct Texts {
    text: Vec<Document>,
    notes: Vec<Document>,
    general: Vec<Document>,
}

impl TextArgs {
    /// Corpora as text and as general text: those that are named, or all that the folder holds.
    fn corpora(&self) -> Result<(Vec<Corpus>, Vec<Corpus>), Fail> {
        let (text, general) = (&self.corpus, &self.general_corpus);
        match &self.data {
            Some(data) if text.is_empty() && general.is_empty() => {
                let all = found(data, &Corpus::ALL, "--corpus or --general-corpus")?;
                // Sums in words are what the paper keeps, not what it teaches.
                Ok(all.into_iter().partition(|c| *c != Corpus::Gsm8k))
            }
            _ => Ok((text.clone(), general.clone())),
        }
    }

    fn load(&self, learnt: Notes) -> Result<Texts, Fail> {
        let (corpus, general_corpus) = self.corpora()?;
        let failed = |e: TextError| Fail::Trouble(e.to_string());
        let of = |paths: &[PathBuf], corpora_: &[Corpus]| -> Result<Vec<Document>, Fail> {
            let mut out = Vec::new();
            for path in paths {
                out.extend(files::read(path, &self.field).map_err(failed)?);
            }
            for corpus in corpora_ {
                let folder = data_folder(self.data.as_deref(), corpus)?;
                out.extend(corpora::read(*corpus, &folder).map_err(failed)?);
            }
            Ok(out)
        };
        let mut out = Texts {
            text: of(&self.text, &corpus)?,
            notes: of(&self.notes, &[])?,
            general: of(&self.general, &general_corpus)?,
        };
        let tagged = |d: &Document| d.text.contains(notes::OPEN);
        if learnt == Notes::Only && !out.notes.is_empty() && !out.notes.iter().any(tagged) {
            let message = format!("no text of --notes holds {}, and only what stands after it is learnt", notes::OPEN);
            let hint = format!(
                "put the reasoning between {} and {}; texts without any are for --text",
                notes::OPEN,
                notes::CLOSE
            );
            return Err(Fail::trouble(message, hint));
        }
        if out.text.is_empty() && out.notes.is_empty() {
            let kb = KnowledgeBase::builtin();
            (out.text, out.notes) = (knowledge::pages(kb), knowledge::passages(kb));
        }
        Ok(out)
    }
}

impl Texts {
    fn parts(&self) -> [&Vec<Document>; 3] {
        [&self.text, &self.notes, &self.general]
    }

    /// A vocabulary's worth of texts.
    fn all(&self) -> impl Iterator<Item = &str> {
        self.parts().into_iter().flatten().map(|d| d.text.as_str())
    }
}

/// What run.json says of the texts.
#[derive(Serialize)]
struct TextData {
    text: usize,
    notes: usize,
    general: usize,
    held_percent: u32,
    /// BLAKE3 over all texts.
    digest: Digest,
}

#[derive(Serialize)]
struct Recorded<'a> {
    mid: &'a MidConfig,
    new: Option<Size>,
    data: TextData,
}

/// Lessons to learn from and to look at.
fn lessons_of(texts: Texts, policy: &PolicyFolder, config: &MidConfig, held: u32) -> Result<[Readings; 2], Fail> {
    let mut out = [Readings::default(), Readings::default()];
    let kinds = [(texts.text, None), (texts.notes, Some(config.notes)), (texts.general, None)];
    for (kind, (documents, notes)) in kinds.into_iter().enumerate() {
        let (learnt, held) = split(documents, held);
        for (readings, documents) in out.iter_mut().zip([learnt, held]) {
            let made = lessons(&documents, &policy.tokenizer, config.window, notes);
            let made = made.map_err(|e| Fail::Trouble(e.to_string()))?;
            match kind {
                0 => readings.text = made,
                1 => readings.notes = made,
                _ => readings.general = made,
            }
        }
    }
    Ok(out)
}

impl Args {
    pub(super) fn check(&self) -> Result<(), Fail> {
        device(&self.run.device)?;
        self.shares()?;
        self.texts.load(self.learnt()).map(drop)
    }

    fn shares(&self) -> Result<[f64; 3], Fail> {
        let wrong = |_| Fail::usage(format!("--mix has {} shares", self.mix.len()), "three: text, notes, general text");
        <[f64; 3]>::try_from(self.mix.as_slice()).map_err(wrong)
    }

    fn learnt(&self) -> Notes {
        match self.learn.as_str() {
            "except" => Notes::Except,
            "all" => Notes::All,
            _ => Notes::Only,
        }
    }
}

pub fn run(args: Args) -> Result<ExitCode, Fail> {
    let common = &args.run;
    let device = device(&common.device)?;
    let mix = args.shares()?;
    let config = MidConfig {
        seed: common.seed,
        epochs: args.epochs,
        batch: args.batch,
        window: args.window,
        mix,
        notes_weight: args.notes_weight,
        kl_weight: args.kl_weight,
        notes: args.learnt(),
        lr: args.lr,
        warmup: args.warmup,
        lora: common.lora(),
        dtype: common.dtype,
        batch_tokens: common.batch_tokens,
        held_every: common.held_every,
        ..MidConfig::default()
    };
    let texts = args.texts.load(config.notes)?;
    let parent = match &args.policy {
        Some(path) => Some((path, PolicyFolder::find(path)?)),
        None => None,
    };
    let named = match &parent {
        Some((path, p)) => Some(Parent { path: (*path).clone(), digest: p.digest()? }),
        None => None,
    };
    let [text, notes, general] = texts.parts().map(Vec::len);
    let all: Vec<&str> = texts.all().collect();
    let digest = Digest::of("texts", &all);
    let data = TextData { text, notes, general, held_percent: args.texts.held_percent, digest };
    let record = RunRecord::new("mid", common.seed, &Recorded { mid: &config, new: args.new, data }, named);
    common.check(&record)?;
    let policy = match (parent, args.new) {
        (Some((_, policy)), _) => policy,
        (None, Some(size)) => fresh::policy(size, texts.all(), common.seed)?,
        (None, None) => return Err(Fail::usage("there is no policy to begin with", "give --policy or --new")),
    };
    let [learnt, held] = lessons_of(texts, &policy, &config, args.texts.held_percent)?;
    let windows = [learnt.text.len(), learnt.notes.len(), learnt.general.len()];
    // What cannot begin leaves no folder.
    let mut stage = MidTraining::new(config, policy, learnt, held, &device)?;
    let run = common.open(record)?;
    eprintln!("windows of text, notes and general text: {windows:?}, {:?} of them a step", stage.each());
    let shown =
        ["loss", "loss/text", "loss/notes", "loss/kl", "held/text_perplexity", "held/general_perplexity", "held/kl"];
    common.drive(&mut stage, run, &shown)
}

/// A text that no stage learns from, for a guard: windows of it.
pub fn guard_text(path: &Path, policy: &PolicyFolder) -> Result<Vec<bedside::train::lesson::Lesson>, Fail> {
    let window = policy.weights.config.max_position_embeddings.min(256);
    let made = files::read(path, "text").and_then(|d| lessons(&d, &policy.tokenizer, window, None));
    made.map_err(|e| Fail::Trouble(e.to_string()))
}
