#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# control: many probes in one update.

load lib/session

setup() {
    session_begin
    start_server
}

start_controlled() {
    start "${1:-demo-ocaml_1}" -q
    control=$mnt/$pid/control
}

# states: what control says, without the values' names: VALUE NAME, ... on one line.
states() {
    paste -sd, < "$control"
}

pieces() {
    (cd "$mnt/$pid" && python3 "$tests/lib/pieces.py" "$@")
}

# memory: the counter and sites of each note, to be compared.
memory() {
    peek "$pid"
}

@test "reading: a line for each probe, sorted, 0, 1 or =N by the highest counter" {
    start_controlled
    assert_equal "$(states)" "1 boot,0 gc_start,0 gc_stop,0 idle,0 request"
    echo 1 > "$mnt/$pid/gc_stop/enabled"
    echo 2 > "$mnt/$pid/idle/semaphore"
    echo 65535 > "$mnt/$pid/request/semaphore"
    assert_equal "$(states)" "1 boot,0 gc_start,1 gc_stop,=2 idle,=65535 request"
    start_controlled sdt
    peek "$pid" poke "$(counter_of "$pid" query)" 0400
    assert_equal "$(states)" "0 web:cache_hit,0 web:cache_miss,=4 web:query,$(
        )0 web:request_done,0 web:request_start"
}

@test "one name, several names, several lines" {
    start_controlled
    echo '1 gc_start' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,0 gc_stop,0 idle,0 request"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    echo '0 gc_start boot' > "$control"
    assert_equal "$(states)" "0 boot,0 gc_start,0 gc_stop,0 idle,0 request"
    printf '%s\n' '+1 gc_stop idle' '=7 request' '1 boot' > "$control"
    assert_equal "$(states)" "1 boot,0 gc_start,1 gc_stop,1 idle,=7 request"
    assert_equal "$(memory_of "$pid" request)" "7 on"
    printf '%s\n' '-1 idle request gc_stop' '0 boot' > "$control"
    assert_equal "$(states)" "0 boot,0 gc_start,0 gc_stop,0 idle,=6 request"
    echo '=0 request' > "$control"
    assert_equal "$(memory_of_all "$pid")" "0 off"
}

@test "blanks, empty lines and comments" {
    start_controlled
    printf '%s\n' '# everything about the collector' '' '   ' '  1   gc_start	gc_stop  # on' \
        '	=3	idle	' '#1 request' '   # 1 request' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,1 gc_stop,=3 idle,0 request"
    before=$(memory)
    echo '# nothing' > "$control"
    echo > "$control"
    assert_equal "$(memory)" "$before"
}

@test "globs" {
    start_controlled
    echo '1 gc_*' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,1 gc_stop,0 idle,0 request"
    echo '0 *' > "$control"
    assert_equal "$(states)" "0 boot,0 gc_start,0 gc_stop,0 idle,0 request"
    echo '+1 [bi]* gc_sto?' > "$control"
    assert_equal "$(states)" "1 boot,0 gc_start,1 gc_stop,1 idle,0 request"
    echo '-1 [!gr]*' > "$control"
    assert_equal "$(states)" "0 boot,0 gc_start,1 gc_stop,0 idle,0 request"
    start_controlled sdt
    echo '1 web:request_*' > "$control"
    assert_equal "$(states)" "0 web:cache_hit,0 web:cache_miss,0 web:query,$(
        )1 web:request_done,1 web:request_start"
}

@test "~REGEX is POSIX extended, and matches anywhere unless anchored" {
    start_controlled
    echo '1 ~^gc_(start|stop)$' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,1 gc_stop,0 idle,0 request"
    echo '0 ~.' > "$control"
    echo '=2 ~t$' > "$control"
    assert_equal "$(states)" "=2 boot,=2 gc_start,0 gc_stop,0 idle,=2 request"
    echo '0 ~.' > "$control"
    echo '1 ~dl ~o{2}|q' > "$control"
    assert_equal "$(states)" "1 boot,0 gc_start,0 gc_stop,1 idle,1 request"
}

