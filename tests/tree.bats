#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# The tree: names, attributes, what may not be done to it, processes that come and go.

load lib/session

setup() {
    session_begin
    start_server
}

ls_mount() {
    # -U: in the order of the server
    find "$mnt" -mindepth 1 -maxdepth 1 -printf '%f\n'
}

inodes_under() {
    find "$1" -printf '%i\n' | sort
}

@test "the top holds README, self and processes with probes" {
    start_command root sleep 1000
    sleeper=$pid
    start demo-ocaml_1
    [ -d "$mnt/$pid" ]
    assert_equal "$(ls_mount | grep -c "^$pid\$")" 1
    assert_equal "$(ls_mount | grep -c -e "^$sleeper\$" -e "^$$\$" -e '^1$' -e '^2$')" 0
    assert_equal "$(ls_mount | grep -v '^[1-9][0-9]*$' | sort | paste -sd' ')" "README self"
    assert_no_directory "$sleeper"
    assert_errno ENOENT list "$mnt/$sleeper"
    assert_no_directory "$$"
    assert_no_directory 2
}

@test "processes are listed in the order of their numbers" {
    for _ in 1 2 3; do start demo-ocaml_1 -q; done
    # One listing, compared with itself: other suites' processes come and go.
    listing=$(ls_mount | grep '^[0-9]')
    assert_equal "$listing" "$(sort -n <<< "$listing")"
}

@test "the directory of a process: its files and its probes, sorted" {
    start demo-ocaml_1
    listing=$(find "$mnt/$pid" -mindepth 1 -maxdepth 1 -printf '%f\n')
    assert_equal "$listing" "$(LC_ALL=C sort <<< "$listing")" "order"
    assert_equal "$(probes_of "$pid")" "boot gc_start gc_stop idle request"
    [ -f "$mnt/$pid/enabled" ]
    [ -L "$mnt/$pid/exe" ]
    [ -f "$mnt/$pid/gc_start/enabled" ]
}

@test "a long listing has each name once, in order" {
    start many-1000
    find "$mnt/$pid" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' > "$work/listing"
    assert_equal "$(wc -l < "$work/listing")" 1000
    LC_ALL=C sort -u -c "$work/listing"
}

@test "README explains the tree in under 60 lines of text" {
    [ "$(wc -l < "$mnt/README")" -lt 60 ]
    [ "$(wc -l < "$mnt/README")" -gt 10 ]
    assert_equal "$(stat -c %s "$mnt/README")" "$(wc -c < "$mnt/README")" "size"
    [ "$(awk '{ print length($0) }' "$mnt/README" | sort -n | tail -n 1)" -le 100 ]
    assert_equal "$(tail -c 20 "$mnt/README")" "$(tail -c 20 <<< "$(cat "$mnt/README")")" "the end"
    assert_equal "$(dd if="$mnt/README" bs=1 skip=10 count=20 status=none)" \
        "$(head -c 30 "$mnt/README" | tail -c 20)" "a read in the middle"
    assert_errno EACCES open-write "$mnt/README"
}

@test "self is the reader's pid, in a thread too" {
    run -0 sh -c 'exec readlink "$1"' sh "$mnt/self"
    assert_match "$output" '[1-9]*'
    run -0 python3 -c '
import os, sys, threading
def check():
    assert os.readlink(sys.argv[1]) == str(os.getpid())
check()
thread = threading.Thread(target=check)
thread.start()
thread.join()' "$mnt/self"
    assert_equal "$output" ""
}

@test "exe is the program, as /proc shows it" {
    start demo-ocaml_1
    assert_equal "$(readlink "$mnt/$pid/exe")" "$(readlink "/proc/$pid/exe")"
    assert_equal "$(readlink "$mnt/$pid/exe")" "$work/bin/demo-ocaml_1"
    rm "$work/bin/demo-ocaml_1"
    assert_equal "$(readlink "$mnt/$pid/exe")" "$(readlink "/proc/$pid/exe")" "deleted"
}

