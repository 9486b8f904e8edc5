# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The demo: a mount, two programs, and a shell session that switches their probes.

state=/run/probefs-demo

# session COMMAND: shows a command as in a shell, and what it says.
session() {
    printf '$ %s\n' "$1"
    bash -c "$1"
}

# A pid alone may be another's by now; with its start it is not.
start_time() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
    awk '{ print $20 }' <<<"${stat##*) }"
}

end_demo_programs() {
    local pid start
    [ -e "$state/pids" ] || return 0
    while read -r pid start; do
        if [ "$start" ] && [ "$(start_time "$pid")" = "$start" ]; then
            kill "$pid" || true
        fi
    done <"$state/pids"
    rm "$state/pids"
}

# start_demo_program NAME COMMAND...: in the background for good. Sets: pid.
start_demo_program() {
    local name=$1
    shift
    setsid "$@" >"$state/$name.log" 2>&1 </dev/null &
    pid=$!
    disown
    echo "$pid $(start_time "$pid")" >>"$state/pids"
    wait_for "grep -q ^pid $state/$name.log"
}

# wait_for CONDITION
wait_for() {
    local deadline=$((SECONDS + 30))
    until eval "$1"; do
        if [ "$SECONDS" -gt "$deadline" ]; then
            echo "run: waited in vain for: $1" >&2
            return 1
        fi
        sleep 0.05
    done
}

mount_probes() {
    local dir=$1
    # Once, or twice where / is a shared mount.
    if [ "$(findmnt -n -o FSTYPE -M "$dir" 2>/dev/null | sort -u)" = fuse.probefs ] &&
        [ -e "$dir/README" ]; then
        echo "(probefs is mounted at $dir already)"
        return
    fi
    # A dead server's mount is in the way of mkdir, but not of the server.
    findmnt -M "$dir" >/dev/null 2>&1 || mkdir -p "$dir"
    session "$PWD/build/probefs/probefs $dir"
    [ -e "$dir/README" ]
}

demo() {
    local dir=${1:-/mnt/probes} demo python
    case $dir in
    /*) ;;
    -*) echo "run: '$dir' is not a directory to mount at: see ./run" >&2; return 2 ;;
    *) dir=$PWD/$dir ;;
    esac
    mkdir -p "$state"
    end_demo_programs
    mount_probes "$dir"

    cat >"$state/collect.py" <<'END'
import gc, os, time
print("pid", os.getpid(), flush=True)
while True:
    gc.collect()
    time.sleep(0.5)
END
    start_demo_program demo "$PWD/build/tests/targets/demo-ocaml_1" -i 500
    demo=$pid
    start_demo_program python /usr/bin/python3 "$state/collect.py"
    python=$pid
    echo
    echo "Two programs run. $demo is our demo: its probe handlers write to $state/demo.log."
    echo "$python is $(readlink -f /usr/bin/python3), which calls gc.collect() again and again."
    echo
    session "ls $dir"
    session "ls $dir/$demo"
    session "cat $dir/$demo/gc_start/enabled"
    echo
    echo "# on: the demo's handler starts writing"
    session "echo 1 > $dir/$demo/gc_start/enabled"
    session "cat $dir/$demo/gc_start/enabled"
    wait_for "grep -q '^gc_start' $state/demo.log"
    session "tail -n 4 $state/demo.log"
    echo
    echo "# the same in the system's python"
    session "find $dir/$python -name enabled"
    session "echo 1 > $dir/$python/python:gc__start/enabled"
    session "cat $dir/$python/python:gc__start/enabled"
    echo
    echo "# watched while it is read: when, who, what, and the argument: which generation"
    session "sed 4q $dir/$python/python:gc__start/trace" ||
        session "tail -n 1 $dir/$python/error_log"
    echo
    echo "# everything that is on in these two"
    session "cd $dir && grep -l 1 {$demo,$python}/*/enabled"
    echo
    echo "# off again: the handler stops. The demo's boot stays on, so as a whole it reads X, mixed"
    session "echo 0 > $dir/$demo/gc_start/enabled"
    session "echo 0 > $dir/$python/enabled"
    wait_for "[ \"\$(tail -n 2 $state/demo.log | grep -c ^boot)\" = 2 ]"
    session "tail -n 2 $state/demo.log"
    session "cd $dir && grep -H . {$demo,$python}/enabled"
    echo
    echo "It is yours now. Try: cat $dir/README"
    echo "To end it:           umount $dir; kill $demo $python"
}

# in_demo_space COMMAND...: where the demo's are the only processes, and all mounts and processes
# end with the command, or with whoever started it. A shell inherits the orphans: the command may be
# one that counts its children.
in_demo_space() {
    timeout --foreground 300 \
        unshare --mount --pid --fork --mount-proc --kill-child \
        sh -c 'mount -t tmpfs tmpfs /mnt && mount -t tmpfs tmpfs /run && { "$@"; exit; }' sh "$@"
}
