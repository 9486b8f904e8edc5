# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Debian's and Ubuntu's packages: what is needed to build, to test, to lint.

build_packages=(
    gcc libc6-dev meson ninja-build pkg-config scdoc
    gcc-bpf libbpf-dev libfuse3-dev fuse3 libelf-dev libcap-dev libmd-dev libncurses-dev uthash-dev libcmocka-dev
    systemtap-sdt-dev binutils python3 procps util-linux mount
)
test_packages=(
    clang clang-format clang-tidy cppcheck shellcheck codespell python3-pyflakes
    gcovr bats parallel gdb valgrind bpftrace strace libcap2-bin passwd systemd
    openssh-server sshfs rsync
    dpkg-dev debhelper lintian inotify-tools zsh tmux
    binutils g++ lld mold ocaml rpm cpio
)

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# clang's own runtime (sanitizers, fuzzers): some systems have no package without a number for it.
clang_runtime() {
    local version
    version=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
    is_installed "libclang-rt-$version-dev" && return
    if apt-cache show libclang-rt-dev >/dev/null 2>&1; then
        echo libclang-rt-dev
    elif apt-cache show "libclang-rt-$version-dev" >/dev/null 2>&1; then
        echo "libclang-rt-$version-dev"
    fi
}

# perf has a package of its own in Debian, and is among the kernel's tools in Ubuntu.
perf_package() {
    if grep -qx 'ID=ubuntu' /etc/os-release; then
        echo linux-tools-generic
    else
        echo linux-perf
    fi
}

# start_no_services COMMAND...: the tests start what they need of a package themselves (sshd), and
# nobody else is to be served.
start_no_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    [ ! -e "$policy" ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    "$@" || status=$?
    rm "$policy"
    return $status
}

install_packages() {
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # What an interrupted installation left half done.
    dpkg --configure -a
    apt-get update -q
    start_no_services apt-get install -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends "${missing[@]}"
}

install_packages_to_build() {
    install_packages "${build_packages[@]}"
}

install_packages_to_test() {
    local runtime
    install_packages "${build_packages[@]}" "${test_packages[@]}" "$(perf_package)"
    # Needs to know which clang there is.
    mapfile -t runtime < <(clang_runtime)
    install_packages "${runtime[@]}"
}
