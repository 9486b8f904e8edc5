# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bash completion for probe-run(1): options, names of probes, programs, and the programs of the
# processes that probefs(8) shows, by pid.

# The names of what $1 (a pattern that ends in /) matches in all probefs mounts. Nobody changes into
# one: it could not be unmounted meanwhile.
_probe_run_directories() {
    local mount
    findmnt -rn -t fuse.probefs -o TARGET | while read -r mount; do
        printf -v mount %q "$mount"
        compgen -G "$mount/$1"
    done | sed 's,/$,,; s,.*/,,' | sort -u
}

# Names for -e and -d: the program's, or, while no program is given, those of all processes.
_probe_run_names() {
    if [ "$1" ]; then
        # Those without a semaphore are marked, behind a space: they can only be traced.
        "$2" -l "${1/#\~\//$HOME/}" 2>/dev/null |
            if [ "$traced" ]; then sed 's/ .*//'; else grep -v ' '; fi
    else
        _probe_run_directories '[0-9]*/*/'
    fi
}

# Sets program (the word), place (its index in `words`; 0 if there is none) and traced (is there a
# -t before it?).
_probe_run_find_program() {
    program='' place=0 traced=''
    local i
    for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in
        -e | -d | -o | --enable | --disable | --output) ((i++)) ;;
        -t | --trace) traced=1 ;;
        --) ;;
        -*) ;;
        *)
            program=${words[i]} place=$i
            return
            ;;
        esac
    done
}

# _probe_run_reply WORD [BEFORE]: adds the input's lines that begin with WORD, each after BEFORE.
# Whoever runs a process chooses the names of its probes: quote them, never evaluate them (as
# compgen -W would).
_probe_run_reply() {
    local name
    while read -r name; do
        [[ $name == "$1"* ]] || continue
        printf -v name '%s%q' "${2:-}" "$name"
        COMPREPLY+=("$name")
    done
}

_probe_run_programs() {
    case $1 in
    /proc/*)
        _probe_run_reply "$1" < <(_probe_run_directories '[0-9]*/' | sed 's,.*,/proc/&/exe,')
        ;;
    */*)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$1")
        ;;
    *)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -c -- "$1"; compgen -d -- "$1")
        ;;
    esac
}

# Readline replaces only what is after the word's last = or :, so the reply omits what is before. A regex may
# have commas; a pair is of two names.
_probe_run_name() {
    local pair='' last=$1 head
    [[ $last != '~'* && $last != *,*,* ]] || return
    if [[ $last == *,* ]]; then
        pair=${last%,*},
        last=${last##*,}
    fi
    _probe_run_reply "$last" "$pair" < <(_probe_run_names "$program" "$command")
    head=${1%"${1##*[=:]}"}
    COMPREPLY=("${COMPREPLY[@]#"$head"}")
}

# The program's arguments are completed as its own.
_probe_run_arguments() {
    local i
    if declare -F _command_offset >/dev/null; then
        for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
            [ "${COMP_WORDS[i]}" != "$program" ] || break
        done
        _command_offset "$i"
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$1")
    fi
}

_probe_run() {
    # Words as the command gets them (readline also cuts at = and :). The program may be after the
    # cursor.
    local line=${COMP_LINE:0:COMP_POINT} words rest here program place traced current previous
    local command=${COMP_WORDS[0]}
    read -ra words <<<"$line"
    read -ra rest <<<"${COMP_LINE:COMP_POINT}"
    current=${line##*[[:space:]]}
    [ "$current" ] || words+=('')
    here=$((${#words[@]} - 1))
    previous=${words[here - 1]}
    words+=("${rest[@]}")
    _probe_run_find_program
    COMPREPLY=()
    if [ "$place" -gt 0 ] && [ "$place" -lt "$here" ]; then
        _probe_run_arguments "$current"
        return
    fi
    [ "$place" != "$here" ] || program=
    case $previous:$current in
    -[ed]:* | --enable:* | --disable:*) _probe_run_name "$current" ;;
    -o:* | --output:*)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    *:--enable=* | *:--disable=*) _probe_run_name "${current#--*=}" ;;
    *:-*)
        local options='-e --enable= -d --disable= -f --follow -t --trace -o --output= -l --list --help'
        options+=' --version'
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace
        ;;
    *) _probe_run_programs "$current" ;;
    esac
}

complete -F _probe_run probe-run
