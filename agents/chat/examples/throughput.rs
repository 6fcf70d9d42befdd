//! What the client reaches of what latency and concurrency allow, and what a recording costs in time and memory.
//!
//! `cargo run --release -p bedside-chat --example throughput [-- CALLS]` (10,000). Client and scripted server share this machine's
//! cores, each on one thread, so the figures are a lower bound; a busy machine keeps the latency itself longer, so what it came to
//! is measured beside (`real ms`) and the share is told against both.

use bedside_chat::testing::{Act, FakeServer};
use bedside_chat::{
    Access, CallStore, ChatBackend, ChatRequest, Dialect, FileStore, Message, OpenAi, OpenAiConfig, Recorded,
};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LATENCY: Duration = Duration::from_millis(50);

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Resident memory in MiB; 0 where there is no /proc.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / (1 << 20) as f64
}

/// Processor time of this process so far in seconds: client and server together. 0 where there is no /proc.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold spaces: user and system time in hundredths.
    let after: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    after.iter().skip(12).take(2).filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Call `n` of a consultation: what was said so far differs from that of every other.
fn request(n: usize) -> ChatRequest {
    let system = Message::system("You speak for a patient in a medical consultation. ".repeat(8));
    let mut messages = vec![system, Message::user(format!("Consultation {}: what brings you in?", n / 8))];
    for turn in 0..n % 8 {
        messages.push(Message::assistant(format!("It began {turn} days ago, after lunch.")));
        messages.push(Message::user(format!("And question {turn}, did anything make it better or worse?")));
    }
    ChatRequest::new("m", messages)
}

/// How long the latency really takes on the server's thread, over and over: sum in microseconds, and count.
async fn probe(sum: Arc<[AtomicU64; 2]>) {
    loop {
        let begun = Instant::now();
        tokio::time::sleep(LATENCY).await;
        sum[0].fetch_add(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
        sum[1].fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes `calls` calls, `at_once` at a time as so many consultations would, and returns calls a second.
async fn drive(backend: Arc<dyn ChatBackend>, calls: usize, at_once: usize) -> Result<f64, String> {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut consultations = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (backend, next) = (backend.clone(), next.clone());
        consultations.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= calls {
                    return Ok(());
                }
                backend.chat(&request(n)).await.map_err(|e| e.to_string())?;
            }
        });
    }
    consultations.join_all().await.into_iter().collect::<Result<(), String>>()?;
    Ok(calls as f64 / begun.elapsed().as_secs_f64())
}

fn main() -> Result<(), Box<dyn Error>> {
    let calls: usize = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    let (serving, calling) = (runtime()?, runtime()?);
    let script = |_: &bedside_chat::testing::Asked| {
        Act::After(LATENCY, Box::new(Act::Say("It began three days ago.".repeat(4))))
    };
    let server = serving.block_on(async { serving.spawn(FakeServer::start(script)).await })??;
    let slept = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    serving.spawn(probe(slept.clone()));
    println!("{calls} calls, latency {} ms; a limit of C calls in flight allows C / latency", LATENCY.as_millis());
    println!("consulting  limit  calls/s  allowed  share  real ms  of real  cpu us/call  resident MiB");
    for (at_once, limit) in [(1_000, 32), (1_000, 128), (1_000, 256), (1_000, 512), (1_000, 1_000)] {
        let config = OpenAiConfig { concurrency: limit, ..OpenAiConfig::new(server.base_url(), Dialect::Vllm) };
        let client = Arc::new(OpenAi::new(config)?);
        let made = calls.min(limit * 100);
        let before = busy();
        slept.iter().for_each(|n| n.store(0, Ordering::Relaxed));
        let rate = calling.block_on(drive(client, made, at_once))?;
        let cpu = (busy() - before) / made as f64 * 1e6;
        let allowed = limit as f64 / LATENCY.as_secs_f64();
        let [sum, times] = [&slept[0], &slept[1]].map(|n| n.load(Ordering::Relaxed) as f64);
        let real = sum / times.max(1.0) / 1e3;
        let share = 100.0 * rate / allowed;
        let of_real = share * real / (1e3 * LATENCY.as_secs_f64());
        println!(
            "{at_once:>10} {limit:>6} {rate:>8.0} {allowed:>8.0} {share:>5.1}% {real:>8.1} {of_real:>7.1}% {cpu:>12.0} {:>13.1}",
            resident()
        );
    }
    let path = std::env::temp_dir().join(format!("bedside-throughput-{}.calls", std::process::id()));
    let config = OpenAiConfig { concurrency: 256, ..OpenAiConfig::new(server.base_url(), Dialect::Vllm) };
    let store = Arc::new(FileStore::open(&path, Access::Append)?);
    println!("recording, 1,000 consultations, a limit of 256:");
    let recorded = Arc::new(Recorded::record(Arc::new(OpenAi::new(config)?), store.clone()));
    for part in 1..=5 {
        let rate = calling.block_on(drive(recorded.clone(), calls * part / 5, 1_000))?;
        let size = store.size() as f64 / (1 << 20) as f64;
        println!(
            "  {:>7} stored: {rate:>8.0} calls/s (stored ones among them), file {size:.1} MiB, resident {:.1} MiB",
            store.len(),
            resident()
        );
    }
    let (messages, all) = (store.messages(), (0..calls).map(|n| request(n).messages.len()).sum::<usize>());
    println!("  messages: {messages} stored of {all} sent");
    let replay = Arc::new(Recorded::replay(store));
    drop(server);
    let rate = calling.block_on(drive(replay.clone(), calls, 1_000))?;
    println!("replay with the server gone: {rate:.0} calls/s, {:?}", replay.counts());
    std::fs::remove_file(path)?;
    Ok(())
}
