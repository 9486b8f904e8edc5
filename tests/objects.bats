#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Programs and libraries in every format and of every build: what is found in them.

load lib/session-with-users

setup() {
    session_begin
    start_server
}

# works_like_demo PROGRAM: all of a demo's probes are found, and each does what it should.
works_like_demo() {
    start "$1" -i 20
    assert_equal "$(probes_of "$pid")" "boot gc_start gc_stop idle request"
    assert_equal "$(cat "$mnt/$pid"/*/enabled | paste -sd' ')" "1 0 0 0 0"
    for name in gc_start gc_stop request idle; do
        echo 1 > "$mnt/$pid/$name/enabled"
        says "^$name"
        assert_equal "$(state_of "$pid" $name)" 1
        echo 0 > "$mnt/$pid/$name/enabled"
        is_silent "^$name"
    done
    # The program's own question "is it on?" has the answer of the counter that was written.
    echo 1 > "$mnt/$pid/request/enabled"
    says '^prepared'
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
}

# What peek sees is from the notes and the symbols; where both are gone it cannot say.
memory_agrees() {
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(peek "$pid" | awk '{ print $4 }' | sort -u)" 1 "counters"
    assert_equal "$(peek "$pid" | awk '$5 != "-" { print $6 }' | sort -u)" on "sites"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(peek "$pid" | awk '{ print $4 }' | sort -u)" 0 "counters"
    assert_equal "$(peek "$pid" | awk '$5 != "-" { print $6 }' | sort -u)" off "sites"
}

@test "layout ocaml: the counter at +0" {
    works_like_demo demo-ocaml
    memory_agrees
}

@test "layout ocaml, later: the counter at +2" {
    works_like_demo demo-ocaml-plus2
    memory_agrees
}

@test "layout ocaml.1" {
    works_like_demo demo-ocaml.1
    memory_agrees
}

@test "layout ocaml_1" {
    works_like_demo demo-ocaml_1
    memory_agrees
}

@test "layout ocaml_2: also probes without a site" {
    works_like_demo demo-ocaml_2
    memory_agrees
    assert_equal "$(peek "$pid" | awk '$2 == "idle" { print $5 }')" - "the site of idle"
}

@test "a static program" {
    works_like_demo demo-static
    memory_agrees
}

@test "a static PIE" {
    works_like_demo demo-static-pie
    memory_agrees
}

@test "a program that is no PIE" {
    works_like_demo demo-no-pie
    memory_agrees
}

@test "a stripped program" {
    works_like_demo demo-stripped
    memory_agrees
}

@test "a program that was deleted or replaced while it runs" {
    start demo-ocaml_1 -i 20
    rm "$work/bin/demo-ocaml_1"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    first=$pid
    first_out=$out
    # Another program of the same name.
    cp "$targets/demo-ocaml_2" "$work/bin/demo-ocaml_1"
    start_command root "$work/bin/demo-ocaml_1" -i 20
    wait_until 'grep -q ^pid "$out"'
    echo 1 > "$mnt/$pid/gc_stop/enabled"
    says '^gc_stop'
    echo 0 > "$mnt/$first/gc_start/enabled"
    echo 1 > "$mnt/$first/gc_stop/enabled"
    says '^gc_stop' "$first_out"
}

@test "a deleted program of another user" {
    start_as a demo-ocaml_1 -i 20
    rm "$work/bin/demo-ocaml_1"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
}

@test "mixed: units of all layouts in one program" {
    start mixed -i 20
    assert_equal "$(probes_of "$pid")" \
        "only_1 only_2 only_dot_1 only_ocaml_a only_ocaml_b only_plus2_a only_plus2_b skew tick"
    for name in only_1 only_2 only_dot_1 only_ocaml_a only_ocaml_b only_plus2_a only_plus2_b; do
        echo 1 > "$mnt/$pid/$name/enabled"
        says "^$name"
        assert_equal "$(memory_of "$pid" $name)" "1 on"
    done
    echo 1 > "$mnt/$pid/tick/enabled"
    assert_equal "$(memory_of "$pid" tick)" "1 on"
    assert_equal "$(peek "$pid" | awk '$2 == "tick" { print $3 }' | sort -u | wc -l)" 3 "counters"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of_all "$pid")" "0 off"
}

