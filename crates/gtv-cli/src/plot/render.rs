//! The SVG and the PNG of a figure, drawn by plotters from the same shapes.
//!
//! plotters works in whole pixels, so a page is drawn [`FINE`] times larger than it is shown: the SVG keeps the fine
//! coordinates and states the true size in its header, the PNG is averaged down to [`FINE`]/2 pixels a point. That
//! gives smooth curves and anti-aliased thick lines in both.

use std::fmt::Display;
use std::sync::Once;

use anyhow::{Result, anyhow};
use base64::Engine;
use clap::ValueEnum;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::canvas::{Drawn, Pixels, Point, Rect, Shape, TextStyle};
use super::sheet::Sheet;

/// Device units a point, in each direction.
const FINE: u32 = 4;

/// plotters takes the height of a line where typography takes the em; its SVG backend fixes the ratio at this.
const LINE_PER_EM: f64 = 1.24;

/// The text of an SVG file.
///
/// # Errors
/// If the backend fails.
pub fn svg(drawn: &Drawn, alt: &str) -> Result<String> {
    let Drawn { sheet, size, shapes } = drawn;
    let (width, height) = size;
    let fine = fine_size(*size);
    let mut body = String::new();
    {
        let area = SVGBackend::with_string(&mut body, fine).into_drawing_area();
        shapes.iter().try_for_each(|s| draw(&area, s, *sheet))?;
        area.present().map_err(failed)?;
    }
    // plotters' own first line states the fine size as the true one.
    let body = body.split_once('\n').map_or("", |(_, rest)| rest);
    let images = shapes.iter().filter_map(|s| match s {
        Shape::Image { rect, pixels } => Some(inline_image(rect, pixels)),
        Shape::Line { .. } | Shape::Area { .. } | Shape::Disc { .. } | Shape::Text { .. } => None,
    });
    let images = images.collect::<Result<String>>()?;
    let alt = escape(alt);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{alt}\" stroke-linejoin=\"round\" \
         stroke-linecap=\"round\">\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n{images}{body}",
        fine.0, fine.1,
    ))
}

/// The bytes of a PNG file.
///
/// # Errors
/// If the backend fails.
pub fn png(drawn: &Drawn) -> Result<Vec<u8>> {
    let Drawn { sheet, size, shapes } = drawn;
    let fine = fine_size(*size);
    let mut buffer = vec![255; 3 * fine.0 as usize * fine.1 as usize];
    for shape in shapes {
        if let Shape::Image { rect, pixels } = shape {
            blit(&mut buffer, fine, rect, pixels);
        }
    }
    {
        let area = BitMapBackend::with_buffer(&mut buffer, fine).into_drawing_area();
        shapes.iter().try_for_each(|s| draw(&area, s, *sheet))?;
        area.present().map_err(failed)?;
    }
    encode_png(&halve(&buffer, fine), fine.0 / 2, fine.1 / 2, Some(FINE / 2))
}

/// The width in points of a text that has `size` on the screen.
pub fn text_width(text: &str, size: f64, bold: bool, sheet: Sheet) -> f64 {
    font(sheet.em(size), bold, sheet).box_size(text).map_or(0.0, |(w, _)| f64::from(w) / f64::from(FINE))
}

/// Draws a shape; images lie under all others, and are there already.
fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, shape: &Shape, sheet: Sheet) -> Result<()> {
    let all = |points: &[Point]| points.iter().map(|&p| at(p)).collect::<Vec<_>>();
    let length = |v: f64| (v * f64::from(FINE)).round();
    let drawn = match shape {
        Shape::Line { points, color, width } => {
            let stroke_width = length(*width).max(1.0) as u32;
            let style = ShapeStyle { color: *color, filled: false, stroke_width };
            area.draw(&PathElement::new(all(points), style))
        }
        Shape::Area { corners, color } => area.draw(&Polygon::new(all(corners), color.filled())),
        Shape::Disc { center, radius, color } => {
            area.draw(&Circle::new(at(*center), length(*radius) as i32, color.filled()))
        }
        Shape::Image { .. } => Ok(()),
        Shape::Text { at: place, text, style } => {
            let TextStyle { size, color, h, bold, upright } = *style;
            let font = font(size, bold, sheet);
            let font = if upright { font.transform(FontTransform::Rotate270) } else { font };
            area.draw(&Text::new(
                text.as_str(),
                at(*place),
                font.color(&color).pos(Pos::new(h, VPos::Center)),
            ))
        }
    };
    drawn.map_err(failed)
}

fn at((x, y): Point) -> (i32, i32) {
    let fine = |v: f64| (v * f64::from(FINE)).round() as i32;
    (fine(x), fine(y))
}

fn fine_size((width, height): (f64, f64)) -> (u32, u32) {
    let fine = |v: f64| (v.ceil().max(1.0) as u32) * FINE;
    (fine(width), fine(height))
}

fn failed(error: impl Display) -> anyhow::Error {
    anyhow!("cannot draw the figure: {error}")
}

/// Corner, width and height of a rectangle in device units.
fn fine_rect(r: &Rect) -> ((i32, i32), (i32, i32)) {
    let ((x0, y0), (x1, y1)) = (at((r.x0, r.y0)), at((r.x1, r.y1)));
    ((x0, y0), ((x1 - x0).max(1), (y1 - y0).max(1)))
}

fn inline_image(rect: &Rect, pixels: &Pixels) -> Result<String> {
    let ((x, y), (width, height)) = fine_rect(rect);
    let png = encode_png(&pixels.rgb, pixels.width as u32, pixels.height as u32, None)?;
    let data = base64::engine::general_purpose::STANDARD.encode(png);
    Ok(format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
         style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>\n"
    ))
}

/// Copies an image into an RGB buffer; what lies outside is cut.
fn blit(buffer: &mut [u8], (columns, rows): (u32, u32), rect: &Rect, pixels: &Pixels) {
    let ((x0, y0), (width, height)) = fine_rect(rect);
    for y in 0..height {
        let row = (y as usize * pixels.height / height as usize) * pixels.width;
        for x in 0..width {
            let (Ok(px), Ok(py)) = (u32::try_from(x0 + x), u32::try_from(y0 + y)) else { continue };
            if px >= columns || py >= rows {
                continue;
            }
            let cell = 3 * (row + x as usize * pixels.width / width as usize);
            let place = 3 * (py as usize * columns as usize + px as usize);
            buffer[place..place + 3].copy_from_slice(&pixels.rgb[cell..cell + 3]);
        }
    }
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

/// The bundled typeface at an em of `size` points.
fn font(size: f64, bold: bool, sheet: Sheet) -> FontDesc<'static> {
    static ONCE: Once = Once::new();
    let weight = |bold| if bold { FontStyle::Bold } else { FontStyle::Normal };
    ONCE.call_once(|| {
        for (sheet, bold) in Sheet::value_variants().iter().flat_map(|s| [(s, false), (s, true)]) {
            let registered = register_font(sheet.family(), weight(bold), sheet.typeface(bold));
            assert!(registered.is_ok(), "the bundled font is readable");
        }
    });
    FontDesc::new(FontFamily::Name(sheet.family()), size * LINE_PER_EM * f64::from(FINE), weight(bold))
}
