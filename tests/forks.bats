#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Holds on processes that fork: a child inherits the reference, and loses it when the hold ends.

load lib/session-with-users
load lib/tracers

setup() {
    session_begin
    start_server
    mkdir -m 777 "$work/family"
}

teardown() {
    tracers_end
    exec 8>&- 9>&-
    session_end
}

# start_family [USER [OPTION]...]: sets head (its pid) and hold.
start_family() {
    start_as "${1:-root}" family -q "${@:2}" "$work/family" "$(target demo-ocaml_1)" -q
    head=$pid
    hold=$mnt/$head/gc_start/hold
}

# orders PID COMMAND
orders() {
    wait_until "[ -p '$work/family/$1' ]"
    echo "$2" > "$work/family/$1"
}

# has_child PID [COMMAND]: sets child.
has_child() {
    local before
    before=$(lines_of "^$1 has ")
    orders "$1" "${2:-fork}"
    wait_until "[ \$(lines_of '^$1 has ') -gt $before ]"
    child=$(sed -n "s/^$1 has //p" "$out" | tail -n 1)
    adopt "$child"
}

# all_children: sets children, of the head.
all_children() {
    mapfile -t children < <(sed -n "s/^$head has //p" "$out")
}

# is PID MEMORY: after the releases that are under way, which a look at the head waits for.
is() {
    cat "$mnt/$head/enabled" > "$work/looked" 2>&1 || true
    wait_until "[ \"\$(memory_of $1 gc_start)\" = '$2' ]" 3 > "$work/waited" || true
    assert_equal "$(memory_of "$1" gc_start)" "$2" "counter and site of $1"
}

@test "children that were forked before, while and after a hold: all are off" {
    start_family
    has_child "$head"
    first=$child
    exec 9> "$hold"
    has_child "$head"
    second=$child
    has_child "$head" thread
    third=$child
    is "$first" "0 off"
    is "$second" "1 on"
    is "$third" "1 on"
    exec 9>&-
    is "$head" "0 off"
    has_child "$head"
    for each in "$first" "$second" "$third" "$child"; do
        is "$each" "0 off"
    done
}

@test "engine=ptrace: likewise" {
    mkdir "$work/second"
    start_server_at root "$work/second" -o engine=ptrace
    start_family a
    exec 9> "$work/second/$head/gc_start/hold"
    has_child "$head"
    is "$child" "1 on"
    exec 9>&-
    is "$child" "0 off"
    is_let_go "$child"
}

@test "the children of children, and of one that called exec since" {
    start_family a
    exec 9> "$hold"
    has_child "$head"
    second=$child
    has_child "$second"
    third=$child
    has_child "$third"
    fourth=$child
    orders "$third" exec
    wait_until "[ \"\$(readlink /proc/$third/exe)\" = '$work/bin/demo-ocaml_1' ]"
    wait_until "[ -d '$mnt/$third/gc_start' ]"
    echo 1 > "$mnt/$third/gc_start/enabled"
    exec 9>&-
    is "$head" "0 off"
    is "$second" "0 off"
    is "$fourth" "0 off"
    is "$third" "1 on"
}

@test "a hold on a process that calls exec or ends: its children lose it where they can be found" {
    start_family
    exec 9> "$hold"
    has_child "$head"
    orders "$head" exec
    wait_until "[ \"\$(readlink /proc/$head/exe)\" = '$work/bin/demo-ocaml_1' ]"
    is "$child" "1 on"
    exec 9>&-
    is "$child" "0 off"
    start_family
    exec 9> "$hold"
    has_child "$head"
    orders "$head" end
    wait_until "! is_running $head"
    exec 9>&-
    # Whose it was cannot be told any more: probefs(5) says so.
    is "$child" "1 on"
    echo 0 > "$mnt/$child/gc_start/enabled"
    is "$child" "0 off"
}

@test "references of others in children stay" {
    start_family a
    echo 1 > "$mnt/$head/gc_start/enabled"
    has_child "$head"
    first=$child
    exec 9> "$hold"
    has_child "$head"
    second=$child
    is "$first" "1 on"
    is "$second" "2 on"
    echo +1 > "$mnt/$second/gc_start/semaphore"
    has_child "$head"
    third=$child
    exec 8> "$mnt/$third/gc_start/hold"
    exec 9>&-
    is "$head" "1 on"
    is "$first" "1 on"
    is "$second" "2 on"
    is "$third" "2 on"
    exec 8>&-
    is "$third" "1 on"
}