@test "modes and owners" {
    start demo-ocaml_1
    assert_equal "$(stat -c '%a %U %F' "$mnt")" "555 root directory"
    assert_equal "$(stat -c '%a %U %F' "$mnt/README")" "444 root regular file"
    assert_equal "$(stat -c '%a %F' "$mnt/self")" "777 symbolic link"
    assert_equal "$(stat -c '%a %U %G %F' "$mnt/$pid")" "500 root root directory"
    assert_equal "$(stat -c '%a %U %G %F' "$mnt/$pid/gc_start")" "500 root root directory"
    assert_equal "$(stat -c '%a %U %F' "$mnt/$pid/enabled")" "600 root regular file"
    assert_equal "$(stat -c '%a %U %F' "$mnt/$pid/gc_start/enabled")" "600 root regular file"
    assert_equal "$(stat -c '%F' "$mnt/$pid/exe")" "symbolic link"
}

@test "sizes: enabled is 2 bytes long" {
    start demo-ocaml_1
    assert_equal "$(stat -c %s "$mnt/$pid/enabled" "$mnt/$pid/boot/enabled" | paste -sd' ')" "2 2"
    assert_equal "$(wc -c < "$mnt/$pid/boot/enabled")" 2
    assert_equal "$(dd if="$mnt/$pid/boot/enabled" bs=1 skip=2 status=none | wc -c)" 0 "at the end"
    assert_equal "$(dd if="$mnt/$pid/boot/enabled" bs=1 status=none | od -An -c | tr -d ' ')" '1\n'
    tar -C "$mnt" -cf "$work/tar" "$pid/boot" "$pid/gc_start"
    assert_equal "$(tar -xOf "$work/tar" "$pid/boot/enabled" "$pid/gc_start/enabled" |
        paste -sd' ')" "1 0" "as tar reads it"
}

@test "inode numbers are unique, and the same in listings and in stat" {
    start demo-ocaml_1
    first=$pid
    start demo-ocaml_1
    assert_equal "$(inodes_under "$mnt/$first"; inodes_under "$mnt/$pid"; stat -c %i "$mnt" \
        "$mnt/README" "$mnt/self")" "$( (inodes_under "$mnt/$first"; inodes_under "$mnt/$pid"
        stat -c %i "$mnt" "$mnt/README" "$mnt/self") | awk '!seen[$0]++')" "no inode twice"
    run -0 python3 -c '
import os, sys
for folder in sys.argv[1:]:
    for entry in os.scandir(folder):
        assert entry.inode() == os.lstat(entry.path).st_ino, entry.path' \
        "$mnt" "$mnt/$pid" "$mnt/$pid/gc_start"
}

@test "inode numbers never repeat between targets" {
    : > "$work/seen"
    for _ in 1 2 3 4 5; do
        start demo-ocaml_1
        inodes_under "$mnt/$pid" > "$work/now"
        assert_equal "$(sort "$work/seen" | comm -12 - "$work/now")" "" "inodes seen before"
        cat "$work/now" >> "$work/seen"
        stop "$pid"
    done
}

@test "times: the process's start, and a written file's last change" {
    start demo-ocaml_1
    started_at=$(date -d "$(ps -o lstart= -p "$pid")" +%s)
    for file in "" /enabled /gc_start /gc_start/enabled; do
        mtime=$(stat -c %Y "$mnt/$pid$file")
        [ $((mtime - started_at)) -ge -1 ] && [ $((mtime - started_at)) -le 1 ]
    done
    before=$(stat -c %.Y "$mnt/$pid/gc_start/enabled")
    other=$(stat -c %.Y "$mnt/$pid/gc_stop/enabled")
    touch "$work/written"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    # Attributes may be a second old.
    wait_until '[ "$(stat -c %.Y "$mnt/$pid/gc_start/enabled")" != "$before" ]'
    [ "$mnt/$pid/gc_start/enabled" -nt "$work/written" ]
    assert_equal "$(stat -c %.Y "$mnt/$pid/gc_stop/enabled")" "$other" "a file not written"
}

