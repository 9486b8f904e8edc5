#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# info and sites: what the tree says, against the memory and the file.

load lib/session

setup() {
    session_begin
    start_server
}

# expected_info PID: the lines of info, from the independent reader. Names that need no escape.
expected_info() {
    peek "$1" | awk '
        { name = $1 ~ /^ocaml/ ? $2 : $1 ":" $2 }
        $5 != "-" { sites[name]++ }
        {
            sites[name] += 0
            on = $6 == "on" || $6 == "nop" && $4 > 0 || $6 == "-" && $4 > 0
            if ((name in state) && state[name] != (on && $4 > 0)) state[name] = "X"
            else if (on != ($4 > 0)) state[name] = "X"
            else state[name] = on
            if (!((name, $3) in counters)) {
                counters[name, $3] = 1
                count[name] = count[name] (count[name] == "" ? "" : ",") $4
            }
        }
        END {
            for (name in count) {
                n = split(count[name], values, ",")
                same = 1
                for (i = 2; i <= n; i++) same = same && values[i] == values[1]
                print state[name], same ? values[1] : "?", sites[name], name
            }
        }' | LC_ALL=C sort -k 4
}

# agrees: info says what the memory says, in the order of the names.
agrees() {
    assert_equal "$(sed 's/^\(. \)[0-9]*,[0-9,]*/\1?/' "$mnt/$pid/info")" "$(expected_info "$pid")" info
    assert_equal "$(awk 'NF != 4' "$mnt/$pid/info")" "" "lines of other than 4 columns"
}

@test "info: a line a probe, STATE COUNT SITES NAME, sorted" {
    start demo-ocaml_1 -q
    assert_equal "$(cat "$mnt/$pid/info")" "1 1 1 boot
0 0 1 gc_start
0 0 1 gc_stop
0 0 1 idle
0 0 3 request"
    echo 7 > "$mnt/$pid/request/semaphore"
    echo 1 > "$mnt/$pid/idle/enabled"
    assert_equal "$(cat "$mnt/$pid/info")" "1 1 1 boot
0 0 1 gc_start
0 0 1 gc_stop
1 1 1 idle
1 7 3 request"
}

@test "info: agrees with the memory, in every format" {
    for each in demo-ocaml demo-ocaml-plus2 demo-ocaml.1 demo-ocaml_2 demo-static demo-static-pie \
        demo-no-pie demo-stripped sdt; do
        # A stripped file of layout ocaml alone cannot be told; these can.
        start $each -q
        agrees
        echo 1 > "$mnt/$pid/enabled"
        agrees
        stop "$pid"
    done
    start mixed -q
    assert_equal "$(awk '{ print $3, $4 }' "$mnt/$pid/info")" \
        "$(expected_info "$pid" | awk '{ print $3, $4 }')"
    assert_equal "$(awk '$4 == "skew" { print $1, $2, $3 }' "$mnt/$pid/info")" "X 0 2"
}

@test "info: counters that differ are one column" {
    start sdt -q
    peek "$pid" poke "$(counter_of "$pid" query)" 0500
    line=$(grep ' web:query$' "$mnt/$pid/info")
    assert_match "$line" 'X *,*,* 3 web:query'
    assert_equal "$(echo "$line" | awk '{ print $2 }' | tr , '\n' | sort -n | paste -sd,)" 0,0,5
    agrees
}

@test "info: a name in executable and library is one line with all sites" {
    start host -q -l "$(target libplug.so)"
    wait_until 'grep -q loaded "$out"'
    assert_equal "$(cat "$mnt/$pid/info")" "0 0 2 gc_start
0 0 2 plug_hit"
    agrees
}

@test "info: names that are escaped keep four columns, one line each" {
    start names
    assert_equal "$(awk 'NF != 4' "$mnt/$pid/info")" ""
    assert_equal "$(awk '{ print $4 }' "$mnt/$pid/info")" "$(awk '{ print $2 }' "$mnt/$pid/control")"
    assert_equal "$(awk '{ print $4 }' "$mnt/$pid/info" | LC_ALL=C sort)" \
        "$(cd "$mnt/$pid" && find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort)"
}

