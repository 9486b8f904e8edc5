# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A test's session: a private directory, servers, target programs, users; and the end of them all.
#
#     load lib/session
#
#     @test "a probe is switched on" {
#         start_server
#         start demo-ocaml_1
#         echo 1 > "$mnt/$pid/gc_start/enabled"
#         wait_until 'grep -q gc_start "$out"'
#     }
#
# A suite with more to do has a setup() or teardown() of its own, with session_begin and session_end
# in it. One that needs ordinary users loads lib/session-with-users instead.
#
# Surprises:
# - `start` and `start_server` set variables, so they must not run in a subshell: no $(start ...),
#   no `run start ...`.
# - bats waits for whoever holds its descriptor 3: everything in the background is started with
#   3>&-.
# - Targets and the server are copied into the private directory, where test users reach them
#   also when the checkout is closed to others.

bats_require_minimum_version 1.5.0

tests=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
build=${PROBEFS_BUILD:-$tests/../build}
export PYTHONDONTWRITEBYTECODE=1
# The system's python3 and tools, which test users can run too.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# shellcheck source=tests/lib/assert.bash
source "$tests/lib/assert.bash"
# shellcheck source=tests/lib/patience.bash
source "$tests/lib/patience.bash"
# shellcheck source=tests/lib/process.bash
source "$tests/lib/process.bash"
# shellcheck source=tests/lib/server.bash
source "$tests/lib/server.bash"
# shellcheck source=tests/lib/users.bash
source "$tests/lib/users.bash"

# Sets: work (the private directory), mnt (where the server is mounted).
session_begin() {
    # bats looks at each command, to name the line that fails, which takes it longer than most commands
    # do. Of a test's own lines it still does so, of what they call no more.
    set +T
    [ "$EUID" = 0 ] || skip "needs root"
    # Named after the run, whose name is no other's, and the number of the test in it.
    work=/tmp/probefs-test.${BATS_RUN_TMPDIR##*-}-$BATS_SUITE_TEST_NUMBER
    mnt=$work/mnt
    mkdir "$work" "$mnt" "$work/bin" "$work/out"
    # Workers of any user report there, too.
    mkdir -m 1777 "$work/sanitizer"
    # For test users, who may not reach the checkout.
    cp "$targets/errno-of" "$work"
    export ASAN_OPTIONS="abort_on_error=1:detect_leaks=1:log_path=$work/sanitizer/asan"
    export UBSAN_OPTIONS="halt_on_error=1:abort_on_error=1:print_stacktrace=1"
    UBSAN_OPTIONS+=":log_path=$work/sanitizer/ubsan"
    started=() servers=() mounts=() starts=0
    begun=1
}

session_end() {
    local status=0
    [ "${begun:-}" ] || return 0
    close_leftover_descriptors
    end_targets
    end_servers || status=1
    end_strays
    no_sanitizer_reports || status=1
    if [ $status != 0 ] || [ -z "${BATS_TEST_COMPLETED:-}" ]; then
        show_logs
    fi
    rm -rf --one-file-system "$work"
    return $status
}

# Descriptors that a failed test left open would keep the mount busy.
close_leftover_descriptors() {
    local fd
    for fd in 4 5 6 7 8 9; do
        [ -L "/proc/$BASHPID/fd/$fd" ] || continue
        # bats has one of its own, for what tests print.
        [ ! "/proc/$BASHPID/fd/$fd" -ef "/proc/$BASHPID/fd/1" ] || continue
        case $(readlink "/proc/$BASHPID/fd/$fd") in
        "$work"/*) eval "exec $fd>&-" ;;
        esac
    done
}

no_sanitizer_reports() {
    local report status=0
    for report in "$work"/sanitizer/*; do
        [ -e "$report" ] || continue
        echo "--- sanitizer report $report"
        cat "$report"
        status=1
    done
    return $status
}

show_logs() {
    local file
    for file in "$work"/out/*; do
        [ -s "$file" ] || continue
        echo "--- the last lines of $file"
        tail -n 15 "$file" | cut -c1-300 | cat -v
    done
}

setup() {
    session_begin
}

teardown() {
    session_end
}
