#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Users who watch their own processes (-o trace=users), and programs that are setuid: these map the
# same library, and pass the probe that is watched with a secret as its argument (targets/vault.c).

load lib/session-with-users
load lib/streams

setup() {
    session_begin
    start_server -o trace=users
    library=$(target libvault.so)
    target vault >/dev/null
    cp "$work/bin/vault" "$work/bin/vault-root"
    chmod 4755 "$work/bin/vault-root"
    as a
}

# shows_no_secret FILE: lines, but none that a setuid program has made.
shows_no_secret() {
    assert_equal "$(grep -n -v -e '^#' -e ' vault:turn 1$' "$1" | head -n 3)" ""
}

# start_setuid: by the user. Sets: pid.
start_setuid() {
    start_command a "$work/bin/vault-root" -i 5 "$library"
    wait_until "grep -q '^turned 424242' '$out'"
}

@test "a setuid program that maps the library which its user watches: neither touched nor shown" {
    local own
    start_as a vault -i 5 "$library"
    own=$pid
    start_setuid
    rooted=$pid
    # Root sees what there would be to see.
    watch_stream "$mnt/$rooted/trace"
    wait_until "grep -q ' vault:turn 424242$' '$trace'"
    end_reader
    wait_until '[ "$(memory_of "$rooted" turn)" = "0 nop" ]'
    watch_stream "$mnt/$own/vault:turn/trace" "${as[@]}" cat
    assert_errno_as a OK write "$mnt/$own/hits" 1
    # It starts beside the watch, too.
    start_setuid
    for each in "$rooted" "$pid"; do
        assert_equal "$(memory_of "$each" turn)" "0 nop"
        assert_errno_as a EACCES open-read "$mnt/.trace/$each/trace"
        assert_errno_as a EACCES open-read "$mnt/$each/hits"
    done
    wait_until "[ \$(firings | wc -l) -gt 50 ]"
    end_reader
    assert_equal "$(firings | cut -d' ' -f1 | sort -u)" "$own"
    shows_no_secret "$trace"
    wait_until '[ "$(run_as a cat "$mnt/$own/vault:turn/hits")" -gt 20 ]'
    run_as a sh -c 'echo 0 >"$0"' "$mnt/$own/hits"
}

@test "a watched process that executes a setuid program: the stream ends, and shows nothing of it" {
    start_as a vault -i 5 "$library" "$work/bin/vault-root"
    watch_stream "$mnt/$pid/trace" "${as[@]}" cat
    assert_errno_as a OK write "$mnt/$pid/hits" 1
    exec 9<"$mnt/$pid/vault:turn/hits"
    wait_until "[ \$(firings | wc -l) -gt 5 ]"
    run_as a kill -USR1 "$pid"
    wait_until "grep -q '^turned 424242' '$out'"
    wait "$reader"
    assert_equal "$(tail -n 1 "$trace")" "# exec"
    shows_no_secret "$trace"
    # A count of the thousand turns is not to be had either.
    assert_errno ESRCH read @9
    exec 9<&-
    assert_errno_as a EACCES open-read "$mnt/.trace/$pid/trace"
    assert_errno_as a EACCES open-read "$mnt/$pid/hits"
    wait_until "[ \"\$(memory_of $pid turn)\" = '0 nop' ]"
}

@test "a stream that nobody reads lets go of a setuid program all the same" {
    start_as a vault -i 0 "$library" "$work/bin/vault-root"
    watch_stream "$mnt/$pid/trace" "${as[@]}" cat
    assert_errno_as a OK write "$mnt/$pid/hits" 1
    pause_process "$reader"
    # More than ring, socket and pipe have room for.
    wait_until "[ \$(< '$mnt/$pid/vault:turn/hits') -gt 150000 ]" 60
    run_as a kill -USR1 "$pid"
    wait_until "grep -q '^turned 424242' '$out'"
    wait_until "[ \"\$(memory_of $pid turn)\" = '0 nop' ]"
    kill -CONT "$reader"
    wait "$reader"
    [ "$(lost)" -gt 0 ]
    shows_no_secret "$trace"
    assert_equal "$(tail -n 1 "$trace")" "# exec"
}

@test "a process that executes a setuid program at any moment of an attach: nothing of it is shown" {
    local round watched=0 all
    for round in {0..15}; do
        start_as a vault -i 1 "$library" "$work/bin/vault-root"
        all=$work/out/all-$round
        "${as[@]}" cat "$mnt/$pid/trace" >"$all" 2>&1 </dev/null 3>&- &
        reader=$!
        adopt "$reader"
        sleep "0.$(printf %03d $((round * 3)))"
        run_as a kill -USR1 "$pid"
        wait_until "grep -q '^turned 424242' '$out'"
        # It ended with the exec, or was refused.
        wait_until "! is_running $reader"
        run ! grep 424242 "$all"
        wait_until "[ \"\$(memory_of $pid turn)\" = '0 nop' ]"
        watched=$((watched + $(grep -c '^# exec' "$all" || true)))
        stop "$pid"
    done
    echo "in $watched of 16 rounds it was watched before"
}

@test "a process that executes another before its attach is made: nothing of the new image is shown" {
    local attacher worker
    cat >"$work/again.py" <<'END'
import gc, os, signal, sys
print("pid", os.getpid(), flush=True)
if len(sys.argv) == 1:
    signal.pause()
while True:
    gc.collect(0)
END
    start_command a /usr/bin/python3 -c "import os, signal, sys
signal.signal(signal.SIGUSR1,
              lambda *_: os.execv(sys.executable, [sys.executable, '$work/again.py', 'busy']))
exec(open('$work/again.py').read())"
    wait_until "grep -q ^pid '$out'"
    watch_stream "$mnt/$pid/python:gc__start/trace" "${as[@]}" cat
    end_reader
    attacher=$(pgrep -P "$server" -x probefs-attache)
    worker=$(pgrep -P "$server" -x probefs-worker -u "$(user_name a)")
    # It is asked, and answers only when the image that the worker has checked has gone; and the worker
    # hears of it when the new image has passed the probe.
    pause_process "$attacher"
    "${as[@]}" cat "$mnt/$pid/python:gc__start/trace" >"$work/out/early" 2>"$work/out/early.err" \
        </dev/null 3>&- &
    reader=$!
    adopt "$reader"
    # With the question come descriptors.
    wait_until "grep -q 'scm_fds: [1-9]' /proc/$attacher/fdinfo/*"
    run_as a kill -USR1 "$pid"
    wait_until "[ \$(grep -c '^pid' '$out') = 2 ]"
    kill -STOP "$worker"
    kill -CONT "$attacher"
    wait_until "[ \$(holders) = 1 ]"
    sleep 0.2
    kill -CONT "$worker"
    wait_until "! is_running $reader"
    assert_equal "$(< "$work/out/early")" "# exec"
    wait_until "[ \"\$(< '$mnt/$pid/python:gc__start/enabled')\" = 0 ]"
}