@test "a child whose counter was set since is left alone; so is one at 0" {
    start_family a
    exec 9> "$hold"
    has_child "$head"
    first=$child
    has_child "$head"
    second=$child
    has_child "$head"
    third=$child
    echo 0 > "$mnt/$first/gc_start/enabled"
    echo 1 > "$mnt/$first/gc_start/enabled"
    echo '=3 gc_start' > "$mnt/$second/control"
    echo -1 > "$mnt/$third/gc_start/semaphore"
    exec 9>&-
    is "$head" "0 off"
    is "$first" "1 on"
    is "$second" "3 on"
    is "$third" "0 off"
}

@test "0 ends the hold's claim on the parent, and its close still reaches the children" {
    start_family
    exec 9> "$hold"
    has_child "$head"
    first=$child
    echo 0 > "$mnt/$head/gc_start/enabled"
    sleep 0.1 # ticks of start times are 10 ms
    echo 1 > "$mnt/$head/gc_start/enabled"
    has_child "$head"
    exec 9>&-
    is "$head" "1 on"
    is "$first" "0 off"
    is "$child" "1 on"
}

@test "a child that shares its parent's memory has no counter of its own" {
    start_family
    echo +1 > "$mnt/$head/gc_start/semaphore"
    exec 9> "$hold"
    has_child "$head" share
    is "$head" "2 on"
    exec 9>&-
    is "$head" "1 on"
}

@test "children that dropped their ids: root's hold reaches them, and they stay what they are" {
    start_family
    exec 9> "$hold"
    has_child "$head"
    first=$child
    orders "$first" "user $(id -u probefs-test-a)"
    wait_until "grep -q '^$first is another' '$out'"
    has_child "$first"
    second=$child
    is "$first" "1 on"
    is "$second" "1 on"
    exec 9>&-
    is "$head" "0 off"
    wait_until "[ \"\$(memory_of $first gc_start)\" = '0 off' ]"
    wait_until "[ \"\$(memory_of $second gc_start)\" = '0 off' ]"
    # Nobody else gets in the way: the worker has no process left, and holds go on.
    exec 9> "$hold"
    exec 9>&-
    is "$head" "0 off"
}

@test "SIGKILL of the server, and of the worker: children lose what the parent loses" {
    start_family a
    exec 9> "$hold"
    has_child "$head"
    worker=$(workers_of "$server" a)
    kill -KILL "$worker"
    wait_until "[ \"\$(workers_of $server a)\" ] && [ \"\$(workers_of $server a)\" != '$worker' ]"
    exec 9>&-
    is "$head" "0 off"
    is "$child" "0 off"
    exec 9> "$hold"
    has_child "$head"
    kill_server "$server"
    wait_until "[ \"\$(memory_of $head gc_start)\" = '0 off' ]" 1
    wait_until "[ \"\$(memory_of $child gc_start)\" = '0 off' ]"
    exec 9>&-
}

@test "two holds, of which one began and ended before the fork" {
    start_family
    exec 9> "$hold"
    exec 8> "$hold"
    exec 9>&-
    exec 9> "$hold"
    sleep 0.05 # behind the ticks in which values decide: see probefs(5)
    has_child "$head"
    is "$child" "2 on"
    exec 8>&-
    is "$child" "1 on"
    exec 9>&-
    is "$child" "0 off"
    is "$head" "0 off"
}

@test "hundreds of children: the close is answered at once, and all are off within seconds" {
    start_family root -i 1000
    exec 9> "$hold"
    orders "$head" "fork ${PROBEFS_CHILDREN:-200}"
    wait_until "[ \$(lines_of '^$head has ') = ${PROBEFS_CHILDREN:-200} ]" 60
    all_children
    for each in "${children[@]}"; do adopt "$each"; done
    before=$EPOCHREALTIME
    exec 9>&-
    cat "$mnt/$head/enabled" > "$work/after"
    took=$((${EPOCHREALTIME/./} - ${before/./}))
    assert_equal "$(cat "$work/after")" 0
    [ "$took" -lt 1500000 ] || { echo "$took us"; return 1; }
    wait_until "[ \"\$(memory_of ${children[-1]} gc_start)\" = '0 off' ]" 30
    for ((each = 0; each < ${#children[@]}; each += 20)); do
        is "${children[each]}" "0 off"
    done
}

@test "a server that forks for each request, held for a second: nobody is left on" {
    start_family a
    for _ in 1 2 3; do
        exec 9> "$hold"
        for _ in {1..8}; do has_child "$head"; done
        exec 9>&-
        has_child "$head"
    done
    is "$head" "0 off"
    all_children
    for each in "${children[@]}"; do
        is "$each" "0 off"
    done
}
