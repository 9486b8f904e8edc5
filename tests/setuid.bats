#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Processes that are not what their user could trace: setuid and setgid programs, daemons that gave
# up their privileges; and the moment in which a process becomes one.

load lib/session-with-users
load lib/authority
load lib/tracers

setup() {
    session_begin
    start_server
}

teardown() {
    if [ "${work:-}" ]; then
        touch "$work/stop"
    fi
    session_end
}

@test "a setgid program: refused for the user who runs it, not for root" {
    cp "$(target demo-ocaml_1)" "$work/bin/setgid-demo"
    chgrp "$(user_name b)" "$work/bin/setgid-demo"
    chmod 2755 "$work/bin/setgid-demo"
    start_command a "$work/bin/setgid-demo" -i 20
    wait_until 'grep -q ^pid "$out"'
    assert_equal "$(awk '/^Gid:/ { print $2 != $3 }' "/proc/$pid/status")" 1 "real, effective differ"
    refused_for a "$pid"
    refused_for b "$pid"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "a daemon that gave up its privileges: for root, not for the new user" {
    start undumpable -i 20 -u "$(id -u "$(user_name a)")"
    assert_equal "$(awk '/^Uid:/ { print $2, $3, $4 }' "/proc/$pid/status")" \
        "$(id -u "$(user_name a)") $(id -u "$(user_name a)") $(id -u "$(user_name a)")"
    assert_equal "$(stat -c '%U %a' "$mnt/$pid" "$mnt/$pid/enabled" | paste -sd' ')" \
        "root 500 root 600"
    refused_for a "$pid"
    assert_equal "$(ls "$mnt" | grep -cx "$pid")" 1
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    assert_equal "$(state_of "$pid" gc_start)" 1
    exec 9> "$mnt/$pid/gc_start/hold"
    assert_equal "$(counts_of "$pid" gc_start)" 2
    exec 9>&-
    assert_equal "$(< "$mnt/$pid/gc_start/semaphore")" 1
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    assert_equal "$(readlink "$mnt/$pid/exe")" "$work/bin/undumpable"
    refused_for a "$pid"
}

@test "a process has just become root's: its former owner is refused at once" {
    start_as a undumpable -q -s
    assert_equal "$(stat -c %U "$mnt/$pid" "$mnt/$pid/gc_start/enabled" | sort -u)" "$(user_name a)"
    cp "$tests/lib/owner.py" "$work"
    # Names, attributes and permissions are in the kernel's cache when it happens.
    run_as a python3 "$work/owner.py" "$mnt/$pid" "$pid" > "$work/seen"
    assert_equal "$(paste -sd' ' "$work/seen")" \
        "before OK OK OK OK after EACCES EACCES EACCES EACCES"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    wait_until '[ "$(stat -c %U "$mnt/$pid")" = root ]'
    refused_for a "$pid"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

# race ROUNDS: a process becomes setuid so often, while its user and root switch a probe of it. Counts:
# hits, rounds in which it was on; wrote, what each of those who switch did. Nobody sees or changes
# anything of a setuid image.
race() {
    local user racer racer_out i done_rounds round_hits outs=() switchers=()
    start_command a "$work/bin/racer-old" "$1" "$work/bin/racer-new"
    racer=$pid racer_out=$out
    rm -f "$work/stop"
    for user in a a root root; do
        start_command "$user" python3 "$work/race.py" "$mnt/$racer/race_old" "$work/stop"
        switchers+=("$pid")
        outs+=("$out")
    done
    wait_until 'grep -q ^done "$racer_out" || ! is_running $racer' $((60 + $1 / 10))
    touch "$work/stop"
    wait "${switchers[@]}"
    tail -v -n 3 "$racer_out" "${outs[@]}"
    assert_equal "$(grep -v -e '^pid' -e '^done' "$racer_out" | sort -u)" "" "said by setuid images"
    assert_equal "$(grep -h ^read "${outs[@]}" | sort -u)" "" "read from setuid images"
    read -r _ done_rounds round_hits < <(grep ^done "$racer_out")
    assert_equal "$done_rounds" "$1" "rounds"
    hits=$((hits + round_hits))
    for i in "${!outs[@]}"; do
        wrote[i]=$((wrote[i] + $(sed -n 's/^wrote //p' "${outs[i]}")))
    done
}

# all_raced: it was on, and all who switch were in time, at least once.
all_raced() {
    [ "$hits" -gt 0 ] && [[ " ${wrote[*]} " != *" 0 "* ]]
}

# PROBEFS_EXEC_ROUNDS: how often a process becomes setuid here (500; 10000 in the long form).
@test "exec of a setuid program in a tight loop, while its user and root switch" {
    target racer-new > /dev/null
    target racer-old > /dev/null
    chmod 4755 "$work/bin/racer-new"
    addresses() {
        readelf -n "$work/bin/$1" | grep Location
    }
    [ "$(addresses racer-old)" ]
    assert_equal "$(addresses racer-old)" "$(addresses racer-new)" "addresses"
    cp "$tests/lib/race.py" "$work"
    hits=0 wrote=(0 0 0 0)
    race "${PROBEFS_EXEC_ROUNDS:-500}"
    # On a busy machine it may be over before all were in time.
    for _ in {1..20}; do
        all_raced && return 0
        race 500
    done
    echo "on in $hits rounds; written: ${wrote[*]}"
    false
}
