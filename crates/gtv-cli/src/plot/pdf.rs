//! The PDF of a figure, from the same shapes as its SVG: vectors, with the typeface embedded.

use std::collections::{BTreeMap, BTreeSet};

use pdf_writer::types::{CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use plotters::style::text_anchor::HPos;
use ttf_parser::{Face, GlyphId};

use super::canvas::Rect as Area;
use super::canvas::{Color, Drawn, Pixels, Point, Shape, TextStyle};
use super::sheet::Sheet;

/// PDF's unit, 1/72 inch, in ours, 1/96 inch.
const UNIT: f32 = 0.75;
/// From a text's middle down to its baseline, in em; the bundled typeface stands lower than its line by 0.13 em.
const BASELINE: f64 = 0.2;
/// The control points of a quarter of a circle, in radii.
const QUARTER: f32 = 0.552_284_8;
const SYSTEM: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// One of the two weights, with the glyphs that are used and what they stand for.
struct Typeface {
    face: Face<'static>,
    sheet: Sheet,
    bold: bool,
    used: BTreeMap<u16, char>,
}

impl Typeface {
    fn new(sheet: Sheet, bold: bool) -> Option<Self> {
        Some(Self { face: Face::parse(sheet.typeface(bold), 0).ok()?, sheet, bold, used: BTreeMap::new() })
    }

    fn name(&self) -> Name<'static> {
        Name(self.sheet.face_name(self.bold))
    }

    /// Width of a glyph in thousandths of an em.
    fn advance(&self, glyph: u16) -> f32 {
        let units = self.face.glyph_hor_advance(GlyphId(glyph)).unwrap_or(0);
        1000.0 * f32::from(units) / f32::from(self.face.units_per_em())
    }

    /// Two bytes a glyph, and the width in em.
    fn set(&mut self, text: &str) -> (Vec<u8>, f32) {
        let (mut bytes, mut width) = (Vec::new(), 0.0);
        for letter in text.chars() {
            let glyph = self.face.glyph_index(letter).map_or(0, |g| g.0);
            self.used.insert(glyph, letter);
            bytes.extend(glyph.to_be_bytes());
            width += self.advance(glyph) / 1000.0;
        }
        (bytes, width)
    }
}

/// Opacities of fills and lines, in steps of a byte.
#[derive(Default)]
struct Opacities(BTreeSet<u8>);

impl Opacities {
    fn apply(&mut self, content: &mut Content, color: Color) {
        let step = (255.0 * color.3.clamp(0.0, 1.0)).round() as u8;
        self.0.insert(step);
        content.set_parameters(Name(&opacity_name(step)));
    }
}

fn opacity_name(step: u8) -> Vec<u8> {
    format!("A{step}").into_bytes()
}

fn picture_name(i: usize) -> Vec<u8> {
    format!("P{i}").into_bytes()
}

fn channels(color: Color) -> [f32; 3] {
    [color.0, color.1, color.2].map(|c| f32::from(c) / 255.0)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 7)
}

/// The bytes of a PDF file of one page.
pub fn pdf(drawn: &Drawn, alt: &str) -> Vec<u8> {
    let Drawn { sheet, size: (width, height), shapes } = drawn;
    let mut faces: Vec<Typeface> =
        [false, true].into_iter().filter_map(|b| Typeface::new(*sheet, b)).collect();
    let (mut opacities, mut content) = (Opacities::default(), Content::new());
    // Our y goes down, and our unit is another.
    content.transform([UNIT, 0.0, 0.0, -UNIT, 0.0, UNIT * *height as f32]);
    content.set_line_cap(LineCapStyle::RoundCap).set_line_join(LineJoinStyle::RoundJoin);
    let pictures: Vec<(&Area, &Pixels)> = shapes.iter().filter_map(picture).collect();
    for (i, (rect, _)) in pictures.iter().enumerate() {
        let [x, y, w, h] = [rect.x0, rect.y1, rect.width(), rect.height()].map(|v| v as f32);
        content.save_state().transform([w, 0.0, 0.0, -h, x, y]);
        content.x_object(Name(&picture_name(i))).restore_state();
    }
    for shape in shapes {
        draw(shape, &mut content, &mut faces, &mut opacities);
    }
    let size = (UNIT * *width as f32, UNIT * *height as f32);
    document(size, &content.finish(), &faces, &opacities, &pictures, alt)
}

