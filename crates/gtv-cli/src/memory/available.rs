//! Memory that this process may still take: the least of what the machine, its control groups and its own limits leave.
//!
//! A scheduler (Slurm, Kubernetes) and systemd limit a group that lies some levels below the root, so every group from
//! this process' own up to the root is asked, in version 2 of control groups and in version 1.

use std::fs;
use std::path::{Path, PathBuf};

/// The bytes, or none where nothing says so (no `/proc`).
pub(super) fn bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = of_groups(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), Path::new("/"));
    let own = of_limits(&read("/proc/self/limits"), &read("/proc/self/status"));
    [machine, groups, own].into_iter().flatten().min()
}

/// The kernel's estimate of what can be used without swapping.
fn of_machine(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemAvailable:")
}

/// The number of a line `name 1234 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What `ulimit -v` and `ulimit -d` leave.
fn of_limits(limits: &str, status: &str) -> Option<u64> {
    let left = |limit: &str, used: &str| {
        let line = limits.lines().find_map(|l| l.strip_prefix(limit))?;
        let soft: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(soft.saturating_sub(kibibytes(status, used).unwrap_or(0)))
    };
    let all = [left("Max address space", "VmSize:"), left("Max data size", "VmData:")];
    all.into_iter().flatten().min()
}

/// A hierarchy of control groups that limits memory.
struct Hierarchy {
    /// Where it is mounted.
    mount: PathBuf,
    /// The group that is mounted there.
    root: String,
    /// Files of a group: its limits, its use, and the word for memory of it that can be taken back.
    limits: &'static [&'static str],
    used: &'static str,
    reclaimable: &'static str,
}

const V2: (&[&str], &str, &str) = (&["memory.max", "memory.high"], "memory.current", "inactive_file");
const V1: (&[&str], &str, &str) =
    (&["memory.limit_in_bytes"], "memory.usage_in_bytes", "total_inactive_file");

/// The least that a group of this process leaves; `top` stands for the root of the file system.
fn of_groups(own: &str, mounts: &str, top: &Path) -> Option<u64> {
    let groups = own.lines().filter_map(|line| {
        // number:controllers:path, where version 2 has number 0 and no controllers.
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let second = number == "0" && controllers.is_empty();
        let hierarchy = if second || controllers.split(',').any(|c| c == "memory") {
            mounted(mounts, second)?
        } else {
            return None;
        };
        Some((hierarchy, path))
    });
    groups.filter_map(|(hierarchy, path)| hierarchy.least(path, top)).min()
}

/// The mount of a hierarchy: `36 35 0:30 ROOT MOUNT options … - TYPE source options`.
fn mounted(mounts: &str, second: bool) -> Option<Hierarchy> {
    let (kind, (limits, used, reclaimable)) = if second { ("cgroup2", V2) } else { ("cgroup", V1) };
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, mount) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let found = after.next()? == kind && (second || after.nth(1)?.split(',').any(|o| o == "memory"));
        found.then(|| Hierarchy {
            mount: unescaped(mount).into(),
            root: unescaped(root),
            limits,
            used,
            reclaimable,
        })
    })
}

/// A path of mountinfo, where a space is `\040`.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

impl Hierarchy {
    /// The least that the group at `path` and those above it leave.
    fn least(&self, path: &str, top: &Path) -> Option<u64> {
        // Inside a container the mount may show a part of the tree only, with this group or one above it at its root.
        let below = match path.strip_prefix(&self.root) {
            Some(rest) if self.root == "/" || rest.is_empty() || rest.starts_with('/') => rest,
            _ => "",
        };
        let mount = top.join(self.mount.strip_prefix("/").unwrap_or(&self.mount));
        let group = mount.join(below.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|folder| folder.starts_with(&mount));
        groups.filter_map(|folder| self.left(folder)).min()
    }