@test "names that would mislead are escaped (names)" {
    start names
    probes_of "$pid" | tr ' ' '\n' | LC_ALL=C sort > "$work/listing"
    python3 "$tests/targets/names.py" --expected > "$work/expected"
    assert_equal "$(wc -l < "$work/listing")" "$(wc -l < "$work/expected")" "how many"
    assert_equal "$(uniq -d "$work/listing")" "" "names twice"
    while read -r provider hex expected; do
        case $expected in
        '?') ;;
        *~\*)
            assert_equal "$(grep -c -F "${expected%\~\*}" "$work/listing" || true)" \
                "$(grep -c -F -- " ${expected%\~\*}" "$work/expected")" "$provider $hex, cut" ;;
        *)
            grep -q -F -x -e "$expected" "$work/listing" ||
                { echo "missing: $provider $hex as $expected"; false; } ;;
        esac
    done < "$work/expected"
    # No control bytes, and nothing that the shell or `control` takes for something else.
    assert_equal "$(LC_ALL=C grep -a -n '[[:cntrl:] /,*?\\]\|\[\|\]' "$work/listing")" ""
    [ "$(awk '{ print length($0) }' "$work/listing" | sort -n | tail -n 1)" -le 255 ]
}

@test "every probe is reachable under its name, and no two are the same" {
    start names
    total=$(find "$mnt/$pid" -mindepth 1 -maxdepth 1 -type d | wc -l)
    find "$mnt/$pid" -mindepth 2 -maxdepth 2 -name enabled -print0 > "$work/files"
    while IFS= read -r -d '' file; do
        echo 1 > "$file"
    done < "$work/files"
    assert_equal "$(< "$mnt/$pid/enabled")" 1
    assert_equal "$(peek "$pid" | awk '$4 == 1' | wc -l)" "$total"
    echo 0 > "$mnt/$pid/enabled"
    echo 1 > "$mnt/$pid/web%3Arequest/enabled"
    assert_equal "$(< "$mnt/$pid/web:request/enabled")" 0 "the SystemTap probe"
    assert_equal "$(peek "$pid" | awk '$4 == 1 { print $1, $2 }')" "ocaml_1 web:request"
}

@test "names have one spelling" {
    start names
    for name in "a b" "%61" "plai%6E" "a%2fb" "a%20B" "PLAIN" "plain " "./plain%" "~tilde" "web%3arequest"; do
        assert_errno ENOENT stat "$mnt/$pid/$name"
    done
    assert_errno OK stat "$mnt/$pid/plain"
    local directory
    for directory in "" "$pid/" "$pid/plain/" .trace/ ".trace/$pid/"; do
        assert_errno ENAMETOOLONG stat "$mnt/$directory$(printf 'x%.0s' {1..256})"
        assert_errno ENOENT stat "$mnt/$directory$(printf 'x%.0s' {1..255})"
    done
}

@test "a pid has one spelling, and a thread's id is none" {
    start threads -i 5 2
    for name in "0$pid" "00$pid" "+$pid" "-$pid" " $pid" "$pid " "$pid.0" "0x$(printf %x "$pid")" \
        "${pid}x" 0 00 -1 4294967296 99999999999999999999 "$((pid + 4294967296))"; do
        assert_errno ENOENT stat "$mnt/$name"
    done
    for task in "/proc/$pid/task"/*; do
        [ "${task##*/}" = "$pid" ] || assert_no_directory "${task##*/}"
    done
    assert_equal "$(ls_mount | grep -c "^$pid\$")" 1
    assert_equal "$(ls_mount | grep -cx "$(ls "/proc/$pid/task" | grep -vx "$pid" | head -n 1)")" 0
}

@test "a name that does not exist is ENOENT, also for echo 1 > it" {
    start demo-ocaml_1
    for name in nothing "$pid/nothing" "$pid/gc_start/nothing" "$pid/nothing/enabled" \
        "$pid/gc_start/enabled.swp" 99999999; do
        assert_errno ENOENT stat "$mnt/$name"
        assert_errno ENOENT open-read "$mnt/$name"
        assert_errno ENOENT write "$mnt/$name" 1
        assert_errno ENOENT write-creating "$mnt/$name" 1
        assert_errno ENOENT open-create "$mnt/$name"
    done
    run -1 bash -c "echo 1 > '$mnt/$pid/gc_statr/enabled'"
    assert_match "$output" '*No such file or directory*'
    run -1 bash -c "echo 1 > '$mnt/$pid/gc_start/enable'"
    assert_match "$output" '*No such file or directory*'
    run -1 touch "$mnt/$pid/new"
    assert_match "$output" '*No such file or directory*'
    assert_errno ENOTDIR stat "$mnt/$pid/enabled/more"
}