@test "info and sites are true at the time of each reading, also through one descriptor" {
    start demo-ocaml_1 -q
    exec 8< "$mnt/$pid/info" 9< "$mnt/$pid/gc_start/sites"
    read_again='import os, sys
print(os.pread(int(sys.argv[1]), 4096, 0).decode(), end="")'
    assert_equal "$(python3 -c "$read_again" 8 | grep gc_start)" "0 0 1 gc_start"
    assert_equal "$(python3 -c "$read_again" 9 | awk '{ print $2 }')" 0
    peek "$pid" poke "$(switch_byte_of "$pid" gc_start)" on
    peek "$pid" poke "$(counter_of "$pid" gc_start)" 0200
    assert_equal "$(python3 -c "$read_again" 8 | grep gc_start)" "1 2 1 gc_start"
    assert_equal "$(python3 -c "$read_again" 9 | awk '{ print $2 }')" 1
    exec 8<&- 9<&-
}

# ---- sites ----------------------------------------------------------------------------------

# expected_sites PID NAME FILE...: ADDRESS STATE OBJECT+OFFSET ARGUMENTS, sorted: addresses and
# states from the memory, offsets and arguments from readelf. All sites of a name, its sites sorted
# by address in both; FILE is the one object that has it.
expected_sites() {
    peek "$1" | awk -v name="$2" '$2 == name && $5 != "-" {
        print "0x" $5, ($6 == "on" || ($6 == "nop" && $4 > 0)) }' | sort > "$work/addresses"
    readelf -nW "$3" | awk -v name="$2" '
        $1 == "Name:" { mine = $2 == name }
        $1 == "Location:" { sub(",", "", $2); location = $2 }
        $1 == "Arguments:" { if (mine) { sub(/ *Arguments: */, ""); print location, $0 } }' |
        sort > "$work/notes"
    # Where the executable segment starts in memory and in the file.
    readelf -lW "$3" | awk '/LOAD/ && / E / { print $3, $2; exit }' > "$work/segment"
    python3 - "$work" "$3" <<'END'
import sys
work, path = sys.argv[1:]
vaddr, offset = (int(word, 16) for word in open(f"{work}/segment").read().split())
for address, note in zip(open(f"{work}/addresses"), open(f"{work}/notes"), strict=True):
    location, _, arguments = note.rstrip("\n").partition(" ")
    words = address.split() + [f"{path}+{int(location, 16) - vaddr + offset:#x}"]
    print(" ".join(words + ([arguments.strip()] if arguments.strip() else [])))
END
}

# sites_agree NAME FILE [TREE-NAME]
sites_agree() {
    assert_equal "$(sort "$mnt/$pid/${3:-$1}/sites")" "$(expected_sites "$pid" "$1" "$2")" \
        "sites of $1 in $2"
}

@test "sites: ADDRESS STATE OBJECT+OFFSET ARGUMENTS, as memory and readelf have them" {
    for each in demo-ocaml demo-ocaml_1 demo-ocaml_2 demo-static demo-static-pie demo-no-pie \
        demo-stripped; do
        start $each -q
        for probe in boot gc_start request; do
            sites_agree $probe "$work/bin/$each"
        done
        echo 1 > "$mnt/$pid/request/enabled"
        sites_agree request "$work/bin/$each"
        assert_equal "$(awk '{ print $2 }' "$mnt/$pid/request/sites" | sort -u)" 1
        stop "$pid"
    done
}

@test "sites: sorted by address, one line each" {
    start demo-ocaml_1 -q
    assert_equal "$(wc -l < "$mnt/$pid/request/sites")" 3
    assert_equal "$(cat "$mnt/$pid/request/sites")" "$(sort "$mnt/$pid/request/sites")"
}

