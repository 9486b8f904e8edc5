# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Ordinary users: a and b, and c, who is hostile. `run` makes them for all suites; a suite that is
# run by itself makes and removes them (session-with-users.bash).

user_name() {
    case $1 in
    [abc]) echo "probefs-test-$1" ;;
    *) echo "$1" ;;
    esac
}

users_create() {
    local each
    for each in a b c; do
        id "probefs-test-$each" >/dev/null 2>&1 && continue
        useradd --system --no-create-home --user-group --shell /bin/sh "probefs-test-$each"
        USERS_MADE+=" probefs-test-$each"
    done
    export USERS_MADE
}

users_remove() {
    local each
    for each in ${USERS_MADE:-}; do
        userdel "$each" || true
    done
}

# as USER: sets the array `as`, what a command has to be preceded by to run as USER with all of
# the user's ids and groups. In the background, so that $! is the command's own pid:
#
#     as a
#     "${as[@]}" COMMAND &
as() {
    local user=$1
    [[ $user != [abc] ]] || user=probefs-test-$user
    as=()
    [ "$user" = root ] || as=(setpriv --reuid "$user" --regid "$user" --init-groups)
}

# run_as USER COMMAND...
run_as() {
    local as
    as "$1"
    shift
    "${as[@]}" "$@"
}

# shell_as USER TEXT: a shell of that user, with $mnt and $pid.
shell_as() {
    mnt=$mnt pid=$pid work=$work run_as "$1" sh -c "$2"
}

# Root without the capability to look into others' processes.
run_without_ptrace() {
    setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$@"
}