fn picture(shape: &Shape) -> Option<(&Area, &Pixels)> {
    match shape {
        Shape::Image { rect, pixels } => Some((rect, pixels)),
        Shape::Line { .. } | Shape::Area { .. } | Shape::Disc { .. } | Shape::Text { .. } => None,
    }
}

/// Draws a shape; images lie under all others, and are there already.
fn draw(shape: &Shape, content: &mut Content, faces: &mut [Typeface], opacities: &mut Opacities) {
    match shape {
        Shape::Image { .. } => {}
        Shape::Line { points, color, width } => {
            opacities.apply(content, *color);
            let [r, g, b] = channels(*color);
            content.set_stroke_rgb(r, g, b).set_line_width(*width as f32);
            path(content, points);
            content.stroke();
        }
        Shape::Area { corners, color } => {
            fill(content, opacities, *color);
            path(content, corners);
            content.close_path().fill_nonzero();
        }
        Shape::Disc { center, radius, color } => {
            fill(content, opacities, *color);
            circle(content, *center, *radius);
            content.fill_nonzero();
        }
        Shape::Text { at, text, style } => {
            fill(content, opacities, style.color);
            set(content, faces, *at, text, *style);
        }
    }
}

fn fill(content: &mut Content, opacities: &mut Opacities, color: Color) {
    opacities.apply(content, color);
    let [r, g, b] = channels(color);
    content.set_fill_rgb(r, g, b);
}

fn path(content: &mut Content, points: &[Point]) {
    for (i, (x, y)) in points.iter().map(|p| (p.0 as f32, p.1 as f32)).enumerate() {
        if i == 0 {
            content.move_to(x, y);
        } else {
            content.line_to(x, y);
        }
    }
}

fn circle(content: &mut Content, (x, y): Point, radius: f64) {
    let (x, y, r) = (x as f32, y as f32, radius as f32);
    let c = QUARTER * r;
    content.move_to(x + r, y);
    content.cubic_to(x + r, y + c, x + c, y + r, x, y + r);
    content.cubic_to(x - c, y + r, x - r, y + c, x - r, y);
    content.cubic_to(x - r, y - c, x - c, y - r, x, y - r);
    content.cubic_to(x + c, y - r, x + r, y - c, x + r, y);
    content.close_path();
}

/// Sets a text, its middle at the place as in the other formats.
fn set(content: &mut Content, faces: &mut [Typeface], (x, y): Point, text: &str, style: TextStyle) {
    let Some((i, face)) = faces.iter_mut().enumerate().find(|(_, f)| f.bold == style.bold) else { return };
    let (bytes, width) = face.set(text);
    let size = style.size as f32;
    let before = match style.h {
        HPos::Left => 0.0,
        HPos::Center => 0.5 * width * size,
        HPos::Right => width * size,
    };
    let (x, y, down) = (x as f32, y as f32, BASELINE as f32 * size);
    let matrix = if style.upright {
        [0.0, -1.0, -1.0, 0.0, x + down, y + before]
    } else {
        [1.0, 0.0, 0.0, -1.0, x - before, y + down]
    };
    content.begin_text().set_font(font_name(i), size).set_text_matrix(matrix);
    content.show(Str(&bytes)).end_text();
}

fn font_name(i: usize) -> Name<'static> {
    Name(if i == 0 { b"F0" } else { b"F1" })
}

