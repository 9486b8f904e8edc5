#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# probe-top: the screen, in a terminal; and the lines of --batch.

load lib/session-with-users
load lib/terminal

setup() {
    session_begin
    top=$work/bin/probe-top
    cp "$build/probe-top/probe-top" "$top"
    start_server
}

teardown() {
    terminal_end
    session_end
}

# begin: shows the process that was started last, in rows that do not move: sorted by name.
begin() {
    terminal_begin 80 24 "$top -d 0.2 -p $pid $mnt"
    shows "probes: [1-9]"
    press s s s
    shows 'by PID$'
}

# select_probe NAME: of that process.
select_probe() {
    local place
    place=$(screen | sed -n '/^ *PID /,$p' | grep -n " $1\$" | cut -d: -f1)
    press Home
    for ((; place > 2; place--)); do
        press Down
    done
}

hits_of() {
    cat "$mnt/$pid/$1/hits"
}

# is_counted NAME: waits for it.
is_counted() {
    wait_until "[ \"\$(hits_of '$1')\" != - ]"
}

is_not_counted() {
    wait_until "[ \"\$(hits_of '$1')\" = - ]"
}

guards() {
    pgrep -f "^$top " -c || true
}

lines() {
    "$top" --batch -n 1 "$@" "$mnt"
}

# ---- lines ------------------------------------------------------------------------------------

@test "batch: a line for each probe of each process, as info has it" {
    start sdt
    lines >"$work/out/lines"
    head -n 1 "$work/out/lines" | grep -Eqx '# [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z processes: [0-9]+, probes: [0-9]+, on: [0-9]+, counted: [0-9]+, not readable: [0-9]+'
    run ! grep -Evx '#.*|[1-9][0-9]* [!-~]+ [01X-] (-|[0-9]+\.[0-9]) (-|[0-9]+) [^ ]+' "$work/out/lines"
    assert_equal "$(grep "^$pid " "$work/out/lines")" \
        "$(awk -v pid="$pid" '{ print pid, "sdt", $1, "-", "-", $4 }' "$mnt/$pid/info")"
    assert_equal "$(lines -p "$pid" | tail -n +2)" "$(grep "^$pid " "$work/out/lines")"
}

@test "batch: totals and rates of what others count; it begins nothing itself" {
    start burst -w 2 3
    assert_equal "$(lines -p "$pid" | grep shot)" "$pid burst 0 - - burst:shot"
    assert_equal "$(hits_of burst:shot)" -
    echo 1 >"$mnt/$pid/burst:shot/hits"
    kill -USR1 "$pid"
    wait_until "grep -q '^shots' '$out'"
    "$top" -b -n 2 -d 0.1 -p "$pid" "$mnt" >"$work/out/lines"
    assert_equal "$(grep shot "$work/out/lines")" \
        "$(printf '%s\n' "$pid burst 1 - 6 burst:shot" "$pid burst 1 0.0 6 burst:shot")"
    assert_equal "$(hits_of burst:shot)" 6
}

@test "batch: names and programs that would mislead a terminal are escaped" {
    python3 "$tests/targets/names.py" --build "$work/bin/names"
    mv "$work/bin/names" "$work/bin/"$'a\033[31m b\n'
    start_command root "$work/bin/"$'a\033[31m b\n' -q
    wait_until "grep -q '^pid' '$out'"
    lines -p "$pid" >"$work/out/lines"
    assert_equal "$(tail -n +2 "$work/out/lines" | wc -l)" "$(wc -l <"$mnt/$pid/info")"
    run ! env LC_ALL=C grep -a '[[:cntrl:]]' "$work/out/lines"
    assert_equal "$(awk 'NR > 1 { print $2 }' "$work/out/lines" | sort -u)" a%1B[31m%20b%0A
}

@test "batch: what is wrong is said, with a status of its own" {
    local each
    for each in '-d 0' '-d nan' '-d x' '-n 1' '-b -n x' '-b -n -1' '-p x' '-p -1' '-x' 'a b'; do
        # shellcheck disable=SC2086
        run -2 "$top" $each
        assert_match "$output" "*try 'probe-top --help'"
    done
    run -1 "$top" -b "$work"
    assert_equal "$output" "probe-top: there is no tree of probefs at $work"
    run -1 sh -c "'$top' -b -n 1 -p 1 '$mnt' >/dev/full"
    assert_equal "$output" "probe-top: cannot write the output"
    # More than the output's buffer holds.
    start_many 1000
    run -1 sh -c "'$top' -b -n 1 -p $pid '$mnt' >/dev/full"
    assert_equal "$output" "probe-top: cannot write the output"
    # Nobody reads on: as quiet as others.
    run -0 sh -c "'$top' -b -d 0.1 '$mnt' | head -n 1"
    assert_equal "${#lines[@]}" 1
}

@test "batch: processes that come and go, and no processes at all" {
    start sdt
    lines -p "$pid" | grep -q query
    stop "$pid"
    assert_match "$(lines -p "$pid")" '# * processes: 0, probes: 0, on: 0, counted: 0, not readable: 0'
    # A listing may be of a moment ago.
    for ((i = 0; i < 5; i++)); do
        start sdt -q
        { sleep 0.01; stop "$pid"; } 3>&- &
        "$top" -b -n 5 -d 0.1 "$mnt" >"$work/out/lines"
        wait $!
    done
    run ! grep -Evx '#.*|[1-9][0-9]* [!-~]+ [01X-] (-|[0-9]+\.[0-9]) (-|[0-9]+) [^ ]+' "$work/out/lines"
}

# ---- the screen -------------------------------------------------------------------------------

@test "it shows the probes with their states, and follows them" {
    start demo-ocaml_1
    begin
    shows "^ *PID PROGRAM +STATE +RATE +TOTAL PROBE$"
    shows "^ +$pid demo-ocaml_1 +0 +- +- gc_start$"
    echo 1 >"$mnt/$pid/gc_start/enabled"
    shows "^ +$pid demo-ocaml_1 +1 +- +- gc_start$"
    stop "$pid"
    shows "probes: 0"
    shows_no gc_start
    press Space Down c
    shows "probes: 0"
}

@test "space and enter switch the probe that is selected, and no other" {
    start demo-ocaml_1
    begin
    select_probe gc_stop
    press Space
    shows " 1 +- +- gc_stop$"
    assert_equal "$(memory_of "$pid" gc_stop)" "1 on"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    press Enter
    shows " 0 +- +- gc_stop$"
    assert_equal "$(memory_of "$pid" gc_stop)" "0 off"
}

@test "a switch that fails says why, in as many lines as it takes" {
    start sdt
    begin
    echo 1 >"$mnt/$pid/web:query/hits"
    shows " 1 +[-0-9.]+ +[0-9]+ web:query$"
    select_probe web:query
    press Space
    shows "^could not write \"0\" to .web:query/enabled.: EBUSY"
    # It goes with the next key.
    press Down
    shows_no EBUSY
}

@test "c counts a probe, again ends that; what others count stays" {
    start sdt -i 20
    echo 1 >"$mnt/$pid/web:request_start/hits"
    begin
    select_probe web:query
    press c
    is_counted web:query
    shows " 1 +[1-9][0-9]*\.[0-9] +[1-9][0-9]* web:query$"
    press c
    is_not_counted web:query
    shows " 0 +- +- web:query$"
    # Whoever ends it, c begins anew.
    press c
    is_counted web:query
    echo 0 >"$mnt/$pid/web:query/hits"
    shows " 0 +- +- web:query$"
    press c
    is_counted web:query
    select_probe web:request_start
    press c
    shows "^somebody else counts web:request_start$"
    press q
    shows "^ended 0$"
    is_counted web:request_start
    is_not_counted web:query
}

@test "what it counts ends with it: at q, and at each signal" {
    local end
    start sdt -q
    before=$(peek "$pid")
    for end in q INT TERM HUP QUIT KILL; do
        begin
        select_probe web:query
        press c
        is_counted web:query
        case $end in
        q) press q ;;
        INT) press C-c ;;
        # The guard is younger.
        *) kill -"$end" "$(pgrep -o -f "^$top ")" ;;
        esac
        shows ended
        is_not_counted web:query
        wait_until "[ \"\$(peek '$pid')\" = '$before' ]"
        wait_until '[ "$(guards)" = 0 ]'
        terminal_end
    done
}

