//! One arm: all consultations, and what the servers found cached of each one's prompts.

use crate::Plan;
use crate::servers::Servers;
use bedside_chat::prompts::Prompts;
use bedside_chat::{
    Affine, Balance, Blocking, CallOptions, ChatBackend, ChatError, ChatReply, ChatRequest, Reply, message_chain,
};
use bedside_env::event::Event;
use bedside_env::seed::Seed;
use bedside_env::units::{Case, EffectResult, UnitKind};
use bedside_env::{Action, Digest, Env, EnvConfig, Gym, ResetOptions};
use bedside_patient::{ChatDriver, PatientConfig, Sampling};
use bedside_records::PatientRecord;
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

const QUESTIONS: [&str; 12] = [
    "Hello, I'm one of the doctors here. What brings you in today?",
    "When did it start?",
    "Have you had a fever or a cough?",
    "Is there anything that makes it better or worse?",
    "Do you take any medicines?",
    "Are you allergic to anything?",
    "Have you been in hospital before?",
    "Does anything run in the family?",
    "Do you smoke or drink?",
    "Have you lost weight?",
    "How have you been sleeping?",
    "Is there anything else that worries you?",
];

/// How a call finds its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    Route,
    Chance,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Arm::Route { "route" } else { "chance" })
    }
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(word: &str) -> Result<Arm, String> {
        match word {
            "route" => Ok(Arm::Route),
            "chance" => Ok(Arm::Chance),
            other => Err(format!("`{other}` is no arm; one of route, chance")),
        }
    }
}

/// A server drawn for each prompt: by its digest, so that the order of arrival decides nothing.
struct Chance {
    servers: Vec<Arc<dyn ChatBackend>>,
    calls: Vec<AtomicU64>,
}

impl ChatBackend for Chance {
    fn name(&self) -> &str {
        "by chance"
    }

    fn call<'a>(&'a self, request: &'a ChatRequest, options: &'a CallOptions) -> Reply<'a> {
        let drawn = Digest::of("affinity by chance", &message_chain(&request.messages).last()).0;
        let at = usize::from(u16::from_le_bytes([drawn[0], drawn[1]])) % self.servers.len();
        self.calls[at].fetch_add(1, Ordering::Relaxed);
        self.servers[at].call(request, options)
    }
}

/// Keeps the first body, to show what the server says of its cache.
struct First {
    inner: Arc<dyn ChatBackend>,
    body: Mutex<Option<String>>,
}

impl First {
    async fn asked(&self, request: &ChatRequest, options: &CallOptions) -> Result<ChatReply, ChatError> {
        let reply = self.inner.call(request, options).await?;
        self.body.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reply.raw.clone());
        Ok(reply)
    }
}

impl ChatBackend for First {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn call<'a>(&'a self, request: &'a ChatRequest, options: &'a CallOptions) -> Reply<'a> {
        Box::pin(self.asked(request, options))
    }
}

pub struct Played {
    /// Prompt tokens, and those cached, of each consultation.
    tokens: Vec<(u64, u64)>,
    pub calls: Vec<u64>,
    pub usage: String,
    pub seconds: f64,
}

impl Played {
    pub fn rates(&self) -> Vec<f64> {
        self.tokens.iter().map(|(prompt, cached)| *cached as f64 / (*prompt).max(1) as f64).collect()
    }

    pub fn prompt(&self) -> u64 {
        self.tokens.iter().map(|t| t.0).sum()
    }

    pub fn cached(&self) -> u64 {
        self.tokens.iter().map(|t| t.1).sum()
    }
}

/// Prompt tokens of a consultation, and those cached; or what went wrong.
type Counted = Result<(u64, u64), String>;

