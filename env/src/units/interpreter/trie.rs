//! Phrases of words, matched at a position in one walk.

use super::tokens::{Class, FnvMap, GAP, Token, UNKNOWN, WordId};

/// Words a gap may stand for.
const GAP_WORDS: u32 = 4;

#[derive(Default)]
struct Node {
    entries: Vec<u32>,
    gap: Option<u32>,
}

/// Phrases to entries.
pub(crate) struct Trie {
    nodes: Vec<Node>,
    next: FnvMap<(u32, WordId), u32>,
}

/// A phrase found: tokens `from..to`, and its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub from: u16,
    pub to: u16,
    pub entry: u32,
    /// Whether words were stepped over at a `_`.
    pub gap: bool,
}

impl Trie {
    pub fn new() -> Self {
        Trie { nodes: vec![Node::default()], next: FnvMap::default() }
    }

    /// Adds a phrase; of several entries for one phrase the one added last is met first.
    pub fn insert(&mut self, phrase: &[WordId], entry: u32) {
        if phrase.is_empty() {
            return;
        }
        let mut at = 0;
        for word in phrase {
            let fresh = self.nodes.len() as u32;
            at = if *word == GAP {
                let node = &mut self.nodes[at as usize];
                let to = *node.gap.get_or_insert(fresh);
                if to == fresh {
                    self.nodes.push(Node::default());
                }
                to
            } else {
                let to = *self.next.entry((at, *word)).or_insert(fresh);
                if to == fresh {
                    self.nodes.push(Node::default());
                }
                to
            };
        }
        let entries = &mut self.nodes[at as usize].entries;
        entries.retain(|e| *e != entry);
        entries.insert(0, entry);
    }

    /// All phrases that begin at word `from`, in order of end.
    pub fn at(&self, tokens: &[Token], from: usize, hits: &mut Vec<Hit>) {
        self.walk(tokens, from, from, 0, false, hits);
    }

    fn walk(&self, tokens: &[Token], from: usize, mut i: usize, node: u32, gapped: bool, hits: &mut Vec<Hit>) {
        while i < tokens.len() && tokens[i].class == Class::Skip {
            i += 1;
        }
        if i >= tokens.len() || tokens[i].class != Class::Word {
            return;
        }
        let id = tokens[i].id;
        if id != UNKNOWN
            && let Some(to) = self.next.get(&(node, id))
        {
            for entry in &self.nodes[*to as usize].entries {
                hits.push(Hit { from: from as u16, to: (i + 1) as u16, entry: *entry, gap: gapped });
            }
            self.walk(tokens, from, i + 1, *to, gapped, hits);
        }
        if let Some(gap) = self.nodes[node as usize].gap {
            let mut words = 0;
            let mut j = i;
            while j < tokens.len() && words <= GAP_WORDS {
                match tokens[j].class {
                    Class::Skip | Class::Comma => {}
                    Class::Word => {
                        self.walk(tokens, from, j, gap, true, hits);
                        words += 1;
                    }
                    _ => break,
                }
                j += 1;
            }
        }
    }
}
