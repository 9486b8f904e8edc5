#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# The counter of a probe: references that come and go, and the kernel's own.

load lib/session-with-users
load lib/own
load lib/tracers

setup() {
    session_begin
    start_server
}

teardown() {
    tracers_end
    own_end
    session_end
}

# counts COUNTER SITES: the file and the memory agree with it.
counts() {
    assert_equal "$(< "$semaphore")" "$1" "semaphore"
    shows "$1 $2"
}

@test "+1, -1 and a value: the sites follow as the counter leaves and reaches 0" {
    start_probe demo-ocaml_1 request request
    counts 0 off
    echo +1 > "$semaphore"
    counts 1 on
    echo +1 > "$semaphore"
    counts 2 on
    assert_equal "$(< "$folder/enabled")" 1
    echo -1 > "$semaphore"
    counts 1 on
    echo -1 > "$semaphore"
    counts 0 off
    assert_equal "$(< "$folder/enabled")" 0
    echo 5 > "$semaphore"
    counts 5 on
    echo 65535 > "$semaphore"
    counts 65535 on
    assert_equal "$(< "$folder/enabled")" 1
    echo 0 > "$semaphore"
    counts 0 off
}

@test "each format counts where its row says" {
    for layout in ocaml ocaml-plus2 ocaml.1 ocaml_1 ocaml_2; do
        start_probe demo-$layout gc_start gc_start
        before=$(peek "$pid" | grep -v ' gc_start ')
        echo +1 > "$semaphore"
        counts 1 on
        echo 7 > "$semaphore"
        counts 7 on
        echo -1 > "$semaphore"
        counts 6 on
        assert_equal "$(peek "$pid" | grep -v ' gc_start ')" "$before" "the other probes"
        echo 0 > "$semaphore"
        counts 0 off
    done
}

@test "a text without a newline, and a counter of nothing but digits and a newline" {
    start_probe demo-ocaml_1 gc_start gc_start
    printf +1 > "$semaphore"
    printf 41 > "$semaphore"
    printf +1 > "$semaphore"
    assert_equal "$(od -An -c "$semaphore" | tr -d ' ')" '42\n'
}

@test "1 to enabled keeps a counter, 0 ends all references" {
    start_probe demo-ocaml_1 gc_start gc_start
    echo 3 > "$semaphore"
    echo 1 > "$folder/enabled"
    counts 3 on
    echo 0 > "$folder/enabled"
    counts 0 off
}

@test "out of range: -1 at 0, +1 at 65535, a value of 17 bits; nothing changes" {
    start_probe demo-ocaml_1 request request
    assert_errno ERANGE write "$semaphore" -1
    counts 0 off
    for value in 65536 70000 131071 4294967296 18446744073709551617 99999999999999999999999; do
        assert_errno ERANGE write "$semaphore" $value
        counts 0 off
    done
    echo 65534 > "$semaphore"
    echo +1 > "$semaphore"
    assert_errno EOVERFLOW write "$semaphore" +1
    counts 65535 on
    assert_errno ERANGE write "$semaphore" 65536
    counts 65535 on
    echo -1 > "$semaphore"
    counts 65534 on
}

@test "where the kernel counts too the highest value is 32767" {
    check_highest() {
        start_probe "$@"
        on=$(memory_of "$pid" "$probe" | cut -d' ' -f2)
        [ "$on" = nop ] || on=on
        echo 32766 > "$semaphore"
        echo +1 > "$semaphore"
        counts 32767 "$on"
        assert_errno EOVERFLOW write "$semaphore" +1
        assert_errno ERANGE write "$semaphore" 32768
        assert_errno ERANGE write "$semaphore" 65535
        counts 32767 "$on"
    }
    check_highest demo-ocaml gc_start gc_start
    check_highest sdt request_start web:request_start
}

@test "what is not a value is EINVAL" {
    start_probe demo-ocaml_1 gc_start gc_start
    echo 2 > "$semaphore"
    for text in '\n' ' ' + - +2 -2 +0 -0 ++1 abc 1x x1 ' 1' '1 ' '1\n\n' '1\n1\n' 0x1 1,2 =1 1.0 \
        '1\0' '\0' '+1 ' ' +1' '+1\n\n' '\r\n' '1\r\n' X on '+1\n+1\n'; do
        assert_errno EINVAL write "$semaphore" "$text"
    done
    counts 2 on
}

