#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: first
#
# Nothing is left in a process that was watched, whoever is killed, and when. storm/streams.py kills.
#
# PROBEFS_STREAM_KILLS: how often whom, in an attach and in a detach each (12; sanitized 6).

load lib/session-with-users

@test "reader, worker, server, attacher killed at any moment of an attach and a detach: nothing is left" {
    local status=0
    server_program >/dev/null
    target burst >/dev/null
    python3 -B "$tests/targets/many.py" -p 1000 -s 10 -P web --build "$work/bin/many"
    PROBEFS_SLOWNESS=$(patient 100) unshare --mount --propagation private bash -c \
        "$forget_mounts; "'exec "$@"' bash \
        timeout "$(patient 300)" python3 -B "$tests/storm/streams.py" --programs "$work/bin" \
        --work "$work" --user "$(user_name a)" --option trace=users \
        --rounds "${PROBEFS_STREAM_KILLS:-$(is_sanitized && echo 6 || echo 12)}" \
        >"$work/out/kills" 2>&1 </dev/null 3>&- || status=$?
    cat "$work/out/kills"
    if [ "${PROBEFS_STREAM_KILLS:-}" ]; then
        sed 's/^/# /' "$work/out/kills" >&3
    fi
    return $status
}
