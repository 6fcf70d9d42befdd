//! Plots: curves with a thin line a seed and a thick one for their mean, and scores with their intervals. The same drawing as SVG
//! (text stays text) and as PNG.

use super::ReportError;
use super::letters::Lettered;
use crate::stats::Interval;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Steps and values, undefined ones left out.
pub type Line = Vec<(u64, f64)>;

/// Width and height of an SVG, in its units; a PNG has [`ZOOM`] pixels for each.
const SIZE: (u32, u32) = (760, 420);
const ZOOM: u32 = 2;

const THIN: RGBColor = RGBColor(150, 175, 205);
const THICK: RGBColor = RGBColor(20, 70, 140);
const GUIDE: RGBColor = RGBColor(140, 140, 140);

/// One plot.
pub enum Chart<'a> {
    /// A metric over steps, a line a run.
    Curves { title: &'a str, lines: &'a [Line] },
    /// Scores of policies, with what random and oracle reach.
    Scores { title: &'a str, rows: &'a [(String, Interval)], random: Option<f64>, oracle: Option<f64> },
}

impl Chart<'_> {
    /// Writes `stem.svg` and `stem.png`.
    pub fn write(&self, folder: &Path, stem: &str) -> Result<(), ReportError> {
        let svg = folder.join(format!("{stem}.svg"));
        let mut text = String::new();
        self.draw(SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), 1)?;
        std::fs::write(&svg, text).map_err(ReportError::io(&svg))?;
        let png = folder.join(format!("{stem}.png"));
        let bitmap = Lettered(BitMapBackend::new(&png, (SIZE.0 * ZOOM, SIZE.1 * ZOOM)));
        self.draw(bitmap.into_drawing_area(), ZOOM)
    }

    fn draw<B: DrawingBackend>(&self, area: DrawingArea<B, Shift>, zoom: u32) -> Result<(), ReportError> {
        let drawn = match self {
            Chart::Curves { title, lines } => curves(&area, title, lines, zoom),
            Chart::Scores { title, rows, random, oracle } => scores(&area, title, rows, [*random, *oracle], zoom),
        };
        drawn.and_then(|()| area.present()).map_err(|e| ReportError::Plot(e.to_string()))
    }
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Mean of the lines at each step where all of them have a value; of what is there where no step is common.
fn mean_line(lines: &[Line]) -> Line {
    let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    lines.iter().flatten().for_each(|(step, value)| at.entry(*step).or_default().push(*value));
    let whole: Vec<_> = at.iter().filter(|(_, v)| v.len() == lines.len()).collect();
    let kept: Vec<_> = if whole.is_empty() { at.iter().collect() } else { whole };
    kept.into_iter().map(|(step, v)| (*step, v.iter().sum::<f64>() / v.len() as f64)).collect()
}

/// A range with some room, never empty.
fn room(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (lo, hi) = values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
    if lo > hi {
        return 0.0..1.0;
    }
    let edge = ((hi - lo) * 0.06).max(hi.abs().max(lo.abs()) * 1e-3).max(1e-6);
    lo - edge..hi + edge
}

