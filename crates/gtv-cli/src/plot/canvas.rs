//! A page in points (1/96 inch): what a figure draws is kept as a list of shapes, from which its files are made.

use std::cell::RefCell;
use std::path::Path;

use anyhow::Result;
use plotters::style::RGBAColor;
use plotters::style::text_anchor::HPos;

use super::numbers::Numbers;
use super::sheet::Sheet;
use super::{pdf, render};
use crate::io::write_bytes;

/// A colour with opacity.
pub type Color = RGBAColor;

/// A place on the page, in points, y downwards.
pub type Point = (f64, f64);

/// A picture that can be drawn at any scale.
pub trait Figure {
    /// Width and height in points.
    fn size(&self, sheet: Sheet) -> (f64, f64);

    /// Draws itself on an empty page.
    fn paint(&self, page: &Page);

    /// The numbers that it shows.
    fn numbers(&self) -> Numbers;

    /// The text of its SVG; `alt` says what the figure shows to readers who cannot see it.
    ///
    /// # Errors
    /// If it cannot be drawn.
    fn svg(&self, sheet: Sheet, alt: &str) -> Result<String> {
        render::svg(&Drawn::new(self, sheet), alt)
    }

    /// Writes `<stem>.svg`, `<stem>.png` and `<stem>.pdf` on a sheet, and returns the text of its SVG for the screen.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn draw(&self, stem: &Path, sheet: Sheet, alt: &str) -> Result<String> {
        let drawn = Drawn::new(self, sheet);
        let svg = render::svg(&drawn, alt)?;
        write_bytes(&stem.with_extension("svg"), svg.as_bytes())?;
        write_bytes(&stem.with_extension("png"), &render::png(&drawn)?)?;
        write_bytes(&stem.with_extension("pdf"), &pdf::pdf(&drawn, alt))?;
        match sheet {
            Sheet::Screen => Ok(svg),
            Sheet::Paper => self.svg(Sheet::Screen, alt),
        }
    }
}

/// A figure as shapes on a sheet.
pub(super) struct Drawn {
    pub sheet: Sheet,
    /// Width and height in points.
    pub size: (f64, f64),
    pub shapes: Vec<Shape>,
}

impl Drawn {
    fn new<F: Figure + ?Sized>(figure: &F, sheet: Sheet) -> Self {
        let page = Page::new(sheet);
        figure.paint(&page);
        Self { sheet, size: figure.size(sheet), shapes: page.shapes.into_inner() }
    }
}

/// A rectangle on the page, in points, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl Rect {
    /// Width.
    pub fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    /// Height.
    pub fn height(&self) -> f64 {
        self.y1 - self.y0
    }

    /// Its middle.
    pub fn middle(&self) -> Point {
        (0.5 * (self.x0 + self.x1), 0.5 * (self.y0 + self.y1))
    }

    /// Its corners, clockwise.
    fn corners(&self) -> [Point; 4] {
        [(self.x0, self.y0), (self.x1, self.y0), (self.x1, self.y1), (self.x0, self.y1)]
    }
}

/// An RGB image, rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Three bytes a pixel.
    pub rgb: Vec<u8>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    /// Ink.
    pub color: Color,
    /// Thickness in points.
    pub width: f64,
    /// Lengths of ink and gap in points; none for a full line.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A full line.
    pub const fn full(color: Color, width: f64) -> Self {
        Self { color, width, dash: None }
    }

    /// A line of dashes `on` points long, `off` points apart.
    pub const fn dashed(color: Color, width: f64, on: f64, off: f64) -> Self {
        Self { color, width, dash: Some((on, off)) }
    }
}

/// How a text is set; vertically it is centred on its place.
#[derive(Clone, Copy)]
pub struct TextStyle {
    /// Em in points.
    pub size: f64,
    /// Ink.
    pub color: Color,
    /// Which point of the text is placed, horizontally.
    pub h: HPos,
    /// Semi-bold.
    pub bold: bool,
    /// Read from below.
    pub upright: bool,
}

/// What a page is made of.
#[derive(Clone)]
pub(super) enum Shape {
    Line { points: Vec<Point>, color: Color, width: f64 },
    Area { corners: Vec<Point>, color: Color },
    Disc { center: Point, radius: f64, color: Color },
    Image { rect: Rect, pixels: Pixels },
    Text { at: Point, text: String, style: TextStyle },
}

