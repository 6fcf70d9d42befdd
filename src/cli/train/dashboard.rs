//! Training, live: a bar, a curve for each number worth watching, speed and alarms. On a terminal it is drawn over and over on standard
//! error; elsewhere it is silent, and alarms are lines.

use bedside::train::metrics::{Alarm, Metrics};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Instant;

/// Columns of a curve.
const WIDTH: usize = 40;

/// One number and where it has been.
struct Curve {
    name: &'static str,
    values: Vec<f64>,
}

/// What is shown, as text.
struct Panel {
    curves: Vec<Curve>,
    /// Tokens that were sampled in all, and when that began.
    tokens: f64,
    begun: Instant,
    alarms: usize,
    latest: Option<String>,
}

impl Panel {
    fn new(shown: &[&'static str]) -> Panel {
        let curves = shown.iter().map(|name| Curve { name, values: Vec::new() }).collect();
        Panel { curves, tokens: 0.0, begun: Instant::now(), alarms: 0, latest: None }
    }

    fn saw(&mut self, metrics: &Metrics, raised: &[Alarm]) {
        for curve in &mut self.curves {
            curve.values.extend(metrics.get(curve.name));
        }
        self.tokens += metrics.get("completions/tokens").unwrap_or(0.0);
        self.alarms += raised.len();
        if let Some(alarm) = raised.last() {
            self.latest = Some(alarm.to_string().replace('\n', "; "));
        }
    }

    /// A line a curve, then one of speed and alarms.
    fn lines(&self, seconds: f64) -> Vec<String> {
        let line = |c: &Curve| match c.values.last() {
            Some(last) => format!("{:>24} {last:>9.4} {}", c.name, sparkline(&c.values, WIDTH)),
            None => format!("{:>24} {:>9}", c.name, "-"),
        };
        let speed = match self.tokens > 0.0 && seconds > 0.0 {
            true => format!("{:.0} tokens/s, ", self.tokens / seconds),
            false => String::new(),
        };
        let alarms = match &self.latest {
            None => format!("{speed}no alarms"),
            Some(latest) => format!("{speed}{} alarms; {latest}", self.alarms),
        };
        self.curves.iter().map(line).chain([format!("{:>24} {alarms}", "")]).collect()
    }
}

/// The last values as a row of blocks, from the least to the greatest of them; each column is the mean of its part.
fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let columns = values.len().min(width);
    let part = |c: usize| &values[c * values.len() / columns..(c + 1) * values.len() / columns];
    let means: Vec<f64> = (0..columns).map(|c| part(c).iter().sum::<f64>() / part(c).len() as f64).collect();
    let (low, high) = means.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let block = |v: &f64| match high > low {
        true => BLOCKS[((v - low) / (high - low) * 7.0).round() as usize],
        false => BLOCKS[3],
    };
    means.iter().map(block).collect()
}

/// The dashboard of one run.
pub struct Dashboard {
    bars: MultiProgress,
    progress: ProgressBar,
    rows: Vec<ProgressBar>,
    panel: Panel,
    live: bool,
}

impl Dashboard {
    /// `shown` are the metrics that get a curve; `done` of `total` steps were taken before.
    pub fn new(shown: &[&'static str], total: u64, done: u64) -> Dashboard {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let progress = bars.add(ProgressBar::new(total));
        let style = ProgressStyle::with_template("{prefix:>24} [{bar:38}] {pos}/{len} {per_sec} eta {eta}");
        progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        progress.set_prefix("training");
        progress.set_position(done);
        progress.reset_eta();
        let panel = Panel::new(shown);
        let row = |_| {
            let style = ProgressStyle::with_template("{wide_msg}");
            let row = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bars.add(row)
        };
        let rows = panel.lines(0.0).iter().map(row).collect();
        Dashboard { bars, progress, rows, panel, live }
    }

    /// Takes in a step.
    pub fn step(&mut self, metrics: &Metrics, raised: &[Alarm]) {
        self.panel.saw(metrics, raised);
        self.progress.inc(1);
        if self.live {
            let lines = self.panel.lines(self.panel.begun.elapsed().as_secs_f64());
            self.rows.iter().zip(lines).for_each(|(row, line)| row.set_message(line));
        } else {
            raised.iter().for_each(|a| eprintln!("{a}"));
        }
    }

    pub fn alarms(&self) -> usize {
        self.panel.alarms
    }

    /// Writes past the dashboard.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bars.suspend(write)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.rows.iter().for_each(ProgressBar::finish_and_clear);
        self.progress.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_as_wide_as_its_values_and_no_wider_than_its_room() {
        assert_eq!(sparkline(&[0.0, 1.0, 0.5, 7.0], 40), "▁▂▂█");
        assert_eq!(sparkline(&[2.0; 3], 40), "▄▄▄");
        assert_eq!(sparkline(&[], 40), "");
        let rising: Vec<f64> = (0..800).map(f64::from).collect();
        assert_eq!(sparkline(&rising, 8), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn the_panel_says_what_is_known_and_nothing_of_what_is_not() {
        let mut panel = Panel::new(&["reward", "held/score"]);
        for reward in [0.25, 0.5] {
            let mut m = Metrics::default();
            m.set("reward", reward);
            m.set("completions/tokens", 300.0);
            panel.saw(&m, &[]);
        }
        let lines = panel.lines(2.0);
        assert!(lines[0].ends_with("reward    0.5000 ▁█"), "{lines:?}");
        assert!(lines[1].ends_with("held/score         -"), "{lines:?}");
        assert!(lines[2].ends_with("300 tokens/s, no alarms"), "{lines:?}");
        let alarm = Alarm { step: 2, name: "entropy", value: 0.1, threshold: 0.2, next: "raise temperature" };
        panel.saw(&Metrics::default(), &[alarm]);
        let last = panel.lines(2.0).pop().expect("a line");
        assert!(last.contains("1 alarms; step 2: entropy") && last.contains("raise temperature"), "{last}");
        assert!(!last.contains('\n'));
    }
}