@test "several counters: differing ones are listed, +1 and -1 are for all or none" {
    start_probe sdt query web:query
    peek "$pid" poke "$(counter_of "$pid" query)" 0300
    assert_equal "$(tr , '\n' < "$semaphore" | sort -n | paste -sd,)" 0,0,3
    assert_errno ERANGE write "$semaphore" -1
    assert_equal "$(memory_of "$pid" query)" "0 nop,3 nop"
    echo +1 > "$semaphore"
    assert_equal "$(memory_of "$pid" query)" "1 nop,4 nop"
    echo -1 > "$semaphore"
    assert_equal "$(memory_of "$pid" query)" "0 nop,3 nop"
    peek "$pid" poke "$(counter_of "$pid" query)" ff7f
    assert_errno EOVERFLOW write "$semaphore" +1
    assert_equal "$(memory_of "$pid" query)" "0 nop,32767 nop"
    echo 2 > "$semaphore"
    counts 2 nop
}

@test "mixed: one name in several formats, all its counters" {
    start_probe mixed tick tick
    echo +1 > "$semaphore"
    counts 1 on
    echo 9 > "$semaphore"
    counts 9 on
    echo 0 > "$semaphore"
    counts 0 off
}

@test "a semaphore that two probes share counts once" {
    start_probe sdt cache_hit web:cache_hit
    echo +1 > "$semaphore"
    echo +1 > "$mnt/$pid/web:cache_miss/semaphore"
    counts 2 nop
    assert_equal "$(< "$mnt/$pid/web:cache_miss/semaphore")" 2
    echo '+1 web:cache_*' > "$mnt/$pid/control"
    counts 3 nop
}

@test "two shells that each add and take away leave each other's reference alone" {
    start_probe demo-ocaml_1 gc_start gc_start
    mkfifo "$work/a" "$work/b"
    for each in a b; do
        sh -c 'exec < "$2"
            while read -r value; do echo "$value" > "$1"; echo done; done' \
            sh "$semaphore" "$work/$each" > "$work/out/$each" 3>&- &
        adopt $!
    done
    exec 8> "$work/a" 9> "$work/b"
    ask() {
        echo "$2" >&"$1"
        wait_until "[ \$(cat '$work/out/a' '$work/out/b' | wc -l) = $3 ]"
    }
    ask 8 +1 1
    ask 9 +1 2
    counts 2 on
    ask 8 -1 3
    counts 1 on
    ask 8 +1 4
    ask 9 -1 5
    counts 1 on
    ask 8 -1 6
    counts 0 off
    exec 8>&- 9>&-
}

# count USER TIMES FILE TEXT...: in the background. It joins `writers`.
count() {
    local as
    as "$1"
    "${as[@]}" python3 -I -S "$work/count.py" "${@:2}" 3>&- &
    writers+=($!)
}

# wait_for_writers: sets `late` if one was not answered in time, as on a machine that is very busy.
wait_for_writers() {
    local each status
    for each in "${writers[@]}"; do
        status=0
        wait "$each" || status=$?
        [ $status = 0 ] || [ $status = 75 ]
        [ $status = 0 ] || late=1
    done
    writers=()
}

# answered_in_time COMMAND...: repeats a storm of writers until there is one all of which was answered.
answered_in_time() {
    local tries
    cp "$tests/lib/count.py" "$work"
    for tries in 1 2 3 4 5; do
        late=
        "$@"
        [ "$late" ] || return 0
    done
    echo "five times something was not answered in time"
    return 1
}

count_up_and_down() {
    local times
    times=$(fewer 10000)
    echo 100 > "$semaphore"
    for step in "+1 $((4 * times + 100))" "-1 100"; do
        for _ in 1 2 3 4; do count root "$times" "$semaphore" "${step% *}"; done
        wait_for_writers
        [ ! "$late" ] || return 0
        counts "${step#* }" on
    done
}

@test "4 writers of thousands of increments and decrements each: exact" {
    start_probe demo-ocaml_1 gc_start gc_start
    answered_in_time count_up_and_down
}

