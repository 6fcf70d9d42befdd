//! The process is killed at random moments; what it acknowledged is there, whole, every time.

use crate::fixtures::{cases, folder, recording};
use bedside_env::EpisodeId;
use bedside_replays::{Log, verify};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "BEDSIDE_CRASH_FOLDER";

/// Not a test of its own: the process that is killed. Prints the id of each consultation that was acknowledged.
#[test]
#[ignore = "run by the crash test in a process of its own"]
fn the_writer_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round: u64 = std::env::var("BEDSIDE_CRASH_ROUND").ok().and_then(|r| r.parse().ok()).unwrap_or(0);
    let log = Log::open(&folder).expect("the log opens after a kill");
    let writer = log.writer(Default::default());
    let cases = cases();
    let mut waiting = std::collections::VecDeque::new();
    for n in 0u64.. {
        let r = recording(&cases[(n % 3) as usize], round * 1_000_000 + n, "crash", 1 + (n % 5) as usize, n % 4 == 0);
        waiting.push_back((r.episode(), writer.record(&r).expect("accepted")));
        while let Some(answer) = waiting.front().and_then(|(_, ack)| ack.try_wait()) {
            answer.expect("durable");
            let (id, _) = waiting.pop_front().expect("just seen");
            println!("acknowledged {id}");
        }
    }
}

/// `BEDSIDE_KILLS=100` for the long run.
#[test]
fn no_acknowledged_consultation_is_lost_or_torn_when_the_process_is_killed() {
    let rounds: u64 = std::env::var("BEDSIDE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let folder = folder();
    let me = std::env::current_exe().expect("this test");
    let mut acknowledged: Vec<EpisodeId> = Vec::new();
    let (mut repairs, mut random) = (0, 0x9e37_79b9_7f4a_7c15u64);
    for round in 0..rounds {
        let mut child = Command::new(&me)
            .args(["--exact", "crash::the_writer_that_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env("BEDSIDE_CRASH_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let out = child.stdout.take().expect("piped");
        let (first, started) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .filter_map(|l| {
                    l.split_once("acknowledged ").and_then(|(_, id)| id.get(..32)?.parse::<EpisodeId>().ok())
                })
                .inspect(|_| {
                    let _ = first.send(());
                })
                .collect::<Vec<_>>()
        });
        // Every other round lives to acknowledge something, however slow the machine; the rest die at any moment, start included.
        if round % 2 == 0 {
            started.recv_timeout(Duration::from_secs(120)).expect("acknowledges something within two minutes");
        }
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(Duration::from_millis((random >> 33) % 500));
        child.kill().expect("killed");
        child.wait().expect("gone");
        acknowledged.extend(reader.join().expect("read"));

        let log = Log::open_existing(folder.path()).expect("opens after the kill");
        repairs += log.repairs().len();
        let report = verify(&log, 2);
        assert_eq!(report.findings, [], "round {round}");
        for id in &acknowledged {
            assert!(log.contains(*id).expect("read"), "round {round}: {id} was acknowledged and is gone");
        }
    }
    println!("{rounds} kills, {} acknowledged, {repairs} repairs, none lost", acknowledged.len());
    assert!(acknowledged.len() as u64 >= rounds / 2, "{}", acknowledged.len());
}
