//! Arguments of `sweep`, `merge` and `status`.

use super::{ConfigArgs, StyleArgs};
use crate::failure::UsageError;
use clap::Args;
use std::path::PathBuf;

/// One part of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub part: usize,
    /// Parts in all.
    pub of: usize,
}

impl Shard {
    /// The only part.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Whether the cell of this index (from 0) is the shard's: index ≡ part − 1 mod of.
    pub fn has(self, index: usize) -> bool {
        index % self.of == self.part - 1
    }
}

/// Which part of a sweep's cells is meant.
#[derive(Debug, Clone, Args)]
pub struct ShareArgs {
    /// Run the I-th of N parts of the cells only, counted from 1: every N-th cell; I can be `slurm`, which is
    /// SLURM_ARRAY_TASK_ID. Put folders of shards together with gtv-cli merge
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Number of the first shard: 1 for 1/N … N/N, 0 for 0/N … (N-1)/N
    #[arg(long, value_name = "0|1", default_value = "1", value_parser = clap::value_parser!(u8).range(0..=1), requires = "shard")]
    pub shard_base: u8,
    /// Make shards of about equal estimated cost, instead of every N-th cell
    #[arg(long, requires = "shard")]
    pub pack: bool,
}

/// The word for the number of a task of a Slurm job array.
const SLURM: &str = "slurm";

impl ShareArgs {
    /// The part that is meant; all cells without `--shard`.
    ///
    /// # Errors
    /// [`UsageError::Argument`] for what is no I/N, with numbers out of range for the base.
    pub fn shard(&self) -> Result<Shard, UsageError> {
        self.shard_within(std::env::var("SLURM_ARRAY_TASK_ID").ok().as_deref())
    }

    fn shard_within(&self, task: Option<&str>) -> Result<Shard, UsageError> {
        let Some(text) = &self.shard else { return Ok(Shard::WHOLE) };
        let refused =
            |reason: String| UsageError::Argument { argument: "--shard", value: text.clone(), reason };
        let base = usize::from(self.shard_base);
        let expected = match base {
            0 => {
                "expected i/n with 0 <= i < n, e.g. 0/4 for the first of four shards; without --shard-base 0 they are counted from 1"
            }
            _ => {
                "expected i/n with 1 <= i <= n, e.g. 1/4 for the first of four shards; with --shard-base 0 they are counted from 0"
            }
        };
        let (place, of) = text.split_once('/').ok_or_else(|| refused(expected.to_owned()))?;
        let (whose, number) = match (place, task) {
            (SLURM, None) => {
                let reason = "SLURM_ARRAY_TASK_ID is not set: expected to run as a task of a Slurm job array";
                return Err(refused(reason.to_owned()));
            }
            (SLURM, Some(task)) => (format!("SLURM_ARRAY_TASK_ID is {task}; "), task),
            (place, _) => (String::new(), place),
        };
        match (number.parse::<usize>(), of.parse::<usize>()) {
            (Ok(n), Ok(of)) if n >= base && n - base < of => Ok(Shard { part: n - base + 1, of }),
            _ => Err(refused(whose + expected)),
        }
    }
}

/// A sweep as a Slurm job array.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "On a cluster with Slurm")]
pub struct SlurmArgs {
    /// Write DIR/slurm/: a job array with a shard a task, packed by estimated cost, and a merge that waits for it
    #[arg(long, conflicts_with_all = ["shard", "dry_run", "keep_going"])]
    pub slurm: bool,
    /// Submit them, and print the job ids
    #[arg(long, requires = "slurm")]
    pub submit: bool,
    /// Number of tasks [default: as many as take an hour each by the estimate]
    #[arg(long, requires = "slurm", value_name = "N", value_parser = at_least_one)]
    pub tasks: Option<usize>,
    /// Cores of each task
    #[arg(long, requires = "slurm", value_name = "N", default_value = "2", value_parser = at_least_one)]
    pub cpus: usize,
    /// Time limit of each task, as Slurm reads it [default: three times the estimate]; a task that does not finish in it
    /// queues again and goes on
    #[arg(long, requires = "slurm", value_name = "LIMIT")]
    pub time: Option<String>,
    /// Partition to run in [default: the cluster's]
    #[arg(long, requires = "slurm", value_name = "NAME")]
    pub partition: Option<String>,
    /// A further option of sbatch, e.g. --sbatch=--account=NAME (repeatable)
    #[arg(long = "sbatch", requires = "slurm", value_name = "OPTION", allow_hyphen_values = true)]
    pub options: Vec<String>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number, at least 1".to_owned()),
    }
}

