//! Who plays: a scripted doctor by name, or a language model from files.

use crate::policy_folder::{FolderError, PolicyFolder};
use crate::stage::NumberFormat;
use bedside_agents::{Doctor, POLICIES, doctor};
use bedside_env::seed::Seed;
use bedside_env::{Decision, Observation, Policy, PolicyError, PrivilegedView};
use bedside_lm::models::{Form, Installed, ModelsError, Store};
use bedside_lm::{
    ChatTemplate, Decoder, LmError, LmPolicy, LmPolicyConfig, Model, Rows, Sampling, Tokenizer, Trainable,
};
use candle_core::Device;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a language model is told beside its own `bedside.json`.
#[derive(Clone, Debug)]
pub struct LmSettings {
    /// Consultations under way at once.
    pub rows: usize,
    /// Replaces how the model samples.
    pub sampling: Option<Sampling>,
    /// Tokens of one reply at most, in place of its own limit.
    pub max_new_tokens: Option<usize>,
    pub device: Device,
    /// What models compute in; a GGUF file on the CPU is used as it is packed, in f32.
    pub dtype: NumberFormat,
}

impl Default for LmSettings {
    fn default() -> Self {
        LmSettings { rows: 32, sampling: None, max_new_tokens: None, device: Device::Cpu, dtype: NumberFormat::F32 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ContestantError {
    #[error(
        "there is no policy `{name}`, neither by name nor as a folder nor among the models\nhint: one of {}, embedded; or a folder with config.json, tokenizer.json and *.safetensors; or a name that `bedside models list` shows", POLICIES.join(", ")
    )]
    Unknown { name: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    Model(#[from] LmError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{path}: {source}\nhint: check that it can be read")]
    Io { path: PathBuf, source: std::io::Error },
}

/// Who plays.
pub enum Contestant {
    /// A name of [`POLICIES`].
    Scripted(String),
    /// A language model, ready to decide.
    Model(Box<LmPolicy<Rows>>),
    /// Anyone else who plays fair, such as a model of another runtime; how many consultations at once.
    Other(Box<dyn Policy>, usize),
}

impl Contestant {
    /// A scripted doctor's name, a folder or GGUF file, `embedded`, or a model of the cache, in this order.
    pub fn find(name: &str, settings: &LmSettings) -> Result<Contestant, ContestantError> {
        if doctor(name).is_ok() {
            return Ok(Contestant::Scripted(name.to_owned()));
        }
        let path = Path::new(name);
        if path.is_dir() {
            return Contestant::of_folder(path, settings);
        }
        if name == PolicyFolder::EMBEDDED {
            let policy = PolicyFolder::embedded()?;
            return Contestant::of_policy(name, &policy.digest()?.hex(), policy, settings);
        }
        let unknown = || ContestantError::Unknown { name: name.to_owned() };
        match Store::standard().and_then(|store| store.find(name)) {
            Ok(model) => Contestant::of_installed(&model, settings),
            Err(ModelsError::NotFound { .. } | ModelsError::BadName { .. } | ModelsError::NoRoot) => Err(unknown()),
            Err(e) => Err(e.into()),
        }
    }

    /// A policy folder: what training writes, or any model's folder.
    pub fn of_folder(folder: &Path, settings: &LmSettings) -> Result<Contestant, ContestantError> {
        let name = folder.canonicalize().ok().and_then(|f| Some(f.file_name()?.to_string_lossy().into_owned()));
        let name = name.unwrap_or_else(|| folder.display().to_string());
        let print = fingerprint(folder)?;
        Contestant::of_policy(&name, &print, PolicyFolder::load(folder)?, settings)
    }

    /// A model of the cache.
    pub fn of_installed(model: &Installed, settings: &LmSettings) -> Result<Contestant, ContestantError> {
        if model.manifest.form == Form::HuggingFace {
            return Contestant::of_folder(&model.folder, settings);
        }
        let print = fingerprint(&model.folder)?;
        if settings.device.is_cpu() {
            // Packed as the file is: the same bits in less memory, and sooner.
            let (tokenizer, chat) = model.text()?;
            let text = (Arc::new(tokenizer), Arc::new(chat), LmPolicyConfig::full());
            let decoder = Decoder::from_gguf(&model.weights())?;
            return Contestant::of_decoder(&model.manifest.name, &print, decoder, NumberFormat::F32, text, settings);
        }
        Contestant::of_policy(&model.manifest.name, &print, PolicyFolder::of_installed(model)?, settings)
    }

    /// `version` tells its weights from others of this name; both stand in logs, with how it samples and what it computes in, as
    /// `name@` and eight digits.
    pub fn of_policy(
        name: &str,
        version: &str,
        policy: PolicyFolder,
        settings: &LmSettings,
    ) -> Result<Contestant, ContestantError> {
        let model = Model::new(&policy.weights, Trainable::Nothing, settings.dtype.into(), &settings.device, 0)?;
        let text = (policy.tokenizer, policy.chat, policy.config);
        Contestant::of_decoder(name, version, model.decoder()?, settings.dtype, text, settings)
    }

    fn of_decoder(
        name: &str,
        version: &str,
        decoder: Decoder,
        format: NumberFormat,
        (tokenizer, chat, mut config): (Arc<Tokenizer>, Arc<ChatTemplate>, LmPolicyConfig),
        settings: &LmSettings,
    ) -> Result<Contestant, ContestantError> {
        config.sampling = settings.sampling.unwrap_or(config.sampling);
        config.max_new_tokens = settings.max_new_tokens.unwrap_or(config.max_new_tokens);
        let rows = Rows::new(decoder, settings.rows.max(1), config.max_new_tokens)?;
        // What it computes in and where changes what it says. Full width on the processor is not named.
        let place = match (format, settings.device.is_cpu()) {
            (NumberFormat::F32, true) => String::new(),
            (format, cpu) => format!(" {format} {}", if cpu { "cpu" } else { "cuda" }),
        };
        let print = blake3::hash(format!("{version} {config:?}{place}").as_bytes()).to_hex();
        let policy = LmPolicy::new(format!("{name}@{}", &print[..8]), rows, tokenizer, chat, config)?;
        Ok(Contestant::Model(Box::new(policy)))
    }

    /// Name, for a model with the start of its files' hash: what stands in logs.
    pub fn id(&self) -> String {
        match self {
            Contestant::Scripted(name) => name.clone(),
            Contestant::Model(policy) => policy.name(),
            Contestant::Other(policy, _) => policy.name(),
        }
    }
}

/// BLAKE3 over the files that make a policy play as it does.
fn fingerprint(folder: &Path) -> Result<String, ContestantError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ContestantError::Io { path, source }
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(io(folder))?.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| {
        let name = f.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let weights = name.ends_with(".safetensors") || name.ends_with(".gguf");
        weights || ["config.json", "tokenizer.json", "bedside.json", "chat_template.jinja"].contains(&name.as_str())
    });
    files.sort();
    let mut hash = blake3::Hasher::new();
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        let (mut open, mut buffer) = (File::open(&file).map_err(io(&file))?, vec![0; 1 << 20]);
        loop {
            match open.read(&mut buffer).map_err(io(&file))? {
                0 => break,
                n => hash.update(&buffer[..n]),
            };
        }
    }
    Ok(hash.finalize().to_hex().to_string())
}

/// One that decides, on one thread.
pub(super) enum Seat<'a> {
    Scripted(Doctor),
    Fair(&'a mut dyn Policy),
}

/// A consultation that waits for its doctor.
pub(super) struct Waiting<'a> {
    pub observation: &'a Observation,
    pub truth: &'a PrivilegedView,
    pub seed: Seed,
}

impl Seat<'_> {
    pub(super) fn act(&mut self, waiting: &[Waiting<'_>]) -> Result<Vec<Decision>, PolicyError> {
        let fair = || waiting.iter().map(|w| (w.observation, w.seed)).collect::<Vec<_>>();
        match self {
            Seat::Scripted(Doctor::Fair(p)) => p.act(&fair()),
            Seat::Scripted(Doctor::Privileged(p)) => {
                p.act(&waiting.iter().map(|w| (w.observation, w.truth, w.seed)).collect::<Vec<_>>())
            }
            Seat::Fair(p) => p.act(&fair()),
        }
    }
}
