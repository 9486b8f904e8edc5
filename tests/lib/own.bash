# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A server of an ordinary user's own, mounted through fusermount3.
#
# It lives in a mount namespace of its own, which has a /dev/fuse that users may open whatever the
# machine's is like. Its mount is seen there only: `in_own USER COMMAND...`. What other tests have
# mounted is let go of there: it would keep their servers from their end.

# own_start USER: sets own (its mountpoint) and own_server (its pid).
own_start() {
    local user program
    user=$(user_name "$1")
    program=$(server_program)
    own=$work/own
    mkdir "$own"
    chown "$user" "$own"
    [ -e "$work/errno-of" ] || cp "$targets/errno-of" "$work"
    mknod -m 666 "$work/fuse" c 10 229
    unshare --mount --propagation private sh -c '
        umount -l -a -t fuse.probefs; mount --bind "$1" /dev/fuse && shift && exec "$@"' \
        sh "$work/fuse" setpriv --reuid "$user" --regid "$user" --init-groups \
        "$program" -f -o log=info "$own" >"$work/out/own" 2>&1 </dev/null 3>&- &
    own_server=$!
    wait_until "in_own root findmnt -n -t fuse.probefs -M '$own' >/dev/null ||
        ! kill -0 $own_server 2>/dev/null"
    kill -0 "$own_server"
}

in_own() {
    local user
    user=$(user_name "$1")
    shift
    nsenter --mount --target "$own_server" setpriv --reuid "$user" --regid "$user" --init-groups \
        "$@"
}

# own_end: ends it, if there is one; its mount goes with it.
own_end() {
    [ "${own_server:-}" ] || return 0
    kill -TERM "$own_server" 2>/dev/null || true
    wait "$own_server" || true
    own_server=
}

# start_for USER NAME [ARGUMENT]...: as start_as; pid is that of the program itself, whoever
# started it in between.
start_for() {
    start_as "$@"
    pid=$(sed -n 's/^pid //p' "$out")
    adopt "$pid"
}
