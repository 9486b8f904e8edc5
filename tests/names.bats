#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Names that need escaping or are too long, names in several places, `self` and README.

load lib/session-with-users
load lib/own

setup() {
    session_begin
    start_server
}

teardown() {
    own_end
    session_end
}

# listed PID: the probes' names, one a line.
listed() {
    (cd "$mnt/$1" && find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort)
}

# expected: what probefs(5) makes of the names of `names`, but for those it leaves open.
expected() {
    python3 "$tests/targets/names.py" --expected
}

@test "every name is escaped as probefs(5) says" {
    start names
    listed "$pid" > "$work/listed"
    expected | awk '$3 != "?" && $3 !~ /~\*$/ { print $3 }' | LC_ALL=C sort > "$work/expected"
    assert_equal "$(LC_ALL=C comm -13 "$work/listed" "$work/expected")" "" "missing"
    # What remains is left open, or cut.
    others=$(LC_ALL=C comm -23 "$work/listed" "$work/expected" | wc -l)
    [ "$others" -le "$(expected | awk '$3 == "?" || $3 ~ /~\*$/' | wc -l)" ]
    # x:y of z, and x of y:z: only the names can tell them apart.
    assert_equal "$(grep -c '^x[:%]' "$work/listed")" 2 "names of 'x:y' 'z' and 'x' 'y:z'"
}

@test "no byte of a name misleads a shell or a terminal" {
    start names
    assert_equal "$(listed "$pid" | LC_ALL=C sed 's/%[0-9A-F][0-9A-F]//g' |
        LC_ALL=C grep -c '[[:cntrl:] /%*?,\\]\|\[\|\]\|^[~#=]' || true)" 0
    assert_equal "$(listed "$pid" | grep -c '^\.' || true)" 0 "hidden names"
    for word in . .. exe enabled info control error_log hits trace; do
        assert_equal "$(listed "$pid" | grep -cxF -- "$word" || true)" 0 "$word"
    done
    # ls agrees with a glob, and each is a directory.
    cd "$mnt/$pid"
    assert_equal "$(LC_ALL=C; printf '%s\n' */ | sed 's,/$,,' | LC_ALL=C sort)" \
        "$(listed "$pid")"
    cd "$work"
}

@test "each name switches its own probe, and no other" {
    start names
    expected | awk '$3 != "?" && $3 !~ /~\*$/' > "$work/expected"
    # All at once would not show a mix-up: value N for the Nth name.
    n=0
    while read -r provider hex shown; do
        n=$((n + 1))
        echo $n > "$mnt/$pid/$shown/semaphore"
        echo "$provider $hex $n"
    done < "$work/expected" > "$work/written"
    peek "$pid" > "$work/memory"
    python3 "$tests/lib/compare_counters.py" "$work/written" "$work/memory"
}

@test "names of 255 bytes stay, longer ones are cut and end in ~ and a hash" {
    start names
    long=$(listed "$pid" | awk 'length($0) > 200')
    assert_equal "$(printf '%s\n' "$long" | grep -c '^F*$')" 1
    assert_equal "$(printf '%s\n' "$long" | grep -cx 'LL*~[0-9a-zA-Z]*')" 2 "different hashes"
    assert_equal "$(printf '%s\n' "$long" | grep -cx 'MM*~[0-9a-zA-Z]*')" 1
    assert_equal "$(printf '%s\n' "$long" | grep -cx 's%20s.*~[0-9a-zA-Z]*')" 1
    assert_equal "$(printf '%s\n' "$long" | awk 'length($0) > 255')" ""
    # No escape is cut in two.
    assert_equal "$(printf '%s\n' "$long" | grep -c '%[0-9A-F]\?~' || true)" 0
    for name in $long; do
        echo +1 > "$mnt/$pid/$name/semaphore"
        assert_equal "$(< "$mnt/$pid/$name/enabled")" 1
        echo "-1 $name" > "$mnt/$pid/control"
        assert_equal "$(< "$mnt/$pid/$name/enabled")" 0
    done
}

@test "the name of a cut probe is the same in every process and server" {
    start names
    names=$(listed "$pid")
    start names
    assert_equal "$(listed "$pid")" "$names"
    mkdir "$work/second"
    start_server_at root "$work/second"
    assert_equal "$(cd "$work/second/$pid" &&
        find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort)" "$names"
}

@test "a name is reachable under exactly one spelling" {
    start names
    for other in %70lain 'a b' a%2fb PLAIN .%2E %2e exe%00 =equals '#hash' '~' web:; do
        assert_errno ENOENT stat "$mnt/$pid/$other"
    done
    # The probe "a b", and the probe "a%20b".
    echo 1 > "$mnt/$pid/a%20b/enabled"
    assert_equal "$(state_of "$pid" a%2520b)" 0
}

@test "escaped names work in control, by name, glob and regex" {
    start names
    control=$mnt/$pid/control
    expected | awk '$3 != "?" && $3 !~ /~\*$/ { print $3 }' > "$work/names"
    paste -sd' ' "$work/names" | sed 's/^/1 /' > "$control"
    while read -r name; do
        read -r state < "$mnt/$pid/$name/enabled"
        assert_equal "$state" 1 "$name"
    done < "$work/names"
    echo '0 *' > "$control"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
    echo '1 %2A' > "$control"
    assert_equal "$(cd "$mnt/$pid" && grep -l 1 ./*/enabled)" "./%2A/enabled"
    echo '0 ~^%2A$' > "$control"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
}

