#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# runs: once first
#
# What is installed, beside the server itself: where it lies, what the commands say of themselves,
# and what shells complete.

load lib/session

setup() {
    session_begin
    mkdir "$work/complete"
    cp "$tests"/../completions/* "$work/complete"
    PATH=$work/bin:$PATH
    for program in probefs/probefs probe-run/probe-run probe-top/probe-top mount-helper/mount.probefs; do
        cp "$build/$program" "$work/bin"
    done
}

# completed SHELL LINE: what LINE becomes with all of its completions, words apart by one space.
completed() {
    local directory=$work/complete
    [ "$1" = zsh ] || directory=$work/complete/bash
    mkdir -p "$work/complete/bash"
    cp "$work"/complete/*.bash "$work/complete/bash"
    python3 "$tests/lib/complete.py" "$1" "$directory" "$2" 3>&- | tr -s ' ' | sed 's/ $//'
}

# completes LINE WORD...: in both shells, each WORD is among what LINE becomes.
completes() {
    local line=$1 shell result word
    shift
    for shell in bash zsh; do
        result=$(completed "$shell" "$line")
        for word in "$@"; do
            case " ${result//[=,]/ } " in
            *" $word "*) ;;
            *) echo "$shell: '$line' became '$result', without '$word'"; return 1 ;;
            esac
        done
    done
}

# options_of: the options that lines of the input begin with, sorted.
options_of() {
    grep -E '^ +-|^-' |
        grep -oE '(^|[^[:alnum:]_-])(--?[a-zA-Z][a-z-]*|-o all\b)|(engine|gid|log|user_[a-z]+)=|allow_gigatext' |
        sed 's/^[^-a-z]*//' | sort -u
}

@test "meson install puts everything where a distribution expects it" {
    DESTDIR=$work/dest meson install -C "$build" --no-rebuild --quiet
    cd "$work/dest"
    find . -type f -o -type l | sed 's,/[^/]*-linux-gnu/,/,' >"$work/installed"
    for file in ./usr/local/sbin/probefs ./usr/local/bin/probe-run ./sbin/mount.probefs \
        ./usr/local/include/probe-engine.h ./usr/local/lib/pkgconfig/probe-engine.pc \
        ./usr/local/lib/libprobe-engine.a ./usr/local/lib/libprobe-engine.so.1 \
        ./usr/local/share/man/man1/probe-run.1 ./usr/local/bin/probe-top \
        ./usr/local/share/man/man1/probe-top.1 ./usr/local/share/man/man5/probefs.5 \
        ./usr/local/share/man/man8/probefs.8 ./usr/local/share/man/man8/mount.probefs.8 \
        ./usr/local/share/bash-completion/completions/{probefs,probe-run,probe-top,mount.probefs} \
        ./usr/local/share/zsh/site-functions/{_probefs,_probe-run,_probe-top}; do
        grep -qx "$file" "$work/installed" || { echo "$file is missing"; return 1; }
    done
}

@test "--help fits on a screen, and --version says the version that NEWS begins with" {
    version=$(sed -n 's/^\([0-9]\+\.[0-9]\+\.[0-9]\+\)$/\1/p' "$tests/../NEWS" | head -n 1)
    [ "$version" ]
    for program in probefs probe-run probe-top mount.probefs; do
        case $program in
        mount.probefs) help=-h show=-V ;; # as other helpers of mount(8)
        *) help=--help show=--version ;;
        esac
        run -0 "$program" $show
        assert_equal "$output" "$program $version"
        run -0 "$program" $help
        [ "${#lines[@]}" -gt 5 ]
        [ "$(wc -l <<<"$output")" -le 24 ] || { echo "too long: $program --help"; return 1; }
        [ "$(wc -L <<<"$output")" -le 80 ] || { echo "too wide: $program --help"; return 1; }
    done
    assert_match "$(head -n 1 "$tests/../debian/changelog")" "probefs ($version) *"
}

@test "--help names the options that the man page documents, and no others" {
    local program page
    for page in probefs.8 probe-run.1 probe-top.1 mount.probefs.8; do
        program=${page%.*}
        "$program" -h 2>/dev/null | options_of >"$work/help" || true
        [ -s "$work/help" ] || "$program" --help | options_of >"$work/help"
        # What the section OPTIONS has as headings.
        sed -n '/^# OPTIONS/,/^# [^O]/p' "$tests/../doc/$page.scd" | grep '^\*-' |
            grep -v refused | sed 's,[*\\],,g' | options_of >"$work/page"
        [ -s "$work/page" ]
        diff "$work/help" "$work/page" || { echo "of $program"; return 1; }
    done
}

@test "completion: options of probefs and mount.probefs" {
    completes 'probefs --' --help --version
    completes 'probefs -o engine=' vm ptrace
    completes 'probefs -o al' all allow_gigatext
    completes 'probefs -o allow_gigatext,log=w' warning
    completes 'probefs -o trace=' root users no
    completes 'probefs -o all,trace=u' users
    completes 'probefs -o gid=roo' root
    completes 'mount.probefs -' -f -h -n -o -s -v -V
    completes 'mount.probefs probefs /mnt -o eng' engine
}

@test "completion: options of probe-run, and names of the program's probes" {
    demo=$(target demo-ocaml_1)
    completes 'probe-run --' --enable --list --trace --output --help --version
    completes "probe-run -e gc^ $demo" gc_start gc_stop
    completes "probe-run -e gc_start,gc_st^ $demo" gc_stop
    completes "probe-run --disable=gc_start,gc_st^ $demo" gc_stop
    completes "probe-run -t -o file -e web:s^ $(target sdt)" web:silent
}

@test "completion: names and pids of what runs, from the tree" {
    start_server
    start sdt
    completes 'probe-run -e web:q' web:query
    completes "probe-run -l /proc/$pid" "/proc/$pid/exe"
}

@test "completion: only probes are names, not the files beside them; patterns stay as they are, and a pair has two names" {
    start_server
    start sdt
    for shell in bash zsh; do
        for word in hi tra cont .tr '~web' '~web:a,web:q' 'web:*_hi' web:query,web:silent,web:q; do
            assert_equal "$(completed $shell "probe-run -t -e $word")" "probe-run -t -e $word" "$shell"
        done
    done
    completes 'probe-run -t -d web:cache_hit,web:cache_m' web:cache_miss
    completes 'probe-run -f -t --out' --output
}

@test "completion: options of probe-top, mounts and processes" {
    start_server
    start sdt
    completes 'probe-top --' --batch --delay --rounds --pid --help --version
    completes "probe-top -b $work/m" "$mnt"
    completes "probe-top -p ${pid%?}" "$pid"
    completes "probe-top --pid=${pid%?}" "$pid"
}

@test "completion: a name that is a command in disguise is quoted, and never run" {
    python3 "$tests/targets/names.py" --build "$work/bin/names"
    cd "$work"
    for shell in bash zsh; do
        result=$(completed "$shell" "probe-run -e ^ $work/bin/names")
        case $result in
        *'\$\(\>ran\)'*) ;;
        *) echo "$shell: $result"; return 1 ;;
        esac
        [ ! -e "$work/ran" ]
    done
}
