//! The kernels of an infinitely wide network (THEORY §6), d inputs, L hidden layers, in the `ntk` parameterisation:
//! Σ¹ = σ_w² x·x'/d + σ_b², Σ^{l+1} = σ_w² E[ρ(u)ρ(v)] + σ_b² with (u, v) ~ N(0, Σ^l); Θ¹ = Σ¹,
//! Θ^{l+1} = Σ^{l+1} + σ_w² E[ρ̇(u)ρ̇(v)] Θ^l; the readout has σ_w² = 1 and no bias: NNGP = E[ρρ'], NTK = NNGP + E[ρ̇ρ̇'] Θ^L.
//!
//! relu and erf in closed form, other activations by a Hermite series whose coefficients are quadratures (see `series`).
//! Angles between inputs come from chords of their unit vectors (see `rows`), so that nothing is lost near parallel and
//! antiparallel inputs.

mod erf;
mod hermite;
mod linear;
mod math;
mod matrix;
mod relu;
mod rows;
mod series;

use self::erf::Erf;
use self::linear::Linear;
use self::math::Lanes;
use self::relu::Relu;
use self::series::Series;
use super::{Activation, MlpSpec};
use crate::error::{Error, Result, check_finite};

/// The activation's kernels for pairs of inputs that have each been reduced to a profile of `width` numbers.
trait Pair: Sync {
    fn width(&self) -> usize;

    /// Writes an input's profile and returns NNGP and NTK of the input with itself.
    fn profile(&self, x: &[f64], out: &mut [f64]) -> (f64, f64);

    /// NNGP and NTK of one input with sixteen.
    fn lanes(&self, a: &[f64], b: &[Lanes]) -> (Lanes, Lanes);
}

/// NNGP and NTK between two sets of inputs, each n × m, row-major (or n diagonal entries).
#[derive(Debug, Clone, PartialEq)]
pub struct Kernels {
    /// E[f(a) f(b)] of one output over initialisations.
    pub nngp: Vec<f64>,
    /// Σ_θ ∂f(a)/∂θ ∂f(b)/∂θ of one output.
    pub ntk: Vec<f64>,
}

/// The infinite-width limit of an [`MlpSpec`]; its width and parameterisation do not matter.
///
/// ```
/// use gtv_theory::ntk::{InfiniteNetwork, MlpSpec};
/// let spec = MlpSpec { depth: 1, weight_var: 2.0, bias_var: 0.0, ..MlpSpec::default() };
/// let network = InfiniteNetwork::new(&spec, 2)?;
/// // One hidden ReLU layer, q = 1: NNGP and NTK of orthogonal inputs are 1/2π (c = 0), of an input with itself 1/2 and 1.
/// let k = network.kernels(&[1.0, 0.0], &[0.0, 1.0, 1.0, 0.0])?;
/// assert!((k.nngp[0] - 0.5 / std::f64::consts::PI).abs() < 1e-15);
/// assert!((k.nngp[1] - 0.5).abs() < 1e-15 && (k.ntk[1] - 1.0).abs() < 1e-15);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InfiniteNetwork {
    inputs: usize,
    dual: Dual,
}

#[derive(Debug, Clone)]
enum Dual {
    Linear(Linear),
    Relu(Relu),
    Erf(Erf),
    Series(Series),
}

impl InfiniteNetwork {
    /// The limit of `spec` with `inputs` inputs: depth, activation and variances count. Depth 0 is the linear map x·x'/d.
    ///
    /// # Errors
    /// Those of [`MlpSpec::validate`]; [`Error::Empty`] for no inputs.
    pub fn new(spec: &MlpSpec, inputs: usize) -> Result<Self> {
        spec.validate()?;
        if inputs == 0 {
            return Err(Error::Empty { name: "the inputs of a network" });
        }
        let dual = match spec.activation {
            _ if spec.depth == 0 => Dual::Linear(Linear { inputs }),
            Activation::Relu => Dual::Relu(Relu::new(spec, inputs)),
            Activation::Erf => Dual::Erf(Erf::new(spec, inputs)),
            Activation::Silu | Activation::Tanh => Dual::Series(Series::new(spec, inputs)),
        };
        Ok(Self { inputs, dual })
    }

    /// d.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// NNGP and NTK of every a with every b.
    ///
    /// Errors relative to √(K(a,a) K(b,b)) are a few ε for each layer (relu: also where inputs are parallel or
    /// antiparallel; erf: times 1 + 2(σ_w² + σ_b²) from the second layer on; others: and [`InfiniteNetwork::truncation`]).
    ///
    /// # Shapes
    /// `a`: n × d, `b`: m × d, row-major; result n × m.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the row; [`Error::Shape`] when a length is no multiple of d.
    pub fn kernels(&self, a: &[f64], b: &[f64]) -> Result<Kernels> {
        let (n, m) = (self.check("kernel inputs a", a)?, self.check("kernel inputs b", b)?);
        let mut out = Kernels { nngp: vec![0.0; n * m], ntk: vec![0.0; n * m] };
        self.fill(a, Some(b), Some(&mut out.nngp), &mut out.ntk);
        Ok(out)
    }

