#!/usr/bin/env bash
# A Slurm cluster of this machine alone, on loopback, to try profiles/slurm without a cluster.
#
#   sudo tools/slurm_node.sh start     start munge, slurmctld and slurmd (Debian: apt-get install slurm-wlm munge)
#   snakemake --profile profiles/slurm --max-threads 2 --default-resources slurm_partition=main -- all
#   sudo tools/slurm_node.sh status    node, queue, and the jobs that have ended
#   sudo tools/slurm_node.sh stop      stop them, and take the configuration away again
#
# It writes /etc/slurm/slurm.conf (a path in SLURM_CONF would not reach the jobs), and refuses where there is one of
# another's. Nothing listens but on 127.0.0.1. No accounting is kept: failed jobs are noticed by squeue.
set -euo pipefail

CONF=/etc/slurm/slurm.conf
STATE=${LSS_SLURM_STATE:-/var/tmp/lss-slurm-node}
MARK="# written by tools/slurm_node.sh"

fail() { printf 'slurm_node: %s\n' "$1" >&2; exit 1; }

need_programs() {
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null || fail "$program is not installed. Debian: apt-get install slurm-wlm munge"
    done
    [ "$(id -u)" = 0 ] || fail "start and stop need root: the daemons run as root and munge"
}

ours() { [ -f "$CONF" ] && grep -qF "$MARK" "$CONF"; }

configure() {
    if [ -e "$CONF" ] && ! ours; then fail "$CONF is another's: this machine has a Slurm already"; fi
    mkdir -p /etc/slurm "$STATE"/{ctld,slurmd}
    local cores memory host
    cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) host=$(hostname -s) # nproc obeys what OpenMP may use
    memory=$(awk '/MemTotal/ { print int($2 / 1024) - 512 }' /proc/meminfo)
    cat >"$CONF" <<EOF
$MARK
ClusterName=lss
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/slurmd
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
MinJobAge=300
JobCompType=jobcomp/filetxt
JobCompLoc=$STATE/jobs.txt
KillWait=5
SchedulerParameters=sched_interval=5
EnforcePartLimits=ALL
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
}

start() {
    need_programs
    configure
    [ -s /etc/munge/munge.key ] || mungekey --create
    mkdir -p /run/munge
    chown munge: /run/munge /etc/munge/munge.key
    chmod 755 /run/munge
    pgrep -x munged >/dev/null || runuser -u munge -- munged
    pgrep -x slurmctld >/dev/null || slurmctld
    pgrep -x slurmd >/dev/null || slurmd
    for _ in $(seq 60); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -qE '^(idle|mixed|allocated)$'; then
            sinfo
            return
        fi
        sleep 1
    done
    tail -5 "$STATE"/slurmctld.log "$STATE"/slurmd.log >&2
    fail "the node did not come up within a minute"
}

end() { # a daemon, by the file that it wrote its number into, and wait until it has ended
    [ -s "$1" ] || return 0
    local number
    number=$(cat "$1")
    kill "$number" 2>/dev/null || true
    for _ in $(seq 300); do
        kill -0 "$number" 2>/dev/null || return 0
        sleep 0.1
    done
    fail "process $number does not end"
}

stop() {
    need_programs
    ours || fail "$CONF is not of this script: nothing was stopped"
    scancel --user=root 2>/dev/null || true
    end "$STATE/slurmd.pid"
    end "$STATE/slurmctld.pid"
    end /run/munge/munged.pid
    rm -rf "$CONF" "$STATE"
}

case "${1:-}" in
start) start ;;
stop) stop ;;
status) sinfo && squeue && cat "$STATE/jobs.txt" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