@test "a pair names two probes, on and off" {
    start_controlled
    echo '1 gc_start,gc_stop' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,1 gc_stop,0 idle,0 request"
    echo '+1 gc_start,gc_stop idle,request' > "$control"
    assert_equal "$(states)" "1 boot,=2 gc_start,=2 gc_stop,1 idle,1 request"
    echo '0 gc_start,gc_stop' > "$control"
    assert_equal "$(states)" "1 boot,0 gc_start,0 gc_stop,1 idle,1 request"
}

# watch NAME-OF-START NAME-OF-STOP ON-COMMAND OFF-COMMAND WHAT: observes 10 switches each way.
watch() {
    local addresses
    case $5 in
    counters) addresses="$(counter_of "$pid" "$1") $(counter_of "$pid" "$2")" ;;
    sites) addresses="$(switch_byte_of "$pid" "$1") $(switch_byte_of "$pid" "$2")" ;;
    esac
    # shellcheck disable=SC2086
    python3 "$tests/lib/order.py" "$control" "$3" "$4" "$targets/order" "$pid" $addresses 3>&-
}

@test "a pair never leaves a span open: on STOP first, off START first, as counters and sites show" {
    start_controlled
    watch gc_start gc_stop '1 gc_start,gc_stop' '0 gc_start,gc_stop' counters
    watch gc_start gc_stop '1 gc_start,gc_stop' '0 gc_start,gc_stop' sites
}

@test "the order of a pair is its own, whichever name sorts first, and with every value" {
    start_controlled
    watch gc_stop gc_start '+1 gc_stop,gc_start' '-1 gc_stop,gc_start' counters
    watch gc_stop gc_start '=1 gc_stop,gc_start' '=0 gc_stop,gc_start' sites
}

@test "a pair's order holds beside a glob that names both" {
    start_controlled
    watch gc_start gc_stop '1 gc_start,gc_stop gc_*' '0 gc_start,gc_stop gc_*' counters
}

# control_refuses ERRNO TEXT: nothing is changed by it.
control_refuses() {
    assert_errno "$1" write "$control" "$2"
    assert_equal "$(memory)" "$before" "the memory after: $2"
}

# refuses_all ERRNO TEXT...: the same for many texts, with fewer looks.
refuses_all() {
    local errno=$1 text
    shift
    for text in "$@"; do
        assert_errno "$errno" write "$control" "$text"
    done
    assert_equal "$(memory)" "$before" "the memory"
}

@test "syntax: EINVAL, and nothing is changed" {
    start_controlled
    before=$(memory)
    for line in 1 0 +1 =1 'gc_start' '2 gc_start' '+2 gc_start' '-2 gc_start' '= gc_start' \
        '=x gc_start' '=-1 gc_start' '=+1 gc_start' '5 gc_start' 'on gc_start' '1,gc_start' \
        'X gc_start' '1gc_start' '~gc 1' '1 ~(' '1 ~[a' '1 gc_start,' '1 ,gc_start' '1 ,' \
        '1 gc_start,gc_stop,idle' '1 gc_*,idle' '-1' '01 gc_start' '00 gc_start' \
        '1 gc_start\0' '\0'; do
        refuses_all EINVAL "$line\n" "1 gc_start\n$line\n" "$line\n1 gc_start\n"
    done
}

@test "what matches nothing: ENOENT, and nothing is changed" {
    start_controlled
    before=$(memory)
    for name in nothing gc_ gc_start/ GC_START '*x*' '[!a-z]*' '~^x' '~gc_$' \
        gc_start,nothing nothing,gc_stop gc%5Fstart enabled control; do
        refuses_all ENOENT "1 $name\n" "1 gc_start $name\n" "1 gc_start\n0 boot\n1 $name\n=3 idle\n"
    done
}

