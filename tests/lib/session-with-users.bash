# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A session (session.bash) of a suite that needs ordinary users.

load "${BASH_SOURCE[0]%/*}/session"

setup_file() {
    users_create
}

teardown_file() {
    users_remove
}
