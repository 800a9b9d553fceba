//! Networks in ONNX files, y = f(x, t), run by tract.
//!
//! The graph has the inputs `x` (n, D) and `t` (n), of either precision, for any n, and one output (n, D), or (n) where D = 1. It is made
//! ready once; calls hand it blocks of rows, side by side on rayon's pool, so that memory does not grow with the number of points.

use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

/// Rows that the graph is given at once: enough to make its own cost small, few enough for the activations of a wide network.
const BLOCK: usize = 1024;

/// What can be wrong with a network in an ONNX file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are no model.
    #[error("not an ONNX file ({reason}); expected what torch.onnx.export or onnx.save writes")]
    NotOnnx {
        /// The reader's words.
        reason: String,
    },
    /// Inputs of other names or another number.
    #[error(
        "its inputs are {}; expected `x` (n, D) and `t` (n): name them so in the export (input_names=[\"x\", \"t\"])",
        listed(found)
    )]
    Inputs {
        /// The names there.
        found: Vec<String>,
    },
    /// An input of another type or shape.
    #[error("its input `{name}` is {found}; expected float32 or float64 of shape {expected}: {advice}")]
    Input {
        /// Its name.
        name: &'static str,
        /// Type and shape there.
        found: String,
        /// The shape that is needed.
        expected: String,
        /// What to do.
        advice: &'static str,
    },
    /// Operators that tract does not know.
    #[error(
        "it uses {}, which tract, the runtime in gtv, does not have: export without, or bring what the network predicts as arrays (ensemble.kind = \"file\")",
        listed(operators)
    )]
    Operators {
        /// Their names.
        operators: Vec<String>,
    },
    /// A graph that is known operator by operator and yet cannot be run.
    #[error("tract, the runtime in gtv, cannot run it: {reason}")]
    Graph {
        /// tract's words.
        reason: String,
    },
    /// Other outputs than one.
    #[error("its outputs are {}; expected one, (n, D)", listed(found))]
    Outputs {
        /// The names there.
        found: Vec<String>,
    },
    /// An answer of another shape.
    #[error(
        "it answers an array of shape {found} to x ({rows}, {dim}) and t ({rows}); expected ({rows}, {dim})"
    )]
    Answer {
        /// Type and shape of the answer.
        found: String,
        /// n.
        rows: usize,
        /// D.
        dim: usize,
    },
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

/// A network that is ready to be called.
pub struct OnnxNetwork {
    plan: Arc<TypedRunnableModel>,
    dim: usize,
    /// Position and type of x among the inputs, and of t.
    inputs: [(usize, DatumType); 2],
}

impl OnnxNetwork {
    /// The network of `bytes` for data of `dim` dimensions; `folder` is where tensors are that it keeps in files of their own.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub fn new(bytes: &[u8], folder: &Path, dim: usize) -> Result<Self, Error> {
        let not_onnx = |e: TractError| Error::NotOnnx { reason: words(&e) };
        let runtime = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let proto = runtime.proto_model_for_read(&mut &*bytes).map_err(not_onnx)?;
        let graph = proto.graph.as_ref().filter(|graph| !graph.node.is_empty());
        let graph = graph.ok_or_else(|| Error::NotOnnx { reason: "it holds no graph".to_owned() })?;
        check_names(graph, &runtime.op_register.0.keys().map(String::as_str).collect())?;
        let failed = |e: TractError| Error::Graph { reason: words(&e) };
        let mut model = parsed(&runtime, &proto, folder).map_err(failed)?;
        let inputs = model.input_outlets().map_err(failed)?.to_vec();
        let names: Vec<&str> = inputs.iter().map(|input| model.node(input.node).name.as_str()).collect();
        let (["x", "t"] | ["t", "x"]) = names.as_slice() else {
            return Err(Error::Inputs { found: names.into_iter().map(str::to_owned).collect() });
        };
        let x_first = names[0] == "x";
        let rows = TDim::from(model.symbols.new_with_prefix("n"));
        let shapes: [TVec<TDim>; 2] = [tvec![rows.clone(), dim.to_dim()], tvec![rows]];
        let mut types = [(0, f64::datum_type()); 2];
        for (i, (name, shape)) in ["x", "t"].into_iter().zip(shapes).enumerate() {
            let place = if x_first { i } else { 1 - i };
            let declared = model.input_fact(place).map_err(failed)?;
            types[i] = (place, checked(name, declared, &shape[1..], dim)?);
            model.set_input_fact(place, InferenceFact::dt_shape(types[i].1, shape)).map_err(failed)?;
        }
        let plan = model.into_optimized().and_then(IntoRunnable::into_runnable).map_err(failed)?;
        Ok(Self { plan, dim, inputs: types })
    }

    /// f(x, t).
    ///
    /// # Shapes
    /// `x`: n × D; `t`: n; the result: n × D.
    ///
    /// # Errors
    /// [`Error::Answer`] or [`Error::Graph`].
    pub fn call(&self, x: &[f64], t: &[f64]) -> Result<Vec<f64>, Error> {
        let mut out = vec![0.0; x.len()];
        let blocks = x.par_chunks(BLOCK * self.dim).zip(t.par_chunks(BLOCK));
        blocks
            .zip(out.par_chunks_mut(BLOCK * self.dim))
            .try_for_each(|((x, t), out)| self.block(x, t, out))?;
        Ok(out)
    }

    fn block(&self, x: &[f64], t: &[f64], out: &mut [f64]) -> Result<(), Error> {
        let (rows, dim) = (t.len(), self.dim);
        let failed = |e: TractError| Error::Graph { reason: words(&e) };
        let [(x_place, x_type), (_, t_type)] = self.inputs;
        let x = tensor(&[rows, dim], x, x_type).map_err(failed)?;
        let t = tensor(&[rows], t, t_type).map_err(failed)?;
        let inputs = if x_place == 0 { tvec![x.into(), t.into()] } else { tvec![t.into(), x.into()] };
        let answers = self.plan.run(inputs).map_err(failed)?;
        let answer = &answers[0];
        let fits = answer.shape() == [rows, dim] || dim == 1 && answer.shape() == [rows];
        if !(fits && answer.datum_type().is_float()) {
            let found = format!("{:?} of {:?}", answer.shape(), answer.datum_type());
            return Err(Error::Answer { found, rows, dim });
        }
        let answer = answer.cast_to::<f64>().map_err(failed)?;
        out.copy_from_slice(answer.try_as_plain_ram().and_then(|view| view.as_slice()).map_err(failed)?);
        Ok(())
    }
}

