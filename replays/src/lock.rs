//! One process owns a log. The lock names its holder, and goes with the process however that ends.

use crate::error::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait for a lock that a killed process may still seem to hold.
const PATIENCE: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(50);

/// Calls `f` until it says something else than "locked", or patience runs out.
pub fn retry<T>(mut f: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let start = Instant::now();
    loop {
        match f() {
            Err(StoreError::Locked { .. }) if start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

/// A share of the lock, for one who may only read; none where there is no lock file.
pub struct SharedLock {
    _file: Option<File>,
}

/// Held while it lives.
pub struct LogLock {
    _file: File,
}

impl LogLock {
    /// Keeps writers out while it lives.
    pub fn share(folder: &Path) -> Result<SharedLock, StoreError> {
        let path = folder.join("LOCK");
        let file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(SharedLock { _file: None }),
            other => other.map_err(|e| StoreError::reading(&path, &e))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(SharedLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Locked { path: folder.display().to_string(), holder: String::new() })
            }
            Err(TryLockError::Error(e)) => Err(StoreError::io(&path, &e)),
        }
    }

    pub fn take(folder: &Path) -> Result<LogLock, StoreError> {
        let path = folder.join("LOCK");
        let fail = |e: std::io::Error| StoreError::io(&path, &e);
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { String::new() } else { format!(" ({holder})") };
                return Err(StoreError::Locked { path: folder.display().to_string(), holder });
            }
            Err(TryLockError::Error(e)) => return Err(fail(e)),
        }
        // Who holds it is a courtesy to the reader of an error; a full disk must not turn it into a failure of its own.
        let _ =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "process {}", std::process::id()));
        Ok(LogLock { _file: file })
    }
}