pub fn play(plan: &Plan, arm: Arm, servers: &Servers) -> Result<Played, String> {
    let affine = Arc::new(Affine::new(servers.clients.clone(), Balance::default()).map_err(|e| e.to_string())?);
    let chance = Arc::new(Chance {
        servers: servers.clients.iter().map(|(_, client)| client.clone()).collect(),
        calls: servers.clients.iter().map(|_| AtomicU64::new(0)).collect(),
    });
    let inner: Arc<dyn ChatBackend> = if arm == Arm::Route { affine.clone() } else { chance.clone() };
    let backend = Arc::new(First { inner, body: Mutex::new(None) });
    let blocking = Arc::new(Blocking::new(1).map_err(|e| e.to_string())?);
    let mut config = PatientConfig::new(plan.patient, &servers.model);
    for unit in UnitKind::ALL {
        let sampling = Sampling { max_tokens: 1, tries: 1, ..config.sampling(unit) };
        config.sampling.insert(unit, sampling);
    }
    // The shortest of many: a check by model reads the whole record, and a small model's context is soon full.
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let many = plan.consultations as u64 * 8;
    let mut records: Vec<PatientRecord> = (0..many).filter_map(|s| generator.generate(Seed(s))).collect();
    records.sort_by_key(|r| r.facts.iter().map(|f| f.statement.len()).sum::<usize>());
    let cases: Arc<Vec<Arc<Case>>> = Arc::new(records.into_iter().take(plan.consultations).map(Case::new).collect());
    if cases.len() < plan.consultations {
        return Err("there are not enough patients".to_owned());
    }
    // A driver for each consultation, so that each has its own count of tokens.
    let one = |at: usize| -> Counted {
        let driver = Arc::new(ChatDriver::new(config.clone(), backend.clone(), blocking.clone(), 1));
        let units = config.units(&Prompts::built_in()).map_err(|e| e.to_string())?;
        let env = EnvConfig { units, driver: Some(driver.clone()), scorer: None, ..EnvConfig::default() };
        let mut gym = Gym::new(cases.clone(), env);
        let options = ResetOptions { case: Some(at), ..ResetOptions::default() };
        gym.reset(Seed(at as u64), &options).map_err(|e| e.to_string())?;
        for question in QUESTIONS.iter().cycle().take(plan.turns) {
            if !gym.step(Action::say(*question).into()).map_err(|e| e.to_string())?.status.is_running() {
                break;
            }
        }
        let tally = driver.tally();
        match tally.iter().find(|(_, t)| t.failed > 0) {
            Some((unit, t)) => {
                let log = gym.log().map_err(|e| e.to_string())?;
                let why = log.events.iter().find_map(|e| match e {
                    Event::EffectSupplied { result, .. } => match &**result {
                        EffectResult::Failed(why) if !why.starts_with("unreadable") => Some(why.clone()),
                        _ => None,
                    },
                    _ => None,
                });
                let why = why.unwrap_or_default();
                Err(format!("{} of {} calls of the {unit} gave no reply, the first because: {why}", t.failed, t.calls))
            }
            None => Ok(tally.values().fold((0, 0), |(p, c), t| (p + t.prompt_tokens, c + t.cached_tokens))),
        }
    };
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let tokens: Mutex<Vec<Option<Counted>>> = Mutex::new(vec![None; plan.consultations]);
    std::thread::scope(|scope| {
        for _ in 0..plan.at_once.min(plan.consultations) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= plan.consultations {
                        return;
                    }
                    let counted = one(at);
                    eprintln!("{arm}: consultation {at}, {:.0} s, {counted:?}", begun.elapsed().as_secs_f64());
                    tokens.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(counted);
                }
            });
        }
    });
    let tokens = tokens.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tokens: Vec<(u64, u64)> = tokens.into_iter().flatten().collect::<Result<_, String>>()?;
    let calls = match arm {
        Arm::Route => affine.calls().into_iter().map(|(_, calls)| calls).collect(),
        Arm::Chance => chance.calls.iter().map(|c| c.load(Ordering::Relaxed)).collect(),
    };
    let body = backend.body.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let usage = format!("{} and timings.cache_n {}", body["usage"], body["timings"]["cache_n"]);
    Ok(Played { tokens, calls, usage, seconds: begun.elapsed().as_secs_f64() })
}
