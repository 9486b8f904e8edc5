#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# probe-run: programs that start with their probes on.

load lib/session-with-users
load lib/programs

setup() {
    session_begin
    prepare_programs
}

@test "a probe in the very first instruction of a static program is on" {
    has_status 0 "$(target first)"
    has_status 42 "$probe_run" "$(target first)"
    has_status 42 "$probe_run" -e first "$(target first)"
}

@test "a site at the entry point itself, where a loader comes first" {
    has_status 0 "$(target first-dynamic)"
    has_status 42 "$probe_run" "$(target first-dynamic)"
}

@test "executable and library: on at main" {
    has_status 0 "$report"
    says_line "early 0"
    says_line "late 0"
    has_status 0 "$probe_run" "$report"
    says_line "early 1"
    says_line "late 1"
}

@test "static, static PIE and not PIE programs" {
    for each in demo-static demo-static-pie demo-no-pie demo-ocaml; do
        has_status 0 "$probe_run" -e gc_start "$(target $each)" -n 1 -i 0
        says_line "gc_start: round 0"
        says_nothing_of gc_stop
    done
}

@test "NAME is a name, a glob, a regular expression or a pair; several add up" {
    demo=$(target demo-ocaml_1)
    for each in 'gc_start' 'gc_s*' '~^gc_s' 'gc_start,gc_stop'; do
        has_status 0 "$probe_run" -e "$each" -- "$demo" -n 1 -i 0
        says_line "gc_start: round 0"
        says_nothing_of idle
    done
    has_status 0 "$probe_run" -e idle --enable=gc_stop "$demo" -n 1 -i 0
    says_line "idle: round 0"
    says_line "gc_stop: round 0"
    has_status 0 "$probe_run" -e late,early "$report"
    says_line "early 1"
    says_line "late 1"
    has_status 0 "$probe_run" -e late "$report"
    says_line "early 0"
    says_line "late 1"
}

@test "a NAME that matches nothing: status 2, a message, and nothing is run" {
    for each in nope 'nope*' '~^x' early,nope '~(' 'a,b,c'; do
        has_status 2 env CONSTRUCTOR=exit "$probe_run" -e early -e "$each" "$report"
        assert_match "$(cat "$work/out/command")" "probe-run: *'${each#early,}'*"
        assert_equal "$(wc -l < "$work/out/command")" 1 "lines"
    done
}

@test "-l lists the probes of the executable and its libraries, and runs neither" {
    has_status 0 env CONSTRUCTOR=exit "$probe_run" -l "$report"
    assert_equal "$(cat "$work/out/command")" $'early\nlate'
    has_status 0 "$probe_run" --list "$(target demo-static)"
    assert_equal "$(cat "$work/out/command")" $'boot\ngc_start\ngc_stop\nidle\nrequest'
    has_status 0 "$probe_run" -l /bin/true
    assert_equal "$(cat "$work/out/command")" ""
    has_status 127 "$probe_run" -l "$work/none"
    has_status 1 sh -c '"$1" -l "$2" >/dev/full' sh "$probe_run" "$report"
}

@test "127 and 126, as the shell does" {
    printf '#!/none\n' >"$work/orphan"
    chmod +x "$work/orphan"
    has_status 127 "$probe_run" "$work/none"
    has_status 127 "$probe_run" none-such-program
    has_status 127 "$probe_run" ""
    has_status 127 "$probe_run" "$work/orphan"
    has_status 126 "$probe_run" "$work"
    touch "$work/plain"
    has_status 126 "$probe_run" "$work/plain"
    has_status 127 "$probe_run" "$work/plain/x" || has_status 126 "$probe_run" "$work/plain/x"
}

@test "the command line" {
    has_status 0 "$probe_run" --help
    assert_match "$(cat "$work/out/command")" "usage: probe-run *"
    has_status 0 "$probe_run" --version
    assert_match "$(cat "$work/out/command")" "probe-run [0-9]*"
    has_status 2 "$probe_run"
    has_status 2 "$probe_run" --nope "$report"
    has_status 2 "$probe_run" -e
    has_status 2 "$probe_run" -l "$report" more
    has_status 2 "$probe_run" -l -e early "$report"
    # What follows the program is its own.
    has_status 0 "$probe_run" echo -e --help
    says_line "--help"
}

