//! Two episodes side by side: where they part, and both stories in two columns.

use crate::fields::first_difference;
use crate::transcript::action_line;
use bedside_env::{EpisodeLog, Event};
use serde::Serialize;
use std::fmt::Write;

/// How two episodes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpisodeDiff {
    /// Events that are equal from the start.
    pub shared_events: u32,
    /// Whole doctor turns that are equal from the start.
    pub shared_turns: u32,
    /// `None` where the episodes are equal.
    pub first: Option<FirstDifference>,
}

/// The first event that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstDifference {
    pub event: u32,
    pub turn: u32,
    pub left_event: String,
    pub right_event: String,
    pub field: String,
    pub left: String,
    pub right: String,
}

/// Compares two episodes event by event.
pub fn diff(left: &EpisodeLog, right: &EpisodeLog) -> EpisodeDiff {
    let (a, b) = (&left.events, &right.events);
    let shared = a.iter().zip(b.iter()).take_while(|(x, y)| x == y).count();
    let first = (shared < a.len().max(b.len())).then(|| {
        let (x, y) = (a.get(shared), b.get(shared));
        let (field, l, r) = first_difference(&x, &y);
        let name = |e: Option<&Event>| e.map_or("(end)", Event::name).to_owned();
        let turn = x.or(y).map_or(0, Event::turn);
        FirstDifference {
            event: shared as u32,
            turn,
            left_event: name(x),
            right_event: name(y),
            field,
            left: l,
            right: r,
        }
    });
    let shared_turns = match &first {
        None => a.last().map_or(0, Event::turn),
        Some(d) => d.turn.saturating_sub(1),
    };
    EpisodeDiff { shared_events: shared as u32, shared_turns, first }
}

/// Both stories in two columns of `width` characters; turns stand side by side, `|` marks those that differ.
pub fn side_by_side(left: &EpisodeLog, right: &EpisodeLog, width: usize) -> String {
    let width = width.max(16);
    let mut out = String::new();
    let _ = writeln!(out, "{:<width$}   {}", left.episode.to_string(), right.episode);
    let turns = [left, right].iter().filter_map(|l| l.events.last()).map(Event::turn).max().unwrap_or(0);
    for turn in 0..=turns {
        let (a, b) = (turn_lines(left, turn, width), turn_lines(right, turn, width));
        let same = events_of(left, turn).eq(events_of(right, turn));
        let mark = if same { ' ' } else { '|' };
        for i in 0..a.len().max(b.len()) {
            let (x, y) = (a.get(i).map_or("", String::as_str), b.get(i).map_or("", String::as_str));
            let pad = width.saturating_sub(x.chars().count());
            let line = format!("{x}{} {mark} {y}", " ".repeat(pad));
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    out
}

fn events_of(log: &EpisodeLog, turn: u32) -> impl Iterator<Item = &Event> {
    log.events.iter().filter(move |e| e.turn() == turn)
}

/// A turn as short lines: what was said, told and felt.
fn turn_lines(log: &EpisodeLog, turn: u32, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for event in events_of(log, turn) {
        let text = match event {
            Event::ActionTaken { action, .. } => format!("[{turn}] D {}", action_line(action)),
            Event::PatientOpened { text } | Event::PatientReplied { text, .. } => format!("[{turn}] P {text}"),
            Event::FindingRevealed { text, .. } | Event::ResultReturned { text, .. } => {
                format!("[{turn}] chart {text}")
            }
            Event::ConsultationTerminated { ending, .. } => format!("[{turn}] ended: {}", ending.word()),
            Event::ConsultationTruncated { limit, .. } => format!("[{turn}] cut: {}", limit.word()),
            Event::ConsultationForked(f) => format!("--- forked from {}", f.parent),
            Event::ActionRejected { .. } => format!("[{turn}] (rejected)"),
            Event::AffectMoved { affect: a, .. } => {
                format!("    trust {} anxiety {} patience {}", a.trust, a.anxiety, a.patience)
            }
            _ => continue,
        };
        wrap(&text, width, &mut out);
    }
    out
}

/// Breaks at spaces; a longer word is cut.
fn wrap(text: &str, width: usize, out: &mut Vec<String>) {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        for (i, piece) in pieces(word, width).into_iter().enumerate() {
            let n = piece.chars().count();
            if length > 0 && (length + 1 + n > width || i > 0) {
                out.push(std::mem::take(&mut line));
                length = 0;
            }
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(&piece);
            length += n;
        }
    }
    out.push(line);
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() <= width {
        return vec![word.to_owned()];
    }
    chars.chunks(width).map(|c| c.iter().collect()).collect()
}
