//! Samples that are images, each with its nearest datum below it.

use super::axes::{CENTER, LEFT, NORMAL, RIGHT, SMALL};
use super::canvas::{Figure, Page, Pixels, Rect, Stroke, TextStyle};
use super::numbers::Numbers;
use super::sheet::Sheet;
use super::style::{GRID, SOFT};

/// Samples of one level.
#[derive(Debug, Clone, Default)]
pub struct ImageRow {
    /// What the level is called.
    pub label: String,
    /// Samples, one after the other.
    pub samples: Vec<f64>,
    /// The nearest datum of each sample.
    pub nearest: Vec<f64>,
}

/// Rows of images, one pair of rows a level.
#[derive(Debug, Clone, Default)]
pub struct ImageGrid {
    /// The levels.
    pub rows: Vec<ImageRow>,
    /// Height and width of an image in pixels.
    pub shape: [usize; 2],
}

/// Images shown a row.
const MOST: usize = 12;
const LABELS: f64 = 172.0;
const SIDE: f64 = 46.0;
const GAP: f64 = 5.0;
const EDGE: f64 = 10.0;

impl ImageGrid {
    fn pixels(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    fn shown(&self, row: &ImageRow) -> usize {
        row.samples.len().checked_div(self.pixels()).map_or(0, |n| n.min(MOST))
    }

    fn columns(&self) -> usize {
        self.rows.iter().map(|r| self.shown(r)).max().unwrap_or(0).max(4)
    }

    /// The side of an image in points.
    fn side(&self, sheet: Sheet) -> f64 {
        let fits = |(_, width): (f64, f64)| (width - LABELS - EDGE) / self.columns() as f64 - GAP;
        sheet.widths().map_or(SIDE, |widths| fits(widths).min(SIDE))
    }

    /// The height of a level's two rows.
    fn block(&self, sheet: Sheet) -> f64 {
        2.0 * self.side(sheet) + 3.0 * GAP + 12.0
    }

    /// One grey scale for every image: the range of the nearest data, which the samples should share.
    fn range(&self) -> (f64, f64) {
        let data = self.rows.iter().flat_map(|r| &r.nearest);
        let all = self.rows.iter().flat_map(|r| &r.samples);
        let finite = |values: &mut dyn Iterator<Item = &f64>| {
            values
                .filter(|v| v.is_finite())
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)))
        };
        let (lo, hi) = finite(&mut data.into_iter());
        let (lo, hi) = if hi > lo { (lo, hi) } else { finite(&mut all.into_iter()) };
        if hi > lo { (lo, hi) } else { (0.0, 1.0) }
    }

    /// Image `i` of an array, if it is there: dark ink on white, undefined pixels grey.
    fn image(&self, values: &[f64], i: usize, (lo, hi): (f64, f64)) -> Option<Pixels> {
        let values = values.get(i * self.pixels()..(i + 1) * self.pixels())?;
        let grey = |v: &f64| {
            if v.is_nan() { 128 } else { (255.0 * (1.0 - ((v - lo) / (hi - lo)).clamp(0.0, 1.0))) as u8 }
        };
        let rgb = values.iter().flat_map(|v| [grey(v); 3]).collect();
        Some(Pixels { width: self.shape[1], height: self.shape[0], rgb })
    }
}

impl Figure for ImageGrid {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::new(&["level", "image", "row", "column", "sample", "nearest datum"]);
        let columns = self.shape[1];
        for row in &self.rows {
            let shown = self.shown(row) * self.pixels();
            for (k, sample) in row.samples.iter().take(shown).enumerate() {
                let (image, pixel) = (k / self.pixels(), k % self.pixels());
                let place = [image, pixel / columns, pixel % columns].map(|i| i.to_string());
                let names = [row.label.as_str(), &place[0], &place[1], &place[2]];
                numbers.push(&names, [Some(*sample), row.nearest.get(k).copied()]);
            }
        }
        numbers
    }

    fn size(&self, sheet: Sheet) -> (f64, f64) {
        let width = LABELS + self.columns() as f64 * (self.side(sheet) + GAP) + EDGE;
        (width, 12.0 + self.block(sheet) * self.rows.len().max(1) as f64)
    }

    fn paint(&self, page: &Page) {
        let (width, _) = self.size(page.sheet());
        let (side, block) = (self.side(page.sheet()), self.block(page.sheet()));
        let range = self.range();
        if self.rows.iter().all(|r| self.shown(r) == 0) {
            return page.text((0.5 * width, 0.5 * block), "no images were saved", CENTER);
        }
        for (r, row) in self.rows.iter().enumerate() {
            let top = 8.0 + block * r as f64;
            if r > 0 {
                page.line(&[(8.0, top - 4.0), (width - 8.0, top - 4.0)], Stroke::full(GRID, 0.8));
            }
            let name = TextStyle { bold: true, size: NORMAL, ..LEFT };
            page.text((8.0, top + 10.0), &row.label, name);
            let small = TextStyle { size: SMALL, color: SOFT, ..RIGHT };
            for (line, (values, what)) in
                [(&row.samples, "samples"), (&row.nearest, "nearest datum")].into_iter().enumerate()
            {
                let y0 = top + line as f64 * (side + GAP);
                page.text((LABELS - 8.0, y0 + 0.5 * side + 6.0), what, small);
                for i in 0..self.shown(row) {
                    let x0 = LABELS + i as f64 * (side + GAP);
                    let rect = Rect { x0, y0, x1: x0 + side, y1: y0 + side };
                    if let Some(pixels) = self.image(values, i, range) {
                        page.image(rect, pixels);
                    }
                    page.frame(rect, GRID, 0.6);
                }
            }
        }
    }
}
