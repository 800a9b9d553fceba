//! The probability flow in either form as an [`Ode`]: dx/dt = −βx − D s(x, t), or dy/dθ = m(x, t) with y = x/σ, θ = α/σ.

use super::sampling::Form;
use super::steppers::Ode;
use crate::schedule::Schedule;
use crate::score::{ScoreField, Trail};

impl Form {
    /// What this form asks a field for: its score or its denoiser.
    pub(super) fn answer<F: ScoreField + ?Sized>(
        self,
        field: &F,
        x: &[f64],
        t: f64,
        out: &mut [f64],
        trail: &mut Trail,
    ) {
        match self {
            Self::Time => field.score_along(x, t, out, trail),
            Self::Denoiser => field.denoiser_along(x, t, out, trail),
        }
    }
}

/// What drives a flow at (x, t); it may remember the path, as noise that is correlated in time does.
pub(super) trait Answer: FnMut(&[f64], f64, &mut [f64]) {}

impl<A: FnMut(&[f64], f64, &mut [f64])> Answer for A {}

/// The flow in either form, with room for the states x that the denoiser form recovers from y.
pub(super) struct FlowOde<'a, A> {
    /// The score of x at t in the time form, the denoiser in the denoiser form.
    pub answer: A,
    pub schedule: &'a Schedule,
    pub form: Form,
    /// As many values as there are in the states that are stepped.
    pub x: &'a mut [f64],
}

impl<A> FlowOde<'_, A> {
    /// The independent variable at time t: t itself or θ = α/σ.
    pub fn coordinate(&self, t: f64) -> f64 {
        match self.form {
            Form::Time => t,
            Form::Denoiser => self.schedule.signal(t) / self.schedule.noise_std(t),
        }
    }

    /// The time at which the independent variable is s; exact at both ends, where inverting would lose α = 0.
    fn time(&self, s: f64) -> f64 {
        match self.form {
            Form::Time => s,
            Form::Denoiser if s <= self.coordinate(self.schedule.t_max()) => self.schedule.t_max(),
            Form::Denoiser => self.schedule.time_at_log_snr(2.0 * s.ln()).max(self.schedule.t_min()),
        }
    }

    /// From x at T to the integrated coordinate.
    pub fn enter(&self, x: &mut [f64]) {
        if self.form == Form::Denoiser {
            let sigma = self.schedule.noise_std(self.schedule.t_max());
            x.iter_mut().for_each(|x| *x /= sigma);
        }
    }

    /// From the integrated coordinate to x at ε.
    pub fn leave(&self, z: &mut [f64]) {
        self.leave_at(self.schedule.t_min(), z);
    }

    /// From the integrated coordinate to x at time t.
    pub fn leave_at(&self, t: f64, z: &mut [f64]) {
        if self.form == Form::Denoiser {
            let sigma = self.schedule.noise_std(t);
            z.iter_mut().for_each(|z| *z *= sigma);
        }
    }
}

impl<A: Answer> Ode for FlowOde<'_, A> {
    fn rhs(&mut self, s: f64, z: &[f64], dz: &mut [f64]) {
        match self.form {
            Form::Time => {
                let (rate, diffusion) = (self.schedule.drift_rate(s), self.schedule.diffusion(s));
                (self.answer)(z, s, dz);
                for (d, x) in dz.iter_mut().zip(z) {
                    *d = -(rate * x + diffusion * *d);
                }
            }
            Form::Denoiser => {
                let t = self.time(s);
                let sigma = self.schedule.noise_std(t);
                let x = &mut self.x[..z.len()];
                for (x, y) in x.iter_mut().zip(z) {
                    *x = sigma * y;
                }
                (self.answer)(x, t, dz);
            }
        }
    }

    fn unit(&self, s: f64) -> f64 {
        match self.form {
            Form::Time => 1.0,
            Form::Denoiser => self.schedule.noise_std(self.time(s)),
        }
    }
}
