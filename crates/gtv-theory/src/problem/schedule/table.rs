//! A user's own α_t and σ_t, stated at some times: ln α and the log-SNR λ = ln(α²/σ²) are monotone cubics between them.
//!
//! Both are once differentiable, so that β = −d ln α/dt and D = −σ² (dλ/dt)/2 are continuous, and D is never negative. Source:
//! Fritsch and Carlson (1980), "Monotone piecewise cubic interpolation".

use super::Curves;
use crate::error::{Error, Result, check_len};

/// α and σ at increasing times; a handle on it, since schedules are copied freely.
///
/// ```
/// use gtv_theory::schedule::{Schedule, ScheduleKind, ScheduleTable};
/// let paper = Schedule::paper(0.01)?;
/// let t: Vec<f64> = (1..=100).map(|k| 0.01 * f64::from(k)).collect();
/// let alpha: Vec<f64> = t.iter().map(|t| paper.signal(*t)).collect();
/// let sigma: Vec<f64> = t.iter().map(|t| paper.noise_std(*t)).collect();
/// let own = Schedule::new(ScheduleKind::Table(ScheduleTable::new(t, &alpha, &sigma)?), 0.01, 1.0)?;
/// assert!((own.noise_std(0.25) - paper.noise_std(0.25)).abs() < 1e-14);
/// assert!((own.noise_std(0.255) - paper.noise_std(0.255)).abs() < 1e-4);
/// # Ok::<(), gtv_theory::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleTable(&'static Knots);

#[derive(Debug, PartialEq)]
struct Knots {
    times: Vec<f64>,
    log_signal: Curve,
    log_snr: Curve,
}

/// Values and slopes at the times.
#[derive(Debug, PartialEq)]
struct Curve {
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl ScheduleTable {
    /// The schedule that has these α and σ at these times. It is kept until the program ends.
    ///
    /// # Shapes
    /// All: K, at least 2.
    ///
    /// # Errors
    /// Lists of different lengths; times that do not increase; α or σ that are not positive; α that grows, or a log-SNR that does not
    /// fall.
    pub fn new(times: Vec<f64>, alpha: &[f64], sigma: &[f64]) -> Result<Self> {
        check_len("alpha of the schedule's table", times.len(), alpha.len())?;
        check_len("sigma of the schedule's table", times.len(), sigma.len())?;
        if times.len() < 2 {
            let (value, expected) = (times.len() as f64, "at least 2 times");
            return Err(Error::OutOfRange { name: "t of the schedule's table", value, expected });
        }
        let all = |name, values: &[f64], right: fn(f64) -> bool, expected| {
            let wrong = values.iter().find(|v| !right(**v));
            wrong.map_or(Ok(()), |&value| Err(Error::OutOfRange { name, value, expected }))
        };
        let positive = |v: f64| v.is_finite() && v > 0.0;
        all("t of the schedule's table", &times, |t| t.is_finite() && t >= 0.0, "finite times, 0 or later")?;
        all(
            "alpha of the schedule's table",
            alpha,
            positive,
            "finite numbers above 0: leave out steps without signal",
        )?;
        all(
            "sigma of the schedule's table",
            sigma,
            positive,
            "finite numbers above 0: leave out steps without noise",
        )?;
        let log_signal: Vec<f64> = alpha.iter().map(|a| a.ln()).collect();
        let log_snr: Vec<f64> = alpha.iter().zip(sigma).map(|(a, s)| 2.0 * (a.ln() - s.ln())).collect();
        let pairs = |name, values: &[f64], right: fn(f64, f64) -> bool, expected| {
            let wrong = values.windows(2).find(|v| !right(v[0], v[1]));
            wrong.map_or(Ok(()), |v| Err(Error::OutOfRange { name, value: v[1], expected }))
        };
        pairs("t of the schedule's table", &times, |a, b| b > a, "times that increase")?;
        // 32-bit tables of a constant α waver in the last place.
        pairs(
            "ln alpha of the schedule's table",
            &log_signal,
            |a, b| b <= a + 1e-6,
            "alpha that does not grow with t",
        )?;
        pairs("log-SNR of the schedule's table", &log_snr, |a, b| b < a, "alpha/sigma that falls with t")?;
        let (log_signal, log_snr) = (Curve::new(&times, log_signal), Curve::new(&times, log_snr));
        Ok(Self(Box::leak(Box::new(Knots { times, log_signal, log_snr }))))
    }

    /// The first and the last time.
    pub fn ends(&self) -> (f64, f64) {
        (self.0.times[0], self.0.times[self.0.times.len() - 1])
    }

    fn log_snr(&self, t: f64) -> f64 {
        self.0.log_snr.at(&self.0.times, t).0
    }
}

impl Curves for ScheduleTable {
    fn first_time(&self) -> f64 {
        self.ends().0
    }

    fn last_time(&self) -> (f64, &'static str) {
        (self.ends().1, "a time above 0 and no later than the last of a table's times")
    }

    fn signal(&self, t: f64) -> f64 {
        self.0.log_signal.at(&self.0.times, t).0.exp()
    }

    /// σ² = α² e^{−λ}.
    fn noise_var(&self, t: f64) -> f64 {
        (2.0 * self.0.log_signal.at(&self.0.times, t).0 - self.log_snr(t)).exp()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        -self.0.log_signal.at(&self.0.times, t).1
    }

