# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Which lines of the engine and the server the tests reach, as gcov counts them.
#
# Servers and their workers run as several users, and far from the checkout: each adds what it
# counted to files below GCOV_PREFIX, which all of them may write. Only who is killed adds nothing.

# As much of each folder as has to be reached, in percent of its lines.
coverage_least=90

# coverage_begin DIR: whatever runs from now on, of this build directory, is counted.
coverage_begin() {
    coverage_build=$1
    coverage_top=$(mktemp -d /tmp/probefs-coverage.XXXXXX)
    # All users may write behind a name that nobody can guess or list.
    chmod 711 "$coverage_top"
    GCOV_PREFIX=$(mktemp -d "$coverage_top/XXXXXXXXXXXXXXXX")
    chmod 777 "$GCOV_PREFIX"
    export GCOV_PREFIX
    find "$coverage_build" -name '*.gcda' -delete
}

# What was counted goes to where gcov looks for it.
coverage_end() {
    local counted
    counted=$GCOV_PREFIX$(pwd -P)/$coverage_build
    [ ! -d "$counted" ] || cp -r "$counted/." "$coverage_build"
    unset GCOV_PREFIX
    rm -r "$coverage_top"
}

# coverage_of FOLDER: the share of its lines; fails where that is too little, and says what is
# missing.
coverage_of() {
    local table=$coverage_build/coverage-$1.txt status=0
    gcovr --root . --add-tracefile "$coverage_build/coverage.json" --filter "$1/" \
        --fail-under-line "$coverage_least" --output "$table" || status=$?
    [ $status = 0 ] || cat "$table"
    echo "$1: $(awk '$1 == "TOTAL" { print $4 }' "$table") of the lines are reached"
    return $status
}

# A thread that counts while another one writes leaves impossible counts of branches: only these lines
# are skipped. gcovr says so; without the option its threads wait for each other for ever.
coverage_report() {
    timeout 600 gcovr --gcov-ignore-parse-errors --root . --object-directory "$coverage_build" \
        -j "$(nproc)" --filter engine/ --filter probefs/ --json "$coverage_build/coverage.json" \
        "$coverage_build" || return
    coverage_of engine && coverage_of probefs
}
