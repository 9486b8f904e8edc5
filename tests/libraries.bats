#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Which libraries a program is linked with, found by reading: the same that its loader finds.

load lib/session-with-users

setup() {
    session_begin
    # The sanitizer's own library need not come first.
    export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
    libraries=$work/bin/libraries
    cp "$build/tests/targets/libraries" "$libraries"
    mkdir "$work/a" "$work/b" "$work/p"
    cd "$work" || return
    echo 'int main(void) { return 0; }' >main.c
    : >empty.c
}

teardown() {
    cd /
    session_end
}

# make_library FILE [ARGUMENT]...: an empty library; without a -soname among the ARGUMENTs, none.
make_library() {
    local file=$1
    shift
    "${CC:-gcc}" -shared -fPIC -Wl,--no-as-needed -o "$file" empty.c "$@"
}

# make_program [ARGUMENT]...: $work/p/main, linked with what the ARGUMENTs say, needed or not.
make_program() {
    "${CC:-gcc}" -Wl,--no-as-needed -Wl,--allow-shlib-undefined -o p/main main.c "$@"
}

# finds [-s] PATH...: so many libraries of $work, in this order.
finds() {
    local secure=()
    if [ "$1" = -s ]; then
        secure=(-s)
        shift
    fi
    "$libraries" "${secure[@]}" p/main >found 2>told || return 1
    # But for the first line, and what the system has.
    assert_equal "$(grep "^$work/\|^[^/]" found | grep -v :$)" "$(printf '%s\n' "$@")" "libraries"
}

# finds_as_ldd PATH...: these, and the loader says the same.
finds_as_ldd() {
    finds "$@"
    python3 "$tests/lib/compare_ldd.py" "$libraries" p
}

@test "every dynamic program of this machine: as ldd" {
    run python3 "$tests/lib/compare_ldd.py" "$libraries" /usr/bin /usr/sbin
    echo "$output"
    [ "$status" = 0 ]
    assert_match "$output" "*compared [1-9][0-9]* programs, 0 differ"
}

@test "DT_RPATH holds for what the libraries need, too, DT_RUNPATH for the program's needs alone" {
    make_library b/libtwo.so
    make_library a/libone.so -Lb -ltwo
    make_program -La -lone -Wl,--disable-new-dtags,-rpath,"$work/a:$work/b"
    finds_as_ldd "$work/a/libone.so" "$work/b/libtwo.so"
    make_program -La -lone -Wl,--enable-new-dtags,-rpath,"$work/a:$work/b"
    finds_as_ldd "$work/a/libone.so"
    assert_match "$(cat told)" "the library 'libtwo.so' that '$work/a/libone.so' needs is not found*"
    # A library with a DT_RUNPATH asks nobody else's DT_RPATH.
    make_library a/libone.so -Lb -ltwo -Wl,--enable-new-dtags,-rpath,/none
    make_program -La -lone -Wl,--disable-new-dtags,-rpath,"$work/a:$work/b"
    finds_as_ldd "$work/a/libone.so"
}

