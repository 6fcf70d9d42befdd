//! What the kernel knows of this process: processor time by thread, time spent waiting for a processor, memory.

use std::ops::Sub;

/// Seconds on a processor and seconds ready to run while others had it, of some threads so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub busy: f64,
    pub kept_waiting: f64,
}

impl Sub for Spent {
    type Output = Spent;

    fn sub(self, before: Spent) -> Spent {
        Spent { busy: self.busy - before.busy, kept_waiting: self.kept_waiting - before.kept_waiting }
    }
}

/// Of this process's threads whose names are so. Zero where there is no /proc.
pub fn spent(named: impl Fn(&str) -> bool) -> Spent {
    let mut sum = Spent::default();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return sum };
    for task in tasks.flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if named(read("comm").trim_end()) {
            // Nanoseconds on a processor, nanoseconds waiting for one, times it was put on one.
            let figures: Vec<f64> = read("schedstat").split_whitespace().filter_map(|n| n.parse().ok()).collect();
            if let [busy, kept_waiting, ..] = figures[..] {
                sum.busy += busy / 1e9;
                sum.kept_waiting += kept_waiting / 1e9;
            }
        }
    }
    sum
}

/// Resident memory in KiB; 0 where there is no /proc.
pub fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
    pages * 4
}