@test "sites: SystemTap's arguments, and the counter as state" {
    start sdt -q
    sites_agree request_done "$work/bin/sdt" web:request_done
    sites_agree request_start "$work/bin/sdt" web:request_start
    sites_agree query "$work/bin/sdt" web:query
    echo 1 > "$mnt/$pid/web:request_done/enabled"
    sites_agree request_done "$work/bin/sdt" web:request_done
    assert_equal "$(awk '{ print NF }' "$mnt/$pid/web:request_done/sites" | sort | paste -sd' ')" \
        "4 5 6"
    peek "$pid" poke "$(counter_of "$pid" query)" 0100
    sites_agree query "$work/bin/sdt" web:query
}

@test "sites: a probe without a site has an empty file" {
    start demo-ocaml_2 -q
    assert_equal "$(cat "$mnt/$pid/idle/sites")" ""
    assert_equal "$(grep ' idle$' "$mnt/$pid/info")" "0 0 0 idle"
    echo 1 > "$mnt/$pid/idle/enabled"
    assert_equal "$(grep ' idle$' "$mnt/$pid/info")" "1 1 0 idle"
}

@test "sites: those of a library are the library's, and of one that is loaded twice, both" {
    library=$(target libplug.so)
    start host -q -l -m "$library"
    wait_until 'grep -q loaded "$out"'
    assert_equal "$(awk '{ sub(/\+0x.*/, "", $3); print $3 }' "$mnt/$pid/gc_start/sites" | sort)" \
        "$work/bin/host
$library
$library"
    assert_equal "$(awk '{ print $1 }' "$mnt/$pid/gc_start/sites" | sort)" \
        "$(peek "$pid" | awk '$2 == "gc_start" { print "0x" $5 }' | sort)"
    assert_equal "$(awk '{ print $1 }' "$mnt/$pid/plug_hit/sites" | sort -u | wc -l)" 4
    assert_equal "$(awk '{ print $3 }' "$mnt/$pid/plug_hit/sites" | sort -u | wc -l)" 2
}

# start_odd NAME: a demo of that name.
start_odd() {
    odd=$work/bin/$1
    cp "$targets/demo-ocaml_1" "$odd"
    start_command root "$odd" -q
    wait_until 'grep -q "^pid" "$out"'
    sites=$mnt/$pid/gc_start/sites
}

@test "sites: an object's path is escaped, and stays one column" {
    start_odd $'odd name%\t\e\x7fx'
    assert_match "$(cat "$sites")" "0x* 0 $work/bin/odd%20name%25%09%1B%7Fx+0x*"
    assert_equal "$(wc -l < "$sites")" 1
    assert_equal "$(awk '{ print NF }' "$sites")" 3
    rm "$odd"
    assert_match "$(cat "$sites")" "0x* 0 $work/bin/odd*x*+0x*"
    assert_equal "$(awk '{ print NF }' "$sites")" 3
}

@test "sites: a newline in an object's path is %0A, and a backslash is no newline" {
    start_odd $'new\nline'
    assert_match "$(cat "$sites")" "0x* 0 $work/bin/new%0Aline+0x*"
    start_odd 'new\012line'
    assert_match "$(cat "$sites")" "0x* 0 $work/bin/new%5C012line+0x*"
}

@test "both are read-only, 0400" {
    start demo-ocaml_1 -q
    for file in info gc_start/sites; do
        assert_equal "$(stat -c %a "$mnt/$pid/$file")" 400 "$file"
        errno=$(errno_of write "$mnt/$pid/$file" 1)
        assert_match "$errno" '@(EACCES|EPERM|EINVAL|EBADF)' "$file"
    done
}

@test "many probes: info has a line for each, and awk sums them up" {
    start many-1000 -q
    assert_equal "$(awk '{ n++; sites += $3 } END { print n, sites }' "$mnt/$pid/info")" "1000 3000"
    echo '+1 probe_0000*' > "$mnt/$pid/control"
    assert_equal "$(awk '$1 == 1' "$mnt/$pid/info" | wc -l)" 10
    assert_equal "$(grep -c '^1 1 3 probe_0000[0-9]$' "$mnt/$pid/info")" 10
}
