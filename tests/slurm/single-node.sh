#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: single-node.sh start|stop [FOLDER]. Needs root, and slurmctld, slurmd and munge
# (Debian: slurm-wlm, munge). All it writes is in FOLDER, but for the host's name in /etc/hosts. `start` prints the line
#   export SLURM_CONF=FOLDER/slurm.conf
# with which Slurm's commands find it.
set -euo pipefail
folder=${2:-/tmp/gtv-slurm}
host=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf
case ${1:-} in
start)
    mkdir -p "$folder"/{spool,state,log}
    memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
    # cred_expire: a requeued job waits that long before it starts again. The rest is a plain small cluster.
    cat >"$SLURM_CONF" <<CONF
ClusterName=gtv-test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmdSpoolDir=$folder/spool
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
KillWait=5
MinJobAge=3600
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    grep -qw "$host" /etc/hosts || echo "127.0.0.1 $host" >>/etc/hosts
    if ! munge -n >/dev/null 2>&1; then
        mkdir -p /run/munge && chown munge /run/munge
        runuser -u munge -- munged --pid-file /run/munge/munged.pid
        cp /run/munge/munged.pid "$folder/munged.pid"
    fi
    slurmctld >&2
    slurmd >&2
    for _ in $(seq 60); do
        if sinfo -h -o %T 2>/dev/null | grep -qE 'idle|mixed|allocated'; then
            echo "export SLURM_CONF=$SLURM_CONF"
            exit 0
        fi
        sleep 1
    done
    echo "the node did not become idle; see $folder/log" >&2
    exit 1
    ;;
stop)
    for name in slurmctld slurmd munged; do
        if [ -f "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" 2>/dev/null || true; fi
    done
    ;;
*)
    echo "usage: $0 start|stop [FOLDER]" >&2
    exit 2
    ;;
esac
