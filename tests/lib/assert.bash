# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Assertions that explain themselves, and errnos by name.

# assert_equal ACTUAL EXPECTED [WHAT]
assert_equal() {
    [ "$1" = "$2" ] && return 0
    {
        echo "--- ${3:-not equal}"
        printf 'expected: %s\n' "$(printf %s "$2" | cat -v)"
        printf 'actual:   %s\n' "$(printf %s "$1" | cat -v)"
    } >&2
    return 1
}

# assert_match ACTUAL PATTERN [WHAT]: PATTERN is a shell glob.
assert_match() {
    # shellcheck disable=SC2053
    [[ $1 == $2 ]] && return 0
    {
        echo "--- ${3:-does not match}"
        printf 'pattern: %s\n' "$2"
        printf 'actual:  %s\n' "$(printf %s "$1" | cat -v)"
    } >&2
    return 1
}

# errno_of ACTION FILE [TEXT]: what the kernel answers, `OK` or an errno's name. See targets/errno-of.c.
errno_of() {
    "$targets/errno-of" "$@"
}

# assert_errno NAME ACTION FILE [TEXT]
assert_errno() {
    local expected=$1 actual
    shift
    actual=$("$targets/errno-of" "$@")
    assert_equal "$actual" "$expected" "errno of: $*"
}

# assert_errno_as USER NAME ACTION FILE [TEXT]
assert_errno_as() {
    local as user=$1 expected=$2 actual
    shift 2
    as "$user"
    actual=$("${as[@]}" "$work/errno-of" "$@")
    assert_equal "$actual" "$expected" "errno for $user of: $*"
}

# assert_no_directory PID [USER]: of that process, for root or USER. A look-up answers after 20 ms at
# most: if the worker has not answered by then, it says that the process is there, and only the next
# one knows.
assert_no_directory() {
    wait_until "assert_errno_as ${2:-root} ENOENT stat '$mnt/$1'" 2> /dev/null
}