@test "found along PATH" {
    has_status 42 env PATH="/none:$work/bin:/bin" "$probe_run" "$(basename "$(target first)")"
    cd "$work/bin"
    has_status 42 env PATH=/none: "$probe_run" first
    has_status 42 "$probe_run" ./first
}

@test "exit status and signals are the program's own" {
    has_status 7 "$probe_run" "$report" exit 7
    for each in 1 9 11 15; do
        has_status $((128 + each)) "$probe_run" "$report" kill $each
    done
}

@test "its pid is the one that was started" {
    start_command root "$probe_run" "$report" sleep
    wait_until 'grep -q "^arguments" "$out"'
    grep "^pid $pid, parent $BASHPID$" "$out"
    assert_equal "$(status_field "$pid" TracerPid)" 0 "tracer"
    assert_equal "$(readlink "/proc/$pid/exe")" "$report" "program"
    kill -TERM "$pid"
    ends_with 143
}

# finds_the_same COMMAND...: with and without probe-run, the program finds the same.
finds_the_same() {
    local plain changed
    plain=$("$@" "$report" exit 0 3>&- | sed '1,2d; /^pid/d; /^session/d')
    changed=$("$@" "$probe_run" "$report" exit 0 3>&- | sed '1,2d; /^pid/d; /^session/d')
    assert_equal "$changed" "$plain" "what the program finds under: $*"
    assert_match "$plain" "children no*"
}

@test "the program finds nothing that is not there without probe-run" {
    finds_the_same env
    finds_the_same env --ignore-signal=INT --block-signal=CHLD --block-signal=USR1
    finds_the_same env --ignore-signal=CHLD
    finds_the_same sh -c 'exec "$@" <&-' sh
    finds_the_same sh -c 'exec "$@" 7</dev/null' sh
    finds_the_same setpriv --no-new-privs
}

@test "a process that adopts orphans is not given one" {
    finds_the_same python3 -c '
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1)
os.execv(sys.argv[1], sys.argv[1:])'
}

@test "standard input is the program's" {
    assert_equal "$(printf 'one\ntwo\n' | "$probe_run" "$report" cat | grep ^read)" \
        $'read one\nread two'
}

@test "the terminal is the program's" {
    # shellcheck disable=SC2016
    output=$(printf 'typed\n' | script -qec "tty && '$probe_run' '$report' cat" /dev/null &
        wait $!)
    assert_match "$output" '*/dev/pts/*read typed*'
}

@test "signals reach it while its libraries are loaded, and a stop stops it" {
    start_waiting exit 0
    [ "$(status_field "$pid" TracerPid)" != 0 ]
    kill -STOP "$pid"
    wait_until '[ "$(status_field $pid State)" = t ] || [ "$(status_field $pid State)" = T ]'
    kill -USR1 "$pid"
    sleep 0.2
    [ "$(lines_of woken)" = 0 ]
    kill -CONT "$pid"
    wait_until 'grep -q woken "$out"'
    ends_with 0
    grep -x "late 1" "$out"
}

@test "a signal ends it while its libraries are loaded" {
    start_waiting
    tracer=$(status_field "$pid" TracerPid)
    kill -TERM "$pid"
    ends_with 143
    wait_until "! is_running $tracer"
    start_waiting
    kill -KILL "$pid"
    ends_with 137
}

@test "a signal at once after the start" {
    for each in $(seq 20); do
        start_command root "$probe_run" "$report" sleep
        # Before that it is a copy of this shell, which may lose a signal.
        while [ "/proc/$pid/exe" -ef /proc/self/exe ]; do :; done
        kill -TERM "$pid"
        ends_with 143
    done
}

@test "a stop at once after the start" {
    for each in $(seq 10); do
        start_command root "$probe_run" "$report" exit 3
        while [ "/proc/$pid/exe" -ef /proc/self/exe ]; do :; done
        kill -STOP "$pid" || true
        kill -CONT "$pid" || true
        ends_with 3
    done
}

@test "constructors that end, replace, double or thread the program" {
    has_status 0 env CONSTRUCTOR=exec "$probe_run" "$report"
    assert_equal "$(cat "$work/out/command")" replaced
    has_status 9 env CONSTRUCTOR=exit "$probe_run" "$report"
    has_status 137 env CONSTRUCTOR=kill "$probe_run" "$report"
    for each in fork thread; do
        has_status 4 env CONSTRUCTOR=$each "$probe_run" "$report" exit 4
        says_line "late 1"
    done
}

