#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# probe-run -f: programs that become others.

load lib/session-with-users
load lib/programs

setup() {
    session_begin
    prepare_programs
}

# shim NAME TEXT...: an executable file of these lines in $work/bin.
shim() {
    local file=$work/bin/$1
    shift
    printf '%s\n' "$@" >"$file"
    chmod +x "$file"
    echo "$file"
}

@test "-f follows a program that becomes another, and is the program all the same" {
    local env python shell
    env=$(shim env-script "#!/usr/bin/env -S $report exit")
    python=$(shim python-shim '#!/usr/bin/python3' 'import os, sys' 'os.execvp(sys.argv[1], sys.argv[1:])')
    shell=$(shim shell-shim '#!/bin/sh' 'ls / >/dev/null' 'x=$(echo a child)' 'exec nice -n 0 "$@"')
    # Without it, a script is its interpreter.
    has_status 2 "$probe_run" -e late "$env"
    has_status 0 "$probe_run" -f -e late "$env"
    says_line "late 1"
    says_line "early 0"
    for each in "env" "nice" "$python" "$shell" "setsid -w" "timeout 10" "sh -c"; do
        case $each in
        'sh -c') set -- sh -c "exec \"$report\" exit 7" ;;
        'setsid -w') set -- setsid "$report" exit 7 ;;
        'timeout 10') set -- "$shell" "$python" env nice "$report" exit 7 ;;
        *) set -- "$each" "$report" exit 7 ;;
        esac
        has_status 7 "$probe_run" -f -e late "$@"
        says_line "late 1"
        says_line "early 0"
        assert_match "$(cat "$work/out/command")" "*children no*"
        assert_equal "$(grep -c "probe-run:" "$work/out/command" || true)" 0 "messages"
    done
}

@test "-f: a program with a probe that matches needs no following" {
    has_status 7 "$probe_run" -f "$report" exit 7
    says_line "early 1"
    says_line "late 1"
    has_status 42 "$probe_run" -f "$(target first)"
    has_status 42 "$probe_run" -f env "$(target first)"
    has_status 0 "$probe_run" -f -d boot -e idle env "$(target demo-ocaml_1)" -n 1 -i 0
    says_line "idle: round 0"
    says_nothing_of boot
}

@test "-f: exec from a thread, and from a constructor" {
    start_command root "$probe_run" -f -e late "$(target execer)" -i 10 -q "$report" exit 5
    wait_until 'grep -q "^pid " "$out"'
    kill -USR2 "$pid"
    ends_with 5
    grep -x "late 1" "$out"
    # The loader of `report` runs a constructor that becomes `echo`, which has none of the probes.
    has_status 0 env CONSTRUCTOR=exec "$probe_run" -f -e nope "$report"
    assert_match "$(cat "$work/out/command")" "replaced*no program that it became had a probe*'nope'"
}

@test "-f: a program that never comes is told when the process ends, before its parent knows" {
    for each in 0 3; do
        has_status $each "$probe_run" -f -e nope -e 'none*' sh -c "exec sh -c 'exit $each'"
        assert_match "$(cat "$work/out/command")" \
            "probe-run: '*/sh' has ended, and no program that it became had a probe that matches 'nope' or another NAME"
    done
    has_status 143 "$probe_run" -f -e nope sh -c 'kill $$'
    assert_match "$(cat "$work/out/command")" "*has ended, and no program*"
    # A NAME that cannot be one is refused at once.
    has_status 2 "$probe_run" -f -e '~(' true
    has_status 127 "$probe_run" -f -e nope "$work/none"
}

# wrapped TEXT...: starts a shell under -f that does this and then becomes `report`.
start_wrapped() {
    start_command root "$probe_run" -f -e late sh -c "echo pid \$\$; $1; exec '$report' ${2:-exit 3}"
    wait_until 'grep -q "^pid" "$out"'
}

