//! From nothing to a doctor: makes demonstrations, a tokenizer and a tiny model, imitates, then reinforces on fragments.
//! `cargo run --release -p bedside-train --example tiny -- OUT [sft epochs] [rl steps]`

use bedside_agents::Teacher;
use bedside_env::seed::Seed;
use bedside_env::units::Case;
use bedside_env::{EnvConfig, Limits};
use bedside_lm::policy::LmPolicyConfig;
use bedside_lm::prompt::PromptConfig;
use bedside_lm::tokens::train_bpe;
use bedside_lm::{ChatTemplate, LmConfig, LmPolicy, Model, Rows, Sampling, Trainable, Weights};
use bedside_records::Split;
use bedside_records::kb::{Generator, KnowledgeBase, Population};
use bedside_train::adamw::AdamW;
use bedside_train::evaluate::evaluate;
use bedside_train::grpo::{GrpoConfig, LengthBonus};
use bedside_train::learner::Learner;
use bedside_train::lesson::Lesson;
use bedside_train::metrics::monitors;
use bedside_train::policy_folder::PolicyFolder;
use bedside_train::reward::pay;
use bedside_train::rollout::{Rollouts, Start};
use bedside_train::teaching::{Plan, demonstrate, lesson, shuffled, text};
use candle_core::{DType, Device};
use std::sync::Arc;
use std::time::Instant;