@test "removing, making, renaming and linking are EPERM, for root too" {
    start demo-ocaml_1
    before=$(cd "$mnt/$pid" && find . | sort)
    for file in README self "$pid/enabled" "$pid/exe" "$pid/gc_start/enabled"; do
        assert_errno EPERM unlink "$mnt/$file"
        assert_errno EPERM rename "$mnt/$file" "$mnt/new"
    done
    for folder in "$pid" "$pid/gc_start"; do
        assert_errno EPERM rmdir "$mnt/$folder"
        assert_errno EPERM rename "$mnt/$folder" "$mnt/new"
    done
    for new in new "$pid/new" "$pid/gc_start/new"; do
        assert_errno EPERM mkdir "$mnt/$new"
        assert_errno EPERM mkfifo "$mnt/$new"
        assert_errno EPERM symlink "$mnt/$new" target
        assert_errno EPERM link "$mnt/$pid/enabled" "$mnt/$new"
    done
    for file in "$pid" "$pid/gc_start/enabled" README; do
        assert_errno EPERM chmod "$mnt/$file"
        assert_errno EPERM chown "$mnt/$file"
    done
    run ! rm -rf "$mnt/${pid:?}"
    assert_equal "$(cd "$mnt/$pid" && find . | sort)" "$before" "the tree"
    kill -0 "$pid"
}

@test "contents are never old: what another tool changes is read at once" {
    start demo-ocaml_1 -q
    exec 5< "$mnt/$pid/gc_start/enabled"
    for count in 0100 0000 0100 0000; do
        peek "$pid" poke "$(counter_of "$pid" gc_start)" "$count"
        expected=0
        [ $count = 0000 ] || expected=X
        assert_equal "$(state_of "$pid" gc_start)" $expected
        run -0 python3 -c 'import os; print(os.pread(5, 9, 0).decode(), end="")'
        assert_equal "$output" $expected "on an old descriptor"
    done
    exec 5<&-
}

@test "reading over the whole tree switches nothing" {
    start demo-ocaml_1 -q
    before=$(peek "$pid")
    grep -r . "$mnt/$pid" > "$work/grep"
    find "$mnt/$pid" -ls > /dev/null
    ls -lR "$mnt/$pid" > /dev/null
    grep -q "/gc_start/enabled:0" "$work/grep"
    grep -q "/boot/enabled:1" "$work/grep"
    assert_equal "$(peek "$pid")" "$before" "the memory"
}

@test "a process is seen as soon as it runs, and not when it has ended" {
    for _ in 1 2 3; do
        start demo-ocaml_1
        assert_equal "$(state_of "$pid" boot)" 1
        assert_equal "$(ls_mount | grep -c "^$pid\$")" 1
        stop "$pid"
        assert_equal "$(ls_mount | grep -c "^$pid\$" || true)" 0
        # A name may be up to a second old.
        wait_until '[ "$(errno_of stat "$mnt/$pid")" = ENOENT ]' 3
    done
}

@test "ended: ESRCH on old descriptors, ENOENT for its names" {
    start demo-ocaml_1
    exec 5<> "$mnt/$pid/gc_start/enabled" 6< "$mnt/$pid/enabled"
    assert_errno OK read @5
    stop "$pid"
    assert_errno ESRCH read @5
    assert_errno ESRCH write @5 1
    assert_errno ESRCH read @6
    assert_match "$(errno_of open-write "$mnt/$pid/gc_start/enabled")" ENOENT
    exec 5>&- 6<&-
}

@test "ended: ESRCH on the old descriptor of a directory" {
    start demo-ocaml_1
    exec 5< "$mnt/$pid" 6< "$mnt/$pid/gc_start"
    stop "$pid"
    assert_errno ESRCH list @5
    assert_errno ESRCH list @6
    exec 5<&- 6<&-
}