/// The file around a page's content.
fn document(
    (width, height): (f32, f32),
    content: &[u8],
    faces: &[Typeface],
    opacities: &Opacities,
    pictures: &[(&Area, &Pixels)],
    alt: &str,
) -> Vec<u8> {
    let mut next = Ref::new(1);
    let mut ids = || next.bump();
    let [catalog, tree, page_id, content_id, info] = std::array::from_fn(|_| ids());
    let fonts: Vec<(&Typeface, [Ref; 5])> =
        faces.iter().map(|face| (face, std::array::from_fn(|_| ids()))).collect();
    let states: Vec<(u8, Ref)> = opacities.0.iter().map(|step| (*step, ids())).collect();
    let images: Vec<(&Pixels, Ref)> = pictures.iter().map(|(_, pixels)| (*pixels, ids())).collect();

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(alt)).producer(TextStr("gtv"));
    pdf.pages(tree).kids([page_id]).count(1);
    let mut page = pdf.page(page_id);
    page.media_box(Rect::new(0.0, 0.0, width, height)).parent(tree).contents(content_id);
    let mut resources = page.resources();
    let mut named = resources.fonts();
    fonts.iter().enumerate().for_each(|(i, (_, refs))| {
        named.pair(font_name(i), refs[0]);
    });
    named.finish();
    let mut named = resources.ext_g_states();
    states.iter().for_each(|(step, id)| {
        named.pair(Name(&opacity_name(*step)), *id);
    });
    named.finish();
    let mut named = resources.x_objects();
    images.iter().enumerate().for_each(|(i, (_, id))| {
        named.pair(Name(&picture_name(i)), *id);
    });
    named.finish();
    resources.finish();
    page.finish();

    pdf.stream(content_id, &deflated(content)).filter(Filter::FlateDecode);
    for (step, id) in states {
        let opacity = f32::from(step) / 255.0;
        pdf.ext_graphics(id).stroking_alpha(opacity).non_stroking_alpha(opacity);
    }
    for (pixels, id) in images {
        let bytes = deflated(&pixels.rgb);
        let mut image = pdf.image_xobject(id, &bytes);
        image.filter(Filter::FlateDecode);
        image.width(pixels.width as i32).height(pixels.height as i32).color_space().device_rgb();
        image.bits_per_component(8);
    }
    for (face, refs) in fonts {
        embed(&mut pdf, face, refs);
    }
    pdf.finish()
}

/// A typeface as a composite font whose codes are the numbers of its glyphs.
fn embed(pdf: &mut Pdf, typeface_used: &Typeface, [font, cid, descriptor, unicode, file]: [Ref; 5]) {
    let (face, name) = (&typeface_used.face, typeface_used.name());
    let em = |units: i16| 1000.0 * f32::from(units) / f32::from(face.units_per_em());
    pdf.type0_font(font)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(cid)
        .to_unicode(unicode);
    let mut composite = pdf.cid_font(cid);
    composite.subtype(CidFontType::Type2).base_font(name).system_info(SYSTEM).font_descriptor(descriptor);
    composite.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = composite.widths();
    for glyph in typeface_used.used.keys() {
        widths.consecutive(*glyph, [typeface_used.advance(*glyph)]);
    }
    widths.finish();
    composite.finish();
    let bounds = face.global_bounding_box();
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(em(bounds.x_min), em(bounds.y_min), em(bounds.x_max), em(bounds.y_max)))
        .italic_angle(0.0)
        .ascent(em(face.ascender()))
        .descent(em(face.descender()))
        .cap_height(em(face.capital_height().unwrap_or_else(|| face.ascender())))
        .stem_v(if typeface_used.bold { 110.0 } else { 80.0 })
        .font_file2(file);
    let mut letters = UnicodeCmap::new(Name(b"GtvPlot"), SYSTEM);
    typeface_used.used.iter().for_each(|(glyph, letter)| letters.pair(*glyph, *letter));
    pdf.stream(unicode, &letters.finish());
    let bytes = typeface_used.sheet.typeface(typeface_used.bold);
    pdf.stream(file, &deflated(bytes)).filter(Filter::FlateDecode).pair(Name(b"Length1"), bytes.len() as i32);
}
