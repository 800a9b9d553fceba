//! How long a training will take, from its first steps, and what else may be measured without making it much longer.

use crate::mlp::MlpFamily;
use crate::watch::Watch;
use gtv_theory::dynamics::Integrator;
use std::time::{Duration, Instant};

/// Probe points on which losses are measured.
pub const PROBES: usize = 512;
/// Paths of each watched member.
pub const PATHS: usize = 256;
/// Watched members of a group.
pub const WATCHED: usize = 4;
/// Share of a training's time that may go into watching what is memorized.
const SHARE: f64 = 0.1;

/// Costs in units of one training step.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// Losses on probe points.
    line: f64,
    /// Samples of watched members.
    samples: f64,
    /// Lines between two on which samples are drawn; `None` for no line.
    pub watch_every: Option<u64>,
    log_every: u64,
    steps: u64,
}

impl Costs {
    /// Estimates for groups of `group` members: a step is three passes over its batch.
    pub fn new(family: &MlpFamily, group: usize) -> Self {
        let (training, sampling, log_every) = (family.task.training(), &family.sampling, family.log_every);
        let pass = (3 * family.task.batch_size()) as f64;
        let evaluations = match sampling.integrator {
            Integrator::Euler => 1.0,
            Integrator::Dopri5 => 7.0,
            Integrator::Heun => 2.0,
            Integrator::Rk4 => 4.0,
        };
        let line = PROBES as f64 / pass;
        let watched = WATCHED.min(group) as f64 / group as f64;
        let samples = watched * PATHS as f64 * sampling.steps as f64 * evaluations / pass;
        let (lines, steps) = (training.steps.div_ceil(log_every), training.steps);
        let affordable = (SHARE * steps as f64 / samples) as u64;
        let watch_every = match affordable {
            _ if family.task.sampler().cloud().len() < 2 => None,
            // Once, at the end, unless that alone takes as long as the training.
            0 if samples > steps as f64 => None,
            0 => Some(lines),
            n => Some(lines.div_ceil(n)),
        };
        Self { line, samples, watch_every, log_every, steps }
    }

    /// Steps that the rest of a group counts as, from `done` on.
    fn rest(&self, done: u64) -> f64 {
        let steps = self.steps.saturating_sub(done) as f64;
        let lines = steps / self.log_every as f64;
        steps + lines * (self.line + self.watch_every.map_or(0.0, |every| self.samples / every as f64))
    }
}

/// Who is trained, and where.
pub struct Who<'a> {
    /// N.
    pub members: usize,
    /// Members of a group.
    pub group: usize,
    /// The device's name.
    pub device: &'a str,
}

/// Says once how long the training will take.
#[derive(Debug)]
pub struct Pace {
    costs: Costs,
    /// Steps timed and the time they took; the first one is slower and left out.
    timed: Option<(u32, Duration)>,
    said: bool,
}

/// Enough steps, or enough time, to judge by.
const ENOUGH: (u32, Duration) = (30, Duration::from_millis(1500));

impl Pace {
    /// Nothing timed yet.
    pub fn new(costs: Costs) -> Self {
        Self { costs, timed: None, said: false }
    }

    /// Notes a step that began at `start`; `groups` are still to come after this one, of which `done` steps are done.
    pub fn step(&mut self, start: Instant, who: &Who<'_>, done: u64, groups: usize, watch: &dyn Watch) {
        if self.said {
            return;
        }
        let Some((count, time)) = &mut self.timed else {
            self.timed = Some((0, Duration::ZERO));
            return;
        };
        *count += 1;
        *time += start.elapsed();
        if *count < ENOUGH.0 && (*time < ENOUGH.1 || *count < 2) && done < self.costs.steps {
            return;
        }
        self.said = true;
        let step = time.as_secs_f64() / f64::from(*count);
        let rest = step * (self.costs.rest(done) + groups as f64 * self.costs.rest(0));
        let &Who { members, group, device } = who;
        let of = if group > 1 { format!(" of {group} members") } else { String::new() };
        watch.note(&format!(
            "{members} {}, {} steps each on {}: about {} ({} a step{of})",
            if members == 1 { "member" } else { "members" },
            self.costs.steps,
            device,
            duration(rest),
            short(step),
        ));
    }
}

/// A step's time to two digits.
fn short(seconds: f64) -> String {
    if seconds >= 0.1 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", 1e3 * seconds)
    } else {
        format!("{:.2} ms", 1e3 * seconds)
    }
}

/// A time for people.
fn duration(seconds: f64) -> String {
    let minutes = seconds / 60.0;
    if seconds < 1.5 {
        "a second".to_owned()
    } else if seconds < 90.0 {
        format!("{seconds:.0} seconds")
    } else if minutes < 90.0 {
        format!("{minutes:.0} minutes")
    } else if minutes < 48.0 * 60.0 {
        format!("{:.1} hours", minutes / 60.0)
    } else {
        format!("{:.0} days", minutes / 1440.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_fitting_units() {
        let said: Vec<String> =
            [0.3, 12.2, 89.0, 91.0, 600.0, 3600.0 * 3.26, 1e6].iter().map(|s| duration(*s)).collect();
        assert_eq!(
            said,
            ["a second", "12 seconds", "89 seconds", "2 minutes", "10 minutes", "3.3 hours", "12 days"]
        );
        assert_eq!(
            (short(0.234), short(0.0123), short(0.00042)),
            ("0.23 s".into(), "12.3 ms".into(), "0.42 ms".into())
        );
    }
}