@test "-f: signals reach the wrapper, stop it and end it" {
    start_wrapped 'trap "echo trapped" USR1; while [ ! -e go ]; do sleep 0.02; done'
    tracer=$(status_field "$pid" TracerPid)
    [ "$tracer" != 0 ]
    kill -USR1 "$pid"
    wait_until 'grep -q "^trapped" "$out"'
    kill -STOP "$pid"
    wait_until '[[ $(status_field $pid State) = [tT] ]]'
    python3 -c '
import os, sys
# Its parent sees a stopped child, as without a tracer.
assert os.popen("ps -o stat= -p " + sys.argv[1]).read()[0] in "tT"' "$pid"
    kill -CONT "$pid"
    kill -TERM "$pid"
    ends_with 143
    wait_until "! is_running $tracer"
    start_wrapped 'while [ ! -e '"$work/go"' ]; do sleep 0.02; done' sleep
    touch "$work/go"
    wait_until 'grep -q "^late 1" "$out"'
    assert_equal "$(status_field "$pid" TracerPid)" 0 "tracer"
    kill -TERM "$pid"
    ends_with 143
}

@test "-f: a shell's job control sees it stop and go on" {
    cat >"$work/job.sh" <<END
set -m
"$probe_run" -f -e late sh -c 'kill -STOP \$\$; exec "$report" exit 9' &
wait %1
echo "stopped \$?"
jobs
fg %1
echo "ended \$?"
END
    run bash "$work/job.sh" 3>&-
    echo "$output"
    assert_match "$output" "*stopped 147*Stopped*late 1*ended 9"
}

@test "-f: the terminal is the program's" {
    output=$(printf 'typed\n' |
        script -qec "tty && '$probe_run' -f -e late sh -c 'exec \"$report\" cat'" /dev/null & wait $!)
    assert_match "$output" '*/dev/pts/*late 1*read typed*'
}

@test "-f: the helper holds nothing of the program's open" {
    mkdir "$work/cwd"
    cd "$work/cwd"
    # Whoever reads the program's output sees its end while the program is still followed.
    start_command root sh -c "{ '$probe_run' -f -e nope sh -c 'exec >/dev/null 8<&-; exec sleep 60' \
        8</etc/hostname 2>/dev/null & echo \$! >'$work/wrapped'; } | cat; echo closed"
    wait_until 'grep -q closed "$out"'
    wrapped=$(cat "$work/wrapped")
    adopt "$wrapped"
    helper=$(status_field "$wrapped" TracerPid)
    [ "$helper" != 0 ]
    assert_equal "$(readlink "/proc/$helper/cwd")" / "the helper's directory"
    run readlink "/proc/$helper/fd"/*
    assert_match "$output" "*socket:*"
    [[ $output != *hostname* ]]
    kill "$wrapped"
    wait_until "! is_running $helper"
}

@test "-f: a program that changes the user is followed into its child" {
    has_status 6 "$probe_run" -f -e late su -s /bin/sh "$(user_name a)" -c "exec '$report' exit 6"
    says_line "late 1"
    assert_match "$(cat "$work/out/command")" "*CapEff:?0000000000000000*"
    has_status 6 "$probe_run" -f -e late setpriv --reuid "$(user_name a)" --clear-groups \
        "$report" exit 6
    says_line "late 1"
    # Other programs' children are not.
    has_status 0 "$probe_run" -f -e late sh -c "'$report'; true"
    says_line "late 0"
    # Who may not trace such a program cannot follow it, and is told before it runs.
    has_status 126 run_as a "$probe_run" -f -e late su --version
    assert_match "$(cat "$work/out/command")" "*it is setuid*"
}

@test "-f: an ordinary user" {
    has_status 7 run_as a "$probe_run" -f -e late sh -c "exec nice '$report' exit 7"
    says_line "late 1"
    # A program that this user may not read is not looked into, and followed on.
    cp /usr/bin/env "$work/bin/unreadable"
    chmod 711 "$work/bin/unreadable"
    has_status 7 run_as a "$probe_run" -f -e late nice "$work/bin/unreadable" "$report" exit 7
    says_line "late 1"
    has_status 0 run_as a "$probe_run" -f -e nope nice "$work/bin/unreadable" true
    assert_match "$(cat "$work/out/command")" "*no program that it became had a probe*"
}

@test "-f: a helper that is killed leaves the program to run" {
    start_wrapped 'while [ ! -e '"$work/go"' ]; do sleep 0.02; done'
    kill -KILL "$(status_field "$pid" TracerPid)"
    wait_until '[ "$(status_field $pid TracerPid)" = 0 ]'
    touch "$work/go"
    ends_with 3
    grep -x "late 0" "$out"
}