come_and_go() {
    echo 0 > "$semaphore"
    for _ in 1 2 3 4; do count root "$(fewer 2000)" "$semaphore" $'+1\n' $'-1\n'; done
    wait_for_writers
    [ ! "$late" ] || return 0
    counts 0 off
}

@test "writers that each come and go around 0: exact, and the sites agree" {
    start_probe demo-ocaml_1 request request
    answered_in_time come_and_go
}

count_through_two_servers() {
    local times
    times=$(fewer 10000)
    echo 30000 > "$semaphore"
    assert_equal "$(in_own a cat "$own/$pid/gc_start/semaphore")" 30000
    for value in +1 -1; do
        count root "$times" "$semaphore" $value
        in_own a python3 -I -S "$work/count.py" "$times" "$own/$pid/gc_start/semaphore" $value 3>&- &
        writers+=($!)
    done
    wait_for_writers
    [ ! "$late" ] || return 0
    counts 30000 on
    assert_equal "$(in_own a cat "$own/$pid/gc_start/semaphore")" 30000
}

@test "two servers at once, root's and the user's own: 4 writers of thousands, exact" {
    own_start a
    start_for a demo-ocaml_1 -q
    choose_probe gc_start
    answered_in_time count_through_two_servers
}

# ---- the kernel's own references ----------------------------------------------------------

# What a tracer is attached to: at a five-byte nop, the kernel makes its trap a call when it is hit.
traced_memory() {
    peek "$pid" | sed 's/ trap / on /'
}

# is_busy FILE TEXT...: EBUSY, and no counter of the probe moves.
is_busy() {
    local file=$1 before text
    shift
    before=$(traced_memory)
    for text in "$@"; do
        assert_errno EBUSY write "$file" "$text"
    done
    assert_equal "$(traced_memory)" "$before" "the memory"
}

@test "bpftrace attached: 0 and values are EBUSY, +1 and -1 are not, and it detaches cleanly" {
    needs_bpftrace
    start_probe sdt request_start web:request_start
    complaints=$(kernel_complaints)
    trace "$work/bin/sdt" web:request_start "$pid" request_start
    counts 1 trap
    is_busy "$folder/enabled" 0
    is_busy "$semaphore" 0 1 5
    is_busy "$mnt/$pid/enabled" 0
    is_busy "$mnt/$pid/control" '0 web:request_start\n' '=0 web:request_start\n' \
        '=3 web:request_start\n' '0 *\n' '1 web:query\n0 web:request_start\n'
    assert_equal "$(< "$folder/enabled")" 1
    echo 1 > "$folder/enabled"
    echo 1 > "$mnt/$pid/web:query/enabled"
    echo 0 > "$mnt/$pid/web:query/enabled"
    counts 1 trap
    echo +1 > "$semaphore"
    counts 2 trap
    echo '+1 web:request_start' > "$mnt/$pid/control"
    counts 3 trap
    echo -1 > "$semaphore"
    echo '-1 web:request_start' > "$mnt/$pid/control"
    counts 1 trap
    echo +1 > "$semaphore"
    untrace "$tracer"
    counts 1 nop
    echo 0 > "$folder/enabled"
    counts 0 nop
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
    # A later session counts as before.
    trace "$work/bin/sdt" web:request_start "$pid" request_start
    counts 1 trap
    untrace "$tracer"
    counts 0 nop
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}

@test "bpftrace at one of several sites: 0 and values are EBUSY" {
    needs_bpftrace
    start_probe sdt query web:query
    complaints=$(kernel_complaints)
    trace "$work/bin/sdt" web:query "$pid" query
    is_busy "$folder/enabled" 0
    is_busy "$semaphore" 0 4
    before=$(counts_of "$pid" query)
    echo +1 > "$semaphore"
    echo -1 > "$semaphore"
    assert_equal "$(counts_of "$pid" query)" "$before"
    untrace "$tracer"
    counts 0 nop
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}