fn cases(split: Split, n: usize) -> Arc<Vec<Arc<Case>>> {
    let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
    let of = |r: &bedside_records::PatientRecord| Split::of(r, |_| false) == split;
    Arc::new((0..).filter_map(|s| generator.generate(Seed(s))).filter(of).take(n).map(Case::new).collect())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let out = std::path::PathBuf::from(args.first().map_or("tiny", String::as_str));
    let number = |i: usize, default: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (epochs, rounds, train_cases, width) = (number(1, 2), number(2, 20), number(3, 600), number(4, 128));
    let config = EnvConfig { limits: Limits { max_turns: 12, ..Limits::default() }, ..EnvConfig::default() };
    let (train, held) = (cases(Split::Train, train_cases), cases(Split::Validation, 60));
    let begin = Instant::now();
    let at = |what: &str| println!("[{:6.1}s] {what}", begin.elapsed().as_secs_f64());

    let plan = Plan { tries: 6, keep: 3, seed: Seed(11), threads: 2 };
    let shown = demonstrate(&train, &config, Teacher::default, plan, || ())?;
    let mean = shown.iter().filter_map(|d| d.score).sum::<f64>() / shown.len() as f64;
    at(&format!("{} demonstrations, mean score {mean:.3}", shown.len()));
    let folder = match PolicyFolder::load(&out) {
        Ok(f) => f,
        Err(_) => {
            let texts: Vec<String> = shown.iter().take(600).map(text).collect();
            let tokenizer = Arc::new(train_bpe(texts.iter().map(String::as_str), 2048)?);
            let json = serde_json::json!({
                "model_type": "llama", "vocab_size": tokenizer.vocab_size(), "hidden_size": width, "intermediate_size": width * 3,
                "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
                "rope_theta": 10000.0, "tie_word_embeddings": true, "max_position_embeddings": 512,
            });
            let weights = Weights::random(LmConfig::from_json(&json.to_string())?, 7)?;
            let play = LmPolicyConfig { prompt: PromptConfig::stream(), ..LmPolicyConfig::stream() };
            PolicyFolder { weights, tokenizer, chat: Arc::new(ChatTemplate::chatml()), config: play }
        }
    };
    at(&format!("vocabulary {}, {} parameters", folder.tokenizer.vocab_size(), folder.weights.config.parameters()));
    let lessons: Vec<Lesson> = shown
        .iter()
        .map(|d| lesson(d, &folder.config.prompt, &folder.chat, &folder.tokenizer))
        .collect::<Result<_, _>>()?;
    let tokens: usize = lessons.iter().map(|l| l.turns.last().map_or(0, |t| t.prompt_ids.len() + t.ids.len())).sum();
    at(&format!("{tokens} tokens a pass, {} of replies", lessons.iter().map(Lesson::len).sum::<usize>()));

    let model = Model::new(&folder.weights, Trainable::All, DType::F32, &Device::Cpu, 1)?;
    let mut learner = Learner::new(model, AdamW { weight_decay: 0.01, ..AdamW::default() }, Some(1.0));
    let batch = 16;
    let total = (epochs * lessons.len().div_ceil(batch)) as f64;
    let mut step = 0.0;
    for epoch in 0..epochs {
        for some in shuffled(lessons.len(), Seed(5), epoch as u64).chunks(batch) {
            let chosen: Vec<Lesson> = some.iter().map(|i| lessons[*i].clone()).collect();
            let warm = (step / 40.0f64).min(1.0);
            let lr = 3e-3 * warm * (0.1 + 0.9 * 0.5 * (1.0 + (std::f64::consts::PI * step / total).cos()));
            let m = learner.imitate(&chosen, lr)?;
            step += 1.0;
            if (step as usize).is_multiple_of(20) {
                at(&format!("sft {step} of {total}: loss {:.3}", m.get("loss").unwrap_or(f64::NAN)));
            }
        }
    }
    if epochs > 0 {
        PolicyFolder { weights: learner.model.to_weights()?, ..folder.clone() }.save(&out)?;
    }
    let play = |learner: &Learner, sampling: Sampling, rows: usize| -> Result<_, Box<dyn std::error::Error>> {
        let config = LmPolicyConfig { sampling, ..folder.config.clone() };
        let rows = Rows::new(learner.model.decoder()?, rows, config.max_new_tokens)?;
        Ok(LmPolicy::new("tiny", rows, folder.tokenizer.clone(), folder.chat.clone(), config)?)
    };
    let score = |learner: &Learner, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        let mut policy = play(learner, Sampling::default(), 64)?;
        let done = evaluate(&mut policy, &held, &config, &[Seed(1), Seed(2)])?;
        let scores: Vec<f64> = done.iter().filter_map(|o| o.score()).collect();
        let turns: f64 = done.iter().map(|o| f64::from(o.last.observation.turn)).sum::<f64>() / done.len() as f64;
        let top1: f64 =
            done.iter().filter_map(|o| o.last.metrics.get("diagnosis_top1")).sum::<f64>() / done.len() as f64;
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        at(&format!("{name}: score {mean:.3} over {}, turns {turns:.1}, top-1 {top1:.2}", scores.len()));
        Ok(())
    };
    score(&learner, "after imitation")?;
    let mut sample = play(&learner, Sampling::default(), 64)?;
    let one = evaluate(&mut sample, &Arc::new(held[..2].to_vec()), &config, &[Seed(1)])?;
    for o in &one {
        for l in o.last.observation.dialogue.iter() {
            println!("   {:8} {}", l.speaker.word(), l.text);
        }
        println!("   score {:?}", o.score());
    }

    let mut grpo = GrpoConfig {
        group_size: 8,
        groups_per_step: 16,
        max_completion: 64,
        length_bonus: None::<LengthBonus>,
        ..GrpoConfig::m2()
    };
    grpo.schedule.lr = 3e-4;
    let mut learner = Learner::new(
        Model::new(&learner.model.to_weights()?, Trainable::All, DType::F32, &Device::Cpu, 1)?,
        AdamW::default(),
        Some(1.0),
    );
    let mut rollouts = Rollouts::new(train.clone(), config.clone());
    let mut policy = play(&learner, Sampling::default(), 128)?;
    for round in 0..rounds as u64 {
        let mut draw =
            bedside_env::seed::Draw::new(Seed(21), b"starts", round as u32, bedside_env::seed::Purpose::Case);
        let starts: Vec<Start> = (0..grpo.groups_per_step)
            .map(|_| {
                let d = &shown[draw.below(shown.len())];
                let at_turn = 1 + draw.below(d.turns.len().saturating_sub(1).max(1)) as u32;
                let at_turn = at_turn.min(d.turns.len() as u32 - 1).max(1);
                Start::Fragment { case: d.case, log: Arc::new(d.log.clone()), at_turn, turns: 1 }
            })
            .collect();
        let t = Instant::now();
        let groups = rollouts.play(&mut policy, &starts, grpo.group_size, Seed(33), round)?;
        let played = t.elapsed().as_secs_f64();
        let paid = pay(&grpo, &groups, None);
        let m = learner.reinforce(&grpo, &paid.lessons, grpo.schedule.at(round + 1))?;
        let watched = monitors::measure(&paid.episodes, &paid.groups);
        policy.model_mut().replace(learner.model.decoder()?)?;
        at(&format!(
            "rl {round}: reward {:.3}, flat {:.2}, entropy {:.2}, grad {:.2}, gap {:.1e}, play {played:.1}s of {:.1}s",
            watched.get("reward").unwrap_or(f64::NAN),
            watched.get("frac_reward_zero_std").unwrap_or(f64::NAN),
            m.get("entropy").unwrap_or(f64::NAN),
            m.get("grad_norm").unwrap_or(f64::NAN),
            m.get("sampling/sampling_logp_difference/max").unwrap_or(f64::NAN),
            t.elapsed().as_secs_f64()
        ));
        if (round + 1) % 20 == 0 {
            score(&learner, &format!("after {} rounds", round + 1))?;
        }
    }
    Ok(())
}
