//! Figures below one another on one page.

use super::canvas::{Figure, Page};
use super::numbers::Numbers;
use super::sheet::Sheet;

/// Figures from the top, each centred.
#[derive(Default)]
pub struct Stacked {
    /// The figures.
    pub parts: Vec<Box<dyn Figure>>,
}

const GAP: f64 = 14.0;

impl Figure for Stacked {
    fn size(&self, sheet: Sheet) -> (f64, f64) {
        let sizes = || self.parts.iter().map(|part| part.size(sheet));
        let gaps = GAP * self.parts.len().saturating_sub(1) as f64;
        (sizes().map(|s| s.0).fold(0.0, f64::max), sizes().map(|s| s.1).sum::<f64>() + gaps)
    }

    fn numbers(&self) -> Numbers {
        Numbers::joined(&self.parts.iter().map(|part| part.numbers()).collect::<Vec<_>>())
    }

    fn paint(&self, page: &Page) {
        let (width, mut top) = (self.size(page.sheet()).0, 0.0);
        for part in &self.parts {
            let inner = Page::new(page.sheet());
            part.paint(&inner);
            let (own, height) = part.size(page.sheet());
            page.place(inner, (0.5 * (width - own), top));
            top += height + GAP;
        }
    }
}
