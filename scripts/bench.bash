# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What things cost, beside a peer: doc/BENCHMARKS.md.

# bench [RUNS]: the whole so many times (1), then tables of it all, which say which goals are reached.
bench() {
    local runs=${1:-1} run
    make_build build || return
    rm -f build/bench/*.json
    for ((run = 1; run <= runs; run++)); do
        echo "=== run $run of $runs"
        BENCH_RUN=$run meson test -C build --no-rebuild --benchmark --verbose || return
    done
}