@test "values out of range: ERANGE and EOVERFLOW, and nothing is changed" {
    start_controlled
    echo 65535 > "$mnt/$pid/idle/semaphore"
    before=$(memory)
    control_refuses ERANGE '=65536 gc_start\n'
    control_refuses ERANGE '1 gc_start\n=65536 gc_stop\n'
    control_refuses ERANGE '1 gc_stop\n-1 gc_start\n'
    control_refuses ERANGE '-1 *\n'
    control_refuses EOVERFLOW '+1 *\n'
    control_refuses EOVERFLOW '0 boot\n+1 idle\n'
    start_controlled sdt
    before=$(memory)
    control_refuses ERANGE '1 web:query\n=32768 web:request_start\n'
}

@test "one probe with two values: EINVAL; the same value twice counts once" {
    start_controlled
    before=$(memory)
    refuses_all EINVAL '1 gc_start\n0 gc_start\n' '1 gc_*\n0 gc_start\n' \
        '+1 gc_start\n-1 gc_start\n' '=2 gc_start\n=3 ~gc_start\n' '=2 gc_start,gc_stop\n+1 *\n'
    echo '+1 gc_start gc_* ~gc gc_start,gc_stop' > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,1 gc_stop,0 idle,0 request"
    printf '%s\n' '=3 gc_start' '=3 gc_*' > "$control"
    assert_equal "$(states)" "1 boot,=3 gc_start,=3 gc_stop,0 idle,0 request"
}

@test "one shared counter with two values: EINVAL; the same value through both counts once" {
    start_controlled sdt
    before=$(memory)
    refuses_all EINVAL '1 web:cache_hit\n0 web:cache_miss\n' '=2 web:cache_hit\n=3 web:cache_miss\n' \
        '1 web:query\n+1 web:cache_hit\n=1 web:cache_miss\n'
    echo '+1 web:cache_hit web:cache_miss' > "$control"
    assert_equal "$(memory_of "$pid" cache_hit)" "1 nop"
}

@test "garbage at one site: ENOEXEC, and the other probes are left alone" {
    start names
    control=$mnt/$pid/control
    peek "$pid" poke "$(switch_byte_of "$pid" plain)" trap
    before=$(memory)
    control_refuses ENOEXEC '1 UPPER\n1 plain\n'
    control_refuses ENOEXEC '1 *\n'
    echo '1 UPPER' > "$control"
    assert_equal "$(memory_of "$pid" UPPER)" "1 on"
}

@test "0 and 1 to a whole process, in one write each" {
    start_controlled mixed
    echo '1 *' > "$control"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
    assert_equal "$(memory_of_all "$pid")" "1 on"
    echo '0 *' > "$control"
    assert_equal "$(memory_of_all "$pid")" "0 off"
    echo 1 > "$mnt/$pid/enabled"
    assert_equal "$(cut -d' ' -f1 "$control" | sort -u)" 1
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(cut -d' ' -f1 "$control" | sort -u)" 0
}

# ---- lines that are cut -------------------------------------------------------------------

@test "a line that the end of a write cuts is completed by the next write" {
    start_controlled
    assert_equal "$(pieces control 'write:1 gc_st' look:gc_start/enabled 'write:art\n' \
        look:gc_start/enabled close)" "OK 0 OK 1 OK"
    assert_equal "$(pieces control write:0 'write: ' write:gc_s write:tart write:'\n' \
        look:gc_start/enabled close)" "OK OK OK OK OK 0 OK"
    assert_equal "$(pieces control 'write:1 gc_start\n1 id' look:gc_start/enabled \
        look:idle/enabled 'write:le\n1 gc_' look:idle/enabled 'write:stop\n' look:gc_stop/enabled \
        close)" "OK 1 0 OK 1 OK 1 OK"
}