/// Refuses operators that are unknown and names that lead nowhere.
fn check_names(graph: &GraphProto, known: &BTreeSet<&str>) -> Result<(), Error> {
    let operators = graph.node.iter().map(|node| node.op_type.as_str());
    let unknown: BTreeSet<&str> = operators.filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(Error::Operators { operators: unknown.into_iter().map(str::to_owned).collect() });
    }
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    let [output] = outputs.as_slice() else { return Err(Error::Outputs { found: outputs }) };
    let made = graph.node.iter().flat_map(|node| &node.output);
    let made = made.chain(graph.initializer.iter().map(|tensor| &tensor.name));
    if !made.chain(graph.input.iter().map(|input| &input.name)).any(|name| name == output) {
        return Err(Error::Graph { reason: format!("nothing in it makes its output `{output}`") });
    }
    Ok(())
}

fn parsed(runtime: &tract_onnx::Onnx, proto: &ModelProto, folder: &Path) -> TractResult<InferenceModel> {
    let found = runtime.parse(proto, folder.to_str())?;
    match found.unresolved_inputs.as_slice() {
        [] => Ok(found.model),
        names => Err(TractError::msg(format!("nothing in it makes {}", listed(names)))),
    }
}

/// The type of an input whose rows are free and, after them, `columns` wide.
fn checked(
    name: &'static str,
    declared: &InferenceFact,
    columns: &[TDim],
    dim: usize,
) -> Result<DatumType, Error> {
    let wrong = |advice: &'static str| Error::Input {
        name,
        found: declared.format_dt_shape(),
        expected: if columns.is_empty() { "(n)".to_owned() } else { format!("(n, {dim})") },
        advice,
    };
    let kind =
        declared.datum_type.concretize().filter(|kind| matches!(kind, DatumType::F32 | DatumType::F64));
    let kind = kind.ok_or_else(|| wrong("cast inside the network"))?;
    let dims: Vec<Option<TDim>> = declared.shape.dims().map(Factoid::concretize).collect();
    let Some((rows, rest)) = dims.split_first() else { return Ok(kind) };
    let number = |dim: &Option<TDim>| dim.as_ref().and_then(|dim| dim.to_i64().ok());
    let fits = |(found, wanted): (&Option<TDim>, &TDim)| {
        number(found).is_none_or(|n| wanted.to_i64().ok() == Some(n))
    };
    if rest.len() != columns.len() || !rest.iter().zip(columns).all(fits) {
        return Err(wrong("D is the dimension of a flattened data point; reshape inside the network"));
    }
    if number(rows).is_some() {
        return Err(wrong(
            "its first axis must take any n: export it as a dynamic axis (dynamic_axes or dynamic_shapes of torch.onnx.export)",
        ));
    }
    Ok(kind)
}

fn tensor(shape: &[usize], values: &[f64], kind: DatumType) -> TractResult<Tensor> {
    match kind {
        DatumType::F32 => Tensor::from_shape(shape, &values.iter().map(|v| *v as f32).collect::<Vec<_>>()),
        _ => Tensor::from_shape(shape, values),
    }
}

/// An error of tract on one line.
fn words(error: &TractError) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}
