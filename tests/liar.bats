#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A user who has taken over the own worker (which takes a flaw of the kernel or of ours) can say to
# the server what it likes. liar/ makes workers that do.

load lib/session-with-users

# For how many seconds they are asked: the second, where a machine is too busy for many lies.
LIE=4 LIE_LONG=60

@test "workers that lie: nothing raw reaches anybody, and others notice nothing" {
    export LD_PRELOAD=$work/bin/liar.so LIAR_UID LIAR_COUNT=$work/lies
    LIAR_UID=$(id -u "$(user_name a)")
    # A sanitizer's library wants to be the first, where nothing is preloaded.
    export ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0
    install -m 666 /dev/null "$LIAR_COUNT"
    cp "$build/tests/liar/liar.so" "$work/bin"
    start_server
    unset LD_PRELOAD
    start_as b demo-ocaml_1 -q
    others=$pid
    start_as a demo-ocaml_1 -q
    liars=$pid
    start=$SECONDS
    while ((SECONDS - start < LIE ||
        (SECONDS - start < LIE_LONG && $(wc -c < "$LIAR_COUNT") < 30))); do
        ls "$mnt" || true
        timeout 20 grep -rs . "$mnt/$liars" || true
        ls "$mnt/$liars" || true
        (: > "$mnt/$liars/gc_start/hold") || true
        (echo 1 > "$mnt/$liars/control") || true
        assert_errno OK write "$mnt/$others/gc_start/enabled" 1
        assert_equal "$(< "$mnt/$others/gc_start/semaphore")" 1
        grep -qx "$others" <<< "$(ls "$mnt")"
    done > "$work/out/said" 2>&1
    is_running "$server"
    [ -s "$work/out/said" ]
    run ! env LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]' "$work/out/said" "$log"
    lies=$(wc -c < "$LIAR_COUNT")
    echo "$lies lies"
    [ "$lies" -gt 20 ]
}
