# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The inner loop: one build, the unit tests, and the suites of what was changed.

# AREA: SUITE... An area is a folder of engine/ or probefs/, or another one; each suite is one, too.
areas='
arch:         switch state
names:        names
object:       objects linkers hostile-objects long-objects
process:      kinds forced yama
target:       state info watch-only
update:       switch control
start:        probe-run probe-run-trace follow libraries
watch:        watch watch-beside trace trace-authority hits probe-run-trace
engine:       library switch

fuse:         tree server
server:       hold takeover error-log
workers:      takeover availability liar trace-hangs trace-kills
service:      control semaphore trace hits
nodes:        info control state watch-only hits
common:       error-log
probefs:      switch tree

probe-run:    probe-run probe-run-trace follow
probe-top:    top
mount-helper: mount
systemd:      systemd
completions:  install
debian:       package
packaging:    rpm
doc:          docs install
examples:     examples ocaml
scripts:      lint
'

# suites_of AREA: their files, a line each; fails where there is no such area.
suites_of() {
    local area=${1%/} suites suite
    area=${area#engine/} area=${area#probefs/}
    suites=$(sed -n "s/^$area: *//p" <<<"$areas")
    [ "$suites" ] || [ ! -e "tests/$area.bats" ] || suites=$area
    if [ -z "$suites" ]; then
        echo "check: no area and no suite is called '$1'. Areas:" \
            "$(sed -n 's/:.*//p' <<<"$areas" | paste -sd' ')" >&2
        return 1
    fi
    for suite in $suites; do
        echo "tests/$suite.bats"
    done
}

# need PROGRAM PACKAGE: says what to do where it is missing.
need() {
    command -v "$1" >/dev/null && return
    echo "check: there is no $1: apt-get install $2 (or, for all packages: sudo ./run build)" >&2
    return 1
}

need_root() {
    [ "$(id -u)" != 0 ] || return 0
    echo "check: suites mount and switch processes of several users: sudo ./run check $*" >&2
    return 1
}

check_area() {
    local suites files=()
    if [ $# -gt 0 ]; then
        suites=$(for area in "$@"; do suites_of "$area" || exit; done) || return
        mapfile -t files < <(sort -u <<<"$suites")
        need_root "$@" || return
    fi
    need meson meson && need ninja ninja-build || return
    [ -e build/build.ninja ] || configure build || return
    ninja -C build --quiet || return
    meson test -C build --no-rebuild --quiet --print-errorlogs || return
    [ ${#files[@]} -gt 0 ] || return 0
    need bats bats && need parallel parallel || return
    test_users add
    PROBEFS_BUILD=$PWD/build bats --jobs $(($(nproc) + 1)) "${files[@]}"
}
