#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once
#
# OCaml programs that switch their own probes: examples/ocaml, built as its README says, and its
# binding of the library, on probes as OCaml's compilers make them.

load lib/session
load lib/library

setup() {
    session_begin
    install_copy
    export LD_LIBRARY_PATH=$library
    cp -r "$tests/../examples/ocaml" "$work/ocaml"
    cd "$work/ocaml" || return
}

# build_server: by the command of the README; what gcc warns of is an error.
build_server() {
    sed -n 's/^    //p' README.md | sed -n '/^ocamlopt/,/-o server$/p' >"$work/commands"
    [ -s "$work/commands" ]
    ocamlopt() {
        command ocamlopt -ccopt '-Wall -Wextra -Werror' -w +a-4-9-40..42-44-45-70 -warn-error +a "$@"
    }
    # shellcheck source=/dev/null
    source "$work/commands"
}

# switches_itself [ARGUMENT]...: the server, by signals.
switches_itself() {
    start_command root "$work/ocaml/server" "$@"
    wait_until "grep -q 'server:request is off' '$out'"
    assert_equal "$(lines_of '^request')" 0
    assert_equal "$(memory_of "$pid" request)" "0 nop"
    tell USR1 '^request [0-9]'
    assert_equal "$(memory_of "$pid" request)" "1 nop"
    kill -USR2 "$pid"
    wait_until "[ \"\$(memory_of $pid request)\" = '0 nop' ]"
}

@test "the server of the example switches its own probe through the library or a tree, as others do" {
    build_server
    start_server
    switches_itself
    echo 1 >"$mnt/$pid/server:request/enabled"
    says '^request [0-9]'
    # Whoever switched it on.
    kill -USR2 "$pid"
    wait_until "[ \"\$(< '$mnt/$pid/enabled')\" = 0 ]"

    switches_itself "$mnt"
    assert_equal "$(< "$mnt/$pid/server:request/enabled")" 0

    # Where there is no tree, it says so, and goes on.
    start_command root "$work/ocaml/server" "$work/none"
    wait_until "grep -q 'server:request is off' '$out'"
    tell USR1 "No such file or directory"
    assert_equal "$(memory_of "$pid" request)" "0 nop"
}

@test "the binding sees and switches probes of OCaml's own kind, in a child of fork() too" {
    cp "$tests"/library/ocaml{-unit.c,_unit.ml} .
    ocamlopt -I +unix unix.cmxa -ccopt "$(pkg-config --cflags probe-engine) -Wall -Wextra -Werror" \
        -ccopt "-I$tests/targets -DLAYOUT_OCAML_1 -mno-red-zone" \
        probes.mli probes.ml ocaml_unit.ml probes_stubs.c ocaml-unit.c \
        -cclib "$(pkg-config --libs probe-engine)" -o unit
    run -0 ./unit
    assert_equal "$output" "gc_start off
gc_stop off
enable: 2
gc_start on
gc_stop on
gc_start
gc_stop
disable: 1
gc_stop
refused: ${lines[9]#refused: }
refused: ${lines[10]#refused: }
gc_start off
gc_stop off
gc_start off
gc_stop on
gc_start off
gc_stop off"
    assert_match "${lines[9]}" "refused: *'none'*"
    assert_match "${lines[10]}" "refused: *'~('*"
}