@test "a helper that is killed in between: the program does not run half switched" {
    start_waiting exit 0
    kill -KILL "$(status_field "$pid" TracerPid)"
    wait_until '[ "$(status_field $pid TracerPid)" = 0 ]'
    kill -USR1 "$pid"
    ends_with 133
}

@test "a site that cannot be switched: the program ends before it runs" {
    first=$(target first)
    python3 - "$first" <<'END'
import sys
path = sys.argv[1]
code = open(path, "rb").read()
open(path, "wb").write(code.replace(b"\x90\x3d", b"\x90\x90", 1))
END
    has_status 126 "$probe_run" "$first"
    assert_match "$(cat "$work/out/command")" "probe-run: the program is not started: *site*"
}

@test "an ordinary user" {
    has_status 42 run_as a "$probe_run" "$(target first)"
    has_status 7 run_as a "$probe_run" "$report" exit 7
    says_line "early 1"
    says_line "late 1"
    has_status 0 run_as a "$probe_run" -l "$report"
}

@test "a program that changes its privileges is refused, and listed" {
    first=$(target first)
    chmod 4755 "$first"
    has_status 126 run_as a "$probe_run" "$first"
    assert_match "$(cat "$work/out/command")" "*setuid*"
    has_status 0 run_as a "$probe_run" -l "$first"
    says_line first
    has_status 42 run_as a setpriv --no-new-privs "$probe_run" "$first"
    has_status 42 "$probe_run" "$first"
    chmod 2755 "$first"
    has_status 126 run_as a "$probe_run" "$first"
    # With the capability to trace, nothing is lost.
    demo=$(target demo-ocaml_1)
    chown "$(user_name b)" "$demo"
    chmod 4755 "$demo"
    has_status 0 "$probe_run" -e idle "$demo" -n 1 -i 0
    says_line "idle: round 0"
}

# make_marked_program NAME [ARGUMENT]...: a program with the probe app:alpha, linked as the ARGUMENTs
# say, in $work/bin; and next to it mark.so, which makes a file `ran` if anything of it runs.
make_marked_program() {
    local name=$1
    shift
    cat >"$work/mark.c" <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
static void mark(void) { close(open("ran", O_CREAT | O_WRONLY, 0666)); }
unsigned int la_version(unsigned int version) { mark(); return version; }
__attribute__((constructor)) static void construct(void) { mark(); }
/* As a loader, before anything is relocated. */
static long call(long number, const void *a, long b, long c)
{
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return number;
}
void _start(void)
{
    call(SYS_open, "ran", O_CREAT | O_WRONLY, 0666);
    call(SYS_exit, 0, 0, 0);
}
END
    cat >"$work/app.c" <<'END'
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short app_alpha_semaphore __attribute__((section(".probes")));
int main(int argc, char **argv)
{
    (void)argv;
    STAP_PROBE1(app, alpha, argc);
    return app_alpha_semaphore;
}
END
    "${CC:-gcc}" -shared -fPIC -o "$work/bin/mark.so" "$work/mark.c"
    "${CC:-gcc}" -O1 -Wl,--no-as-needed -o "$work/bin/$name" "$work/app.c" "$@"
    cd "$work" || return
    chmod 1777 .
    rm -f ran
}

@test "-l, and -e before it starts a program, run nothing of the program's author" {
    make_marked_program audit -Wl,--audit="$work/bin/mark.so"
    make_marked_program depaudit -Wl,--depaudit="$work/bin/mark.so"
    make_marked_program linked "$work/bin/mark.so"
    make_marked_program loaded -Wl,--dynamic-linker="$work/bin/mark.so"
    chown "$(user_name c)" bin/audit bin/depaudit bin/linked bin/loaded bin/mark.so
    for each in audit depaudit linked loaded; do
        for as in root a c; do
            # A build with coverage says where its user may not add what it counted.
            has_status 0 run_as "$as" "$probe_run" -l "bin/$each"
            assert_equal "$(grep -v '^profiling:' "$work/out/command")" app:alpha
            has_status 2 run_as "$as" "$probe_run" -e nosuch "bin/$each"
            has_status 2 run_as "$as" "$probe_run" -d nosuch "bin/$each"
            [ ! -e ran ]
        done
        # The check bites: it does run in the end.
        "bin/$each" || true
        [ -e ran ]
        rm ran
    done
}

