# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The server under test, and its mounts.

# How many seconds servers wait for a worker, where users wait for one: beside other tests, a worker
# may get no processor for that long. Suites that are about this second say 1.
export PROBEFS_PATIENCE=${PROBEFS_PATIENCE:-5}

# What a new mount namespace forgets first: it has copies of the mounts of other tests, too, whose
# servers would not end with their unmount before the namespace does.
forget_mounts='umount -l -a -t fuse.probefs'

# The path of a copy of the server, which every user can run.
server_program() {
    [ -e "$work/bin/probefs" ] || cp "$build/probefs/probefs" "$work/bin/probefs"
    echo "$work/bin/probefs"
}

# is_sanitized: are the server and its workers? Then all takes several times as long, and memory that
# was freed is kept for a while.
is_sanitized() {
    grep -q __asan_init "$build/probefs/probefs"
}

# fewer COUNT: how many times something is done: sanitized, a quarter of COUNT, as each takes so much
# longer.
fewer() {
    if is_sanitized; then
        echo $(($1 / 4))
    else
        echo "$1"
    fi
}

# start_server [OPTION]...: mounts at $mnt. Sets: server (its pid), log (the file).
start_server() {
    start_server_at root "$mnt" "$@"
}

# start_server_at USER MOUNTPOINT [OPTION]...
start_server_at() {
    local user=$1 at=$2 program as
    program=$(server_program)
    shift 2
    log=$work/out/server-${#servers[@]}
    as "$user"
    "${as[@]}" "$program" -f -o log=info "$@" "$at" >"$log" 2>&1 </dev/null 3>&- &
    server=$!
    servers+=("$server")
    mounts+=("$at")
    wait_until "is_mounted '$at' || ! kill -0 $server"
    kill -0 "$server"
    if [ "$user" = root ]; then
        [ -e "$at/README" ]
    fi
}

# is_mounted MOUNTPOINT: with a server, and nothing else. Where / is a shared mount that is bound over
# itself, each mount is seen twice.
is_mounted() {
    local all each seen=''
    mapfile -t all </proc/self/mounts
    for each in "${all[@]}"; do
        case $each in
        *" $1 fuse.probefs "*) seen=1 ;;
        *" $1 "*) return 1 ;;
        esac
    done
    [ "$seen" ]
}

# users_of MOUNTPOINT: which processes have a file, or a directory to work in, below it.
users_of() {
    find /proc/[0-9]*/{cwd,root} /proc/[0-9]*/fd/* -maxdepth 0 -lname "$1*" -printf '%p: %l\n' \
        2>/dev/null || true
}

# unmount MOUNTPOINT: a strange process may be in the way for a moment, as whoever asks all mounts for
# their free space (df) is, or completes words in all of them. What stays is a failure.
unmount() {
    local REPLY start=$SECONDS
    patience 10
    until timeout "$REPLY" umount "$1" 2>"$work/out/umount"; do
        if ! grep -q 'target is busy' "$work/out/umount" || ((SECONDS - start >= $(patient 2))); then
            cat "$work/out/umount"
            echo "$1 is in use: $(users_of "$1")"
            return 1
        fi
        rest 0.05
    done
}

# stop_server PID MOUNTPOINT: unmounts; the server ends by itself, with success.
stop_server() {
    local status=0
    unmount "$2" || return 1
    wait_until "! is_running $1" 30 || return 1
    wait "$1" || status=$?
    assert_equal "$status" 0 "exit status of the server"
}

# kill_server PID: as a crash would.
kill_server() {
    { kill -KILL "$1" && wait "$1"; } 2>/dev/null || true
}

# Still there, and no zombie.
is_running() {
    local stat=''
    # Without a number, /proc's own stat is meant.
    [ ! "$1" ] || { read -rd '' stat < "/proc/$1/stat" || true; } 2>/dev/null
    # Behind the name, which may hold anything.
    [[ ${stat##*) } = [^Z]* ]]
}

# Every unmount has to succeed, and every server that was not ended on purpose to end well.
end_servers() {
    local i at left status=0
    for i in "${!servers[@]}"; do
        at=${mounts[$i]}
        is_running "${servers[$i]}" || continue
        # Whom the test has unmounted may be about to end.
        ! is_mounted "$at" && wait_until "! is_running ${servers[$i]}" 30 && continue
        stop_server "${servers[$i]}" "$at" && continue
        echo "the server at $at did not end with its mount"
        kill_server "${servers[$i]}"
        status=1
    done
    # What is still there, a test that failed has left behind.
    mapfile -t left </proc/self/mounts
    [[ ${left[*]} = *" $work/"* ]] || return $status
    for at in $(findmnt -rn -o TARGET | grep "^$work/" | sort -r); do
        umount -l "$at" || true
    done
    return $status
}

# Whoever still runs a program of this session, as a child of a child that was ended. Servers and
# their workers have ended before, or the test has failed.
end_strays() {
    local each
    for each in $("$targets/running" "$work/bin"); do
        kill -KILL "$each" || true
    done
} 2>/dev/null

# workers_of SERVER [USER]: the pids of its workers.
workers_of() {
    pgrep -P "$1" -f '^probefs-worker' ${2:+-u "$(user_name "$2")"} || true
}
