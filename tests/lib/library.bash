# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The library as others get it: an installed copy that pkg-config finds, and programs built with it.

# build_option NAME: its value in the build under test.
build_option() {
    meson introspect --buildoptions "$build" | python3 -c '
import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == sys.argv[1]))' "$1"
}

# install_copy: installs below $root. Sets: library (the directory of the library there), flags (what
# a program must be compiled with to use it: the library may be sanitized, or count its lines).
install_copy() {
    local sanitizers coverage
    root=$work/root
    # --no-rebuild: programs that this build made for the tests stay as they are.
    meson install -C "$build" --no-rebuild --quiet --destdir "$root" 3>&-
    export PKG_CONFIG_SYSROOT_DIR=$root
    PKG_CONFIG_PATH=$(dirname "$(find "$root" -name probe-engine.pc)")
    export PKG_CONFIG_PATH
    library=$(dirname "$PKG_CONFIG_PATH")
    sanitizers=$(build_option b_sanitize)
    coverage=$(build_option b_coverage)
    flags=(-g)
    [ "$sanitizers" = none ] || flags+=("-fsanitize=$sanitizers")
    [ "$coverage" = False ] || flags+=(--coverage)
}

# installed PKG-CONFIG-OPTION...: sets found, an array of what pkg-config prints.
installed() {
    # shellcheck disable=SC2207
    found=($(pkg-config "$@" probe-engine))
}

# compile OUTPUT ARGUMENT...
compile() {
    local out=$1
    shift
    "${CC:-cc}" -Wall -Wextra -Werror "${flags[@]}" "$@" -o "$out"
}