@test "a cut line is no name: gc_start is not gc_sta, and all of a write is checked first" {
    start_controlled
    assert_equal "$(pieces control 'write:1 nothing' 'write:gc_start\n' close)" "OK ENOENT OK"
    assert_equal "$(pieces control 'write:1 gc_start\n1 not' look:gc_start/enabled 'write:hing\n' \
        look:gc_start/enabled close)" "OK 1 ENOENT 1 OK"
    assert_equal "$(pieces control 'write:1 id' 'write:le\n1 nothing\n' look:idle/enabled close)" \
        "OK ENOENT 0 OK"
}

@test "a cut line is applied by the close of its writer" {
    start_controlled
    assert_equal "$(pieces control 'write:1 gc_start' look:gc_start/enabled close \
        look:gc_start/enabled)" "OK 0 OK 1"
    printf '0 gc_start' > "$control"
    assert_equal "$(< "$mnt/$pid/gc_start/enabled")" 0
    printf '1 gc_start\n=5 idle' | cat > "$control"
    assert_equal "$(states)" "1 boot,1 gc_start,0 gc_stop,=5 idle,0 request"
    # A flush is that of any copy of the descriptor which the writer closes.
    assert_equal "$(pieces control 'write:1 gc_stop' dup look:gc_stop/enabled close)" "OK OK 1 OK"
}

@test "a cut line that is wrong is the error of close" {
    start_controlled
    before=$(memory)
    assert_equal "$(pieces control 'write:1 nothing' close)" "OK ENOENT"
    assert_equal "$(pieces control 'write:2 gc_start' close)" "OK EINVAL"
    printf '1 nothing' > "$work/text"
    run cp --no-preserve=all "$work/text" "$control"
    assert_equal "$status" 1 "exit status of cp"
    assert_equal "$(memory)" "$before"
}

@test "a child that inherits the descriptor and exits does not apply a cut line" {
    start_controlled
    assert_equal "$(pieces control 'write:1 gc_st' child look:gc_start/enabled run \
        look:gc_start/enabled 'write:art\n' look:gc_start/enabled close)" "OK OK 0 OK 0 OK 1 OK"
    assert_equal "$(pieces control 'write:1 idle' child run look:idle/enabled close \
        look:idle/enabled)" "OK OK OK 0 OK 1"
}

@test "a failed write forgets the cut line" {
    start_controlled
    assert_equal "$(pieces control 'write:1 gc_start\n1 not' 'write:hing\n1 id' 'write:le\n' \
        look:idle/enabled close look:idle/enabled)" "OK ENOENT EINVAL 0 OK 0"
    assert_equal "$(pieces control 'write:1 gc_stop' 'write:\n9 boot\n' close \
        look:gc_stop/enabled)" "OK EINVAL OK 0"
    assert_equal "$(pieces control 'write:1 gc_' 'write:nothing\n' 'write:1 idle\n' \
        look:idle/enabled close)" "OK ENOENT OK 1 OK"
}

@test "cut lines of two descriptors do not mix" {
    start_controlled
    python3 - "$control" <<'END'
import os, sys
a, b = (os.open(sys.argv[1], os.O_WRONLY) for _ in range(2))
os.write(a, b"1 gc_")
os.write(b, b"1 id")
os.write(a, b"stop\n")
os.write(b, b"le\n")
END
    assert_equal "$(states)" "1 boot,0 gc_start,1 gc_stop,1 idle,0 request"
}

@test "shell: a block of echos through one open file, each line an update" {
    start_controlled
    { echo '1 gc_start'; echo '+1 gc_start'; echo '+1 gc_start'; } > "$control"
    assert_equal "$(< "$mnt/$pid/gc_start/semaphore")" 3
    sh -c '{ echo "0 gc_start"; echo "1 nothing"; echo "1 idle"; } > "$1" 2> /dev/null' sh "$control"
    assert_equal "$(states)" "1 boot,0 gc_start,0 gc_stop,1 idle,0 request"
}

# ---- many ---------------------------------------------------------------------------------