/// As many digits as it takes.
fn label(value: &f64) -> String {
    match value.abs() {
        v if v < 1e-12 => "0".to_owned(),
        v if !(1e-3..1e5).contains(&v) => format!("{value:.1e}"),
        v if v < 0.1 => format!("{value:.4}"),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn curves<B: DrawingBackend>(area: &DrawingArea<B, Shift>, title: &str, lines: &[Line], zoom: u32) -> Drawn<B> {
    area.fill(&WHITE)?;
    let last = lines.iter().flatten().map(|p| p.0).max().unwrap_or(1);
    let first = lines.iter().flatten().map(|p| p.0).min().unwrap_or(0);
    let steps = first as f64..(last.max(first + 1)) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(12 * zoom)
        .caption(title, ("sans-serif", 18 * zoom))
        .x_label_area_size(36 * zoom)
        .y_label_area_size(62 * zoom)
        .build_cartesian_2d(steps, room(lines.iter().flatten().map(|p| p.1)))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("step")
        .x_labels(8)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_labels(7)
        .y_label_formatter(&label)
        .label_style(("sans-serif", 12 * zoom))
        .axis_desc_style(("sans-serif", 12 * zoom))
        .draw()?;
    let points = |line: &Line| line.iter().map(|(x, y)| (*x as f64, *y)).collect::<Vec<_>>();
    if lines.len() > 1 {
        for line in lines {
            chart.draw_series(LineSeries::new(points(line), THIN.stroke_width(zoom)))?;
        }
    }
    chart.draw_series(LineSeries::new(points(&mean_line(lines)), THICK.stroke_width(2 * zoom)))?;
    Ok(())
}

fn scores<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    title: &str,
    rows: &[(String, Interval)],
    guides: [Option<f64>; 2],
    zoom: u32,
) -> Drawn<B> {
    area.fill(&WHITE)?;
    let ends = rows.iter().flat_map(|(_, i)| [i.lo, i.hi]).chain(guides.into_iter().flatten());
    let high = rows.len() as f64;
    let widest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) as u32;
    let mut chart = ChartBuilder::on(area)
        .margin(12 * zoom)
        .caption(title, ("sans-serif", 18 * zoom))
        .x_label_area_size(36 * zoom)
        .y_label_area_size((20 + widest.min(36) * 9) * zoom)
        .build_cartesian_2d(room(ends), 0.0..high)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .x_labels(8)
        .x_label_formatter(&label)
        .x_desc("score, with 95 % interval over cases")
        .label_style(("sans-serif", 12 * zoom))
        .axis_desc_style(("sans-serif", 12 * zoom))
        .draw()?;
    for guide in guides.into_iter().flatten() {
        chart.draw_series(LineSeries::new([(guide, 0.0), (guide, high)], GUIDE.stroke_width(zoom)))?;
    }
    for (at, (_, i)) in rows.iter().enumerate() {
        let y = high - at as f64 - 0.5;
        chart.draw_series(LineSeries::new([(i.lo, y), (i.hi, y)], THICK.stroke_width(2 * zoom)))?;
        chart.draw_series([Circle::new((i.mean, y), 4 * zoom, THICK.filled())])?;
    }
    // Names stand left of the plot, on the area's own coordinates.
    let style = TextStyle::from(("sans-serif", 12 * zoom).into_font()).pos(plotters::style::text_anchor::Pos::new(
        plotters::style::text_anchor::HPos::Right,
        plotters::style::text_anchor::VPos::Center,
    ));
    let left = chart.plotting_area().get_x_range().start;
    for (at, (name, _)) in rows.iter().enumerate() {
        let short: String = name.chars().take(36).collect();
        let (x, y) = chart.backend_coord(&(left, high - at as f64 - 0.5));
        area.draw_text(&short, &style, (x - 8 * zoom as i32, y))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_steps_that_all_seeds_have() {
        let lines = [vec![(1, 1.0), (2, 3.0), (3, 9.0)], vec![(1, 3.0), (2, 5.0)]];
        assert_eq!(mean_line(&lines), [(1, 2.0), (2, 4.0)]);
        assert_eq!(mean_line(&[vec![(1, 1.0)], vec![(2, 5.0)]]), [(1, 1.0), (2, 5.0)]);
        assert_eq!(mean_line(&[]), []);
    }

    #[test]
    fn a_flat_or_empty_curve_has_a_range() {
        for values in [vec![], vec![0.0], vec![5.0, 5.0], vec![f64::NAN], vec![-1e9, 1e9]] {
            let r = room(values.into_iter());
            assert!(r.start < r.end && r.start.is_finite() && r.end.is_finite(), "{r:?}");
        }
    }
}