@test "a program, or its loader, that is swapped before it is executed does not run" {
    swap=$(target swap)
    for how in exec paused; do
        make_marked_program app
        cp bin/app bin/other
        has_status "$([ $how = exec ] && echo 126 || echo 1)" \
            "$swap" $how bin/app bin/other "$work/bin/app"
        assert_match "$(cat "$work/out/command")" "*the program '$work/bin/app' is not the file any more*"
        # Not a setuid program either: bin/app was none when it was read.
        make_marked_program app
        install -m 4755 bin/app bin/other
        has_status "$([ $how = exec ] && echo 126 || echo 1)" \
            "$swap" $how bin/app bin/other "$work/bin/app"
        cp /lib64/ld-linux-x86-64.so.2 loader
        cp bin/mark.so other
        make_marked_program app -Wl,--dynamic-linker="$work/loader"
        has_status "$([ $how = exec ] && echo 126 || echo 1)" \
            "$swap" $how loader other "$work/bin/app"
        assert_match "$(cat "$work/out/command")" "*the loader of the program '$work/bin/app' is not*"
        [ ! -e ran ]
    done
    # For an ordinary user, too, who can only look at the loader by its path.
    make_marked_program app
    cp bin/app bin/other
    chmod 777 bin
    has_status 126 run_as a "$swap" exec bin/app bin/other "$work/bin/app"
    cp /lib64/ld-linux-x86-64.so.2 loader
    make_marked_program app -Wl,--dynamic-linker="$work/loader"
    cp bin/mark.so other
    chmod 777 .
    has_status 126 run_as a "$swap" exec loader other "$work/bin/app"
    assert_match "$(cat "$work/out/command")" "*the loader of the program*"
    [ ! -e ran ]
    # Where nothing is swapped, it runs.
    cp /lib64/ld-linux-x86-64.so.2 loader
    cp bin/app bin/other
    has_status 1 run_as a "$swap" exec spare bin/other "$work/bin/app"
}

@test "-d switches off what is on from the start, and wins over -e" {
    demo=$(target demo-ocaml_1)
    has_status 0 "$probe_run" -e idle -d boot "$demo" -n 2 -i 0
    says_line "idle: round 0"
    says_nothing_of boot
    has_status 0 "$probe_run" -d '*' "$demo" -n 2 -i 0
    says_nothing_of round
    has_status 0 "$probe_run" --disable=boot,idle "$demo" -n 2 -i 0
    says_line "gc_start: round 0"
    says_nothing_of 'boot\|idle'
    has_status 0 "$probe_run" -e 'gc_*' -d gc_stop "$demo" -n 1 -i 0
    says_line "gc_start: round 0"
    says_nothing_of gc_stop
    has_status 0 "$probe_run" -d late "$report"
    says_line "early 1"
    says_line "late 0"
    has_status 2 "$probe_run" -d nope "$demo" -n 1 -i 0
}

@test "a probe without a semaphore is marked, and cannot be switched" {
    # libstdc++ has three.
    echo 'int main() { try { throw 1; } catch (int) { return 0; } }' >"$work/thrower.cc"
    "${CXX:-g++}" -o "$work/bin/thrower" "$work/thrower.cc"
    has_status 0 "$probe_run" -l "$work/bin/thrower"
    assert_equal "$(cat "$work/out/command")" \
        "$(printf 'libstdcxx:%s (no semaphore)\n' catch rethrow throw)"
    for each in libstdcxx:throw 'libstdcxx:*' '~^libstdcxx:' libstdcxx:catch,libstdcxx:throw; do
        has_status 2 "$probe_run" -e "$each" "$work/bin/thrower"
        assert_match "$(cat "$work/out/command")" \
            "probe-run: program '*' has no probe that '$each' could switch: 'libstdcxx:*' has no semaphore, so it can be watched, not switched: -t prints its trace, and a mount with -o all shows it"
    done
    # Without a NAME, there is nothing to switch.
    has_status 0 "$probe_run" "$work/bin/thrower"
    # Some of those that a pattern means can be: then it means these.
    make_marked_program mixed -lstdc++
    has_status 0 "$probe_run" -l bin/mixed
    says_line "app:alpha"
    says_line "libstdcxx:throw (no semaphore)"
    has_status 1 "$probe_run" -e '*' bin/mixed
}

