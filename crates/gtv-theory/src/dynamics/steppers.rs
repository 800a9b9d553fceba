//! Explicit Runge–Kutta steps of dz/ds = f(s, z): k_i = f(s + c_i h, z + h Σ_j a_ij k_j), z ← z + h Σ_i b_i k_i.
//!
//! A method is a [`Tableau`]; adding one is a constant. Source: Hairer, Nørsett, Wanner, "Solving Ordinary Differential
//! Equations I", chapter II.

/// An ordinary differential equation dz/ds = f(s, z) for a batch of rows.
///
/// `&mut self` lets a system keep scratch arrays, so that no evaluation allocates.
pub trait Ode {
    /// f(s, z).
    ///
    /// # Shapes
    /// `z`, `dz`: any number of rows, row-major.
    fn rhs(&mut self, s: f64, z: &[f64], dz: &mut [f64]);

    /// Size of one unit of z at s in the coordinate in which tolerances are given.
    fn unit(&self, _s: f64) -> f64 {
        1.0
    }
}

/// The coefficients of an explicit Runge–Kutta method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tableau {
    /// Order of convergence.
    pub order: usize,
    /// c_i, one a stage.
    pub nodes: &'static [f64],
    /// a_ij, row i holding the i coefficients of the earlier stages.
    pub stages: &'static [&'static [f64]],
    /// b_i.
    pub weights: &'static [f64],
    /// b_i − b̂_i against the embedded method, empty where there is none.
    pub error: &'static [f64],
}

/// Euler's method.
pub const EULER: Tableau = Tableau { order: 1, nodes: &[0.0], stages: &[&[]], weights: &[1.0], error: &[] };

/// Heun's method (the explicit trapezoidal rule).
pub const HEUN: Tableau = Tableau {
    order: 2,
    nodes: &[0.0, 1.0],
    stages: &[&[], &[1.0]],
    weights: &[0.5, 0.5],
    error: &[-0.5, 0.5],
};

/// The classical fourth-order method.
pub const RK4: Tableau = Tableau {
    order: 4,
    nodes: &[0.0, 0.5, 0.5, 1.0],
    stages: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    error: &[],
};

/// Dormand and Prince's pair of orders 5 and 4; its last stage is the next step's first.
pub const DOPRI5: Tableau = Tableau {
    order: 5,
    nodes: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
    stages: &[
        &[],
        &[0.2],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
        &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    ],
    weights: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0],
    error: &[
        71.0 / 57600.0,
        0.0,
        -71.0 / 16695.0,
        71.0 / 1920.0,
        -17253.0 / 339200.0,
        22.0 / 525.0,
        -1.0 / 40.0,
    ],
};

/// The stage slopes k_i and the stage state of one method for up to `len` values, allocated once.
#[derive(Debug, Clone)]
pub struct Stages {
    pub(super) slopes: Vec<Vec<f64>>,
    pub(super) state: Vec<f64>,
}

impl Stages {
    /// Room for steps of `tableau` on up to `len` values.
    pub fn new(tableau: &Tableau, len: usize) -> Self {
        Self { slopes: vec![vec![0.0; len]; tableau.nodes.len()], state: vec![0.0; len] }
    }
}

impl Tableau {
    /// One step of size h (of either sign), in place.
    ///
    /// # Shapes
    /// `z`: at most as many values as `work` was made for.
    pub fn step<O: Ode + ?Sized>(&self, ode: &mut O, s: f64, h: f64, z: &mut [f64], work: &mut Stages) {
        self.slopes(ode, s, h, z, work, 0);
        add_scaled(z, h, self.weights, &work.slopes);
    }

    /// Fills k_i for stages `first..`; earlier ones must hold this step's slopes already.
    pub(super) fn slopes<O: Ode + ?Sized>(
        &self,
        ode: &mut O,
        s: f64,
        h: f64,
        z: &[f64],
        work: &mut Stages,
        first: usize,
    ) {
        let n = z.len();
        for (i, (row, node)) in self.stages.iter().zip(self.nodes).enumerate().skip(first) {
            let (done, rest) = work.slopes.split_at_mut(i);
            if row.is_empty() {
                ode.rhs(s, z, &mut rest[0][..n]);
                continue;
            }
            let state = &mut work.state[..n];
            state.copy_from_slice(z);
            add_scaled(state, h, row, done);
            ode.rhs(s + node * h, state, &mut rest[0][..n]);
        }
    }
}

/// z += h Σ_i c_i k_i.
pub(super) fn add_scaled(z: &mut [f64], h: f64, coefficients: &[f64], slopes: &[Vec<f64>]) {
    for (c, slope) in coefficients.iter().zip(slopes).filter(|(c, _)| **c != 0.0) {
        let scale = h * c;
        for (z, k) in z.iter_mut().zip(slope) {
            *z += scale * k;
        }
    }
}
