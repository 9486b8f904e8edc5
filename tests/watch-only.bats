#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Probes without a semaphore, with -o all: shown, and not for switching.

load lib/session-with-users

# files_of PATH: what stands in that directory, on one line.
files_of() {
    find "$1" -mindepth 1 -printf '%f\n' | LC_ALL=C sort | paste -sd' '
}

# listed PID: does a listing of the tree show it?
listed() {
    ls "$mnt" > "$work/listing"
    grep -qx "$1" "$work/listing"
}

@test "a probe without a semaphore has no file that switches" {
    start_server -o all
    start sdt -q
    assert_equal "$(probes_of "$pid")" \
        "web:cache_hit web:cache_miss web:query web:request_done web:request_start web:silent"
    run ! grep -E -w 'enabled|semaphore|hold' <(files_of "$mnt/$pid/web:silent")
    assert_match " $(files_of "$mnt/$pid/web:silent") " "* sites *"
    assert_match " $(files_of "$mnt/$pid/web:query") " "* enabled *hold *semaphore *sites *"
    for file in enabled semaphore hold; do
        [ ! -e "$mnt/$pid/web:silent/$file" ]
        assert_errno ENOENT read "$mnt/$pid/web:silent/$file"
        assert_errno ENOENT write "$mnt/$pid/web:silent/$file" 1
    done
    # The same to whoever asks for the name without a listing.
    mkdir "$work/mnt2"
    start_server_at root "$work/mnt2" -o all
    assert_errno ENOENT read "$work/mnt2/$pid/web:silent/enabled"
    assert_equal "$(< "$work/mnt2/$pid/web:query/enabled")" 0
    assert_equal "$(memory_of_all "$pid")" "0 nop"
}

@test "its site has the state -, the address and offset are those of the memory" {
    start_server -o all
    start sdt -q
    assert_match "$(cat "$mnt/$pid/web:silent/sites")" "0x* - $work/bin/sdt+0x*"
    assert_equal "$(wc -l < "$mnt/$pid/web:silent/sites")" 1
    start watched
    # Where the argument is kept is up to the compiler.
    operand=$(readelf -n "$work/bin/watched" | sed -n 's/^ *Arguments: //p')
    assert_match "$operand" '-4@?*'
    assert_equal "$(awk '{ print $2, $4 }' "$mnt/$pid/web:silent/sites")" "- $operand"
}

@test "info says -, and enabled and control of the process are about the others" {
    start_server -o all
    start sdt -q
    assert_equal "$(grep -v '^0 0' "$mnt/$pid/info")" "- - 1 web:silent"
    assert_equal "$(awk 'NF != 4' "$mnt/$pid/info")" ""
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    run ! grep -q silent "$mnt/$pid/control"
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
    assert_equal "$(memory_of_all "$pid")" "1 nop"
    assert_equal "$(grep -v '^1 1' "$mnt/$pid/info")" "- - 1 web:silent"
    echo '0 web:*' > "$mnt/$pid/control"
    assert_equal "$(memory_of_all "$pid")" "0 nop"
    cat "$mnt/$pid/control" > "$work/saved"
    echo '=7 ~request' > "$mnt/$pid/control"
    cat "$work/saved" > "$mnt/$pid/control"
    assert_equal "$(memory_of_all "$pid")" "0 nop"
}

@test "a name or pattern that means nothing else is refused, and the sentence says why" {
    start_server -o all
    start sdt -q
    for each in web:silent 'web:s*' '~silent$' web:silent,web:query web:query,web:silent; do
        assert_errno ENOENT write "$mnt/$pid/control" "1 $each\n"
        assert_match "$(tail -n 1 "$mnt/$pid/error_log")" \
            "*'web:silent' has no semaphore, so it can be watched, not switched."
    done
    assert_errno ENOENT write "$mnt/$pid/control" '1 web:query\n1 web:silent\n'
    assert_equal "$(memory_of_all "$pid")" "0 nop"
}

@test "a process that has no other probes is listed, and nothing of it can be switched" {
    start_server -o all
    start watched
    listed "$pid"
    assert_equal "$(probes_of "$pid")" web:silent
    assert_equal "$(cat "$mnt/$pid/info")" "- - 1 web:silent"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    assert_equal "$(cat "$mnt/$pid/control")" ""
    assert_errno ENOENT write "$mnt/$pid/enabled" 1
    assert_match "$(cat "$mnt/$pid/error_log")" \
        "*process $pid has no probe that can be switched: none of them has a semaphore."
    # Nothing is hidden that error_log would have to tell of.
    assert_equal "$(grep -c 'left out' "$mnt/$pid/error_log" || true)" 0
}

