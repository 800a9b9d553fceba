//! ONNX files of a few operators, written field by field: protocol buffers of onnx.proto, without attributes.

/// A type of tensors, by its number in `TensorProto.DataType`.
#[derive(Clone, Copy)]
pub enum Kind {
    /// float32
    Float = 1,
    /// int64
    Int64 = 7,
    /// float64
    Double = 11,
}

/// Length of an axis.
#[derive(Clone, Copy)]
pub enum Axis<'a> {
    /// A number.
    Fixed(u64),
    /// Any length, by a name.
    Free(&'a str),
}

/// A graph in the making.
#[derive(Default)]
pub struct Graph {
    fields: Vec<u8>,
}

impl Graph {
    /// An input.
    pub fn input(mut self, name: &str, kind: Kind, axes: &[Axis<'_>]) -> Self {
        self.put(11, &value(name, kind, axes));
        self
    }

    /// An output.
    pub fn output(mut self, name: &str, kind: Kind, axes: &[Axis<'_>]) -> Self {
        self.put(12, &value(name, kind, axes));
        self
    }

    /// A constant of float64.
    pub fn doubles(self, name: &str, shape: &[u64], values: &[f64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, Kind::Double, shape, &raw)
    }

    /// A constant of integers on one axis.
    pub fn integers(self, name: &str, values: &[i64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, Kind::Int64, &[values.len() as u64], &raw)
    }

    fn constant(mut self, name: &str, kind: Kind, shape: &[u64], raw: &[u8]) -> Self {
        let mut tensor = Vec::new();
        shape.iter().for_each(|n| number(&mut tensor, 1, *n));
        number(&mut tensor, 2, kind as u64);
        bytes(&mut tensor, 8, name.as_bytes());
        bytes(&mut tensor, 9, raw);
        self.put(5, &tensor);
        self
    }

    /// `output` = `operator`(`inputs`).
    pub fn node(mut self, operator: &str, inputs: &[&str], output: &str) -> Self {
        let mut node = Vec::new();
        inputs.iter().for_each(|name| bytes(&mut node, 1, name.as_bytes()));
        bytes(&mut node, 2, output.as_bytes());
        bytes(&mut node, 4, operator.as_bytes());
        self.put(1, &node);
        self
    }

    /// The file: operators of set 13.
    pub fn file(self) -> Vec<u8> {
        let (mut set, mut model) = (Vec::new(), Vec::new());
        number(&mut set, 2, 13);
        number(&mut model, 1, 8);
        bytes(&mut model, 7, &self.fields);
        bytes(&mut model, 8, &set);
        model
    }

    fn put(&mut self, field: u64, message: &[u8]) {
        bytes(&mut self.fields, field, message);
    }
}

fn value(name: &str, kind: Kind, axes: &[Axis<'_>]) -> Vec<u8> {
    let (mut shape, mut tensor, mut of_type, mut info) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for axis in axes {
        let mut dim = Vec::new();
        match axis {
            Axis::Fixed(length) => number(&mut dim, 1, *length),
            Axis::Free(name) => bytes(&mut dim, 2, name.as_bytes()),
        }
        bytes(&mut shape, 1, &dim);
    }
    number(&mut tensor, 1, kind as u64);
    bytes(&mut tensor, 2, &shape);
    bytes(&mut of_type, 1, &tensor);
    bytes(&mut info, 1, name.as_bytes());
    bytes(&mut info, 2, &of_type);
    info
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, content.len() as u64);
    out.extend(content);
}
