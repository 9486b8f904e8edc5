# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Who may see and switch what: processes of two users, and all that is to be refused.

# a_and_b: a process of each. Sets: a, b (pids).
a_and_b() {
    start_as b demo-ocaml_1 -q
    b=$pid
    start_as a demo-ocaml_1 -i 20
    a=$pid
}

listed_for() {
    run_as "$1" ls "$mnt"
}

# lists_none LISTING NAME...: one that was really made (README is in each), without these names.
lists_none() {
    local listing=$1 each
    shift
    grep -qx README <<< "$listing" || { echo "no listing: '$listing'" >&2; return 1; }
    for each in "$@"; do
        if grep -qx -e "$each" <<< "$listing"; then
            echo "listed: $each" >&2
            return 1
        fi
    done
}

# refused_for USER PID: USER can neither look into PID nor switch its probes.
refused_for() {
    local memory
    memory=$(peek "$2")
    lists_none "$(listed_for "$1")" "$2"
    assert_errno_as "$1" EACCES list "$mnt/$2"
    for file in enabled gc_start gc_start/enabled; do
        assert_errno_as "$1" EACCES open-read "$mnt/$2/$file"
    done
    assert_errno_as "$1" EACCES readlink "$mnt/$2/exe"
    for file in enabled gc_start/enabled; do
        assert_errno_as "$1" EACCES write "$mnt/$2/$file" 1
        assert_errno_as "$1" EACCES write-creating "$mnt/$2/$file" 1
    done
    assert_equal "$(peek "$2")" "$memory" "the memory of $2"
}
