#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# probe-run with what it meets in the field: the real sudo and nice, and musl's programs.

load ../lib/field

setup() {
    session_begin
    probe_run=$build/probe-run/probe-run
}

# follows COMMAND...: probe-run -f starts COMMAND, which becomes the target; its probe is on from the
# first round on.
follows() {
    start_command root "$probe_run" -f -e gc_start "$@"
    wait_until 'grep -q "^gc_start: round 0" "$out"' 30
    program=$(sed -n 's/^pid //p' "$out")
    adopt "$program"
    is_let_go "$program"
}

@test "sudo -u: followed to the program, which is the other user's, and is let go" {
    needs sudo
    follows sudo -n -u "$(user_name a)" "$(target demo-ocaml_1)"
    assert_equal "$(stat -c %U "/proc/$program")" "$(user_name a)"
}

@test "nice: followed, with its pid, and as nice as it was asked for" {
    follows nice -n 7 "$(target demo-ocaml_1)"
    assert_equal "$program" "$pid"
    assert_equal "$(ps -o ni= -p "$program" | tr -d ' ')" 7
}

@test "sudo and nice: a program without such a probe is told, and its exit status is kept" {
    for wrapper in "sudo -n -u $(user_name a)" nice; do
        # shellcheck disable=SC2086 # words
        run "$probe_run" -f -e no_such $wrapper sh -c 'exit 7'
        assert_equal "$status" 7 "$wrapper"
        assert_match "$output" "*no_such*" "$wrapper"
    done
}

# by_ldd PROGRAM: the files that musl's own ldd says.
by_ldd() {
    musl-ldd "$1" | sed -n 's/^[ \t]*\(.* => \)\?\(\/[^ ]*\|\.[^ ]*\) (0x.*/\2/p' | xargs realpath | sort -u
}

# by_reading PROGRAM: those that are found by reading.
by_reading() {
    "$targets/libraries" "$1" | sed 1d | xargs realpath | sort -u
}

# agrees PROGRAM LIBRARY...: both find these.
agrees() {
    local program=$1 each
    shift
    assert_equal "$(by_reading "$program")" "$(by_ldd "$program")" "$program"
    for each in "$@"; do
        by_reading "$program" | grep -qx "$(realpath "$each")" || { echo "$program: no $each"; return 1; }
    done
}

@test "musl: libraries are found as its own ldd finds them" {
    needs musl-gcc musl-ldd
    cd "$work"
    mkdir one two
    echo 'int one(void) { return 1; }' >one.c
    echo 'int one(void); int two(void) { return one(); }' >two.c
    echo 'int two(void); int main(void) { return two() - 1; }' >main.c
    musl-gcc -shared -fPIC -o one/libone.so one.c
    musl-gcc -shared -fPIC -o two/libtwo.so two.c -Lone -lone
    musl-gcc -o origin main.c -Ltwo -ltwo -Wl,-rpath-link,one '-Wl,-rpath,$ORIGIN/one:$ORIGIN/two'
    agrees ./origin one/libone.so two/libtwo.so
    musl-gcc -o runpath main.c -Ltwo -ltwo -Wl,-rpath-link,one -Wl,--enable-new-dtags,-rpath,"$work/one:$work/two"
    agrees ./runpath one/libone.so two/libtwo.so
    musl-gcc -o bare main.c -Ltwo -ltwo -Wl,-rpath-link,one
    export LD_LIBRARY_PATH=$work/two:$work/one
    agrees ./bare one/libone.so two/libtwo.so
    unset LD_LIBRARY_PATH
    musl-gcc -static -o static main.c two.c one.c
    assert_equal "$(by_reading ./static)" ""
}

@test "musl: a library's probe is on before its program runs" {
    needs musl-gcc
    cd "$work"
    cat >library.c <<'END'
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short field_probe_semaphore __attribute__((section(".probes")));
int is_on(void) { DTRACE_PROBE(field, probe); return field_probe_semaphore; }
END
    echo 'int is_on(void); int main(void) { return is_on(); }' >main.c
    musl-gcc -idirafter /usr/include -idirafter "/usr/include/$(gcc -print-multiarch)" \
        -shared -fPIC -o libprobe.so library.c
    musl-gcc -o main main.c -L. -lprobe '-Wl,-rpath,$ORIGIN'
    assert_equal "$("$probe_run" -l ./main)" field:probe
    run "$probe_run" -e field:probe ./main
    assert_equal "$status" 1 "$output"
    run ./main
    assert_equal "$status" 0
}
