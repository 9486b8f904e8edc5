# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# All tests, counted.
#
# What passed and what failed is kept in a file, a line each, so that steps may run beside others.

# record pass|fail|skip NUMBER NAME
record() {
    [ "$2" = 0 ] || echo "$1 $2 $3" >>"$results"
}

# step NAME COMMAND...: says when it begins, and how long it took.
step() {
    local name=$1 status=0 began=$SECONDS
    shift
    echo "=== $name"
    "$@" || status=$?
    echo "=== $name: $((SECONDS - began)) s"
    return $status
}

# check NAME COMMAND...: one step that passes or fails as a whole.
check() {
    local verdict=pass
    step "$@" || verdict=fail
    record $verdict 1 "$1"
}

# record_suite PASSED FAILED SKIPPED STATUS NAME: a suite that says nothing of a failure has one.
record_suite() {
    record pass "$1" "$5"
    record fail "$2" "$5"
    record skip "$3" "$5"
    if [ "$2" = 0 ] && [ "$4" != 0 ]; then
        record fail 1 "$5 (status $4)"
    fi
}

# A skipped test proves nothing: where nobody looks at the output, it counts as failed.
report() {
    awk -v strict="${CI:-}" '
        { word = $1; name = $0; sub(/^[a-z]+ /, "", name) }
        word != "pass" { print (word == "fail" ? "failed: " : "skipped: ") name }
        word == "skip" && strict == "true" { word = "fail" }
        { count[word] += $2 }
        END {
            print count["pass"] + 0 " passed, " count["fail"] + 0 " failed"
            exit count["fail"] > 0
        }' "$results"
}

# unit_tests DIR
unit_tests() {
    local dir=$1 status=0 log=$1/meson-test.out
    ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        meson test -C "$dir" --no-rebuild --timeout-multiplier 5 --print-errorlogs >"$log" 2>&1 || status=$?
    cat "$log"
    number() {
        sed -n "s/^$1: *\([0-9]*\).*/\1/p" "$log" | tail -n 1
    }
    record_suite $(($(number Ok) + 0)) \
        $(($(number Fail) + $(number Timeout) + $(number 'Unexpected Pass') + 0)) \
        $(($(number Skipped) + 0)) $status "unit tests in $dir"
}

# After so many seconds a test is ended, and has failed. The longest takes a sixth of that.
test_limit=900

# bats_tests DIR JOBS [ARGUMENT]...: suites against the server of a build directory.
bats_tests() {
    local dir=$1 jobs=$2 status=0 log=$1/bats-$2.out
    shift 2
    BATS_TEST_TIMEOUT=$test_limit PROBEFS_BUILD=$PWD/$dir \
        bats --tap --timing --jobs "$jobs" "$@" 2>&1 | tee "$log" || status=$?
    record_suite "$(grep '^ok ' "$log" | grep -vc '# skip')" "$(grep -c '^not ok ' "$log")" \
        "$(grep -c '^ok .*# skip' "$log")" $status "bats tests of $dir"
}