@test "tokens" {
    local lib
    lib=$(dirname "$(realpath /lib64/ld-linux-x86-64.so.2)")
    lib=${lib#/usr}
    mkdir -p "b/${lib#/}"
    make_library a/libone.so
    make_library "b/${lib#/}/libtwo.so"
    make_program -La -lone -L"b/${lib#/}" -ltwo '-Wl,-rpath,$ORIGIN/../a:${ORIGIN}/../b/$LIB'
    finds_as_ldd "$work/p/../a/libone.so" "$work/p/../b/${lib#/}/libtwo.so"
    # Not where a link is, but where the program is.
    mv p/main b/main
    ln -s ../b/main p/main
    finds_as_ldd "$work/b/../a/libone.so" "$work/b/../b/${lib#/}/libtwo.so"
    # A library's own folder is that of the path that it was found by.
    rm p/main
    make_library a/libone.so -L"b/${lib#/}" -ltwo '-Wl,-rpath,$ORIGIN/../b/$LIB'
    ln -s a other
    make_program -La -lone '-Wl,-rpath,$ORIGIN/../other'
    finds_as_ldd "$work/p/../other/libone.so" "$work/p/../other/../b/${lib#/}/libtwo.so"
}

@test "the processor's folders" {
    make_library a/libone.so
    make_library a/libtwo.so
    for level in 2 3 4; do
        mkdir -p "a/glibc-hwcaps/x86-64-v$level"
        cp a/libone.so "a/glibc-hwcaps/x86-64-v$level"
    done
    make_program -La -lone -ltwo -Wl,-rpath,"$work/a"
    python3 "$tests/lib/compare_ldd.py" "$libraries" p
    "$libraries" p/main | grep -x "$work/a/libtwo.so"
}

@test "\$PLATFORM is the loader's" {
    for each in haswell xeon_phi x86_64; do
        mkdir "a/$each"
        make_library "a/$each/libone.so"
    done
    make_program -La/haswell -lone -Wl,-rpath,"$work/a/\$PLATFORM"
    python3 "$tests/lib/compare_ldd.py" "$libraries" p
    "$libraries" p/main | grep "^$work/a/.*/libone.so"
}

@test "LD_LIBRARY_PATH: behind DT_RPATH, before DT_RUNPATH" {
    make_library a/libone.so
    make_library b/libone.so
    export LD_LIBRARY_PATH=$work/b
    make_program -La -lone -Wl,--disable-new-dtags,-rpath,"$work/a"
    finds_as_ldd "$work/a/libone.so"
    make_program -La -lone -Wl,--enable-new-dtags,-rpath,"$work/a"
    finds_as_ldd "$work/b/libone.so"
    LD_LIBRARY_PATH="/none;$work/b" finds_as_ldd "$work/b/libone.so"
    LD_LIBRARY_PATH='$ORIGIN/../b' finds_as_ldd "$work/p/../b/libone.so"
    LD_LIBRARY_PATH='' finds_as_ldd "$work/a/libone.so"
    # An empty part is the working directory.
    cp b/libone.so .
    LD_LIBRARY_PATH=:/none finds ./libone.so
    LD_LIBRARY_PATH=:/none ldd p/main | grep -P '^\tlibone.so \(0x'
}

@test "LD_PRELOAD" {
    make_library a/libone.so
    make_library b/libtwo.so
    make_program -Wl,-rpath,"$work/b"
    LD_PRELOAD="$work/a/libone.so libtwo.so" finds_as_ldd "$work/a/libone.so" "$work/b/libtwo.so"
    LD_PRELOAD="libtwo.so:$work/a/libone.so" finds_as_ldd "$work/b/libtwo.so" "$work/a/libone.so"
}

@test "one library under several names is one" {
    make_library a/libone.so.1 -Wl,-soname,libone.so.1
    ln -s libone.so.1 a/libone.so
    ln -s libone.so.1 a/libother.so
    make_library b/libtwo.so
    # Needed as libone.so.1 and, without a DT_SONAME, by a path.
    make_program -La -lone "$work/b/libtwo.so" -Wl,-rpath,"$work/a"
    finds_as_ldd "$work/a/libone.so.1" "$work/b/libtwo.so"
    LD_PRELOAD=libother.so finds_as_ldd "$work/a/libother.so" "$work/b/libtwo.so"
}

@test "a file for another machine is passed over" {
    make_library a/libone.so
    make_library b/libone.so
    make_program -La -lone -Wl,-rpath,"$work/a:$work/b"
    printf '\1' | dd of=a/libone.so bs=1 seek=4 conv=notrunc status=none
    finds_as_ldd "$work/b/libone.so"
    make_library a/libone.so
    printf '\50' | dd of=a/libone.so bs=1 seek=18 conv=notrunc status=none
    finds_as_ldd "$work/b/libone.so"
}

@test "filters, and programs that want no default folders" {
    make_library b/libtwo.so
    make_library a/libone.so "-Wl,--filter,libtwo.so" -Wl,-rpath,"$work/b"
    make_program -La -lone -Wl,-rpath,"$work/a"
    finds_as_ldd "$work/a/libone.so" "$work/b/libtwo.so"
    make_library a/libone.so "-Wl,--auxiliary,libtwo.so" -Wl,-rpath,"$work/b"
    finds_as_ldd "$work/a/libone.so" "$work/b/libtwo.so"
    make_program -Wl,-z,nodefaultlib
    ldd p/main | grep 'libc.so.6 => not found'
    "$libraries" p/main 2>&1 | grep "'libc.so.6' that '.*/p/main' needs is not found"
}

@test "what is no regular file is never opened" {
    make_library b/libone.so
    make_program -Lb -lone -Wl,-rpath,"$work/a:$work/b"
    mkfifo a/libone.so
    timeout 10 "$libraries" p/main | grep -x "$work/b/libone.so"
    rm a/libone.so
    mknod a/libone.so c 1 3
    # LeakSanitizer is a tracer, too.
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 timeout 10 \
        strace -f -o trace -e trace=open,openat "$libraries" p/main |
        grep -x "$work/b/libone.so"
    grep "a/libone.so.*O_PATH" trace
    assert_equal "$(grep "a/libone.so" trace | grep -cv O_PATH || true)" 0 "opens that are more"
}

@test "more needs than any program has" {
    # 70 libraries, which are looked for in 4,000 folders each, and on some processors in others below.
    folders=$(seq -s: -f "/none%g" 4000)
    make_library a/libn1.so
    for each in $(seq 2 70); do
        cp a/libn1.so "a/libn$each.so"
    done
    make_program -La $(seq -f '-ln%g' 70) -Wl,--disable-new-dtags,-rpath,"$folders"
    rm a/*
    run -1 timeout 60 "$libraries" p/main
    assert_match "$output" "*program '*' needs more libraries, or looks for them in more *"
}

# make_mapped_printer: main.c prints the files that it has mapped.
make_mapped_printer() {
    cat >main.c <<'END'
#include <stdio.h>
#include <string.h>
int main(void)
{
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof(line), maps))
        if (strchr(line, '/'))
            fputs(strchr(line, '/'), stdout);
    return 0;
}
END
}

@test "a program with privileges: as it finds them itself" {
    make_library a/libone.so
    make_library b/libone.so
    make_library b/libpre.so
    make_mapped_printer
    make_program -La -lone '-Wl,-rpath,$ORIGIN/../b:'"$work/a"
    chmod 4755 p/main
    export LD_LIBRARY_PATH=$work/b LD_PRELOAD=$work/b/libpre.so
    finds -s "$work/a/libone.so"
    run_as a "$work/p/main" | grep "^$work/[ab]" | sort -u >mapped
    assert_equal "$(cat mapped)" "$work/a/libone.so" "libraries of the running program"
    # And without privileges, the other way round.
    chmod 755 p/main
    finds "$work/b/libpre.so" "$work/b/libone.so"
    run_as a "$work/p/main" | grep "^$work/[ab]" | sort -u >mapped
    assert_equal "$(cat mapped)" "$work/b/libone.so"$'\n'"$work/b/libpre.so" "the same"
}

@test "musl's rules where the loader is musl's" {
    mkdir -p opt/lib opt/etc
    make_library opt/lib/ld-musl-x86_64.so.1 -Wl,-soname,libc.musl-x86_64.so.1
    make_library b/libtwo.so
    make_library a/libone.so -Lb -ltwo
    make_program -La -lone -nostdlib -Wl,-e,main opt/lib/ld-musl-x86_64.so.1 \
        "-Wl,--dynamic-linker=$work/opt/lib/ld-musl-x86_64.so.1" \
        -Wl,--enable-new-dtags,-rpath,'$ORIGIN/../a:'"$work/b"
    # Its DT_RUNPATH holds for what its libraries need, and LD_LIBRARY_PATH comes first.
    finds "$work/opt/lib/ld-musl-x86_64.so.1" "$work/p/../a/libone.so" "$work/b/libtwo.so"
    mkdir c
    cp b/libtwo.so c
    LD_LIBRARY_PATH=$work/c finds "$work/opt/lib/ld-musl-x86_64.so.1" "$work/p/../a/libone.so" \
        "$work/c/libtwo.so"
    # The list of folders is below the prefix of the loader.
    printf '%s\n' "$work/c" "$work/a" >opt/etc/ld-musl-x86_64.path
    LD_LIBRARY_PATH=$work/b finds -s "$work/opt/lib/ld-musl-x86_64.so.1" "$work/a/libone.so" \
        "$work/c/libtwo.so"
}