    /// D = (dσ²/dt)/2 + βσ² = −σ² (dλ/dt)/2.
    fn diffusion(&self, t: f64) -> f64 {
        -0.5 * self.noise_var(t) * self.0.log_snr.at(&self.0.times, t).1
    }

    /// The time of a log-SNR, by bisection, which a monotone curve makes safe; ends beyond the table.
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let knots = &self.0.log_snr.values;
        let after = knots.partition_point(|value| *value > log_snr);
        let (mut lo, mut hi) = match after {
            0 => return self.ends().0,
            after if after == knots.len() => return self.ends().1,
            after => (self.0.times[after - 1], self.0.times[after]),
        };
        loop {
            let middle = 0.5 * (lo + hi);
            if middle <= lo || middle >= hi {
                return middle;
            }
            if self.log_snr(middle) > log_snr {
                lo = middle;
            } else {
                hi = middle;
            }
        }
    }
}

impl Curve {
    /// Slopes of the parabola through three points, cut to three times the smaller secant next to them, which keeps the cubics monotone.
    fn new(times: &[f64], values: Vec<f64>) -> Self {
        let secants: Vec<f64> =
            times.windows(2).zip(values.windows(2)).map(|(t, v)| (v[1] - v[0]) / (t[1] - t[0])).collect();
        let gap = |k: usize| times[k + 1] - times[k];
        let last = secants.len() - 1;
        let end = |near: usize, next: usize| {
            let (h, g) = (gap(near), gap(next));
            ((2.0 * h + g) * secants[near] - h * secants[next]) / (h + g)
        };
        let parabola = |k: usize| match k {
            _ if last == 0 => secants[0],
            0 => end(0, 1),
            k if k > last => end(last, last - 1),
            k => (gap(k) * secants[k - 1] + gap(k - 1) * secants[k]) / (gap(k - 1) + gap(k)),
        };
        let limited = |k: usize| {
            let near =
                [k.checked_sub(1), Some(k).filter(|k| *k <= last)].into_iter().flatten().map(|k| secants[k]);
            // All secants fall, or are 0 to rounding.
            let gentlest = near.fold(f64::NEG_INFINITY, f64::max).min(0.0);
            parabola(k).clamp(3.0 * gentlest, 0.0)
        };
        let slopes = (0..times.len()).map(limited).collect();
        Self { values, slopes }
    }

    /// The value and the slope at t.
    fn at(&self, times: &[f64], t: f64) -> (f64, f64) {
        let k = times.partition_point(|time| *time <= t).clamp(1, times.len() - 1) - 1;
        let h = times[k + 1] - times[k];
        let u = (t - times[k]) / h;
        let (a, b) = (self.values[k], self.values[k + 1]);
        let (da, db) = (h * self.slopes[k], h * self.slopes[k + 1]);
        // a + da u + p u² + q u³
        let (p, q) = (3.0 * (b - a) - 2.0 * da - db, da + db - 2.0 * (b - a));
        (a + u * (da + u * (p + u * q)), (da + u * (2.0 * p + 3.0 * u * q)) / h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_tables_are_refused() {
        let (t, alpha, sigma) = (vec![0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0.1, 0.2, 0.3]);
        assert!(ScheduleTable::new(t.clone(), &alpha, &sigma).is_ok());
        assert!(ScheduleTable::new(t.clone(), &alpha[..2], &sigma).is_err());
        assert!(ScheduleTable::new(vec![0.1], &alpha[..1], &sigma[..1]).is_err());
        assert!(ScheduleTable::new(vec![0.1, 0.1, 0.3], &alpha, &sigma).is_err());
        assert!(ScheduleTable::new(t.clone(), &[0.9, 0.95, 0.7], &sigma).is_err());
        assert!(ScheduleTable::new(t.clone(), &[0.9, 0.8, 0.0], &sigma).is_err());
        assert!(ScheduleTable::new(t.clone(), &alpha, &[0.1, f64::NAN, 0.3]).is_err());
        assert!(ScheduleTable::new(t, &alpha, &[0.3, 0.2, 0.1]).is_err());
    }

    #[test]
    fn convergence_a_finer_table_is_nearer_to_what_it_is_of() {
        let paper = crate::Schedule::paper(0.01).unwrap();
        let error = |count: usize| -> f64 {
            let t: Vec<f64> = (0..=count).map(|k| 0.2 + 0.6 * k as f64 / count as f64).collect();
            let [alpha, sigma] = [crate::Schedule::signal, crate::Schedule::noise_std]
                .map(|of| t.iter().map(|t| of(&paper, *t)).collect::<Vec<_>>());
            let table = ScheduleTable::new(t, &alpha, &sigma).unwrap();
            (0..97)
                .map(|i| 0.2 + 0.6 * f64::from(i) / 96.0)
                .map(|t| {
                    (table.noise_var(t) - paper.noise_var(t))
                        .abs()
                        .max((table.signal(t) - paper.signal(t)).abs())
                })
                .fold(0.0, f64::max)
        };
        // Slopes of parabolas are of second order, and values between the knots of third.
        let (coarse, fine) = (error(20), error(40));
        assert!(coarse / fine > 6.0 && fine < 1e-4, "{coarse} {fine}");
    }
}
