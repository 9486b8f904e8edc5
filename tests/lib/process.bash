# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Target programs, and what an independent reader (tests/targets/peek.c) sees in them.

targets=$build/tests/targets

# The path of a copy of target program (or library) NAME that every user can run.
target() {
    [ -e "$work/bin/$1" ] || cp "$targets/$1" "$work/bin/$1"
    echo "$work/bin/$1"
}

# start NAME [ARGUMENT]...: starts a target as root. Sets: pid, out (the file with its output).
start() {
    start_as root "$@"
}

# start_as USER NAME [ARGUMENT]...
start_as() {
    local user=$1 program=$work/bin/$2
    target "$2" >/dev/null
    shift 2
    start_command "$user" "$program" "$@"
    wait_until "says_pid || ! kill -0 $pid"
    says_pid || { cat "$out"; return 1; }
}

# A target that was started has said its pid: in its first line, if nobody complains before.
says_pid() {
    local line
    while read -r line; do
        [[ $line != "pid "* ]] || return 0
    done <"$out"
    return 1
} 2>/dev/null

# start_command USER COMMAND...: any program in the background; exec keeps the pid.
start_command() {
    local as
    as "$1"
    shift
    starts=$((starts + 1))
    out=$work/out/$starts-${1##*/}
    "${as[@]}" "$@" >"$out" 2>&1 </dev/null 3>&- &
    pid=$!
    adopt "$pid"
}

# start_many COUNT: a program with so many probes, of two sites each.
start_many() {
    python3 "$tests/targets/many.py" -p "$1" -s 2 --build "$work/bin/many"
    start_command root "$work/bin/many"
    wait_until 'grep -q "^pid" "$out"'
}

# start_time PID: sets REPLY to its start, in ticks since boot: with it, a pid is no other's. Nothing
# is that of a process that is gone.
start_time() {
    local stat=''
    { read -rd '' stat < "/proc/$1/stat" || true; } 2>/dev/null
    # Behind the name, which may hold anything.
    # shellcheck disable=SC2086 # numbers
    set -- ${stat##*) }
    REPLY=${20:-}
}

# adopt PID: to be ended with the test, be it a child of this shell or of a target.
adopt() {
    local REPLY
    start_time "$1"
    started+=("$1:$REPLY")
}

# adopt_child: that of the target started last, once its pid is said. Sets: child.
adopt_child() {
    wait_until 'grep -q "^child " "$out"'
    child=$(sed -n 's/^child //p' "$out")
    adopt "$child"
}

# end PID:START
end() {
    local REPLY each=${1%:*} since=${1#*:}
    start_time "$each"
    if [ "$since" ] && [ "$REPLY" = "$since" ]; then
        kill -KILL "$each" || true
    fi
}

# stop PID: ends a target that was started here, and reaps it.
stop() {
    { kill -KILL "$1" && wait "$1"; } 2>/dev/null || true
}

end_targets() {
    local each
    for each in "${started[@]}"; do
        end "$each"
    done
    for each in "${started[@]}"; do
        wait "${each%:*}" || true
    done
} 2>/dev/null

# lines_of PATTERN [FILE]: how many lines of a target's output match.
lines_of() {
    grep -c -- "$1" "${2:-$out}" || true
}

# has_lines COUNT PATTERN [FILE]: that many, or more.
has_lines() {
    [ "$(grep -c -m "$1" -- "$2" "${3:-$out}")" = "$1" ]
}

# says TEXT [FILE]: waits until TEXT is said once more than now.
says() {
    local before
    before=$(lines_of "$1" "${2:-$out}")
    wait_until "has_lines $((before + 1)) '$1' '${2:-$out}'"
}

# tell SIGNAL TEXT: sends the target a signal, and waits for one more line that matches TEXT.
tell() {
    local before
    before=$(lines_of "$2")
    kill -"$1" "$pid"
    wait_until "has_lines $((before + 1)) '$2'"
}

# is_silent TEXT [FILE]: two rounds of another probe (`boot`) pass without TEXT.
is_silent() {
    local before
    says '^boot' "${2:-$out}"
    before=$(lines_of "$1" "${2:-$out}")
    says '^boot' "${2:-$out}"
    says '^boot' "${2:-$out}"
    assert_equal "$(lines_of "$1" "${2:-$out}")" "$before" "lines with $1"
}

peek() {
    "$targets/peek" "$@"
}

# memory_of PID NAME [OBJECT]: `COUNT WORD` of each note of the probe, in an order of its own. WORD
# says what is at the site: on, off, nop (one that is not patched), trap (another tracer's
# breakpoint), the byte in hex if it is none of these, or - where there is no site.
memory_of() {
    "$targets/peek" "$1" kinds "$2" "${3:-}"
}

# What memory_of() says of OCaml's demo where it is on, and off: a processor without sites to patch
# has semaphores only.
# shellcheck disable=SC2034 # for suites that other processors run
if [ "$HOSTTYPE" = x86_64 ]; then
    on="1 on" off="0 off" sites_of_demo=1
else
    on="1 -" off="0 -" sites_of_demo=0
fi

# memory_of_all PID: the same of all its notes, each kind once.
memory_of_all() {
    "$targets/peek" "$1" kinds
}

# counter_of PID NAME, site_of PID NAME: addresses of the first note; site_of that of the nop.
counter_of() {
    peek "$1" | awk -v name="$2" '$2 == name { print $3; exit }'
}

site_of() {
    peek "$1" | awk -v name="$2" '$2 == name { print $5; exit }'
}

# add ADDRESS NUMBER: in hex
add() {
    printf '%x' $((0x$1 + $2))
}

# switch_byte_of PID NAME: the address of the first site's switch byte.
switch_byte_of() {
    add "$(site_of "$1" "$2")" 1
}

# probes_of PID: the names in the tree, on one line. It asks by path: to enter a directory needs no
# answer from the server, and so may lead to the image before an exec.
probes_of() {
    find "$mnt/$1" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort | paste -sd' '
}

# choose_probe NAME [TREE-NAME]: the probe of $pid that a test is about. Sets: probe (its name in the
# note), shown (in the tree), folder (the probe's), semaphore, hold (files in it).
choose_probe() {
    probe=$1
    shown=${2:-$1}
    folder=$mnt/$pid/$shown
    semaphore=$folder/semaphore
    hold=$folder/hold
}

# start_probe TARGET NAME [TREE-NAME]: starts a silent target, and chooses a probe of it.
start_probe() {
    start "$1" -q
    choose_probe "${@:2}"
}

# shows MEMORY: what memory_of says of the chosen probe.
shows() {
    assert_equal "$(memory_of "$pid" "$probe")" "$1" "counter and sites"
}

# look PID: finishes what is under way. A close has returned before the server hears of it: a look
# through the tree that starts now waits for it, one at the memory does not.
look() {
    mapfile -t <"$mnt/$1/enabled"
}

shows_after_look() {
    look "$pid"
    shows "$1"
}

state_of() {
    local state
    state=$(<"$mnt/$1/$2/enabled") && echo "$state"
}

# is_let_go PID: none of its threads is stopped or traced.
is_let_go() {
    awk '$1 == "TracerPid:" && $2 != 0 || $1 == "State:" && tolower($2) == "t" { exit 1 }' \
        /proc/"$1"/task/*/status
}

# all_stopped PID: by a signal, or by a tracer.
all_stopped() {
    awk '$1 == "State:" && tolower($2) != "t" { exit 1 }' /proc/"$1"/task/*/status
}

# pause_process PID: until the thread that gets the signal has a processor, the others go on.
pause_process() {
    kill -STOP "$1"
    wait_until "all_stopped $1"
}

# stays_stopped: $pid, a demo-ocaml_1, is stopped, switched, and runs on when it is told to.
stays_stopped() {
    pause_process "$pid"
    echo 1 >"$mnt/$pid/gc_start/enabled"
    # A processor without sites to patch has semaphores only.
    assert_match "$(memory_of "$pid" gc_start)" "1 @(on|-)"
    grep -q '^State:.T' "/proc/$pid/status"
    kill -CONT "$pid"
    says '^gc_start'
}