@test "a killed process that nobody has waited for is gone" {
    start_command root python3 -c '
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print("child", child.stdout.readline().split()[1], flush=True)
time.sleep(1000)' "$(target demo-ocaml_1)"
    adopt_child
    exec 5<> "$mnt/$child/gc_start/enabled"
    kill -KILL "$child"
    wait_until "grep -q '^State:.Z' /proc/$child/status"
    assert_errno ESRCH write @5 1
    assert_equal "$(ls_mount | grep -c "^$child\$" || true)" 0
    wait_until '[ "$(errno_of stat "$mnt/$child")" = ENOENT ]' 3
    exec 5>&-
}

# exec_to SIGNAL PROGRAM...: an execer that is about to become PROGRAM, with descriptors 5 and 6.
exec_to() {
    local signal=$1
    shift
    start execer -i 20 "$@"
    assert_equal "$(probes_of "$pid")" gc_start
    inodes_under "$mnt/$pid" > "$work/before"
    exec 5<> "$mnt/$pid/gc_start/enabled" 6<> "$mnt/$pid/enabled"
    kill -"$signal" "$pid"
}

old_descriptors_are_dead() {
    local memory
    memory=$(peek "$pid")
    assert_errno ESRCH read @5
    assert_errno ESRCH write @5 1
    assert_errno ESRCH write @6 1
    assert_errno ESRCH read @6
    assert_equal "$(peek "$pid")" "$memory" "the new image"
    exec 5>&- 6>&-
}

@test "exec: another target; an old descriptor is ESRCH, nothing is written" {
    exec_to USR1 "$(target demo-ocaml_1)" -q -i 20
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    old_descriptors_are_dead
    assert_equal "$(probes_of "$pid")" "boot gc_start gc_stop idle request"
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    assert_equal "$(inodes_under "$mnt/$pid" | comm -12 - "$work/before")" "" "inodes of both"
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
}

@test "exec of the same program: still another target" {
    exec_to USR1 "$(target execer)" -i 20 /bin/true
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    old_descriptors_are_dead
    echo 1 > "$mnt/$pid/gc_start/enabled"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on"
    assert_equal "$(inodes_under "$mnt/$pid" | comm -12 - "$work/before")" "" "inodes of both"
}

@test "exec by a thread" {
    exec_to USR2 "$(target demo-ocaml_1)" -q -i 20
    wait_until '[ "$(lines_of "^pid")" = 2 ]'
    old_descriptors_are_dead
    assert_equal "$(probes_of "$pid")" "boot gc_start gc_stop idle request"
}

@test "exec of a program without probes: the process is not shown any more" {
    exec_to USR1 /bin/sleep 1000
    wait_until "[ \"\$(readlink /proc/$pid/exe)\" != '$work/bin/execer' ]"
    assert_errno ESRCH read @5
    assert_errno ESRCH write @5 1
    exec 5>&- 6>&-
    # A worker that does not answer in time leaves it in the listing.
    wait_until '! ls_mount | grep -qx "$pid"'
    wait_until '[ "$(errno_of stat "$mnt/$pid")" = ENOENT ]' 3
}

@test "a path is looked up anew after exec, without a stale answer" {
    start execer -i 20 "$(target execer)" -i 20 "$(target demo-ocaml_1)" -i 20 -q
    for images in 2 3; do
        echo 1 > "$mnt/$pid/gc_start/enabled"
        assert_equal "$(memory_of "$pid" gc_start)" "1 on"
        kill -USR1 "$pid"
        wait_until "[ \$(lines_of '^pid') = $images ]"
        assert_equal "$(state_of "$pid" gc_start)" 0 "in the new image"
    done
    assert_errno OK write "$mnt/$pid/gc_stop/enabled" 1
}

# Each image is there before the next exec is asked for. In the background.
exec_again_and_again() {
    local images=1
    while kill -USR1 "$pid" 2>/dev/null; do
        images=$((images + 1))
        until [ "$(lines_of '^pid')" -ge $images ]; do
            is_running "$pid" || return 0
            sleep 0.002
        done
    done
}