# find_suites DIR: sets `together`, which may run beside each other, and `alone`. A suite says so with
# the words of a line `# runs: WORD...`: alone; once (one build is enough); first (it takes long, so it
# starts before others).
find_suites() {
    local suite words others=()
    together=() alone=()
    for suite in tests/*.bats; do
        words=" $(sed -n 's/^# runs: //p' "$suite") "
        case $words in
        *' alone '*) alone+=("$suite") ;;
        *' once '*) [ "$1" = build-test ] || continue ;;&
        *' first '*) together+=("$suite") ;;
        *) others+=("$suite") ;;
        esac
    done
    together+=("${others[@]}")
}

# all_bats_tests DIR [ARGUMENT]...: most tests wait more than they compute, so that there may be
# more of them at once than processors. Suites run beside each other, and a suite's tests one after
# the other: bats takes as long as many a test to start one beside others of its suite.
all_bats_tests() {
    local dir=$1 together alone
    shift
    find_suites "$dir"
    step "bats tests of $dir" bats_tests "$dir" $((2 * $(nproc))) --no-parallelize-within-files \
        "$@" "${together[@]}"
    step "bats tests of $dir that run alone" bats_tests "$dir" 1 "$@" "${alone[@]}"
}

test_users() {
    local each
    for each in a b c; do
        "$1_test_user" "probefs-test-$each"
    done
}

add_test_user() {
    id "$1" >/dev/null 2>&1 ||
        useradd --system --no-create-home --user-group --shell /bin/sh "$1"
}

remove_test_user() {
    ! id "$1" >/dev/null 2>&1 || userdel "$1" || true
}

# The builds that suites run against: as Debian builds packages, and with sanitizers and coverage, whose
# counters are atomic: threads would leave impossible ones behind.
build_to_test() {
    check "build (gcc, hardened)" with_hardening 2 make_build build-test -Dwerror=true
    check "build (gcc, sanitizers)" make_build build-sanitized -Dwerror=true --buildtype=debug \
        -Db_sanitize=address,undefined -Db_coverage=true -Dc_args=-fprofile-update=atomic \
        -Dbpf-compiler=clang
}

# beside COMMAND...: in the background, with what others leave of the processors. join waits for all of
# these, at the usual priority as nothing else of ours is left to do, and shows what they said.
beside_pids=() beside_outputs=()
beside() {
    local output
    output=$(mktemp)
    (
        renice -n 10 "$BASHPID" >/dev/null
        "$@"
    ) >"$output" 2>&1 &
    beside_pids+=($!)
    beside_outputs+=("$output")
}

# hurry PID: at the usual priority, with all that it has started and will start.
hurry() {
    local each
    renice -n 0 "$1" >/dev/null 2>&1 || true
    for each in $(pgrep -P "$1"); do
        hurry "$each"
    done
}

join() {
    local i
    for i in "${!beside_pids[@]}"; do
        hurry "${beside_pids[i]}"
        wait "${beside_pids[i]}" || record fail 1 "what ran beside"
        cat "${beside_outputs[i]}"
        rm "${beside_outputs[i]}"
    done
    beside_pids=() beside_outputs=()
}

# That each benchmark works; what things cost is not for a shared machine to say.
bench_smoke() {
    BENCH_TINY=1 BENCH_NICE=10 meson test -C build-test --no-rebuild --benchmark --print-errorlogs
}

# The unit tests that can run under it. It makes them slow, and some bound attempts by time: so they do
# not run beside suites.
under_valgrind() {
    meson test -C build-test --no-rebuild --print-errorlogs --setup=valgrind
}

# seen_twice COMMAND...: where each mount is listed twice, as / is a shared mount (which systemd makes
# it) that is bound over itself. What others have mounted is let go of.
seen_twice() {
    unshare --mount --propagation private sh -c 'umount -l -a -t fuse.probefs
        mount --make-rshared / && mount --bind / / && exec "$@"' sh "$@"
}

on_shared_mounts() {
    PROBEFS_BUILD=$PWD/build-test seen_twice bats --tap tests/state.bats tests/info.bats
}

# What needs nothing of the suites, and can run beside them. `./run lint` takes three times as many
# steps.
checks() {
    lint 75000
    check "demo" scripts/try-demo.sh
    check "suites on shared mounts" on_shared_mounts
    check "benchmarks work" bench_smoke
    check "build (fuzzers)" build_fuzzers
    check "fuzzers" fuzz 6
    check "machines are made" make_machines
}

run_tests() {
    local dir results filter=()
    results=$(mktemp)
    [ $# = 0 ] || filter=(--filter "$1")
    build_to_test
    trap 'test_users remove' EXIT
    test_users add
    [ $# -gt 0 ] || beside checks
    [ $# -gt 0 ] || check "unit tests under valgrind" under_valgrind
    coverage_begin build-sanitized
    for dir in build-test build-sanitized; do
        [ $# -gt 0 ] || step "unit tests in $dir" unit_tests "$dir"
        all_bats_tests "$dir" "${filter[@]}"
    done
    coverage_end
    [ $# -gt 0 ] || check "coverage" coverage_report
    [ $# -gt 0 ] || join
    # Nothing else runs beside emulated machines, which are slow enough.
    [ $# -gt 0 ] || step "machines" boot_machines
    report
}

run_lint() {
    local results
    results=$(mktemp)
    lint
    report
}