# ---- names in several places ----------------------------------------------------------------

@test "a name in executable and library: one directory, all their sites" {
    start host -q -l "$(target libplug.so)"
    wait_until 'grep -q loaded "$out"'
    assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
    assert_equal "$(wc -l < "$mnt/$pid/gc_start/sites")" 2
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start /host)" "1 on"
    assert_equal "$(memory_of "$pid" gc_start libplug)" "1 on"
    echo +1 > "$mnt/$pid/gc_start/semaphore"
    assert_equal "$(memory_of "$pid" gc_start)" "2 on"
    echo 0 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
}

@test "a library that is loaded later and unloaded again: its sites come and go" {
    start host -q "$(target libplug.so)"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(wc -l < "$mnt/$pid/gc_start/sites")" 1
    kill -USR1 "$pid"
    wait_until 'grep -q "^loaded" "$out"'
    assert_equal "$(wc -l < "$mnt/$pid/gc_start/sites")" 2
    assert_equal "$(state_of "$pid" gc_start)" X "the library's is off"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    wait_until '[ -d "$mnt/$pid/plug_hit" ]'
    kill -USR2 "$pid"
    wait_until 'grep -q "^unloaded" "$out"'
    assert_equal "$(wc -l < "$mnt/$pid/gc_start/sites")" 1
    assert_equal "$(state_of "$pid" gc_start)" 1
}

@test "per-site semaphores: all are written" {
    start sdt -q -i 20
    assert_equal "$(peek "$pid" | awk '$2 == "query" { print $3 }' | sort -u | wc -l)" 3
    echo 1 > "$mnt/$pid/web:query/enabled"
    assert_equal "$(memory_of "$pid" query)" "1 nop"
    wait_until 'kill -USR1 "$pid"; grep -q "query_1=[1-9].* query_2=[1-9].* query_3=[1-9]" "$out"'
    echo 0 > "$mnt/$pid/web:query/enabled"
    assert_equal "$(memory_of "$pid" query)" "0 nop"
}

@test "a shared semaphore: both probes show it, and it is written once" {
    start sdt -q
    echo +1 > "$mnt/$pid/web:cache_hit/semaphore"
    assert_equal "$(< "$mnt/$pid/web:cache_miss/semaphore")" 1
    assert_equal "$(< "$mnt/$pid/web:cache_miss/enabled")" 1
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(peek "$pid" | awk '{ print $4 }' | sort -u)" 1
    echo '+1 *' > "$mnt/$pid/control"
    assert_equal "$(peek "$pid" | awk '{ print $4 }' | sort -u)" 2
    echo '-1 web:cache_miss' > "$mnt/$pid/control"
    assert_equal "$(< "$mnt/$pid/web:cache_hit/semaphore")" 1
}

@test "a probe without a semaphore is not shown, an OCaml name and a SystemTap one are two" {
    start sdt -q
    assert_equal "$(probes_of "$pid")" \
        "web:cache_hit web:cache_miss web:query web:request_done web:request_start"
    start names
    [ -d "$mnt/$pid/web:request" ]
    [ -d "$mnt/$pid/web%3Arequest" ]
    echo 1 > "$mnt/$pid/web:request/enabled"
    assert_equal "$(state_of "$pid" web%3Arequest)" 0
}

# ---- self and README ------------------------------------------------------------------------

@test "self is the reader's own pid" {
    assert_equal "$(sh -c 'echo $$; exec readlink "$1/self"' sh "$mnt" | uniq | wc -l)" 1
    assert_equal "$(run_as a sh -c 'echo $$; exec readlink "$1/self"' sh "$mnt" | uniq | wc -l)" 1
    python3 - "$mnt/self" <<'END'
import os, sys, threading
links = [os.readlink(sys.argv[1])]
thread = threading.Thread(target=lambda: links.append(os.readlink(sys.argv[1])))
thread.start()
thread.join()
child = os.fork()
if child == 0:
    os._exit(os.readlink(sys.argv[1]) != str(os.getpid()))
assert os.waitpid(child, 0)[1] == 0
assert links == [str(os.getpid())] * 2, links
END
    assert_match "$(stat -c '%F' "$mnt/self")" 'symbolic link'
}

@test "a program switches its own probes through self" {
    program=$(readlink -f /usr/bin/python3)
    readelf -nW "$program" | grep -q gc__start || skip "python3 has no probes"
    "$program" - "$mnt" <<'END'
import sys
path = f"{sys.argv[1]}/self/python:gc__start/enabled"
states = [open(path).read()]
for value in "10":
    with open(path, "w") as file:
        file.write(value)
    states.append(open(path).read())
assert states == ["0\n", "1\n", "0\n"], states
END
    assert_errno ENOENT stat "$mnt/self/nothing"
    run cat "$mnt/self/enabled"
    assert_equal "$status" 1 "cat has no probes"
    assert_match "$output" '*No such file or directory'
}

@test "README: in under 60 lines, of use to who reads it first" {
    [ "$(wc -l < "$mnt/README")" -lt 60 ]
    [ "$(awk 'length($0) > 100' "$mnt/README")" = "" ]
    for word in enabled semaphore hold sites info control error_log self exe EBUSY; do
        grep -qw "$word" "$mnt/README"
    done
    assert_equal "$(stat -c %a "$mnt/README")" 444
    assert_equal "$(stat -c %s "$mnt/README")" "$(wc -c < "$mnt/README")"
    assert_equal "$(run_as b head -n 1 "$mnt/README")" "$(head -n 1 "$mnt/README")"
}