/// `gtv-cli sweep`.
///
/// The config's [sweep] holds dotted keys with the values they take; several keys make the product, the last one
/// varying fastest, and keys that `zip` names together change together:
///
///   [sweep]
///   "model.samples" = [256, 1024, 4096]
///   "schedule.t_min" = { log = [1e-4, 1e-1, 12] }     # or linear = [first, last, count]
///   seed = [0, 1, 2]                                  # figures then show mean and standard error over seeds
///   # zip = [["model.samples", "training.steps"]]     # side by side: lists of one length, one factor of the product
///
/// Each cell is a `compare` with those settings, in DIR/cells/; sweep.csv, sweep.json, report.html and figures/ put them
/// side by side. A coarse picture comes first: the ends of every list, then the middles between. Finished cells are not run
/// again and failed ones are, so the same command goes on after an interrupt, and a list can be made longer later.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SweepArgs {
    /// The experiment, a TOML file with a [sweep]
    pub config: PathBuf,
    /// Folder to write into [default: runs/NAME-OF-CONFIG]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Say what would be run, with time and memory of each cell and in all, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run the other cells when one fails, instead of stopping; failed ones are listed at the end
    #[arg(long)]
    pub keep_going: bool,
    /// Go on with an unfinished sweep; this is what happens anyway
    #[arg(long)]
    pub resume: bool,
    /// Which cells.
    #[command(flatten)]
    pub share: ShareArgs,
    /// Changes to the config.
    #[command(flatten)]
    pub changes: ConfigArgs,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
    /// On a cluster.
    #[command(flatten)]
    pub slurm: SlurmArgs,
}

/// `gtv-cli merge`.
///
/// Cells that are damaged, of another sweep, or in several folders are named on stderr; each cell counts once.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct MergeArgs {
    /// Folders of the shards of one sweep
    #[arg(required = true)]
    pub dirs: Vec<PathBuf>,
    /// Folder to write into; finished cells are copied there [default: the first DIR]
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How figures are drawn.
    #[command(flatten)]
    pub style: StyleArgs,
}

/// `gtv-cli status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Folder of a sweep, a comparison or a training
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str, shard_base: u8, task: Option<&str>) -> Result<Shard, String> {
        let args = ShareArgs { shard: Some(text.to_owned()), shard_base, pack: false };
        args.shard_within(task).map_err(|e| e.to_string())
    }

    #[test]
    fn identities_shards_are_a_partition() {
        for of in 1..5 {
            for index in 0..20 {
                assert_eq!((1..=of).filter(|&part| Shard { part, of }.has(index)).count(), 1);
            }
        }
        for text in ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", ""] {
            assert!(shard(text, 1, None).is_err(), "{text}");
        }
    }

    #[test]
    fn identities_the_base_tells_shards_apart() {
        assert_eq!(shard("1/4", 1, None), Ok(Shard { part: 1, of: 4 }));
        assert_eq!(shard("0/4", 0, None), Ok(Shard { part: 1, of: 4 }));
        assert_eq!(shard("4/4", 1, None), shard("3/4", 0, None));
        assert!(shard("0/4", 1, None).unwrap_err().contains("--shard-base 0"));
        assert!(shard("4/4", 0, None).unwrap_err().contains("0 <= i < n"));
        assert_eq!(shard("slurm/4", 1, Some("4")), Ok(Shard { part: 4, of: 4 }));
        assert_eq!(shard("slurm/4", 0, Some("3")), Ok(Shard { part: 4, of: 4 }));
        assert!(shard("slurm/4", 1, Some("5")).unwrap_err().contains("SLURM_ARRAY_TASK_ID is 5"));
        assert!(shard("slurm/4", 1, None).unwrap_err().contains("not set"));
    }
}
