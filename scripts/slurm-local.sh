#!/usr/bin/env bash
# A Slurm of one machine for tests: four CPUs and four GPUs, none of which need exist, everything it writes under one folder.
#
#   scripts/slurm-local.sh start DIR     set it up; prints the environment that makes sbatch and squeue find it
#   scripts/slurm-local.sh restart DIR   kill slurmctld where it runs, start it again, bring the node back
#   scripts/slurm-local.sh resume DIR    bring a drained node back, as an administrator would
#   scripts/slurm-local.sh status DIR    say which daemons run
#   scripts/slurm-local.sh stop DIR      end all of them
#
# Ends with 77 where Slurm is not installed; with SWISH_INSTALL_SLURM=1 it is installed from Debian's packages where that can be.
set -euo pipefail

usage() { sed -n '4,8s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
PATH=$PATH:/usr/sbin:/sbin
export SLURM_CONF=$dir/slurm.conf

skip() { echo "SKIPPED: $*" >&2; exit 77; }

install_slurm() {
    command -v slurmctld slurmd sbatch munged >/dev/null && return
    # Tests are no reason to change somebody's machine unasked.
    [ -n "${SWISH_INSTALL_SLURM:-}" ] || skip "Slurm is not installed; make test-slurm installs slurm-wlm and munge"
    command -v apt-get >/dev/null || skip "Slurm is not installed, and there is no apt-get to install slurm-wlm and munge"
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    "${sudo[@]}" true 2>/dev/null || skip "Slurm is not installed; as root: apt-get install slurm-wlm munge"
    echo "installing slurm-wlm and munge" >&2
    local get=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive timeout 180 apt-get -qq)
    {
        "${get[@]}" update && "${get[@]}" install --no-install-recommends -y slurm-wlm munge
    } >"$dir/log/apt.log" 2>&1 || skip "slurm-wlm and munge could not be installed: $(tail -n 1 "$dir/log/apt.log")"
}

# A port that nobody answers on.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

configure() {
    local user plugins
    user=$(id -un)
    plugins=$(dirname "$(find /usr/lib /usr/lib64 -name auth_munge.so -print -quit)")
    cat >"$SLURM_CONF" <<CONF
ClusterName=local
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$dir/munge/munge.sock
CredType=cred/munge
PluginDir=$plugins
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# The node has what is written here, whatever the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
MaxArraySize=1001
MaxJobCount=20000
MinJobAge=300
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,default_queue_depth=2000,sched_min_interval=0
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname=$(hostname) CPUs=4 RealMemory=4000 Gres=gpu:4 State=UNKNOWN
PartitionName=local Nodes=localhost Default=YES MaxTime=INFINITE State=UP
CONF
    # A GPU needs a device file; those of the consoles are on every machine, and nothing opens them.
    echo "NodeName=localhost Name=gpu File=/dev/tty[0-3]" >"$dir/gres.conf"
}

# The pid of a daemon that runs, else nothing. A pid file that outlived its daemon may name a stranger or a zombie.
pid_of() {
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) && [[ $(readlink "/proc/$pid/exe") == */$1* ]] && echo "$pid"
}

end() { # SIGNAL DAEMON
    local pid
    pid=$(pid_of "$2") || return 0
    kill "-$1" "$pid"
    wait_for 10 is_gone "$2" || kill -KILL "$pid"
}

is_gone() { [ -z "$(pid_of "$1")" ]; }

wait_for() { # SECONDS COMMAND..
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

queue_is_empty() { [ -z "$(squeue --noheader)" ]; }

# One with a task that just ends is `completing`, and takes others; one that does not answer has a star.
node_is_up() { [[ $(sinfo --noheader --format=%T) =~ ^(idle|mixed|allocated|completing)$ ]]; }

failed() {
    echo "slurm-local: $*; node: $(timeout 5 sinfo --noheader --format='%T %E' 2>&1); the last lines of the logs in $dir/log:" >&2
    tail -n 5 "$dir"/log/*.log >&2
    exit 1
}

start_munge() {
    # The key and the socket are of this Slurm alone; a munged of the machine's own is left in peace.
    [ -s "$dir/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge/munge.sock" --pid-file="$dir/run/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge/seed" >>"$dir/log/munged.out.log" 2>&1 ||
        failed "munged did not start"
}

start_slurmctld() {
    slurmctld >>"$dir/log/slurmctld.out.log" 2>&1 || failed "slurmctld did not start"
    wait_for 20 scontrol ping || failed "slurmctld does not answer"
}

# A controller that lost its last words drains a node which runs jobs that it does not know, once for each of them.
resume_node() { wait_for 1 node_is_up || { scontrol update NodeName=localhost State=RESUME; false; }; }

bring_node_back() { wait_for 30 resume_node || failed "the node does not come up"; }

case $1 in
start)
    umask 022
    mkdir -p "$dir"/{munge,state,spool,run,log}
    chmod 711 "$dir/munge"
    install_slurm
    is_gone slurmctld || failed "one is running there already"
    configure
    start_munge
    start_slurmctld
    slurmd >>"$dir/log/slurmd.out.log" 2>&1 || failed "slurmd did not start"
    bring_node_back
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
restart)
    end KILL slurmctld
    start_slurmctld
    bring_node_back
    ;;
resume)
    bring_node_back
    ;;
status)
    for daemon in munged slurmctld slurmd; do
        pid=$(pid_of $daemon) && echo "$daemon runs, pid $pid" || echo "$daemon does not run"
    done
    ;;
stop)
    # Without a controller to ask, a running task goes on to its end.
    if ! is_gone slurmctld; then
        scancel --user="$(id -un)" || true
        wait_for 5 queue_is_empty || true
    fi
    end TERM slurmctld
    end TERM slurmd
    # It takes seconds to end by itself, and has nothing to save.
    end KILL munged
    rm -f "$dir"/munge/munge.sock*
    ;;
*) usage ;;
esac