@test "without -o all: not there, and error_log says that it would be" {
    start_server
    start watched
    # A busy machine's worker may not have told in time what it has, and then it is listed.
    wait_until '! listed "$pid"'
    [ ! -e "$mnt/$pid/web:silent" ]
    assert_match "$(cat "$mnt/$pid/error_log")" "*can be watched, not switched (for one, \
'web:silent'); mount with -o all to see it."
    start sdt -q
    [ ! -e "$mnt/$pid/web:silent" ]
    run ! grep silent "$mnt/$pid/info"
    assert_match "$(cat "$mnt/$pid/error_log")" "*'web:silent'); mount with -o all to see it."
}

@test "a user's own processes, and nobody else's" {
    start_server -o all
    start_as a watched
    wait_until 'grep -q "^pid" "$out"'
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
    assert_equal "$(run_as a ls -d "$mnt/$pid/web:silent")" "$mnt/$pid/web:silent"
    assert_equal "$(run_as a awk '{ print $2 }' "$mnt/$pid/web:silent/sites")" -
    assert_errno_as b EACCES read "$mnt/$pid/web:silent/sites"
    run_as b ls "$mnt" > "$work/listing"
    run ! grep -qx "$pid" "$work/listing"
}

@test "a C++ program: throw, catch and rethrow of its library" {
    cat > "$work/thrower.cc" << 'END'
#include <cstdio>
#include <unistd.h>
int main()
{
    try { throw 1; } catch (int) { puts("ready"); fflush(stdout); }
    for (;;) pause();
}
END
    "${CXX:-g++}" -o "$work/bin/thrower" "$work/thrower.cc"
    start_server -o all
    start_command root "$work/bin/thrower"
    wait_until 'grep -q ready "$out"'
    assert_equal "$(probes_of "$pid")" "libstdcxx:catch libstdcxx:rethrow libstdcxx:throw"
    assert_equal "$(awk '{ print $2, NF }' "$mnt/$pid/libstdcxx:throw/sites" | sort -u)" "- 5"
}

@test "one object with and without a semaphore: one probe, each site as its note says" {
    cat > "$work/with.c" << 'END'
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short app_step_semaphore __attribute__((section(".probes")));
void with(void) { STAP_PROBE1(app, step, 1); }
END
    cat > "$work/without.c" << 'END'
#include <sys/sdt.h>
#include <unistd.h>
void with(void);
int main(void)
{
    for (;; usleep(20000)) {
        with();
        STAP_PROBE1(app, step, 2);
    }
}
END
    cc -o "$work/bin/both" "$work/with.c" "$work/without.c"
    start_server -o all
    start_command root "$work/bin/both"
    step=$mnt/$pid/app:step
    wait_until '[ -e "$step/enabled" ]'
    assert_equal "$(cat "$mnt/$pid/info")" "0 0 2 app:step"
    echo 1 > "$step/enabled"
    assert_equal "$(awk '{ print $2, $4 }' "$step/sites" | sort | paste -sd' ')" \
        '- -4@$2 1 -4@$1'
    assert_equal "$(< "$step/enabled")" 1
    exec 8> "$step/hold"
    exec 8>&-
    assert_equal "$(< "$step/semaphore")" 1
    timeout "$(patient 20)" head -n 6 < "$step/trace" > "$work/out/lines" 2>/dev/null || true
    assert_equal "$(awk '{ print $4 }' "$work/out/lines" | sort | uniq -c | xargs)" "3 1 3 2"
    stop_server "$server" "$mnt"
    start_server
    assert_equal "$(cat "$mnt/$pid/info")" "1 1 1 app:step"
    assert_match "$(cat "$mnt/$pid/error_log")" "*1 note without a semaphore left out*'app:step'*"
}