@test "sdt: SystemTap probes, but none without a semaphore" {
    start sdt
    assert_equal "$(probes_of "$pid")" \
        "web:cache_hit web:cache_miss web:query web:request_done web:request_start"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of_all "$pid")" "1 nop"
}

@test "linked: the probes of a library, in a program that has none" {
    target libplug.so > /dev/null
    start_command root env "LD_LIBRARY_PATH=$work/bin" "$(target linked)" -i 20
    wait_until 'grep -q ^pid "$out"'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    echo 1 > "$mnt/$pid/plug_hit/enabled"
    says '^plug plug_hit'
    assert_equal "$(memory_of "$pid" plug_hit)" "1 on"
}

@test "host: a name in program and library is one probe with a counter in each" {
    start host -i 20 -l "$(target libplug.so)"
    wait_until 'grep -q ^loaded "$out"'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    assert_equal "$(peek "$pid" | awk '$2 == "gc_start" { print $3 }' | sort -u | wc -l)" 2
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    says '^plug gc_start'
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    echo 0 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "host -m: a library that is loaded twice is two objects" {
    start host -i 20 -l -m "$(target libplug.so)"
    wait_until 'grep -q ^loaded "$out"'
    assert_equal "$(peek "$pid" | awk '$2 == "plug_hit" { print $3 }' | sort -u | wc -l)" 2
    echo 1 > "$mnt/$pid/plug_hit/enabled"
    says '^plug plug_hit'
    says '^plug2 plug_hit'
    assert_equal "$(memory_of "$pid" plug_hit)" "1 on"
    echo 0 > "$mnt/$pid/plug_hit/enabled"
    assert_equal "$(memory_of "$pid" plug_hit)" "0 off"
}

# A library that comes and goes, and what is written meanwhile.
check_coming_and_going() {
    start host -i 20 "$(target libplug.so)"
    assert_equal "$(probes_of "$pid")" gc_start
    echo 1 > "$mnt/$pid/gc_start/enabled"
    says '^gc_start'
    tell USR1 '^loaded'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    assert_equal "$(< "$mnt/$pid/enabled")" X
    echo 1 > "$mnt/$pid/enabled"
    says '^plug plug_hit'
    tell USR2 '^unloaded'
    assert_equal "$(probes_of "$pid")" gc_start
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "host: a library comes and goes, and is looked for with PROCMAP_QUERY" {
    check_coming_and_going
}

@test "host: a library comes and goes, on a kernel that has no PROCMAP_QUERY" {
    stop_server "$server" "$mnt"
    program=$(server_program)
    printf '#!/bin/sh\nexec python3 "%s/lib/without_query.py" "%s" "$@"\n' "$tests" "$program" \
        > "$work/bin/older"
    chmod +x "$work/bin/older"
    server_program() { echo "$work/bin/older"; }
    start_server
    check_coming_and_going
    start split -s -i 20
    echo 1 > "$mnt/$pid/spread/enabled"
    assert_equal "$(memory_of "$pid" spread)" "1 on"
}

@test "code in many mappings" {
    start split -s -i 20
    [ "$(grep -c 'r-xp.*/split' "/proc/$pid/maps")" -ge 4 ]
    assert_equal "$(peek "$pid" | grep -c spread)" 4
    echo 1 > "$mnt/$pid/spread/enabled"
    assert_equal "$(memory_of "$pid" spread)" "1 on"
    says '^spread'
    echo 0 > "$mnt/$pid/spread/enabled"
    assert_equal "$(memory_of "$pid" spread)" "0 off"
}

@test "a file that is mapped as data is no object" {
    start split -i 20 -d "$(target libplug.so)"
    assert_equal "$(probes_of "$pid")" spread
    start split -i 20 -d "$(target split)"
    assert_equal "$(probes_of "$pid")" spread
    echo 1 > "$mnt/$pid/spread/enabled"
    assert_equal "$(memory_of "$pid" spread)" "1 on"
}

@test "a library in another mount namespace" {
    start_command root unshare --mount --propagation private sh -c '
        umount -l -a -t fuse.probefs
        mount -t tmpfs none /mnt && cp "$1" "$2" /mnt && exec /mnt/host -i 20 -l /mnt/libplug.so' \
        sh "$(target host)" "$(target libplug.so)"
    wait_until 'grep -q ^loaded "$out"'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    echo 1 > "$mnt/$pid/plug_hit/enabled"
    says '^plug plug_hit'
}

@test "a process in another pid namespace" {
    start_command root unshare --pid --fork --kill-child "$(target demo-ocaml_1)" -i 20
    wait_until 'grep -q ^boot "$out"'
    inner=$(pgrep -P "$pid")
    echo 1 > "$mnt/$inner/gc_start/enabled"
    says '^gc_start'
}

@test "a library in a memfd" {
    cat > "$work/memfd.py" << 'END'
import ctypes, os, sys, time
fd = os.memfd_create("plug")
os.write(fd, open(sys.argv[1], "rb").read())
ctypes.CDLL(f"/proc/self/fd/{fd}")
os.close(fd)
print("pid", os.getpid(), flush=True)
time.sleep(1000)
END
    start_command root /usr/bin/python3 "$work/memfd.py" "$(target libplug.so)"
    wait_until 'grep -q ^pid "$out"'
    assert_match " $(probes_of "$pid") " '* plug_hit *'
    echo 1 > "$mnt/$pid/plug_hit/enabled"
    assert_equal "$(memory_of "$pid" plug_hit)" "1 on"
}

@test "what cannot be a program of ours is not shown" {
    start_command root /bin/sleep 1000
    assert_equal "$(ls "$mnt" | grep -cx "$pid" || true)" 0
    assert_no_directory "$pid"
}

# ---- objects that contradict the format ----

forge() {
    mkdir -p "$work/forged"
    python3 "$tests/targets/forge.py" "$1" "$(target libplug.so)" "$work/forged/$1.so"
}

# The shift that a note's base asks for.
shifted() {
    forge "$1"
    start host -i 20 -l "$work/forged/$1.so"
    wait_until 'grep -q ^loaded "$out"'
    echo 1 > "$mnt/$pid/plug_hit/enabled"
    says '^plug plug_hit'
    assert_equal "$(memory_of "$pid" plug_hit)" "1 on"
    echo 0 > "$mnt/$pid/plug_hit/enabled"
    is_off_in_plug
}

is_off_in_plug() {
    assert_equal "$(memory_of "$pid" plug_hit)" "0 off"
}

@test "a base that shifts all addresses" {
    shifted base-shift
}

@test "a base that shifts them the other way" {
    shifted base-shift-up
}

@test "a base of 0, or no section to compare it with: no shift" {
    shifted base-zero
    shifted base-section-gone
}

# judge CASE EXPECTED: one forged library in a host. What does not fit is left out, and told; the
# library's good probes and the host's own stay usable.
judge() {
    start host -q -i 1000 -l "$work/forged/$1.so"
    wait_until 'grep -q -e ^loaded -e ^failed "$out"'
    grep -q ^loaded "$out" || { stop "$pid"; return 0; }
    local probes
    probes=" $(probes_of "$pid") "
    case $2 in
    accepted) assert_match "$probes" '* plug_hit *' "$1: its good probes are shown" ;;
    left-out) assert_equal "$probes" " gc_start plug_hit " "$1: its good probes, and no other" ;;
    in-part) assert_equal "$probes" " forged gc_start plug_hit " "$1: all of its names" ;;
    refused | none) assert_equal "$probes" " gc_start " "$1: its probes are not shown" ;;
    esac
    assert_match "$probes" '* gc_start *' "$1: the host's own probe"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(state_of "$pid" gc_start)" 1 "$1"
    case $2 in
    left-out | in-part | refused)
        assert_equal "$(grep -c "/$1.so' of process $pid [hi]" "$mnt/$pid/error_log")" 1 "$1: told" ;;
    accepted | none)
        assert_equal "$(cat "$mnt/$pid/error_log")" "" "$1: nothing to tell" ;;
    esac
    case $2 in
    accepted | left-out | in-part)
        echo 1 > "$mnt/$pid/plug_hit/enabled"
        assert_equal "$(state_of "$pid" plug_hit)" 1 "$1" ;;
    any) errno_of write "$mnt/$pid/enabled" 1 > /dev/null ;;
    esac
    cat "$mnt/$pid"/*/enabled > /dev/null 2>&1 || true
    kill -0 "$pid"
    stop "$pid"
}

judge_all() {
    local name expected loadable meaning count=0
    mkdir -p "$work/forged"
    python3 "$tests/targets/forge.py" --all "$(target libplug.so)" "$work/forged"
    while read -r name expected loadable meaning; do
        [ "$expected $loadable" = "$1 yes" ] || continue
        judge "$name" "$expected" || { echo "case $name: $meaning"; return 1; }
        is_running "$server" || { echo "case $name: the server has ended"; return 1; }
        count=$((count + 1))
    done < <(python3 "$tests/targets/forge.py" --list)
    [ "$count" -gt 0 ]
}

@test "notes that do not fit are left out, and nothing else with them" {
    judge_all left-out
    # With a reason in the log.
    grep -q 'forged/empty-name.so' "$log"
    grep -q 'forged/site-outside.so' "$log"
}

@test "a name keeps the notes that fit" {
    judge_all in-part
}

@test "objects whose notes cannot be read have no probes, the others stay usable" {
    judge_all refused
    grep -q 'forged/section-beyond-file.so' "$log"
}

@test "objects that are odd, but right" {
    judge_all accepted
}

@test "objects without notes" {
    judge_all none
}

@test "objects of which the documentation says nothing do no harm" {
    judge_all any
}

@test "an object with a note left out costs one line in the log, not one for each look" {
    forge empty-name
    start host -q -i 1000 -l "$work/forged/empty-name.so"
    wait_until 'grep -q ^loaded "$out"'
    for _ in 1 2 3 4 5; do
        cat "$mnt/$pid/enabled" > /dev/null
        ls "$mnt" "$mnt/$pid" > /dev/null
    done
    assert_equal "$(grep -c 'forged/empty-name.so' "$log")" 1 "lines"
}

# Programs that cannot be loaded by dlopen: mapped by hand, as code, by a script.
@test "files that are no objects, mapped as code" {
    mkdir "$work/forged"
    python3 "$tests/targets/forge.py" --all "$(target libplug.so)" "$work/forged"
    cat > "$work/map.py" << 'END'
import mmap, os, sys, time
maps = []
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        if os.fstat(file.fileno()).st_size:
            maps.append(mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE,
                                  prot=mmap.PROT_READ | mmap.PROT_EXEC))
print("pid", os.getpid(), flush=True)
time.sleep(1000)
END
    mapfile -t files < <(python3 "$tests/targets/forge.py" --list |
        awk -v dir="$work/forged" '$3 == "no" { print dir "/" $1 ".so" }')
    start_command root /usr/bin/python3 "$work/map.py" "${files[@]}"
    wait_until 'grep -q ^pid "$out"'
    probes_of "$pid"
    is_running "$server"
    start demo-ocaml_1
    assert_equal "$(state_of "$pid" boot)" 1
}

# The code of the probes' sites is read from the file at the first update.
@test "a file that may not be opened any more, when its code is needed: EPERM, and nothing changes" {
    start demo-ocaml_1 -q
    probes_of "$pid"
    target=$pid
    start_command root python3 "$tests/lib/deny_open.py" "$work/bin/demo-ocaml_1"
    wait_until 'grep -q ready "$out"'
    assert_errno EPERM write "$mnt/$target/gc_start/enabled" 1
    assert_match "$(tail -n 1 "$mnt/$target/error_log")" \
        "* EPERM: cannot open object '*/demo-ocaml_1' again: Operation not permitted."
    stop "$pid"
    assert_equal "$(memory_of "$target" gc_start)" "0 off"
    assert_errno OK write "$mnt/$target/gc_start/enabled" 1
    assert_equal "$(memory_of "$target" gc_start)" "1 on"
}
