//! A page in points (1/96 inch) over plotters' backends, and the two files every figure becomes.
//!
//! plotters works in whole pixels, so a page is drawn [`FINE`] times larger than it is shown: the SVG keeps the fine
//! coordinates and states the true size in its header, the PNG is averaged down to [`FINE`]/2 pixels a point. That
//! gives smooth curves and anti-aliased thick lines in both.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;
use std::sync::Once;

use anyhow::{Result, anyhow};
use base64::Engine;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, register_font};

use crate::io::write_bytes;

/// Device units a point, in each direction.
const FINE: u32 = 4;

/// The typeface: named so that a viewer of the SVG without it falls back to its own; the PNG uses the bundled one.
const FAMILY: &str = "Source Sans 3, Source Sans Pro, Helvetica Neue, Arial, sans-serif";

/// plotters takes the height of a line where typography takes the em; its SVG backend fixes the ratio at this.
const LINE_PER_EM: f64 = 1.24;

/// A colour with opacity.
pub type Color = RGBAColor;

/// A picture that can be drawn at any scale.
pub trait Figure {
    /// What it shows, for readers who cannot see it.
    fn alt(&self) -> String;

    /// Width and height in points.
    fn size(&self) -> (f64, f64);

    /// Draws itself on an empty page.
    ///
    /// # Errors
    /// If the backend fails.
    fn paint<B: DrawingBackend>(&self, page: &Page<B>) -> Result<()>;

    /// Writes `<stem>.svg` and `<stem>.png`.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn draw(&self, stem: &Path) -> Result<()> {
        write_bytes(&stem.with_extension("svg"), self.svg()?.as_bytes())?;
        Ok(write_bytes(&stem.with_extension("png"), &self.png()?)?)
    }

    /// The text of the SVG file.
    ///
    /// # Errors
    /// If the backend fails.
    fn svg(&self) -> Result<String> {
        let (width, height) = self.size();
        let fine = fine_size(self.size());
        let mut body = String::new();
        let images = {
            let area = SVGBackend::with_string(&mut body, fine).into_drawing_area();
            let page = Page::new(&area, true);
            self.paint(&page)?;
            area.present().map_err(failed)?;
            page.images.into_inner()
        };
        // plotters' own first line states the fine size as the true one.
        let body = body.split_once('\n').map_or("", |(_, rest)| rest);
        let alt = escape(&self.alt());
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{alt}\" stroke-linejoin=\"round\" \
             stroke-linecap=\"round\">\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n{}{body}",
            fine.0,
            fine.1,
            images.concat()
        ))
    }

    /// The bytes of the PNG file.
    ///
    /// # Errors
    /// If the backend fails.
    fn png(&self) -> Result<Vec<u8>> {
        let fine = fine_size(self.size());
        let mut buffer = vec![255; 3 * fine.0 as usize * fine.1 as usize];
        {
            let area = BitMapBackend::with_buffer(&mut buffer, fine).into_drawing_area();
            self.paint(&Page::new(&area, false))?;
            area.present().map_err(failed)?;
        }
        encode_png(&halve(&buffer, fine), fine.0 / 2, fine.1 / 2, Some(FINE / 2))
    }
}

fn fine_size((width, height): (f64, f64)) -> (u32, u32) {
    let fine = |v: f64| (v.ceil().max(1.0) as u32) * FINE;
    (fine(width), fine(height))
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("cannot draw the figure: {error}")
}

/// Averages 2 × 2 blocks of an RGB image whose sides are even.
fn halve(pixels: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let row = 3 * width as usize;
    let mut out = Vec::with_capacity(pixels.len() / 4);
    for y in 0..height as usize / 2 {
        let (upper, lower) = (&pixels[2 * y * row..][..row], &pixels[(2 * y + 1) * row..][..row]);
        for (u, l) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for c in 0..3 {
                let sum = u16::from(u[c]) + u16::from(u[c + 3]) + u16::from(l[c]) + u16::from(l[c + 3]);
                out.push(((sum + 2) / 4) as u8);
            }
        }
    }
    out
}

/// An RGB image as PNG; `density` is in pixels a point, for programs that print.
fn encode_png(pixels: &[u8], width: u32, height: u32, density: Option<u32>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(density) = density {
        let per_metre = (f64::from(density) * 96.0 / 0.0254).round() as u32;
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: per_metre,
            yppu: per_metre,
            unit: png::Unit::Meter,
        }));
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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

    /// The rectangle without a border of these widths.
    pub fn inset(&self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self { x0: self.x0 + left, y0: self.y0 + top, x1: self.x1 - right, y1: self.y1 - bottom }
    }

    /// Cell (row, column) of a grid of equal cells.
    pub fn cell(&self, (rows, columns): (usize, usize), (row, column): (usize, usize)) -> Self {
        let (w, h) = (self.width() / columns as f64, self.height() / rows as f64);
        let (x0, y0) = (self.x0 + column as f64 * w, self.y0 + row as f64 * h);
        Self { x0, y0, x1: x0 + w, y1: y0 + h }
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

/// How a text is set.
#[derive(Clone, Copy)]
pub struct Text {
    /// Em in points.
    pub size: f64,
    /// Ink.
    pub color: Color,
    /// Which point of the text is placed, horizontally.
    pub h: HPos,
    /// Which point of the text is placed, vertically.
    pub v: VPos,
    /// Semi-bold.
    pub bold: bool,
    /// Read from below.
    pub upright: bool,
}

/// A page that is being drawn.
pub struct Page<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    images: RefCell<Vec<String>>,
    vector: bool,
}

