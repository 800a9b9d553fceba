//! `gtv-cli sweep --slurm`: a job array with one shard a task, packed by estimated cost, and a merge that waits for it.
//!
//! DIR/slurm/array.sh runs one shard; it reads SLURM_ARRAY_TASK_ID, stops cleanly before the time limit, and puts itself into the
//! queue again. DIR/slurm/merge.sh summarises; DIR/slurm/submit.sh submits both.

use super::cost::Cost;
use super::order;
use super::plan::{Checked, Plan};
use crate::args::SlurmArgs;
use crate::context::Context;
use crate::failure::UsageError;
use crate::io::{WriteError, write_bytes};
use crate::memory::Bytes;
use crate::progress::Spell;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Time limits and memory asked for, over the estimates.
const TIME_ROOM: f64 = 3.0;
const MEMORY_ROOM: f64 = 1.5;
/// Shortest time asked for, and the time that tasks are made for where their number is not given, in seconds.
const SHORTEST: f64 = 600.0;
const LONG: f64 = 3600.0;
/// Longest time between the signal to stop and the end, in seconds: the work in hand is finished first.
const NOTICE: u64 = 120;
/// Most tasks where their number is not given.
const MOST_TASKS: usize = 1000;
/// How often a task goes on after a time limit.
const RESTARTS: usize = 100;

/// What a job array asks for.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    tasks: usize,
    cpus: usize,
    /// Bytes.
    memory: f64,
    /// Seconds.
    time: u64,
    /// As Slurm reads it.
    limit: String,
    /// Further lines.
    options: Vec<String>,
}

/// Writes the scripts of a sweep in `out`, whose config.toml is there, and submits them if asked to.
///
/// # Errors
/// A time limit that Slurm does not read, a file that cannot be written, a submission that fails.
pub fn write(plan: &Plan, checked: &[Checked], args: &SlurmArgs, out: &Path, ctx: &Context) -> Result<()> {
    let request = Request::of(checked, args)?;
    let out = std::path::absolute(out).with_context(|| format!("cannot find {}", out.display()))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let folder = out.join("slurm");
    std::fs::create_dir_all(&folder).map_err(|e| WriteError::new(&folder, "create the folder", e))?;
    let scripts = Scripts { program, out: out.clone(), request };
    let file = |name: &str| folder.join(name);
    for (name, text) in [
        ("array.sh", scripts.array()),
        ("merge.sh", scripts.merge(plan.cells.len())),
        ("submit.sh", scripts.submit()),
    ] {
        write_bytes(&file(name), text.as_bytes())?;
    }
    let Request { tasks, cpus, memory, time, .. } = &scripts.request;
    ctx.say(&format!(
        "{} cells in {tasks} tasks of {cpus} cores, {} and {} each",
        plan.cells.len(),
        Bytes(*memory as u64),
        Spell(Duration::from_secs(*time)),
    ))?;
    let submit = file("submit.sh");
    if !args.submit {
        return ctx.say(&format!("submit them: sh {}", quoted(&submit)));
    }
    let output = Command::new("sh").arg(&submit).output().context("cannot run sh")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        anyhow::bail!("the job was not submitted: {said}; sh {} tries again", quoted(&submit));
    }
    ctx.say(String::from_utf8_lossy(&output.stdout).trim_end())
}

impl Request {
    fn of(checked: &[Checked], args: &SlurmArgs) -> Result<Self> {
        let costs: Vec<f64> = checked.iter().map(|c| c.cost.seconds).collect();
        let all = Cost::in_all(checked.iter().map(|c| c.cost));
        let even = (all.seconds / args.cpus as f64 / LONG).ceil() as usize;
        let tasks = args.tasks.unwrap_or(even.min(MOST_TASKS)).clamp(1, checked.len());
        let of = order::packed(&costs, tasks);
        let load =
            |task: usize| of.iter().zip(&costs).filter(|(of, _)| **of == task).map(|(_, s)| s).sum::<f64>();
        let longest = (0..tasks).map(load).fold(0.0, f64::max) / args.cpus as f64;
        let (time, limit) = match &args.time {
            Some(text) => (seconds(text)?, text.clone()),
            None => {
                let minutes = (TIME_ROOM * longest).max(SHORTEST).div_euclid(60.0) as u64 + 1;
                (60 * minutes, minutes.to_string())
            }
        };
        let partition = args.partition.iter().map(|name| format!("--partition={name}"));
        let options: Vec<String> = partition.chain(args.options.iter().cloned()).collect();
        if let Some(option) = options.iter().find(|option| !option.starts_with("--") || option.contains('\n'))
        {
            let reason = "expected one option of sbatch, e.g. --sbatch=--account=NAME".to_owned();
            return Err(UsageError::Argument { argument: "--sbatch", value: option.clone(), reason }.into());
        }
        Ok(Self { tasks, cpus: args.cpus, memory: MEMORY_ROOM * all.bytes, time, limit, options })
    }
}