# Of one name, the program's probe has no semaphore, the library's has one.
build_changing() {
    cat > "$work/library.c" << 'END'
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short app_turn_semaphore __attribute__((section(".probes"), visibility("hidden")));
void turn(void) { if (app_turn_semaphore) STAP_PROBE(app, turn); }
END
    cat > "$work/program.c" << 'END'
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sdt.h>
int main(int argc, char **argv)
{
    char line[16];
    void *library = NULL;
    while (puts(library ? "loaded" : "unloaded"), fflush(stdout), fgets(line, sizeof(line), stdin)) {
        STAP_PROBE(app, turn);
        if (library) dlclose(library), library = NULL;
        else if (!(library = dlopen(argv[argc - 1], RTLD_NOW))) exit(1);
    }
}
END
    cc -shared -fPIC -o "$work/bin/library.so" "$work/library.c"
    cc -o "$work/bin/changing" "$work/program.c" -ldl
}

@test "a library that brings a semaphore brings the files, and takes them along again" {
    build_changing
    mkfifo "$work/turns"
    start_server -o all
    start_command root sh -c "exec '$work/bin/changing' '$work/bin/library.so' < '$work/turns'"
    exec 7> "$work/turns"
    wait_until 'grep -q unloaded "$out"'
    turn=$mnt/$pid/app:turn
    assert_equal "$(awk '{ print $1, $3 }' "$mnt/$pid/info")" "- 1"
    [ ! -e "$turn/enabled" ]
    number=$(stat -c %i "$turn")
    echo >&7
    wait_until 'grep -qx loaded "$out"'
    # Names may be a second old.
    wait_until '[ -e "$turn/enabled" ]'
    assert_equal "$(awk '{ print $1, $3 }' "$mnt/$pid/info")" "0 2"
    [ "$(stat -c %i "$turn")" != "$number" ]
    echo 1 > "$turn/enabled"
    assert_equal "$(awk '{ print $2 }' "$turn/sites" | sort | paste -sd' ')" "- 1"
    assert_equal "$(< "$turn/enabled")" 1
    exec 8> "$turn/hold"
    echo >&7
    wait_until '[ "$(grep -cx unloaded "$out")" = 2 ]'
    exec 8>&-
    wait_until '[ ! -e "$turn/enabled" ]'
    assert_equal "$(cat "$mnt/$pid/info")" "- - 1 app:turn"
    assert_equal "$(stat -c %i "$turn")" "$number"
    exec 7>&-
}

@test "a file of a probe that lost its semaphore answers ENOENT" {
    build_changing
    mkfifo "$work/turns"
    start_server -o all
    start_command root sh -c "exec '$work/bin/changing' '$work/bin/library.so' < '$work/turns'"
    exec 7> "$work/turns"
    wait_until 'grep -q unloaded "$out"'
    echo >&7
    wait_until 'grep -qx loaded "$out"'
    exec 8<> "$mnt/$pid/app:turn/enabled" 9<> "$mnt/$pid/app:turn/semaphore"
    echo >&7
    wait_until '[ "$(grep -cx unloaded "$out")" = 2 ]'
    for descriptor in 8 9; do
        assert_errno ENOENT read "@$descriptor"
        assert_errno ENOENT write "@$descriptor" 1
    done
    exec 7>&- 8>&- 9>&-
}

@test "it is watched and counted like any other" {
    start_server -o all
    start sdt -q -i 20
    site=$(sed 's/^0x//; s/ .*//' "$mnt/$pid/web:silent/sites")
    assert_equal "$(peek "$pid" bytes "$site" 1)" 90
    timeout "$(patient 20)" head -n 3 < "$mnt/$pid/web:silent/trace" > "$work/out/lines"
    assert_equal "$(cut -d' ' -f2- "$work/out/lines" | uniq -c | sed 's/^ *//')" "3 $pid web:silent"
    echo 1 > "$mnt/$pid/web:silent/hits"
    wait_until '[ "$(< "$mnt/$pid/web:silent/hits")" -gt 0 ]'
    assert_equal "$(peek "$pid" bytes "$site" 1)" cc
    echo 0 > "$mnt/$pid/web:silent/hits"
    echo '1 *' > "$mnt/$pid/hits"
    assert_equal "$(sed 's/.* //' "$mnt/$pid/hits" | LC_ALL=C sort | paste -sd' ')" "$(probes_of "$pid")"
    echo 0 > "$mnt/$pid/hits"
    # Nothing of it is left in the memory.
    wait_until '[ "$(peek "$pid" bytes "$site" 1)" = 90 ]'
    assert_equal "$(memory_of_all "$pid")" "0 nop"
}
