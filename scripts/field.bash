# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Real programs, installed from the system's packages: their probes as readelf and gdb see them, all
# on and off under load, holds while they fork (tests/field/). Takes minutes, so CI leaves it out.
# The programs are started by the tests, with files and sockets of their own.

install_packages_of_field() {
    install_packages_to_test
    install_packages postgresql php-fpm libfcgi-bin apache2 libapache2-mod-php ruby python3 \
        sssd-common libvirt-daemon libvirt-clients qemu-user sudo musl-tools
}

field_tests() {
    local results
    # shellcheck disable=SC2034 # those that are called here use it
    results=$(mktemp)
    check "build" make_build build
    bats_tests build 1 "$@" tests/field
    report
}