@test "a name over 255 bytes, in full and as it is shown" {
    local long
    long=$(printf 'x%.0s' $(seq 300))
    cat >"$work/long.c" <<END
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short app_${long}_semaphore __attribute__((section(".probes")));
int main(void)
{
    STAP_PROBE(app, $long);
    return app_${long}_semaphore;
}
END
    "${CC:-gcc}" -o "$work/bin/long" "$work/long.c"
    shown=$("$probe_run" -l "$work/bin/long")
    assert_equal "${#shown}" 255 "length of the name that is shown"
    has_status 1 "$probe_run" -e "$shown" "$work/bin/long"
    has_status 1 "$probe_run" -e "app:$long" "$work/bin/long"
    has_status 1 "$probe_run" -f -e "app:$long" env "$work/bin/long"
    has_status 0 "$probe_run" -d "app:$long" "$work/bin/long"
    has_status 2 "$probe_run" -e "app:${long}x" "$work/bin/long"
}

@test "messages escape what others named" {
    make_marked_program app
    cp bin/app $'bin/a\e[31mb\nc'
    has_status 2 "$probe_run" -e $'no\e' $'bin/a\e[31mb\nc'
    assert_equal "$(cat "$work/out/command")" \
        "probe-run: program 'bin/a%1B[31mb%0Ac' has no probe that matches 'no%1B'"
    has_status 127 "$probe_run" $'/none\e\n'
    assert_equal "$(cat "$work/out/command")" \
        "probe-run: cannot run '/none%1B%0A': No such file or directory"
    printf '#!/none\e[m\n' >script
    chmod +x script
    has_status 127 "$probe_run" ./script
    [ "$(grep -c $'\e' "$work/out/command")" = 0 ]
    # Names of libraries, too.
    make_marked_program app
    sed -i 's,libc\.so\.6,lib\x1b.so.6,' bin/app
    has_status 0 "$probe_run" -l bin/app
    assert_match "$(cat "$work/out/command")" "*the library 'lib%1B.so.6' that '*' needs is not found*"
}

@test "no device and no FIFO is opened as a program" {
    mkfifo "$work/bin/fifo"
    chmod +x "$work/bin/fifo"
    printf '#!%s\n' "$work/bin/fifo" >"$work/script"
    chmod +x "$work/script"
    has_status 126 timeout 10 "$probe_run" -l "$work/bin/fifo"
    has_status 126 timeout 10 "$probe_run" -l "$work/script"
    for each in $(seq 8); do
        printf '#!%s\n' "$work/loop$((each % 8 + 1))" >"$work/loop$each"
        chmod +x "$work/loop$each"
    done
    has_status 126 timeout 10 "$probe_run" -l "$work/loop1"
    assert_match "$(cat "$work/out/command")" "*symbolic links*"
}

@test "scripts: the interpreter's probes" {
    printf '#!%s exit\n' "$report" >"$work/script"
    printf '#!%s\n' "$work/script" >"$work/nested"
    printf 'exit 5\n' >"$work/bare"
    chmod +x "$work/script" "$work/nested" "$work/bare"
    has_status 0 "$probe_run" "$work/script"
    says_line "early 1"
    says_line "late 1"
    has_status 0 "$probe_run" -l "$work/nested"
    says_line late
    has_status 5 "$probe_run" "$work/bare"
    # Who reads "env" there knows what -f is for.
    printf '#!/usr/bin/env sh\n' >"$work/shim"
    chmod +x "$work/shim"
    has_status 2 "$probe_run" -e early "$work/shim"
    assert_equal "$(cat "$work/out/command")" \
        "probe-run: program '$work/shim', which '/usr/bin/env' runs, has no probe that matches 'early'"
}

@test "a program that is traced already is refused" {
    # Nor could it be by the sanitizer that looks for leaks.
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
    has_status 126 strace -o /dev/null "$probe_run" "$report"
    assert_match "$(cat "$work/out/command")" "probe-run: *cannot be traced*"
}

@test "the library's paused start" {
    pauser=$(target pauser)
    has_status 6 "$pauser" "$report" exit 6
    says_line "before the first instruction: early"
    says_line "at the entry point: early late"
    says_line "early 1"
    says_line "late 1"
    has_status 42 "$pauser" "$(target first)"
    has_status 1 "$pauser" "$work/none"
    has_status 1 env CONSTRUCTOR=exit "$pauser" "$report"
    assert_match "$(tail -n 1 "$work/out/command")" "*failed: *ended before*"
    has_status 7 run_as a "$pauser" "$report" exit 7
}