@test "a process that calls exec all the time: nobody sees ESTALE" {
    local chain=() opener
    opener=$(target execer)
    for _ in $(seq 100); do chain+=("$opener" -i 5); done
    start execer -i 5 "${chain[@]}" "$(target demo-ocaml_1)" -i 20 -q
    exec_again_and_again 3>&- &
    adopt $!
    run -0 python3 -I -S - "$mnt/$pid" <<'END'
import errno, os, sys, time
seen = {}
end = time.monotonic() + 8
while time.monotonic() < end:
    for ask in (lambda: os.close(os.open(sys.argv[1] + "/gc_start/enabled", os.O_RDONLY)),
                lambda: os.readlink(sys.argv[1] + "/exe"),
                lambda: os.listdir(sys.argv[1]), lambda: os.stat(sys.argv[1] + "/enabled")):
        try:
            ask()
            name = "OK"
        except OSError as error:
            name = errno.errorcode[error.errno]
        seen[name] = seen.get(name, 0) + 1
print(seen)
assert "ESTALE" not in seen and seen.get("OK", 0) > 100, seen
END
    echo "$output"
}

@test "a pid that is used again is another target" {
    start demo-ocaml_1
    old=$pid
    inodes_under "$mnt/$old" > "$work/before"
    exec 5<> "$mnt/$old/gc_start/enabled"
    stop "$old"
    start_command root python3 "$tests/lib/run_with_pid.py" "$old" "$(target demo-ocaml_1)" -q
    wait_until 'grep -q "^pid" "$out"'
    adopt "$old"
    pid=$old
    assert_errno ESRCH write @5 1
    assert_errno ESRCH read @5
    exec 5>&-
    assert_equal "$(memory_of "$pid" gc_start)" "0 off"
    assert_equal "$(state_of "$pid" gc_start)" 0
    assert_equal "$(inodes_under "$mnt/$pid" | comm -12 - "$work/before")" "" "inodes of both"
}

@test "dlopen and dlclose are seen by the next look" {
    start host -i 20 "$(target libplug.so)"
    assert_equal "$(probes_of "$pid")" gc_start
    assert_errno ENOENT stat "$mnt/$pid/plug_hit"
    for _ in 1 2; do
        tell USR1 '^loaded'
        assert_equal "$(probes_of "$pid")" "gc_start plug_hit"
        echo 1 > "$mnt/$pid/plug_hit/enabled"
        says '^plug plug_hit'
        exec 5<> "$mnt/$pid/plug_hit/enabled"
        tell USR2 '^unloaded'
        assert_match "$(errno_of write @5 1)" '@(ENOENT|ESRCH)' "a descriptor of what was unloaded"
        exec 5>&-
        assert_equal "$(probes_of "$pid")" gc_start
        wait_until '[ "$(errno_of stat "$mnt/$pid/plug_hit")" = ENOENT ]' 3
    done
}

@test "fork: the child is a target of its own" {
    start forker -i 20
    echo 1 > "$mnt/$pid/gc_start/enabled"
    kill -USR1 "$pid"
    adopt_child
    assert_equal "$(state_of "$child" gc_start)" 1 "as the parent was"
    echo 0 > "$mnt/$child/gc_start/enabled"
    assert_equal "$(memory_of "$child" gc_start)" "0 off"
    assert_equal "$(memory_of "$pid" gc_start)" "1 on" "the parent"
}

# walk: through README and all processes but those in `others`: they may have many probes, and one that
# nobody may look into is listed when its worker has no time to say that.
walk() {
    find "$mnt" -maxdepth 3 \( "${others[@]}" -false \) -prune -o -print >> "$work/seen" 2>> "$work/missed"
}

@test "many processes come and go while the tree is listed" {
    mapfile -t others < <(find /proc -maxdepth 1 -name '[1-9]*' -printf "-path\n$mnt/%f\n-o\n")
    for each in 1 20; do
        start_command root bash -c '
            while :; do "$1" -q -n 2 -i "$2" > /dev/null; done' bash "$(target demo-ocaml_1)" "$each"
    done
    wait_until 'walk; [ "$(grep -c "/gc_start$" "$work/seen")" -ge 25 ]' 30
    assert_equal "$(grep -v -e 'No such file' -e 'No such process' "$work/missed")" ""
}

@test "df and du work" {
    start demo-ocaml_1
    df "$mnt" > /dev/null
    du -s "$mnt/$pid" > /dev/null
}