@test "who may not count is told so" {
    start_as a sdt -q
    as a
    terminal_begin 80 24 "${as[*]} $top -d 0.2 -p $pid $mnt"
    shows "web:query$"
    press c
    shows "^could not write .web:cache_hit/hits.: EPERM"
    press q
    shows "^ended 0$"
    assert_equal "$(lines -p "$pid" | grep -c EPERM || true)" 0
}

@test "rows are sorted by the column that a key chooses" {
    start sdt -i 20
    echo 1 >"$mnt/$pid/web:query/hits"
    begin
    first_row() {
        screen | sed -n '3s/.* //p'
    }
    assert_equal "$(first_row)" web:cache_hit
    press '<' '<'
    shows 'by TOTAL$'
    wait_until '[ "$(first_row)" = web:query ]'
    press '<'
    shows 'by RATE$'
    wait_until '[ "$(first_row)" = web:query ]'
    press s '>'
    shows 'by PROBE$'
    wait_until '[ "$(first_row)" = web:cache_hit ]'
}

@test "the terminal is as before, whatever ended it" {
    local end
    start sdt -q
    for end in q C-c TERM HUP; do
        terminal_begin 80 24 "stty -g >$work/before; $top -d 0.2 -p $pid $mnt; stty -g >$work/after"
        shows "web:query$"
        terminal_is alternate_on 1
        terminal_is cursor_flag 0
        case $end in
        TERM | HUP) kill -$end "$(pgrep -o -f "^$top ")" ;;
        *) press $end ;;
        esac
        shows "^ended 0$"
        terminal_is alternate_on 0
        terminal_is cursor_flag 1
        assert_equal "$(cat "$work/after")" "$(cat "$work/before")" "stty -g"
        terminal_end
    done
}

@test "windows of any size, that change while it runs" {
    local size
    start sdt -q
    begin
    for size in '20 3' '200 60' '1 1' '80 2' '3 24'; do
        # shellcheck disable=SC2086
        terminal_do resize-window -x ${size% *} -y ${size#* }
        press h
        press h Down End Up
    done
    terminal_do resize-window -x 80 -y 5
    shows "^space: switch"
    # The selection is always to be seen.
    press Home
    shows "web:cache_hit$"
    press End
    shows "web:request_start$"
    press q
    shows "^ended 0$"
}

@test "help, and back" {
    start sdt -q
    begin
    press '?'
    shows "^space, enter"
    shows_no "web:query"
    press q
    shows "web:query$"
}

@test "where there is no screen it says so" {
    run -1 "$top" "$mnt" </dev/null
    assert_match "$output" '*no terminal*--batch'
    for type in dumb unheard-of; do
        terminal_begin 80 24 "TERM=$type $top $mnt"
        shows "shows no screen: use --batch"
        shows "^ended 1$"
        terminal_end
    done
}

@test "the tree can be unmounted, and mounted again, while it is shown" {
    start sdt -q
    begin
    stop_server "$server" "$mnt"
    shows "probes: 0"
    start_server
    shows "web:query$"
}
