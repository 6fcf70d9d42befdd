//! Rows by number, and back: the sum of rows that share a number.
//!
//! candle's own backward of a row look-up adds rows one after the other in every column on CUDA; here the sum is a tree of
//! look-ups and additions, as deep as the most frequent number is frequent, in base two.

use super::cpu::{Kernel, Real, tensor, wide, with_slice};
use crate::error::Result;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Rows `keys` of `table` [M, width] -> [N, width].
pub(crate) fn rows_of(table: &Tensor, keys: &[u32]) -> Result<Tensor> {
    Ok(table.index_select(&Tensor::new(keys, table.device())?, 0)?)
}

/// Row k of the result [rows, width] is the sum of the rows i of `values` [N, width] with `keys[i] == k`, in a fixed order, in
/// the wide format.
pub(crate) fn sum_rows(values: &Tensor, keys: &[u32], rows: usize) -> Result<Tensor> {
    match Kernel::of(values) {
        Kernel::F32 => sum_cpu::<f32>(values, keys, rows),
        Kernel::F64 => sum_cpu::<f64>(values, keys, rows),
        Kernel::Widen => sum_rows(&values.to_dtype(wide(values))?, keys, rows),
        Kernel::Composed => sum_composed(values, keys, rows),
    }
}

fn sum_cpu<T: Real>(values: &Tensor, keys: &[u32], rows: usize) -> Result<Tensor> {
    let width = values.dims()[1];
    let out = with_slice::<T, _>(values, |values| {
        let mut out = vec![T::of(0.0); rows * width];
        for (key, row) in keys.iter().zip(values.chunks(width)) {
            out[*key as usize * width..][..width].iter_mut().zip(row).for_each(|(sum, v)| *sum += *v);
        }
        out
    })?;
    tensor(out, &[rows, width])
}

fn sum_composed(values: &Tensor, keys: &[u32], rows: usize) -> Result<Tensor> {
    let width = values.dims()[1];
    let mut sums = values.to_dtype(wide(values))?;
    let nothing = Tensor::zeros((1, width), sums.dtype(), sums.device())?;
    // Where the partial sums of each key stand in `sums`; halved until one is left of each.
    let mut at: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (i, key) in keys.iter().enumerate() {
        at.entry(*key).or_default().push(i as u32);
    }
    while at.values().any(|v| v.len() > 1) {
        let none = sums.dims()[0] as u32;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for places in at.values_mut() {
            let mut next = Vec::with_capacity(places.len().div_ceil(2));
            for pair in places.chunks(2) {
                next.push(left.len() as u32);
                left.push(pair[0]);
                right.push(pair.get(1).copied().unwrap_or(none));
            }
            *places = next;
        }
        let padded = Tensor::cat(&[&sums, &nothing], 0)?;
        sums = (rows_of(&padded, &left)? + rows_of(&padded, &right)?)?;
    }
    let none = sums.dims()[0] as u32;
    let place: Vec<u32> = (0..rows as u32).map(|k| at.get(&k).map_or(none, |v| v[0])).collect();
    rows_of(&Tensor::cat(&[&sums, &nothing], 0)?, &place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn rows_that_share_a_number_are_summed_both_ways() -> Result<()> {
        let keys = [3, 0, 3, 3, 5, 0, 3, 3, 3];
        let values =
            Tensor::from_vec(crate::weights::normal(4, 0, 9 * 5, 1.0), (9, 5), &Device::Cpu)?.to_dtype(DType::F64)?;
        let (a, b) = (sum_rows(&values, &keys, 7)?, sum_composed(&values, &keys, 7)?);
        assert!((&a - &b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()? < 1e-12);
        let rows = a.to_vec2::<f64>()?;
        let values = values.to_vec2::<f64>()?;
        assert_eq!(rows[5], values[4]);
        assert!((rows[0][2] - values[1][2] - values[5][2]).abs() < 1e-12);
        assert!(rows[6].iter().all(|v| *v == 0.0));
        Ok(())
    }
}
