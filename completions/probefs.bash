# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# bash completion for probefs(8) and mount.probefs(8): their options, and mountpoints.

# Sets COMPREPLY to the words that continue the comma-separated list in $1.
_probefs_list() {
    local done='' last=$1
    shift
    if [[ $last == *,* ]]; then
        done=${last%,*},
        last=${last##*,}
    fi
    mapfile -t COMPREPLY < <(compgen -P "$done" -W "$*" -- "$last")
}

_probefs_groups() {
    getent group | sed 's/:.*//; s/^/gid=/'
}

_probefs_values() {
    local own=(all allow_gigatext engine=vm engine=ptrace gid= user_files= user_memory= user_requests=
        trace=root trace=users trace=no log=error log=warning log=info log=debug)
    local general=(allow_other default_permissions nodev noexec nosuid ro)
    case ${1##*,} in
    gid=*) mapfile -t own < <(_probefs_groups) ;;
    esac
    _probefs_list "$1" "${own[@]}" "${general[@]}"
    # No space after an option that wants a value, or after a list that may continue.
    compopt -o nospace
}

_probefs() {
    # Words as the command gets them; readline also cuts at = and :.
    local line=${COMP_LINE:0:COMP_POINT} words current
    read -ra words <<<"$line"
    current=${line##*[[:space:]]}
    [ "$current" ] && unset 'words[-1]'
    case ${words[-1]}:$current in
    -o:*)
        _probefs_values "$current"
        current=${current%"${current##*[=:]}"}
        COMPREPLY=("${COMPREPLY[@]#"$current"}")
        ;;
    *:-*)
        case ${words[0]} in
        *mount.probefs) mapfile -t COMPREPLY < <(compgen -W '-f -h -n -o -s -v -V' -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -W '-d -f -h --help -o -V --version' -- "$current") ;;
        esac
        ;;
    *)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    esac
}

complete -F _probefs probefs mount.probefs
