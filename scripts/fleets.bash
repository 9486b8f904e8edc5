# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What doc/fleets.md says of other people's engines: Ansible, podman, Kubernetes, pdsh (tests/fleets/).
# They are large, so CI leaves it out.

install_packages_of_fleets() {
    install_packages_to_test
    install_packages ansible-core podman crun catatonit pdsh python3-apt python3-kubernetes
}

fleet_tests() {
    local results
    # shellcheck disable=SC2034 # those that are called here use it
    results=$(mktemp)
    check "build" make_build build
    bats_tests build 1 "$@" tests/fleets
    report
}
