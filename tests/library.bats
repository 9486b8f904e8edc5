#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The engine as a library, as others get it: an installed copy is found by pkg-config, and programs
# are built with it.

load lib/session
load lib/library

setup() {
    session_begin
    install_copy
}

# Lists and switches, and an independent reader sees it.
program_switches() {
    local program=$1
    start demo-ocaml_1
    assert_equal "$("$program" "$pid")" $'1 boot\n0 gc_start\n0 gc_stop\n0 idle\n0 request'
    assert_equal "$("$program" "$pid" 1 'gc_*' | grep gc)" $'1 gc_start\n1 gc_stop'
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    says '^gc_stop'
    "$program" "$pid" 0 gc_stop > /dev/null
    assert_equal "$(memory_of "$pid" gc_stop)" "0 off"
    run -1 "$program" "$pid" 0 none
    assert_match "$output" "*no probe that matches 'none'*"
    run -1 "$program" 4194304
    assert_match "$output" "*process 4194304 does not exist*"
}

@test "switch.c, with the shared library" {
    installed --cflags --libs
    compile "$work/bin/switch" "$tests/../examples/switch/switch.c" "${found[@]}"
    export LD_LIBRARY_PATH=$library
    ldd "$work/bin/switch" | grep -qF "$library/libprobe-engine.so.1"
    program_switches "$work/bin/switch"
}

@test "switch.c, with the static library" {
    installed --cflags --libs --static
    # Nothing can be sanitized and wholly static: there, the engine alone is.
    if [ ${#flags[@]} = 1 ]; then
        flags+=(-static)
    else
        found=("${found[@]/#-lprobe-engine/-l:libprobe-engine.a}")
    fi
    compile "$work/bin/switch" "$tests/../examples/switch/switch.c" "${found[@]}"
    assert_equal "$(ldd "$work/bin/switch" 2>&1 | grep -c libprobe-engine)" 0
    program_switches "$work/bin/switch"
}

@test "the header is enough for C11 and for C++" {
    printf '#include <probe-engine.h>\nint main(void) { return 0; }\n' > "$work/empty.c"
    cp "$work/empty.c" "$work/empty.cc"
    installed --cflags
    "${CC:-cc}" -std=c11 -pedantic -Wall -Wextra -Werror "${found[@]}" -fsyntax-only "$work/empty.c"
    clang++ -Wall -Wextra -Werror "${found[@]}" -fsyntax-only "$work/empty.cc"
}

@test "no symbol is exported but those of the header, and all of those are" {
    nm -D --defined-only "$library/libprobe-engine.so" | awk '{ print $3 }' |
        LC_ALL=C sort > "$work/exported"
    grep -oE '^PROBE_API .*|^ *PROBE_API .*' "$root"/usr/local/include/probe-engine.h |
        grep -oE 'probe_[a-z_]+\(' | tr -d '(' | LC_ALL=C sort > "$work/declared"
    [ "$(wc -l < "$work/declared")" -gt 50 ]
    # A sanitizer's own, and gcov's.
    sed -i '/^__\(asan\|ubsan\|odr_asan\|gcov\)\|^mangle_path$/d' "$work/exported"
    diff "$work/declared" "$work/exported"
}

@test "every way to use it that its page names" {
    installed --cflags --libs
    compile "$work/bin/ways" -D_GNU_SOURCE -DLAYOUT_OCAML_1 -mno-red-zone -I "$tests/targets" \
        "$tests/library/ways.c" "${found[@]}"
    printf 'source "%s"\nmemory_of "$1" "$2"\n' "$tests/lib/process.bash" > "$work/memory"
    export LD_LIBRARY_PATH=$library tests build
    start demo-ocaml_1 -q
    "$work/bin/ways" "$pid" "$(target demo-ocaml_1)" "$(target first)" \
        "tests=$tests build=$build bash $work/memory" > "$work/ways"
    # Each row of the page's table is a way, and the other way round.
    sed -n 's/^| \*\*\(.*\)\*\* |.*/\1/p' "$tests/../doc/LIBRARY.md" > "$work/rows"
    diff "$work/rows" "$work/ways"
}
