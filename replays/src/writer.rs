//! One thread writes. Callers hand over finished consultations through a bounded channel and get an acknowledgement when the
//! disk has them; many share one barrier.

use crate::error::{LogError, StoreError};
use crate::log::Log;
use crate::recording::{Prepared, Recording};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When a group is committed, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct WriterPolicy {
    /// Commit after this many sealed episodes,
    pub group: usize,
    /// or after this long with one waiting.
    pub every: Duration,
    /// Episodes in the channel before `record` blocks.
    pub queue: usize,
}

impl Default for WriterPolicy {
    fn default() -> Self {
        WriterPolicy { group: 32, every: Duration::from_millis(250), queue: 256 }
    }
}

/// A group grows to this many times its size while more is waiting in the channel.
const STRETCH: usize = 8;

type Answer = Result<(), StoreError>;

enum Message {
    Record(Box<Prepared>, Sender<Answer>),
    Flush(Sender<Answer>),
    /// Commits, and asks for the first thing that was refused or failed.
    Close(Sender<Answer>),
    Stop,
}

/// Resolves when the consultation is on the disk, or will not be.
#[must_use = "a consultation is recorded when its acknowledgement says so"]
pub struct Ack(Receiver<Answer>);

impl Ack {
    /// Blocks until the group is durable.
    pub fn wait(self) -> Result<(), StoreError> {
        self.0.recv().unwrap_or(Err(StoreError::WriterStopped))
    }
    /// The answer, if it is there.
    pub fn try_wait(&self) -> Option<Result<(), StoreError>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(crossbeam_channel::TryRecvError::Empty) => None,
            Err(crossbeam_channel::TryRecvError::Disconnected) => Some(Err(StoreError::WriterStopped)),
        }
    }
}

/// The way to the writer's thread; clone it for every worker.
#[derive(Clone)]
pub struct LogHandle(Sender<Message>);

impl LogHandle {
    /// Encodes here, writes there. Blocks while the queue is full.
    pub fn record(&self, recording: &Recording) -> Result<Ack, LogError> {
        let prepared = recording.prepare()?;
        let (tx, rx) = bounded(1);
        self.0.send(Message::Record(Box::new(prepared), tx)).map_err(|_| StoreError::WriterStopped)?;
        Ok(Ack(rx))
    }

    /// Commits what is waiting now.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (tx, rx) = bounded(1);
        self.0.send(Message::Flush(tx)).map_err(|_| StoreError::WriterStopped)?;
        rx.recv().unwrap_or(Err(StoreError::WriterStopped))
    }
}

/// Owns the writer's thread. Dropping it commits what was handed over.
pub struct LogWriter {
    handle: LogHandle,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    pub fn spawn(log: Log, policy: WriterPolicy) -> LogWriter {
        let (tx, rx) = bounded(policy.queue.max(1));
        let thread = std::thread::spawn(move || {
            Worker { log, policy, waiting: Vec::new(), since: None, refused: None }.run(&rx)
        });
        LogWriter { handle: LogHandle(tx), thread: Some(thread) }
    }

    pub fn handle(&self) -> LogHandle {
        self.handle.clone()
    }

    pub fn record(&self, recording: &Recording) -> Result<Ack, LogError> {
        self.handle.record(recording)
    }

    pub fn flush(&self) -> Result<(), StoreError> {
        self.handle.flush()
    }

    /// Commits what was handed over. An error is the first that any consultation met, also where nobody waited for its
    /// acknowledgement: `Ok` means that all of them are recorded.
    pub fn close(mut self) -> Result<(), StoreError> {
        let (tx, rx) = bounded(1);
        let sent = self.handle.0.send(Message::Close(tx)).map_err(|_| StoreError::WriterStopped);
        let closed = sent.and_then(|()| rx.recv().unwrap_or(Err(StoreError::WriterStopped)));
        self.stop();
        closed
    }

    fn stop(&mut self) {
        let _ = self.handle.0.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    log: Log,
    policy: WriterPolicy,
    waiting: Vec<Sender<Answer>>,
    /// Since when the oldest of them waits.
    since: Option<Instant>,
    /// The first error that anything met.
    refused: Option<StoreError>,
}

impl Worker {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let patience =
                self.since.map_or(Duration::from_secs(3600), |s| self.policy.every.saturating_sub(s.elapsed()));
            match messages.recv_timeout(patience) {
                Ok(Message::Record(prepared, ack)) => {
                    match self.log.stage(*prepared) {
                        Ok(()) => {
                            self.waiting.push(ack);
                            self.since.get_or_insert_with(Instant::now);
                        }
                        Err(e) => {
                            self.refused.get_or_insert_with(|| e.clone());
                            drop(ack.send(Err(e)));
                        }
                    }
                    // A full group commits; under load it takes along what queued up behind it, which would wait anyway.
                    let full = self.waiting.len() >= self.policy.group;
                    if full && (messages.is_empty() || self.waiting.len() >= self.policy.group * STRETCH) {
                        let _ = self.commit();
                    }
                }
                Ok(Message::Flush(ack)) => drop(ack.send(self.commit())),
                Ok(Message::Close(ack)) => {
                    let done = self.commit();
                    drop(ack.send(self.refused.clone().map_or(done, Err)));
                }
                Err(RecvTimeoutError::Timeout) if self.since.is_some() => drop(self.commit()),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.commit();
                    return;
                }
            }
        }
    }

    /// One barrier for all that wait; each is told how it went.
    fn commit(&mut self) -> Answer {
        self.since = None;
        let answer = self.log.commit().map(drop);
        if let Err(e) = &answer {
            self.refused.get_or_insert_with(|| e.clone());
        }
        for ack in self.waiting.drain(..) {
            let _ = ack.send(answer.clone());
        }
        answer
    }
}
