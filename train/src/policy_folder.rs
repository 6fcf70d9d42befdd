//! A policy as files: weights and tokenizer as any Hugging Face folder has them, and how it plays.

use bedside_env::Digest;
use bedside_lm::models::{Form, Installed, ModelsError, Store};
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::tokens::TokenError;
use bedside_lm::{ChatTemplate, LmError, Tokenizer, Weights};
use candle_core::DType;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that a language-model doctor is made of.
#[derive(Clone)]
pub struct PolicyFolder {
    pub weights: Weights,
    pub tokenizer: Arc<Tokenizer>,
    pub chat: Arc<ChatTemplate>,
    pub config: LmPolicyConfig,
}

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error(transparent)]
    Model(#[from] LmError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Chat(#[from] bedside_lm::chat::ChatError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(
        "there is no policy `{}`\nhint: a folder with config.json, tokenizer.json and *.safetensors, `embedded`, or a name that `bedside models list` shows", .0.display()
    )]
    Unknown(PathBuf),
    #[error("{path}: {message}\nhint: {hint}")]
    File { path: PathBuf, message: String, hint: &'static str },
}

const PLAYS: &str = "bedside.json";

/// The policy that ships: `data/embedded/README.md` says how it was made.
const EMBEDDED: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../data/embedded/config.json")),
    ("model.safetensors", include_bytes!("../data/embedded/model.safetensors")),
    ("tokenizer.json", include_bytes!("../data/embedded/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../data/embedded/tokenizer_config.json")),
    (PLAYS, include_bytes!("../data/embedded/bedside.json")),
];

impl PolicyFolder {
    /// What the name of the embedded policy is wherever a folder is asked for.
    pub const EMBEDDED: &str = "embedded";

    /// A folder; where there is none of that name the embedded policy, or a model of the cache.
    pub fn find(name: &Path) -> Result<PolicyFolder, FolderError> {
        if name.is_dir() {
            return Self::load(name);
        }
        if name == Path::new(Self::EMBEDDED) {
            return Self::embedded();
        }
        let unknown = || FolderError::Unknown(name.to_owned());
        let found = Store::standard().and_then(|store| store.find(name.to_str().unwrap_or_default()));
        match found {
            Ok(model) => Self::of_installed(&model),
            Err(ModelsError::NotFound { .. } | ModelsError::BadName { .. } | ModelsError::NoRoot) => Err(unknown()),
            Err(e) => Err(e.into()),
        }
    }

    /// A model of the cache. One in GGUF is widened to f32.
    pub fn of_installed(model: &Installed) -> Result<PolicyFolder, FolderError> {
        if model.manifest.form == Form::HuggingFace {
            return Self::load(&model.folder);
        }
        let (tokenizer, chat) = model.text()?;
        let (tokenizer, chat) = (Arc::new(tokenizer), Arc::new(chat));
        Ok(PolicyFolder {
            weights: Weights::from_gguf(&model.weights())?,
            tokenizer,
            chat,
            config: LmPolicyConfig::full(),
        })
    }

    /// The policy that ships with this library: a small Llama that imitates a stochastic teacher.
    pub fn embedded() -> Result<PolicyFolder, FolderError> {
        let bytes = |name: &str| EMBEDDED.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes);
        let damaged = |message: String| FolderError::File {
            path: Self::EMBEDDED.into(),
            message,
            hint: "this build is damaged: build it again from a clean checkout",
        };
        let need = |name: &str| bytes(name).ok_or_else(|| damaged(format!("{name} is missing")));
        let config = std::str::from_utf8(need("config.json")?).map_err(|e| damaged(e.to_string()))?;
        Ok(PolicyFolder {
            weights: Weights::from_bytes(config, need("model.safetensors")?)?,
            tokenizer: Arc::new(Tokenizer::from_files(|name| Ok(bytes(name).map(<[u8]>::to_vec)))?),
            chat: Arc::new(ChatTemplate::chatml()),
            config: serde_json::from_slice(need(PLAYS)?).map_err(|e| damaged(e.to_string()))?,
        })
    }

    /// `config.json`, `*.safetensors`, `tokenizer.json`, a chat template if there is one, `bedside.json` if there is one.
    pub fn load(folder: &Path) -> Result<PolicyFolder, FolderError> {
        let path = folder.join(PLAYS);
        let config = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| FolderError::File {
                path,
                message: e.to_string(),
                hint: "it must hold prompt, sampling, max_new_tokens, stop and force_conclusion",
            })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => LmPolicyConfig::full(),
            Err(e) => {
                return Err(FolderError::File { path, message: e.to_string(), hint: "check that it can be read" });
            }
        };
        Ok(PolicyFolder {
            weights: Weights::from_folder(folder)?,
            tokenizer: Arc::new(Tokenizer::from_folder(folder)?),
            chat: Arc::new(ChatTemplate::from_folder(folder)?),
            config,
        })
    }

    /// Names weights, vocabulary, template and way of playing together.
    pub fn digest(&self) -> Result<Digest, FolderError> {
        let model = |e: candle_core::Error| FolderError::Model(e.into());
        let mut hash =
            Digest::of("policy", &(self.weights.config.to_json().to_string(), &self.config, self.chat.source()));
        for (name, tensor) in &self.weights.tensors {
            let values = tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1::<f32>()).map_err(model)?;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash = hash.chain(name.as_bytes()).chain(&bytes);
        }
        Ok((0..self.tokenizer.vocab_size() as u32).fold(hash, |h, id| h.chain(self.tokenizer.bytes(id))))
    }

    /// Writes what [`PolicyFolder::load`] reads.
    pub fn save(&self, folder: &Path) -> Result<(), FolderError> {
        let file = |e: std::io::Error| FolderError::File {
            path: folder.to_owned(),
            message: e.to_string(),
            hint: "check the folder's rights and the room on the disk",
        };
        std::fs::create_dir_all(folder).map_err(file)?;
        self.weights.save_folder(folder)?;
        self.tokenizer.save_folder(folder, self.chat.source())?;
        let json = serde_json::to_vec_pretty(&self.config).map_err(|e| file(e.into()))?;
        std::fs::write(folder.join(PLAYS), json).map_err(file)
    }
}
