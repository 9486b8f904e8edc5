#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What linkers make of notes: each of Debian's, with what it can do. The programs are targets/linked;
# what has to be shown of them is what `readelf` says (lib/live_notes.py).

load lib/session

setup() {
    session_begin
    start_server
    sources=$tests/targets/linked
    common=(-O2 -ffunction-sections -fdata-sections)
}

# shown PID: a line for each probe, as live_notes.py has them.
shown() {
    local probe offsets
    for probe in "$mnt/$1"/*/; do
        probe=$(basename "$probe")
        offsets=$(sed 's/^[^ ]* [^ ]* .*+\(0x[0-9a-f]*\).*/\1/' "$mnt/$1/$probe/sites" | sort)
        paste -sd' ' <<< "$probe"$'\n'"$offsets"
    done | LC_ALL=C sort
}

# told PID WORDS: how many notes error_log says are so.
told() {
    sed -n "s/.* has \([0-9]*\) notes\? $2.*/\1/p" "$mnt/$1/error_log" | awk '{ sum += $1 } END { print sum + 0 }'
}

# check PROGRAM: what is shown of it, what is told, and that its probes do what they should.
check() {
    local expected=$work/expected
    python3 "$tests/lib/live_notes.py" "$1" > "$expected"
    start_command root "$1"
    wait_until "grep -q '^pid ' '$out'"
    assert_equal "$(shown "$pid")" "$(grep : "$expected")" "$1"
    assert_equal "$(told "$pid" 'left out:')" "$(sed -n 's/^left out //p' "$expected")" "$1: left out"
    assert_equal "$(told "$pid" 'without a semaphore')" "$(sed -n 's/^watch only //p' "$expected")" \
        "$1: without a semaphore"
    echo 1 > "$mnt/$pid/enabled"
    says '^alpha is on'
    assert_equal "$(< "$mnt/$pid/enabled")" 1 "$1"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 0 "$1"
    stop "$pid"
}

# build COMPILER LINKER NAME OPTION...: links the C program. Sets: program.
build() {
    local compiler=$1 linker=$2
    program=$work/bin/$3-$2
    shift 3
    "$compiler" "${common[@]}" "-fuse-ld=$linker" "$@" "$sources"/*.c -o "$program" 2> "$work/errors"
}

# link_and_check COMPILER LINKER NAME OPTION...
link_and_check() {
    build "$@" || { cat "$work/errors"; return 1; }
    check "$program"
}

# links_like LINKER COMPILER: with all that every linker can do but for dropped functions.
links_like() {
    link_and_check gcc "$1" pie -fPIE -pie
    link_and_check gcc "$1" fixed -fno-pie -no-pie
    link_and_check gcc "$1" static -static
    link_and_check "$2" "$1" lto -fPIE -pie -flto
    link_and_check "$2" "$1" lto-gc -fPIE -pie -flto -Wl,--gc-sections
}

# drops LINKER: with functions that are dropped, in each kind of program. Sets: left, how many notes
# of the last are left out.
drops() {
    link_and_check gcc "$1" pie-gc -fPIE -pie -Wl,--gc-sections
    link_and_check gcc "$1" fixed-gc -fno-pie -no-pie -Wl,--gc-sections
    link_and_check gcc "$1" static-gc -static -Wl,--gc-sections
    left=$(sed -n 's/^left out //p' "$work/expected")
}

# inlines LINKER: an inline function in two units, one of which is dropped.
inlines() {
    g++ "${common[@]}" -c -DMAIN "$sources/inline.cc" -o "$work/main.o"
    g++ "${common[@]}" -c "$sources/inline.cc" -o "$work/other.o"
    g++ "-fuse-ld=$1" "$work/main.o" "$work/other.o" -o "$work/bin/inline-$1" 2> "$work/errors"
}

@test "bfd: keeps what a note names" {
    links_like bfd gcc
    drops bfd
    assert_equal "$left" 0
    link_and_check gcc bfd static-pie -fPIE -static-pie
    run inlines bfd
    assert_equal "$status" 1
    grep -q 'discarded section' "$work/errors"
}

@test "gold: links no note of what it drops" {
    links_like gold gcc
    for option in -pie -no-pie -static; do
        run build gcc gold gc "$option" -Wl,--gc-sections
        assert_equal "$status" 1 "$option"
        grep -q 'discarded section' "$work/errors"
    done
    run inlines gold
    assert_equal "$status" 1
    grep -q 'discarded section' "$work/errors"
}

@test "lld: notes of dropped functions, and semaphores that nothing reads" {
    links_like lld clang
    link_and_check gcc lld static-pie -fPIE -static-pie
    drops lld
    assert_equal "$left" 3
    # Segments of code that begin with the file's headers.
    link_and_check gcc lld one-segment -fPIE -pie -Wl,--no-rosegment
    link_and_check gcc lld one-segment-gc -fPIE -pie -Wl,--no-rosegment,--gc-sections
    link_and_check gcc lld one-segment-fixed -no-pie -fno-pie -Wl,--no-rosegment,--gc-sections
    inlines lld
    check "$work/bin/inline-lld"
    assert_equal "$(sed -n 's/^left out //p' "$work/expected")" 1
}

@test "mold: notes of dropped functions, and semaphores that nothing reads" {
    links_like mold gcc
    link_and_check gcc mold static-pie -fPIE -static-pie
    drops mold
    assert_equal "$left" 3
    inlines mold
    check "$work/bin/inline-mold"
    assert_equal "$(sed -n 's/^left out //p' "$work/expected")" 1
}
