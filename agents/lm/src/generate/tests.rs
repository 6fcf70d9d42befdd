use super::*;
use crate::tokens::tests::small;

/// A model without weights: logits are a hash of the last three tokens, so that what a row is given, and in which order, shows.
/// It checks that it is used as promised.
pub(crate) struct Toy {
    vocab: usize,
    rows: usize,
    room: usize,
    /// What each busy row has seen.
    seen: BTreeMap<usize, Vec<u32>>,
    /// Prompts read, and the most rows under way at once.
    pub(crate) prefills: usize,
    pub(crate) widest: usize,
    pub(crate) steps: usize,
    /// Raises the logit of this token.
    favourite: Option<(u32, f32)>,
}

impl Toy {
    pub(crate) fn new(rows: usize, room: usize) -> Toy {
        Toy { vocab: 300, rows, room, seen: BTreeMap::new(), prefills: 0, widest: 0, steps: 0, favourite: None }
    }

    fn favouring(mut self, token: u32, by: f32) -> Toy {
        self.favourite = Some((token, by));
        self
    }

    fn logits(&self, seen: &[u32]) -> Vec<f32> {
        let tail = seen.iter().rev().take(3).fold(17u64, |h, t| h.wrapping_mul(0x100_0000_01b3) ^ u64::from(*t));
        let one = |i: usize| {
            let mixed = (tail ^ (i as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed >> 40) as f32 / (1u64 << 24) as f32 * 6.0
        };
        let mut logits: Vec<f32> = (0..self.vocab).map(one).collect();
        if let Some((token, by)) = self.favourite {
            logits[token as usize] += by;
        }
        logits
    }
}

impl Decode for Toy {
    fn rows(&self) -> usize {
        self.rows
    }
    fn room(&self) -> usize {
        self.room
    }
    fn positions(&self) -> usize {
        4_096
    }

