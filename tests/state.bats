#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# State X, made by an outside hand: read at the probe and above, mended by 1 and by 0.

load lib/session

setup() {
    session_begin
    start_server
}

# break_it: what the outside hand does; a function of each test. It starts from all off, and
# leaves probe $probe (in the tree: $shown) of $pid at X.

# reads_x: at the probe, in the process's enabled and in info, and nowhere else.
reads_x() {
    assert_equal "$(state_of "$pid" "$shown")" X "enabled of the probe"
    assert_equal "$(< "$mnt/$pid/enabled")" X "enabled of the process"
    assert_equal "$(awk '$1 == "X" { print $4 }' "$mnt/$pid/info")" "$shown" "X in info"
    (cd "$mnt" && assert_equal "$(grep -l X "$pid"/*/enabled)" "$pid/$shown/enabled" "grep -l X")
}

# check_all ON OFF: mended by 1 (all notes are ON then) and by 0 (OFF), in each file that can.
check_all() {
    local folder=$mnt/$pid file text wanted
    echo 0 > "$folder/enabled"
    while IFS='|' read -r file text wanted; do
        break_it
        reads_x
        printf '%s\n' "$text" > "$folder/$file"
        assert_equal "$(memory_of "$pid" "$probe")" "$wanted" "'$text' to $file"
        assert_equal "$(state_of "$pid" "$shown")" $((${wanted%% *} > 0)) "'$text' to $file"
        echo 0 > "$folder/enabled"
        assert_equal "$(< "$folder/enabled")" 0
    done <<END
$shown/enabled|1|$1
$shown/enabled|0|$2
enabled|1|$1
enabled|0|$2
control|1 $shown|$1
control|0 $shown|$2
$shown/semaphore|1|$1
$shown/semaphore|0|$2
END
}

@test "a counter without its sites" {
    break_it() { peek "$pid" poke "$(counter_of "$pid" request)" 0100; }
    start_probe demo-ocaml_1 request request
    check_all "1 on" "0 off"
}

@test "sites without their counter" {
    break_it() { peek "$pid" poke "$(switch_byte_of "$pid" gc_start)" on; }
    start_probe demo-ocaml_1 gc_start gc_start
    check_all "1 on" "0 off"
}

@test "one of three sites, the counter off" {
    break_it() { peek "$pid" poke "$(switch_byte_of "$pid" request)" on; }
    start_probe demo-ocaml_1 request request
    check_all "1 on" "0 off"
}

@test "one of three sites is off, the counter on" {
    break_it() {
        echo 1 > "$mnt/$pid/request/enabled"
        peek "$pid" poke "$(switch_byte_of "$pid" request)" off
    }
    start_probe demo-ocaml_1 request request
    check_all "1 on" "0 off"
}

@test "one of several counters, SystemTap" {
    break_it() { peek "$pid" poke "$(counter_of "$pid" query)" 0100; }
    start_probe sdt query web:query
    check_all "1 nop" "0 nop"
}

@test "one unit's counter of a name in several formats" {
    break_it() { peek "$pid" poke "$(counter_of "$pid" tick)" 0100; }
    start_probe mixed tick tick
    check_all "1 on" "0 off"
}

@test "a probe of an executable and its library, one of them on" {
    start host -q -l "$(target libplug.so)"
    wait_until 'grep -q loaded "$out"'
    choose_probe gc_start
    break_it() {
        local counter
        echo 1 > "$mnt/$pid/gc_start/enabled"
        counter=$(peek "$pid" | awk '$2 == "gc_start" && $7 ~ /libplug/ { print $3; exit }')
        peek "$pid" poke "$counter" 0000
        peek "$pid" poke "$(add "$(peek "$pid" |
            awk '$2 == "gc_start" && $7 ~ /libplug/ { print $5; exit }')" 1)" off
    }
    check_all "1 on" "0 off"
}

