//! The header of an npy file: `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }`.
//!
//! What NumPy reads is read: the sizes of Python 2 (`3L`), native byte order (`=f8`, `f8`), any order of the keys, and
//! versions 1 to 3 of the format.

use std::io::Read;

/// Longest header; NumPy's own are below 200 bytes, and it refuses more than 10,000.
const LONGEST: usize = 1 << 16;

/// A number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
}

impl Element {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }

    /// The value of `size()` bytes, the least significant first.
    pub(super) fn value(self, bytes: &[u8]) -> f64 {
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(word);
        match self {
            Self::F64 => f64::from_bits(bits),
            Self::F32 => f64::from(f32::from_bits(bits as u32)),
            Self::I64 => bits as i64 as f64,
            Self::I32 => f64::from(bits as u32 as i32),
            Self::I16 => f64::from(bits as u16 as i16),
            Self::I8 => f64::from(bits as u8 as i8),
            Self::U64 => bits as f64,
            Self::U32 | Self::U16 | Self::U8 => bits as f64,
        }
    }
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) big_endian: bool,
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// Reads the header, and with it everything before the first value; also its length in bytes.
    ///
    /// # Errors
    /// What is wrong, in words on one line.
    pub(super) fn read(reader: &mut dyn Read) -> Result<(Self, u64), String> {
        const SAVE: &str = "save the array again with numpy.save";
        let mut start = [0u8; 8];
        let mut exact = |bytes: &mut [u8]| {
            reader.read_exact(bytes).map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    format!("not a readable npy file (it ends inside its header); {SAVE}")
                }
                _ => format!("it cannot be read ({e})"),
            })
        };
        exact(&mut start)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err(format!("not an npy file (it does not begin like one); {SAVE}"));
        }
        let (length, before) = match start[6..] {
            [1, 0] => {
                let mut field = [0u8; 2];
                exact(&mut field)?;
                (usize::from(u16::from_le_bytes(field)), 10)
            }
            [2 | 3, 0] => {
                let mut field = [0u8; 4];
                exact(&mut field)?;
                (u32::from_le_bytes(field) as usize, 12)
            }
            _ => {
                let (major, minor) = (start[6], start[7]);
                return Err(format!(
                    "an npy file of version {major}.{minor}, expected 1.0, 2.0 or 3.0; {SAVE}"
                ));
            }
        };
        if length > LONGEST {
            return Err(format!("its header is said to have {length} bytes, which no array needs; {SAVE}"));
        }
        let mut text = vec![0; length];
        exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let header = Self::parse(&text).map_err(|wrong| match wrong {
            Wrong::Type(reason) => reason,
            Wrong::Syntax(what) => format!("its header cannot be read ({what}); {SAVE}"),
        })?;
        Ok((header, before + length as u64))
    }

    fn parse(text: &str) -> Result<Self, Wrong> {
        let mut rest = Cursor { rest: text };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        rest.expect('{')?;
        while !rest.eat('}') {
            let key = rest.string()?;
            rest.expect(':')?;
            match key {
                "descr" => descr = Some(rest.descr()?),
                "fortran_order" => fortran = Some(rest.boolean()?),
                "shape" => shape = Some(rest.shape()?),
                other => return Err(Wrong::Syntax(format!("unknown key {:?}", shortened(other)))),
            }
            if !rest.eat(',') {
                rest.expect('}')?;
                break;
            }
        }
        let missing = |key: &str| Wrong::Syntax(format!("it does not state {key:?}"));
        let (element, big_endian) = descr.ok_or_else(|| missing("descr"))?;
        Ok(Self {
            element,
            big_endian,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// Why a header is refused.
enum Wrong {
    /// Its text.
    Syntax(String),
    /// The type of the values.
    Type(String),
}

/// What is left of a header's text.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, mark: char) -> Result<(), Wrong> {
        if self.eat(mark) { Ok(()) } else { Err(self.wrong(&format!("{mark:?}"))) }
    }

    fn wrong(&self, expected: &str) -> Wrong {
        Wrong::Syntax(format!("expected {expected}, found {:?}", shortened(self.rest)))
    }

    /// A text in quotes; none that numpy.save writes has a quote inside.
    fn string(&mut self) -> Result<&'a str, Wrong> {
        for quote in ['\'', '"'] {
            if self.eat(quote) {
                let (text, rest) =
                    self.rest.split_once(quote).ok_or_else(|| self.wrong("the end of a text"))?;
                self.rest = rest;
                return Ok(text);
            }
        }
        Err(self.wrong("a text in quotes"))
    }

    fn boolean(&mut self) -> Result<bool, Wrong> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.wrong("True or False"))
    }

    /// `(3, 2)`, `(3,)`, `()`, `(3L, 2L)`.
    fn shape(&mut self) -> Result<Vec<usize>, Wrong> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.eat(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            let axis = digits.parse().map_err(|_| self.wrong("the length of an axis"))?;
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            shape.push(axis);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    fn descr(&mut self) -> Result<(Element, bool), Wrong> {
        if self.eat('[') {
            return Err(Wrong::Type(
                "a structured array, whose fields have names; expected plain numbers: save \
                 numpy.lib.recfunctions.structured_to_unstructured(a).astype(\"float64\")"
                    .to_owned(),
            ));
        }
        let text = self.string()?;
        let (order, kind) = match text.chars().next() {
            Some(order @ ('<' | '>' | '=' | '|')) => (order, &text[1..]),
            _ => ('=', text),
        };
        let element = match kind {
            "f8" | "d" => Element::F64,
            "f4" | "f" => Element::F32,
            "i8" => Element::I64,
            "i4" => Element::I32,
            "i2" => Element::I16,
            "i1" | "b" => Element::I8,
            "u8" => Element::U64,
            "u4" => Element::U32,
            "u2" => Element::U16,
            "u1" | "B" => Element::U8,
            _ => return Err(Wrong::Type(other_type(text, kind))),
        };
        Ok((element, order == '>' || (order == '=' && cfg!(target_endian = "big"))))
    }
}

/// What to do about values that are no plain numbers.
fn other_type(text: &str, kind: &str) -> String {
    let advice = match kind.chars().next() {
        Some('c') => "save a.real.astype(\"float64\"), or real and imaginary parts as columns",
        Some('O') => "save a.astype(\"float64\"), which works if every entry is a number",
        Some('U' | 'S' | 'a') => "save a.astype(\"float64\"), which works if every text is a number",
        Some('M' | 'm') => "save times as numbers, e.g. a.astype(\"int64\").astype(\"float64\")",
        Some('V') => {
            "save the fields as columns, e.g. with numpy.lib.recfunctions.structured_to_unstructured"
        }
        _ => "convert with .astype(\"float64\")",
    };
    let text = shortened(text);
    format!("values of type {text:?} are not read; expected floats of 32 or 64 bits or integers: {advice}")
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    const MOST: usize = 24;
    let start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}