impl<'a, B: DrawingBackend> Page<'a, B> {
    fn new(area: &'a DrawingArea<B, Shift>, vector: bool) -> Self {
        load_fonts();
        Self { area, images: RefCell::new(Vec::new()), vector }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let fine = |v: f64| (v * f64::from(FINE)).round() as i32;
        (fine(x), fine(y))
    }

    /// A line through points, `width` points thick.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn line(&self, points: &[(f64, f64)], color: Color, width: f64) -> Result<()> {
        if points.len() < 2 {
            return Ok(());
        }
        let path: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        let stroke_width = (width * f64::from(FINE)).round().max(1.0) as u32;
        self.area
            .draw(&PathElement::new(path, ShapeStyle { color, filled: false, stroke_width }))
            .map_err(failed)
    }

    /// A line of dashes `on` points long, `off` points apart.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn dashed(
        &self,
        points: &[(f64, f64)],
        color: Color,
        width: f64,
        (on, off): (f64, f64),
    ) -> Result<()> {
        let (mut dash, mut left, mut inked) = (Vec::new(), on, true);
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
                let here = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
                if inked {
                    dash.push(here);
                    self.line(&dash, color, width)?;
                    dash.clear();
                } else {
                    dash.push(here);
                }
                inked = !inked;
                left = if inked { on } else { off };
            }
            left -= length - done;
            if inked {
                dash.push((x1, y1));
            }
        }
        self.line(&dash, color, width)
    }

    /// A filled polygon.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn fill(&self, points: &[(f64, f64)], color: Color) -> Result<()> {
        if points.len() < 3 {
            return Ok(());
        }
        let corners: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        self.area.draw(&Polygon::new(corners, color.filled())).map_err(failed)
    }

    /// A filled disc.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn disc(&self, center: (f64, f64), radius: f64, color: Color) -> Result<()> {
        let radius = (radius * f64::from(FINE)).round() as i32;
        self.area.draw(&Circle::new(self.at(center), radius, color.filled())).map_err(failed)
    }

    /// A filled rectangle.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn block(&self, r: Rect, color: Color) -> Result<()> {
        self.fill(&[(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1)], color)
    }

    /// The outline of a rectangle.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn frame(&self, r: Rect, color: Color, width: f64) -> Result<()> {
        self.line(&[(r.x0, r.y0), (r.x1, r.y0), (r.x1, r.y1), (r.x0, r.y1), (r.x0, r.y0)], color, width)
    }

    /// An image with sharp cells, under everything else.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn image(&self, r: Rect, pixels: &Pixels) -> Result<()> {
        if pixels.width == 0 || pixels.height == 0 {
            return Ok(());
        }
        let ((x0, y0), (x1, y1)) = (self.at((r.x0, r.y0)), self.at((r.x1, r.y1)));
        let (width, height) = ((x1 - x0).max(1), (y1 - y0).max(1));
        if self.vector {
            let png = encode_png(&pixels.rgb, pixels.width as u32, pixels.height as u32, None)?;
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            self.images.borrow_mut().push(format!(
                "<image x=\"{x0}\" y=\"{y0}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
                 style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>\n"
            ));
            return Ok(());
        }
        let (w, h) = (width as usize, height as usize);
        let mut rgb = Vec::with_capacity(3 * w * h);
        for y in 0..h {
            let row = (y * pixels.height / h) * pixels.width;
            for x in 0..w {
                let cell = 3 * (row + x * pixels.width / w);
                rgb.extend_from_slice(&pixels.rgb[cell..cell + 3]);
            }
        }
        let element = BitMapElement::with_owned_buffer((x0, y0), (width as u32, height as u32), rgb)
            .ok_or_else(|| failed("an image's size and its bytes disagree"))?;
        self.area.draw(&element).map_err(failed)
    }

    /// A text.
    ///
    /// # Errors
    /// If the backend fails.
    pub fn text(&self, at: (f64, f64), text: &str, style: Text) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let size = style.size * LINE_PER_EM * f64::from(FINE);
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let mut font = FontDesc::new(FontFamily::Name(FAMILY), size, weight);
        if style.upright {
            font = font.transform(FontTransform::Rotate270);
        }
        let style = font.color(&style.color).pos(Pos::new(style.h, style.v));
        self.area.draw(&plotters::element::Text::new(text, self.at(at), style)).map_err(failed)
    }

    /// The width of a text in points.
    pub fn text_width(&self, text: &str, size: f64, bold: bool) -> f64 {
        let weight = if bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::Name(FAMILY), size * LINE_PER_EM * f64::from(FINE), weight);
        font.box_size(text).map_or(0.0, |(w, _)| f64::from(w) / f64::from(FINE))
    }
}

fn load_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let regular = include_bytes!("../../assets/GtvPlot-Regular.ttf");
        let bold = include_bytes!("../../assets/GtvPlot-SemiBold.ttf");
        for (style, bytes) in [(FontStyle::Normal, &regular[..]), (FontStyle::Bold, &bold[..])] {
            assert!(register_font(FAMILY, style, bytes).is_ok(), "the bundled font is readable");
        }
    });
}
