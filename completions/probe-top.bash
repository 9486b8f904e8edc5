# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bash completion for probe-top(1): options, where probefs(8) is mounted, and the processes there.

_probe_top_mounts() {
    findmnt -rn -t fuse.probefs -o TARGET | sort -u
}

# The pids in all trees.
_probe_top_pids() {
    local mount
    _probe_top_mounts | while read -r mount; do
        (cd "$mount" 2>/dev/null && compgen -G '[0-9]*')
    done | sort -un
}

# The input's lines that begin with WORD. Others choose them, so they are never evaluated, as compgen -W
# would; with -o filenames, readline quotes them.
_probe_top_reply() {
    local line
    while read -r line; do
        [[ $line != "$1"* ]] || COMPREPLY+=("$line")
    done
}

_probe_top() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    # Readline cuts at =.
    [ "$current" != = ] || current=
    [ "$previous" != = ] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    COMPREPLY=()
    case $previous:$current in
    -p:* | --pid:*)
        compopt -o filenames
        _probe_top_reply "$current" < <(_probe_top_pids)
        ;;
    -[dn]:* | --delay:* | --rounds:*) ;;
    *:-*)
        local options='-b --batch -d --delay= -n --rounds= -p --pid= --help --version'
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace
        ;;
    *)
        compopt -o filenames
        _probe_top_reply "$current" < <(_probe_top_mounts)
        [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    esac
}

complete -F _probe_top probe-top