    fn start(&mut self, prompts: &[Start<'_>]) -> Result<Vec<Vec<f32>>, DecodeError> {
        for start in prompts {
            assert!(!start.rows.is_empty());
            for row in &start.rows {
                assert!(
                    *row < self.rows && self.seen.insert(*row, start.prompt.to_vec()).is_none(),
                    "row {row} was busy"
                );
            }
        }
        self.prefills += prompts.len();
        self.widest = self.widest.max(self.seen.len());
        Ok(prompts.iter().map(|s| self.logits(s.prompt)).collect())
    }

    fn step(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<Vec<f32>>, DecodeError> {
        assert!(!tokens.is_empty() && tokens.is_sorted_by_key(|t| t.0));
        self.steps += 1;
        for (row, token) in tokens {
            self.seen.get_mut(row).ok_or("a row that was not started")?.push(*token);
        }
        Ok(tokens.iter().map(|(row, _)| self.logits(&self.seen[row])).collect())
    }

    fn free(&mut self, row: usize) {
        assert!(self.seen.remove(&row).is_some(), "row {row} was free");
    }
}

fn play(model: &mut Toy, stop: &[&str], requests: &[Request<'_>]) -> Vec<Generated> {
    let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
    let out = generate(model, &small(), &Sampling::default(), &stop, requests).expect("the toy does not fail");
    assert!(model.seen.is_empty(), "all rows are given back");
    for g in &out {
        assert!(g.ids.len() == g.log_probs.len() && g.ids.len() == g.mask.len());
    }
    out
}

const PROMPTS: [&[u32]; 3] = [&[1, 40, 50], &[1, 60], &[1, 70, 80, 90]];

fn many(n: usize) -> Vec<Request<'static>> {
    let one = |i: usize| Request {
        prompt: PROMPTS[i % 3],
        forced: &[],
        seed: Seed(i as u64),
        max_new_tokens: 3 + (i * 7) % 30,
    };
    (0..n).map(one).collect()
}

#[test]
fn the_same_sequences_come_out_at_any_number_of_rows_and_in_any_company() {
    let requests = many(24);
    let all = play(&mut Toy::new(24, 64), &["x"], &requests);
    for rows in [1, 2, 3, 7, 100] {
        assert_eq!(play(&mut Toy::new(rows, 64), &["x"], &requests), all, "{rows} rows");
    }
    for (i, request) in requests.iter().enumerate() {
        assert_eq!(play(&mut Toy::new(4, 64), &["x"], std::slice::from_ref(request))[0], all[i], "request {i} alone");
    }
    let texts: std::collections::BTreeSet<&str> = all.iter().map(|g| g.text.as_str()).collect();
    assert!(texts.len() > 20, "seeds differ, so do their sequences");
}

#[test]
fn a_shared_prompt_is_read_once_and_rows_are_refilled_as_they_fall_free() {
    let group: Vec<Request<'_>> =
        (0..8).map(|i| Request { prompt: PROMPTS[0], forced: &[], seed: Seed(i), max_new_tokens: 5 }).collect();
    let mut model = Toy::new(8, 64);
    play(&mut model, &[], &group);
    assert_eq!((model.prefills, model.widest), (1, 8));

    // One long sequence does not hold up the short ones: 2 rows, lengths 40 and 10 times 4, are about 40 steps and not 200.
    let mut lengths = vec![40];
    lengths.extend([4; 10]);
    let uneven: Vec<Request<'_>> = lengths
        .iter()
        .enumerate()
        .map(|(i, n)| Request { prompt: PROMPTS[i % 3], forced: &[], seed: Seed(i as u64), max_new_tokens: *n })
        .collect();
    let mut model = Toy::new(2, 64).favouring(2, -100.0);
    let out = play(&mut model, &[], &uneven);
    assert!(out.iter().zip(&lengths).all(|(g, n)| g.ids.len() == *n && g.truncated()));
    assert!(model.steps <= 45, "{} steps", model.steps);
}

#[test]
fn an_end_token_ends_a_reply_and_belongs_to_it() {
    let request = Request { prompt: PROMPTS[0], forced: &[], seed: Seed(1), max_new_tokens: 50 };
    let out = &play(&mut Toy::new(1, 64).favouring(2, 50.0), &[], &[request])[0];
    assert_eq!((out.ids.as_slice(), out.mask.as_slice(), out.text.as_str()), (&[2][..], &[1][..], ""));
    assert_eq!(out.finish, Finish::EndToken);
}

#[test]
fn a_full_row_cuts_a_reply_and_says_so() {
    let request = Request { prompt: PROMPTS[0], forced: &[], seed: Seed(1), max_new_tokens: 50 };
    let out = &play(&mut Toy::new(1, 6).favouring(2, -100.0), &[], &[request])[0];
    assert_eq!((out.ids.len(), out.truncated()), (6, true));
    let none = Request { max_new_tokens: 0, ..request };
    assert_eq!(play(&mut Toy::new(1, 6), &[], &[none])[0].ids.len(), 0);
}

#[test]
fn forced_tokens_open_the_reply_masked_and_with_their_probability() {
    let tokenizer = small();
    let forced = tokenizer.encode("DIAGNOSIS").expect("encodes");
    let free = Request { prompt: PROMPTS[0], forced: &[], seed: Seed(4), max_new_tokens: 12 };
    let out = &play(&mut Toy::new(1, 64).favouring(2, -100.0), &["AG"], &[Request { forced: &forced, ..free }])[0];
    assert!(out.ids.starts_with(&forced) && out.text.starts_with("DIAGNOSIS"), "forced words do not stop a reply");
    assert!(out.mask[..forced.len()].iter().all(|m| *m == 0) && out.mask[forced.len()..].iter().all(|m| *m == 1));
    assert!(out.mask.len() == 12 && out.log_probs.iter().all(|l| l.is_finite() && *l <= 0.0));
    assert_ne!(play(&mut Toy::new(1, 64), &[], &[free])[0].ids[..forced.len()], forced);
}

/// Says given tokens, then ends.
struct Script(Vec<u32>, usize);

impl Script {
    fn logits(&self) -> Vec<Vec<f32>> {
        let mut logits = vec![0.0; 300];
        logits[self.0.get(self.1).copied().unwrap_or(2) as usize] = 100.0;
        vec![logits]
    }
}

impl Decode for Script {
    fn rows(&self) -> usize {
        1
    }
    fn room(&self) -> usize {
        1_000
    }
    fn positions(&self) -> usize {
        1_000
    }
    fn start(&mut self, _: &[Start<'_>]) -> Result<Vec<Vec<f32>>, DecodeError> {
        Ok(self.logits())
    }
    fn step(&mut self, _: &[(usize, u32)]) -> Result<Vec<Vec<f32>>, DecodeError> {
        self.1 += 1;
        Ok(self.logits())
    }
    fn free(&mut self, _: usize) {}
}

fn say(text: &str, stop: &[&str]) -> Generated {
    let tokenizer = small();
    let ids = tokenizer.encode(text).expect("encodes");
    let stop: Vec<String> = stop.iter().map(|s| (*s).to_owned()).collect();
    let request = Request { prompt: &[1], forced: &[], seed: Seed(0), max_new_tokens: 500 };
    generate(&mut Script(ids, 0), &tokenizer, &Sampling::GREEDY, &stop, &[request]).expect("plays").remove(0)
}

#[test]
fn a_stop_string_is_found_across_tokens_and_is_not_part_of_the_text() {
    // Every cut of every stop string, whatever tokens it falls into; letters of several bytes as well.
    for stop in ["worse", "e pain is w", "\n\n", "痛み", "s"] {
        let text = format!("Hm, the pai{stop} and more");
        let out = say(&text, &[stop]);
        assert_eq!(out.finish, Finish::StopString, "{stop:?}");
        assert_eq!(out.text, text[..text.find(stop).unwrap_or(0)], "{stop:?}");
        let said = small().decode(&out.ids);
        assert!(said.contains(stop) && !said.contains("more"), "{stop:?}: ids end with the token that completed it");
    }
}

#[test]
fn of_several_stop_strings_the_first_in_the_text_counts_and_none_is_no_stop() {
    assert_eq!(say("one. two! three.", &["!", "."]).text, "one");
    let out = say("one two", &["", "zzz"]);
    assert_eq!((out.text.as_str(), out.finish), ("one two", Finish::EndToken));
}

#[test]
fn misuse_is_named_and_leaves_no_row_behind() {
    let tokenizer = small();
    let mut model = Toy::new(2, 64);
    let long = vec![5; 5_000];
    let request = |prompt| Request { prompt, forced: &[], seed: Seed(0), max_new_tokens: 4 };
    let mut error = |requests: &[Request<'_>]| {
        generate(&mut model, &tokenizer, &Sampling::default(), &[], requests).expect_err("refused").to_string()
    };
    assert!(error(&[request(&long)]).contains("5000 tokens"));
    assert!(error(&[request(&[])]).contains("no tokens"));
    assert!(error(&[Request { forced: &[9_999], ..request(&[1]) }]).contains("9999"));
    assert!(model.seen.is_empty());
    let mut none = Toy::new(0, 64);
    assert!(generate(&mut none, &tokenizer, &Sampling::default(), &[], &[request(&[1])]).is_err());
    assert_eq!(generate(&mut none, &tokenizer, &Sampling::default(), &[], &[]).expect("nothing to do"), []);
}