    /// What one group leaves: its limit, less its use, but for files that can be dropped from memory.
    fn left(&self, group: &Path) -> Option<u64> {
        /// Version 1 writes "no limit" as the largest whole number of pages.
        const UNLIMITED: u64 = 1 << 62;
        let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        let limit = self.limits.iter().filter_map(|name| number(name)).filter(|n| *n < UNLIMITED).min()?;
        let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let reclaimable = statistics
            .lines()
            .find_map(|l| l.strip_prefix(self.reclaimable)?.strip_prefix(' ')?.trim().parse().ok())
            .unwrap_or(0);
        let used = number(self.used).unwrap_or(0).saturating_sub(reclaimable);
        Some(limit.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system of files with these contents.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = top.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        top
    }

    const SECOND: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_least_of_all_groups_above_counts_in_version_2() {
        let job = "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7";
        let top = tree(&[
            (&format!("{job}/memory.max"), "4000000\n"),
            (&format!("{job}/memory.current"), "1500000\n"),
            (&format!("{job}/memory.stat"), "anon 1000000\ninactive_file 500000\n"),
            (&format!("{job}/step_0/user/memory.max"), "max\n"),
            (&format!("{job}/step_0/user/memory.high"), "9000000\n"),
            (&format!("{job}/step_0/user/memory.current"), "1500000\n"),
        ]);
        let own = "0::/system.slice/slurmstepd.scope/job_7/step_0/user\n";
        assert_eq!(of_groups(own, SECOND, top.path()), Some(3_000_000));
        // A group without a limit of its own, or one whose use is above it.
        assert_eq!(of_groups("0::/user.slice\n", SECOND, top.path()), None);
        fs::write(top.path().join(format!("{job}/memory.current")), "5000000").unwrap();
        assert_eq!(of_groups(own, SECOND, top.path()), Some(0));
    }

    #[test]
    fn containers_see_a_part_of_the_tree() {
        let top = tree(&[("sys/fs/cgroup/memory.max", "700\n"), ("sys/fs/cgroup/memory.current", "100\n")]);
        // With a namespace of its own the group is the root; without one the mount's root is the group.
        assert_eq!(of_groups("0::/\n", SECOND, top.path()), Some(600));
        let mount = "30 23 0:26 /kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(of_groups("0::/kubepods/pod1\n", mount, top.path()), Some(600));
        assert_eq!(of_groups("0::/../../elsewhere\n", mount, top.path()), Some(600));
    }

    #[test]
    fn version_1_is_read_beside_an_unlimited_version_2() {
        let slurm = "sys/fs/cgroup/memory/slurm/uid_1/job_2";
        let top = tree(&[
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            (&format!("{slurm}/memory.limit_in_bytes"), "8000\n"),
            (&format!("{slurm}/memory.usage_in_bytes"), "3000\n"),
            (&format!("{slurm}/memory.stat"), "inactive_file 1\ntotal_inactive_file 1000\n"),
            (&format!("{slurm}/step_0/memory.limit_in_bytes"), "9223372036854771712\n"),
        ]);
        let mounts = "40 32 0:35 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      41 32 0:36 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let own = "11:cpu,cpuacct:/\n4:memory:/slurm/uid_1/job_2/step_0\n0::/\n";
        assert_eq!(of_groups(own, mounts, top.path()), Some(6000));
    }

    #[test]
    fn the_process_own_limits_count() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max data size             unlimited            unlimited            bytes\n\
                      Max address space         2048000              unlimited            bytes\n";
        assert_eq!(of_limits(limits, "VmSize:\t    1000 kB\nVmData: 5 kB\n"), Some(1_024_000));
        assert_eq!(of_limits(&limits.replace("2048000", "unlimited"), ""), None);
        assert_eq!(of_machine("MemTotal: 9 kB\nMemAvailable:       7 kB\n"), Some(7168));
        assert_eq!(bytes().is_some(), Path::new("/proc/meminfo").exists());
    }
}
