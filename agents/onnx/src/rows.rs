//! Logits from an ONNX model, in the shape the sampler's loop wants them.

use crate::runtime::{OnnxError, environment};
use bedside_lm::generate::{Decode, DecodeError, Start};
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use std::borrow::Cow;
use std::path::Path;

/// A model without a cache: each step runs it over all tokens of a row.
///
/// Rows are run one at a time and without padding, so that a row's logits do not depend on its company. That is slow and simple; a
/// model that plays thousands of consultations is better imported as weights.
pub struct OnnxRows {
    session: Session,
    inputs: Vec<Input>,
    output: String,
    /// Tokens of the rows that are under way.
    rows: Vec<Option<Vec<u32>>>,
    positions: usize,
}

/// What a model of this kind may be fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Ids,
    Mask,
    Positions,
}

impl Input {
    fn of(name: &str) -> Option<Input> {
        match name {
            "input_ids" => Some(Input::Ids),
            "attention_mask" => Some(Input::Mask),
            "position_ids" => Some(Input::Positions),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Input::Ids => "input_ids",
            Input::Mask => "attention_mask",
            Input::Positions => "position_ids",
        }
    }

    fn values(self, tokens: &[u32]) -> Vec<i64> {
        match self {
            Input::Ids => tokens.iter().map(|t| i64::from(*t)).collect(),
            Input::Mask => vec![1; tokens.len()],
            Input::Positions => (0..tokens.len() as i64).collect(),
        }
    }
}

const LOGITS: &str = "logits";

impl OnnxRows {
    /// `positions` are the tokens of prompt and reply that the model can take.
    pub fn load(path: &Path, rows: usize, positions: usize) -> Result<OnnxRows, OnnxError> {
        let environment = environment()?;
        let open = || -> Result<Session, ort::Error> {
            // One thread: the order of additions, and with it every bit, is then always the same.
            Session::builder(environment)?.with_intra_threads(1)?.with_inter_threads(1)?.commit_from_file(path)
        };
        let hint = "it must be an ONNX file that this version of ONNX Runtime reads";
        let session = open().map_err(|e| OnnxError::file(path.to_owned(), e, hint))?;
        let named = |name: &str| {
            let problem = || OnnxError::Shape { what: "inputs", message: format!("`{name}` is not one we know") };
            Input::of(name).ok_or_else(problem)
        };
        let inputs = session.inputs().iter().map(|i| named(i.name())).collect::<Result<Vec<_>, _>>()?;
        if !inputs.contains(&Input::Ids) {
            return Err(OnnxError::Shape { what: "inputs", message: "there is no `input_ids`".to_owned() });
        }
        let outputs = session.outputs();
        let output = outputs.iter().map(|o| o.name()).find(|name| *name == LOGITS);
        let only = (outputs.len() == 1).then(|| outputs[0].name());
        let Some(output) = output.or(only).map(str::to_owned) else {
            return Err(OnnxError::Shape { what: "outputs", message: format!("none is called `{LOGITS}`") });
        };
        Ok(OnnxRows { session, inputs, output, rows: vec![None; rows.max(1)], positions })
    }

    /// Logits after the last of these tokens.
    fn run(&mut self, tokens: &[u32]) -> Result<Vec<f32>, OnnxError> {
        let mut fed: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let tensor = Tensor::from_array(([1, tokens.len()], input.values(tokens)))?;
            fed.push((Cow::from(input.name()), tensor.into()));
        }
        let outputs = self.session.run(fed)?;
        let found = outputs.get(self.output.as_str());
        let (shape, values) = match found {
            Some(value) => value.try_extract_tensor::<f32>()?,
            None => return Err(OnnxError::Shape { what: "outputs", message: format!("no `{}`", self.output) }),
        };
        // [1, tokens, vocab], or [1, 1, vocab] of an export that keeps the last position alone.
        match *shape.as_ref() {
            [1, n, vocab] if n > 0 && vocab > 0 => Ok(values[values.len() - vocab as usize..].to_vec()),
            _ => Err(OnnxError::Shape { what: "logits", message: format!("their shape is {shape:?}") }),
        }
    }

    fn busy(&mut self, row: usize) -> Result<&mut Vec<u32>, DecodeError> {
        let rows = self.rows.len();
        let found = self.rows.get_mut(row).and_then(Option::as_mut);
        found.ok_or_else(|| format!("row {row} of {rows} is not under way").into())
    }
}

impl Decode for OnnxRows {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn room(&self) -> usize {
        self.positions
    }

    fn positions(&self) -> usize {
        self.positions
    }

    fn start(&mut self, prompts: &[Start<'_>]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let mut logits = Vec::with_capacity(prompts.len());
        for start in prompts {
            logits.push(self.run(start.prompt)?);
            for row in &start.rows {
                let slot = self.rows.get_mut(*row).ok_or_else(|| format!("there is no row {row}"))?;
                *slot = Some(start.prompt.to_vec());
            }
        }
        Ok(logits)
    }

    fn step(&mut self, tokens: &[(usize, u32)]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let mut logits = Vec::with_capacity(tokens.len());
        for (row, token) in tokens {
            let held = self.busy(*row)?;
            held.push(*token);
            let all = std::mem::take(held);
            let found = self.run(&all);
            *self.busy(*row)? = all;
            logits.push(found?);
        }
        Ok(logits)
    }

    fn free(&mut self, row: usize) {
        if let Some(slot) = self.rows.get_mut(row) {
            *slot = None;
        }
    }
}