@test "save and restore by cat" {
    start_controlled
    printf '%s\n' '=5 request' '=65535 idle' '0 boot' '1 gc_stop' > "$control"
    before=$(memory)
    cat "$control" > "$work/saved"
    echo '0 *' > "$control"
    cat "$work/saved" > "$control"
    assert_equal "$(memory)" "$before"
    assert_equal "$(cat "$control")" "$(cat "$work/saved")"
}

@test "save and restore by cat: every counter, from off" {
    start_controlled
    printf '%s\n' '=5 request' '0 boot' '1 gc_stop' > "$control"
    before=$(memory)
    cat "$control" > "$work/saved"
    echo '0 *' > "$control"
    cat "$work/saved" > "$control"
    assert_equal "$(memory)" "$before"
}

@test "save and restore by cat: names that are escaped" {
    start names
    control=$mnt/$pid/control
    i=0
    while read -r _ name; do
        i=$((i + 1))
        echo "=$((i % 4)) $name"
    done < "$control" > "$work/wanted"
    cat "$work/wanted" > "$control"
    before=$(memory)
    assert_equal "$(cat "$control")" "$(sed 's/^=\([01]\) /\1 /' "$work/wanted")" "what is read"
    cat "$control" > "$work/saved"
    echo 0 > "$mnt/$pid/enabled"
    assert_equal "$(memory | awk '{ print $4 }' | sort -u)" 0
    cat "$work/saved" > "$control"
    assert_equal "$(memory)" "$before"
}

# tally: how many notes have which counter and sites.
tally() {
    memory | awk '{ print $4, $6 }' | sort | uniq -c | awk '{ $1 = $1 } 1'
}

@test "10,000 names in one write: one line, and a line each" {
    start_many 10000
    control=$mnt/$pid/control
    seq -f 'probe_%05.0f' 0 9999 | paste -sd' ' | sed 's/^/1 /' > "$work/line"
    assert_equal "$(pieces control "file:$work/line" close)" "OK OK"
    assert_equal "$(tally)" "20000 1 on"
    kill -USR1 "$pid"
    wait_until 'grep -q "^hits 20000$" "$out"'
    seq -f '0 probe_%05.0f' 0 9999 > "$work/lines"
    assert_equal "$(pieces control "file:$work/lines" close)" "OK OK"
    assert_equal "$(tally)" "20000 0 off"
    { cat "$work/line"; echo '1 nothing'; } > "$work/bad"
    assert_equal "$(pieces control "file:$work/bad" close)" "ENOENT OK"
    assert_equal "$(< "$mnt/$pid/enabled")" 0
}

# filler BYTES: lines that are comments, and the last one ends.
filler() {
    yes '# a comment, to fill what FUSE hands over at once' | head -c $(($1 - 1))
    echo
}

@test "a write of less than 1 MiB is one update: a bad last line undoes all" {
    start_controlled
    before=$(memory)
    { echo '1 gc_start'; filler 1048000; echo '1 nothing'; } > "$work/text"
    assert_equal "$(pieces control "file:$work/text" close)" "ENOENT OK"
    assert_equal "$(memory)" "$before"
}

@test "more than 1 MiB is several updates: what came before a failing one stays" {
    start_controlled
    { echo '1 gc_start'; filler 1048565; echo '1 nothing'; } > "$work/text"
    # A short write: what was handed over first was taken (up to a page less, by alignment).
    written=$(pieces control "file:$work/text" close)
    assert_match "$written" '104[4-8]??? OK'
    [ "${written% OK}" -le 1048576 ]
    assert_equal "$(states)" "1 boot,1 gc_start,0 gc_stop,0 idle,0 request"
}

@test "more than 1 MiB: a line over the boundary is one line" {
    start_controlled
    { filler 1048570; echo '1 gc_start'; echo '1 idle'; } > "$work/text"
    assert_equal "$(pieces control "file:$work/text" close)" "OK OK"
    assert_equal "$(states)" "1 boot,1 gc_start,0 gc_stop,1 idle,0 request"
}