impl Shape {
    /// The same elsewhere on the page.
    fn moved(self, by: Point) -> Self {
        let moved = |(x, y): Point| (x + by.0, y + by.1);
        let all = |points: Vec<Point>| points.into_iter().map(moved).collect();
        match self {
            Self::Line { points, color, width } => Self::Line { points: all(points), color, width },
            Self::Area { corners, color } => Self::Area { corners: all(corners), color },
            Self::Disc { center, radius, color } => Self::Disc { center: moved(center), radius, color },
            Self::Image { rect: Rect { x0, y0, x1, y1 }, pixels } => {
                let ((x0, y0), (x1, y1)) = (moved((x0, y0)), moved((x1, y1)));
                Self::Image { rect: Rect { x0, y0, x1, y1 }, pixels }
            }
            Self::Text { at, text, style } => Self::Text { at: moved(at), text, style },
        }
    }
}

/// A page that is being drawn.
pub struct Page {
    sheet: Sheet,
    shapes: RefCell<Vec<Shape>>,
}

impl Page {
    /// An empty page.
    pub fn new(sheet: Sheet) -> Self {
        Self { sheet, shapes: RefCell::default() }
    }

    /// What it is drawn for.
    pub fn sheet(&self) -> Sheet {
        self.sheet
    }

    /// Puts a whole page on this one, its corner at `by`.
    pub fn place(&self, other: Self, by: Point) {
        self.shapes.borrow_mut().extend(other.shapes.into_inner().into_iter().map(|shape| shape.moved(by)));
    }

    fn add(&self, shape: Shape) {
        self.shapes.borrow_mut().push(shape);
    }

    /// A line through points.
    pub fn line(&self, points: &[Point], stroke: Stroke) {
        let Stroke { color, width, dash } = stroke;
        let pieces = match dash {
            None => vec![points.to_vec()],
            Some(dash) => dashes(points, dash),
        };
        for points in pieces.into_iter().filter(|p| p.len() > 1) {
            self.add(Shape::Line { points, color, width });
        }
    }

    /// A filled polygon.
    pub fn fill(&self, corners: &[Point], color: Color) {
        if corners.len() > 2 {
            self.add(Shape::Area { corners: corners.to_vec(), color });
        }
    }

    /// A filled disc.
    pub fn disc(&self, center: Point, radius: f64, color: Color) {
        self.add(Shape::Disc { center, radius, color });
    }

    /// The outline of a disc.
    pub fn ring(&self, (x, y): Point, radius: f64, stroke: Stroke) {
        let corner = |i: u32| (f64::from(i) * std::f64::consts::TAU / 24.0).sin_cos();
        let points = (0..=24).map(corner).map(|(sin, cos)| (x + radius * cos, y + radius * sin));
        self.line(&points.collect::<Vec<_>>(), stroke);
    }

    /// A filled rectangle.
    pub fn block(&self, r: Rect, color: Color) {
        self.fill(&r.corners(), color);
    }

    /// The outline of a rectangle.
    pub fn frame(&self, r: Rect, color: Color, width: f64) {
        let [first, rest @ ..] = r.corners();
        self.line(&[&[first], &rest[..], &[first]].concat(), Stroke::full(color, width));
    }

    /// An image with sharp cells, under everything else.
    pub fn image(&self, rect: Rect, pixels: Pixels) {
        if pixels.width > 0 && pixels.height > 0 {
            self.add(Shape::Image { rect, pixels });
        }
    }

    /// A text, in the sheet's own size.
    pub fn text(&self, at: Point, text: &str, style: TextStyle) {
        if !text.is_empty() {
            let style = TextStyle { size: self.sheet.em(style.size), ..style };
            self.add(Shape::Text { at, text: text.to_owned(), style });
        }
    }
}

/// The inked pieces of a line, `on` points long and `off` points apart.
fn dashes(points: &[Point], (on, off): (f64, f64)) -> Vec<Vec<Point>> {
    let (mut pieces, mut dash, mut left, mut inked) = (Vec::new(), Vec::new(), on, true);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        if !length.is_finite() {
            // Dashes to infinity would never end.
            continue;
        }
        let mut done = 0.0;
        if inked && dash.is_empty() {
            dash.push((x0, y0));
        }
        while length - done > left {
            done += left;
            dash.push((x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length));
            if inked {
                pieces.push(std::mem::take(&mut dash));
            }
            inked = !inked;
            left = if inked { on } else { off };
        }
        left -= length - done;
        if inked {
            dash.push((x1, y1));
        }
    }
    pieces.push(dash);
    pieces
}