    /// NNGP and NTK of every pair of a set: symmetric, each block computed once.
    ///
    /// # Shapes
    /// `a`: n × d; result n × n.
    ///
    /// # Errors
    /// As [`InfiniteNetwork::kernels`].
    pub fn symmetric(&self, a: &[f64]) -> Result<Kernels> {
        let n = self.check("kernel inputs", a)?;
        let mut out = Kernels { nngp: vec![0.0; n * n], ntk: vec![0.0; n * n] };
        self.fill(a, None, Some(&mut out.nngp), &mut out.ntk);
        Ok(out)
    }

    /// The NTK alone, unchecked, in parallel over rows of the result, each entry independent of the number of threads.
    ///
    /// # Shapes
    /// `a`: n × d, `b`: m × d; `out`: n × m, row-major.
    pub fn ntk_into(&self, a: &[f64], b: &[f64], out: &mut [f64]) {
        self.fill(a, Some(b), None, out);
    }

    /// NNGP and NTK, unchecked, as [`InfiniteNetwork::ntk_into`].
    ///
    /// # Shapes
    /// `a`: n × d, `b`: m × d; `nngp`, `ntk`: n × m, row-major.
    pub fn kernels_into(&self, a: &[f64], b: &[f64], nngp: &mut [f64], ntk: &mut [f64]) {
        self.fill(a, Some(b), Some(nngp), ntk);
    }

    /// The NTK of every pair of a set, unchecked, each block computed once.
    ///
    /// # Shapes
    /// `a`: n × d; `out`: n × n.
    pub fn ntk_symmetric_into(&self, a: &[f64], out: &mut [f64]) {
        self.fill(a, None, None, out);
    }

    /// NNGP and NTK of each input with itself, n values each.
    ///
    /// # Shapes
    /// `a`: n × d.
    ///
    /// # Errors
    /// As [`InfiniteNetwork::kernels`].
    pub fn diagonal(&self, a: &[f64]) -> Result<Kernels> {
        let n = self.check("kernel inputs", a)?;
        let (mut nngp, mut ntk) = (vec![0.0; n], vec![0.0; n]);
        match &self.dual {
            Dual::Linear(p) => matrix::diagonal(p, self.inputs, a, &mut nngp, &mut ntk),
            Dual::Relu(p) => matrix::diagonal(p, self.inputs, a, &mut nngp, &mut ntk),
            Dual::Erf(p) => matrix::diagonal(p, self.inputs, a, &mut nngp, &mut ntk),
            Dual::Series(s) => {
                matrix::diagonal(&s.fit(a, &[], self.inputs), self.inputs, a, &mut nngp, &mut ntk)
            }
        }
        Ok(Kernels { nngp, ntk })
    }

    /// The largest share of E[ρ̇²] that the Hermite series of a layer leaves out for these inputs; 0 for closed forms.
    ///
    /// It is about 1e-15 until inputs are so large that 4,096 terms do not do: q = σ_w²|x|²/d + σ_b² beyond 30 (tanh) or 120 (silu).
    ///
    /// # Shapes
    /// `a`: n × d.
    ///
    /// # Errors
    /// As [`InfiniteNetwork::kernels`].
    pub fn truncation(&self, a: &[f64]) -> Result<f64> {
        self.check("kernel inputs", a)?;
        Ok(match &self.dual {
            Dual::Series(s) => s.truncation(a, self.inputs),
            _ => 0.0,
        })
    }

    fn check(&self, name: &'static str, x: &[f64]) -> Result<usize> {
        let n = x.len() / self.inputs;
        crate::error::check_len(name, n * self.inputs, x.len())?;
        check_finite(name, x, self.inputs)?;
        Ok(n)
    }

    /// `b` = `None`: symmetric.
    fn fill(&self, a: &[f64], b: Option<&[f64]>, nngp: Option<&mut [f64]>, ntk: &mut [f64]) {
        match &self.dual {
            Dual::Linear(p) => matrix::fill(p, self.inputs, a, b, nngp, ntk),
            Dual::Relu(p) => matrix::fill(p, self.inputs, a, b, nngp, ntk),
            Dual::Erf(p) => matrix::fill(p, self.inputs, a, b, nngp, ntk),
            Dual::Series(s) => {
                let fitted = s.fit(a, b.unwrap_or_default(), self.inputs);
                matrix::fill(&fitted, self.inputs, a, b, nngp, ntk);
            }
        }
    }
}
