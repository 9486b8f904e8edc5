# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Build directories.

# configure DIR [OPTION]...: sets up a build directory, unless that was done, with these options,
# and to the end. CC and flags come from the environment.
configure() {
    local dir=$1 wanted
    shift
    wanted="${CC:-gcc} ${CPPFLAGS:-} ${CFLAGS:-} ${LDFLAGS:-} $*"
    [ "$(cat "$dir/.configured" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$dir"
    CC=${CC:-gcc} meson setup "$dir" "$@" || return 1
    echo "$wanted" >"$dir/.configured"
}

# make_build DIR [OPTION]...
make_build() {
    local dir=$1
    configure "$@" && ninja -C "$dir"
}

# with_hardening LEVEL COMMAND...: with the flags that Debian builds packages with, and this level
# of _FORTIFY_SOURCE.
with_hardening() {
    local level=$1
    shift
    CFLAGS="-O2 -g -fstack-protector-strong -Wformat -Werror=format-security" \
        CPPFLAGS="-D_FORTIFY_SOURCE=$level" LDFLAGS="-Wl,-z,relro -Wl,-z,now" "$@"
}

build() {
    make_build build
}

# What the demo needs, and no tests.
build_for_demo() {
    configure build && ninja -C build probefs/probefs tests/targets/demo-ocaml_1
}