@test "bpftrace at a probe that shares its semaphore: EBUSY through the other, too" {
    needs_bpftrace
    start_probe sdt cache_hit web:cache_hit
    complaints=$(kernel_complaints)
    trace "$work/bin/sdt" web:cache_hit "$pid" cache_hit
    is_busy "$mnt/$pid/web:cache_miss/enabled" 0
    is_busy "$mnt/$pid/web:cache_miss/semaphore" 0 2
    is_busy "$mnt/$pid/control" '0 web:cache_miss\n' '=2 web:cache_miss\n'
    is_busy "$folder/enabled" 0
    echo +1 > "$mnt/$pid/web:cache_miss/semaphore"
    counts 2 trap
    echo -1 > "$mnt/$pid/web:cache_miss/semaphore"
    untrace "$tracer"
    counts 0 nop
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}

# What holds the uprobe: a breakpoint, or the kernel's call once it was hit (Linux 6.18).
word_behind() {
    peek "$pid" words "$1" 1
}

@test "a tracer at the five-byte nop of libbpf's usdt.h: EBUSY, and it detaches cleanly" {
    needs_bpftrace
    local each complaints sites
    complaints=$(kernel_complaints)
    for each in warm cold; do
        start_probe combo "$each" "lib:$each"
        site=$(awk 'NR == 1 { print $1 }' "$folder/sites")
        site=$(printf '%x' $((site + 1)))
        assert_equal "$(word_behind "$site")" 0f
        trace_behind "$work/bin/combo" "$pid" "$each"
        sleep 0.1
        assert_match "$(word_behind "$site")" '@(trap|on)'
        [ "$each" = warm ] || assert_equal "$(word_behind "$site")" trap
        counts 1 nop
        is_busy "$folder/enabled" 0
        is_busy "$semaphore" 0 1 5
        is_busy "$mnt/$pid/enabled" 0
        is_busy "$mnt/$pid/control" "0 lib:$each\n" "=3 lib:$each\n" '0 *\n'
        assert_match "$(tail -n 1 "$mnt/$pid/error_log")" "*a kernel tracer*"
        echo 1 > "$folder/enabled"
        echo +1 > "$semaphore"
        counts 2 nop
        untrace_behind "$uprobe"
        wait_until '[ "$(< "$semaphore")" = 1 ]'
        assert_equal "$(word_behind "$site")" 0f
        echo 0 > "$folder/enabled"
        counts 0 nop
        # A later session counts as before.
        trace_behind "$work/bin/combo" "$pid" "$each"
        counts 1 nop
        untrace_behind "$uprobe"
        wait_until '[ "$(< "$semaphore")" = 0 ]'
    done
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}

@test "a tracer at a five-byte nop, through a probe that shares the semaphore, or as the site itself" {
    needs_bpftrace
    local complaints
    complaints=$(kernel_complaints)
    start_probe combo warm lib:warm
    trace_behind "$work/bin/combo" "$pid" warm
    is_busy "$mnt/$pid/lib:warm_too/enabled" 0
    is_busy "$mnt/$pid/lib:warm_too/semaphore" 0 2
    echo 0 > "$mnt/$pid/lib:cold/enabled"
    untrace_behind "$uprobe"
    wait_until '[ "$(< "$semaphore")" = 0 ]'
    trace "$work/bin/combo" lib:direct "$pid" direct
    is_busy "$mnt/$pid/lib:direct/enabled" 0
    untrace "$tracer"
    wait_until '[ "$(< "$mnt/$pid/lib:direct/semaphore")" = 0 ]'
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}

@test "bpftrace at python3: the same" {
    needs_bpftrace
    program=$(readlink -f /usr/bin/python3)
    readelf -nW "$program" | grep -q gc__start || skip "python3 has no probes"
    start_command root "$program" -u -c '
import os, time
print("pid", os.getpid())
time.sleep(1000)'
    wait_until 'grep -q "^pid" "$out"'
    complaints=$(kernel_complaints)
    trace "$program" python:gc__start "$pid" gc__start
    choose_probe gc__start python:gc__start
    counts 1 trap
    is_busy "$folder/enabled" 0
    is_busy "$semaphore" 0 2
    echo +1 > "$semaphore"
    counts 2 trap
    echo -1 > "$semaphore"
    untrace "$tracer"
    counts 0 nop
    assert_equal "$(kernel_complaints)" "$complaints" "ref_ctr lines in the kernel's log"
}