@test "each format: a counter alone and a site alone" {
    for layout in ocaml ocaml-plus2 ocaml.1 ocaml_1 ocaml_2; do
        start_probe demo-$layout gc_start gc_start
        echo 0 > "$mnt/$pid/enabled"
        peek "$pid" poke "$(counter_of "$pid" gc_start)" 0100
        reads_x
        echo 1 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on" "$layout"
        peek "$pid" poke "$(counter_of "$pid" gc_start)" 0000
        reads_x
        echo 0 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "0 off" "$layout"
    done
}

@test "1 mends and keeps a counter above 0, +1 and -1 mend as well" {
    start_probe demo-ocaml_1 request request
    echo 0 > "$mnt/$pid/enabled"
    peek "$pid" poke "$(counter_of "$pid" request)" 0300
    reads_x
    echo 1 > "$mnt/$pid/request/enabled"
    assert_equal "$(memory_of "$pid" request)" "3 on"
    peek "$pid" poke "$(switch_byte_of "$pid" request)" off
    reads_x
    echo -1 > "$mnt/$pid/request/semaphore"
    assert_equal "$(memory_of "$pid" request)" "2 on"
    peek "$pid" poke "$(counter_of "$pid" request)" 0000
    reads_x
    echo +1 > "$mnt/$pid/request/semaphore"
    assert_equal "$(memory_of "$pid" request)" "1 on"
    peek "$pid" poke "$(switch_byte_of "$pid" request)" off
    exec 9> "$mnt/$pid/request/hold"
    assert_equal "$(memory_of "$pid" request)" "2 on"
    peek "$pid" poke "$(switch_byte_of "$pid" request)" off
    exec 9>&-
    look "$pid"
    assert_equal "$(memory_of "$pid" request)" "1 on"
}

# `names` passes its sites only when it is asked to.
@test "bytes that are no site's are X, at each byte, in each file; a tracer's breakpoint is not" {
    start names
    site=$(site_of "$pid" plain)
    for on in 0 1; do
        echo "$on" > "$mnt/$pid/plain/enabled"
        for offset in 0 1 2 5; do
            choose_probe plain
            at=$(add "$site" $offset)
            good=$(peek "$pid" bytes "$at" 1)
            peek "$pid" poke "$at" 91
            reads_x
            assert_equal "$(awk '{ print $2 }' "$mnt/$pid/plain/sites")" X "sites, byte $offset"
            assert_errno ENOEXEC write "$mnt/$pid/plain/enabled" "$on"
            peek "$pid" poke "$at" "$good"
            assert_equal "$(state_of "$pid" plain)" "$on"
        done
        peek "$pid" poke "$site" trap
        assert_equal "$(state_of "$pid" plain)" "$on" "with a tracer's breakpoint"
        peek "$pid" poke "$site" nop
    done
}

@test "sites shows which site it is, control and semaphore the counter" {
    start_probe demo-ocaml_1 request request
    peek "$pid" poke "$(switch_byte_of "$pid" request)" on
    site=$(site_of "$pid" request)
    assert_equal "$(awk -v site="0x$site" '$1 == site { print $2 }' "$mnt/$pid/request/sites")" 1
    assert_equal "$(awk '{ print $2 }' "$mnt/$pid/request/sites" | sort | paste -sd' ')" "0 0 1"
    assert_equal "$(< "$mnt/$pid/request/semaphore")" 0
    assert_equal "$(grep request "$mnt/$pid/control")" "0 request"
}

@test "some on, some off is X above, and each probe's own state is not" {
    start_probe demo-ocaml_1 request request
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    echo 1 > "$mnt/$pid/idle/enabled"
    assert_equal "$(< "$mnt/$pid/enabled")" X
    assert_equal "$(cat "$mnt/$pid"/*/enabled | sort | uniq -c | awk '{ $1 = $1 } 1' | paste -sd,)" \
        "4 0,1 1"
}