/// The seconds of a time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
fn seconds(text: &str) -> Result<u64, UsageError> {
    let number = |part: &str| part.parse::<u64>().ok();
    let parts = |rest: &str| rest.split(':').map(number).collect::<Option<Vec<u64>>>();
    let found = match text.split_once('-') {
        None => match parts(text).as_deref() {
            Some([m]) => Some(60 * m),
            Some([m, s]) => Some(60 * m + s),
            Some([h, m, s]) => Some(3600 * h + 60 * m + s),
            _ => None,
        },
        Some((days, rest)) => number(days).zip(parts(rest)).and_then(|(days, rest)| {
            let units = [3600, 60, 1];
            let within = rest.len() <= units.len();
            within.then(|| 86_400 * days + rest.iter().zip(units).map(|(n, unit)| n * unit).sum::<u64>())
        }),
    };
    found.filter(|seconds| *seconds > 0).ok_or_else(|| UsageError::Argument {
        argument: "--time",
        value: text.to_owned(),
        reason: "expected a time limit as Slurm reads it: minutes, HH:MM:SS or D-HH:MM:SS".to_owned(),
    })
}

struct Scripts {
    program: PathBuf,
    out: PathBuf,
    request: Request,
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

impl Scripts {
    fn name(&self) -> String {
        let stem = self.out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
    }

    fn head(&self, options: &[String]) -> String {
        let more = self.request.options.iter();
        let lines = options.iter().chain(more).map(|option| format!("#SBATCH {option}\n"));
        format!("#!/bin/bash\n{}\n", lines.collect::<String>())
    }

    fn log(&self, pattern: &str) -> String {
        // In a file name of Slurm % starts a field, and a line of options is read as a shell reads it.
        let folder = self.out.join("slurm").display().to_string().replace('%', "%%");
        format!("--output={}", quoted(Path::new(&format!("{folder}/{pattern}.log"))))
    }

    fn array(&self) -> String {
        let Request { tasks, cpus, memory, time, limit, .. } = &self.request;
        let notice = NOTICE.min(time / 2).max(1);
        let head = self.head(&[
            format!("--job-name={}", self.name()),
            format!("--array=1-{tasks}"),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={cpus}"),
            format!("--mem={}M", (memory / 1048576.0).ceil()),
            format!("--time={limit}"),
            format!("--signal=B:USR1@{notice}"),
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
            self.log("task-%a"),
        ]);
        let (program, config, out) =
            (quoted(&self.program), quoted(&self.out.join("config.toml")), quoted(&self.out));
        format!(
            "{head}# Written by gtv-cli sweep --slurm. A task is one of {tasks} shards, packed by estimated cost; all work in one folder.\n\
             # --wait: a task that queues again waits for what is left of its predecessor.\n\
             {program} sweep {config} --out {out} --shard slurm/{tasks} --pack --keep-going --wait --threads \"${{SLURM_CPUS_PER_TASK:-{cpus}}}\" &\n\
             work=$!\n\
             # Slurm sends USR1 {notice} seconds before the time limit, and TERM when a job is cancelled or makes room for another. The\n\
             # program stops at TERM and keeps what is finished; after a time limit the task queues again and goes on from there.\n\
             late=\n\
             trap 'late=yes; kill -TERM \"$work\"' USR1\n\
             trap 'kill -TERM \"$work\"' TERM\n\
             wait \"$work\"; code=$?\n\
             # A trapped signal ends a wait, so wait for the program itself.\n\
             while kill -0 \"$work\" 2>/dev/null; do wait \"$work\"; code=$?; done\n\
             if [ -n \"$late\" ] && [ \"$code\" -ne 0 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {RESTARTS} ]; then\n    \
                 scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\" && sleep 60\n\
             fi\n\
             exit \"$code\"\n"
        )
    }

    fn merge(&self, cells: usize) -> String {
        let head = self.head(&[
            format!("--job-name={}-merge", self.name()),
            "--ntasks=1".to_owned(),
            "--cpus-per-task=1".to_owned(),
            format!("--mem={}M", 500 + cells / 2),
            format!("--time={}", 10 + cells / 100),
            "--requeue".to_owned(),
            self.log("merge"),
        ]);
        format!("{head}exec {} merge {}\n", quoted(&self.program), quoted(&self.out))
    }

    fn submit(&self) -> String {
        let file = |name: &str| quoted(&self.out.join("slurm").join(name));
        format!(
            "#!/bin/sh\n\
             # Submits the tasks, and the summary that waits for them however they end; prints the ids of the two jobs.\n\
             set -eu\n\
             tasks=$(sbatch --parsable {})\n\
             merge=$(sbatch --parsable --dependency=afterany:\"${{tasks%%;*}}\" {})\n\
             echo \"tasks: job ${{tasks%%;*}}; summary: job ${{merge%%;*}}\"\n",
            file("array.sh"),
            file("merge.sh"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_time_limits_are_read_as_slurm_reads_them() {
        for (text, expected) in [
            ("30", 1800),
            ("1:30", 90),
            ("02:00:00", 7200),
            ("1-0", 86_400),
            ("1-02:03", 86_400 + 7380),
            ("2-00:00:01", 172_801),
        ] {
            assert_eq!(seconds(text).unwrap(), expected, "{text}");
        }
        for text in ["", "0", "1h", "1:2:3:4", "1-", "1-1:1:1:1", "-5", "5;rm"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_one_word() {
        assert_eq!(quoted(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }
}
