# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The fuzzers: clang's libFuzzer, with ASan and UBSan.

fuzzers=(arguments control elf-dynamic ld-cache maps name note object options)

build_fuzzers() {
    CC=clang configure build-fuzz -Dwerror=true -Dfuzz=true && ninja -C build-fuzz fuzzers
}

# fuzz_one NAME SECONDS: what it finds is left as build-fuzz/findings/NAME-*. Nothing that is read
# takes long, or much memory.
fuzz_one() {
    local name=$1 seconds=$2 seeds=tests/fuzz/corpus/$1 found=build-fuzz/findings/$1
    [ -d "$seeds" ] || seeds=build-fuzz/tests/fuzz/seeds/$name
    mkdir -p "$found"
    ASAN_OPTIONS=detect_leaks=1 build-fuzz/tests/fuzz/fuzz-"$name" -max_total_time="$seconds" \
        -max_len=8192 -timeout=20 -rss_limit_mb=2048 -close_fd_mask=2 -print_final_stats=1 \
        -artifact_prefix="$found-" "$found" "$seeds" >"$found.log" 2>&1 ||
        { tail -n 40 "$found.log"; return 1; }
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log") runs"
}

# fuzz SECONDS: all of them, as many at once as there are processors.
fuzz() {
    export -f fuzz_one
    # shellcheck disable=SC2016
    printf '%s\n' "${fuzzers[@]}" | xargs -P "$(nproc)" -I{} bash -c 'fuzz_one "$@"' fuzz {} "$1"
}
