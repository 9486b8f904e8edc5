# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Static checks of the whole tree.

# files PATTERN...: of the checkout, whether it has a git directory or not; no build directories.
files() {
    local pattern names=()
    for pattern in "$@"; do
        names+=(-o -name "$pattern")
    done
    find . \( -path './.*' -o -path './build*' \) -prune -o -type f \( "${names[@]:1}" \) -print |
        sed 's,^\./,,' | sort
}

lint_format() {
    files '*.c' '*.h' | xargs clang-format --dry-run -Werror
}

# What build-clang does not build, it cannot look at: other processors, what the kernel runs, fuzzers,
# what a test builds against an installed copy, and what needs OCaml's headers. Without optimization,
# the C library's headers bring no bodies of functions, which would be looked through in each file.
#
# lint_tidy [STEPS]: for each function, by the analyser; 225,000 by default. It meets this limit in
# some hundred functions of ours, which take nearly all of its time.
lint_tidy() {
    local limit=()
    [ $# = 0 ] || limit=(--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang
        --extra-arg=max-nodes="$1")
    files '*.c' |
        grep -v -e '^engine/arch/aarch64' -e '\.bpf\.c$' \
            -e '^tests/\(coverage\|faults\|fuzz\|library\|lint\|targets\)/' -e '^examples/ocaml/' |
        xargs -P "$(nproc)" -n 4 clang-tidy --quiet --warnings-as-errors='*' -p build-clang \
            --extra-arg=-O0 --extra-arg=-U_FORTIFY_SOURCE "${limit[@]}" 2>&1 |
        grep -v 'warnings generated\|^Suppressed\|^Use -header'
    return "${PIPESTATUS[2]}"
}

# The targets do on purpose what it advises against.
lint_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j "$(nproc)" \
        --library=posix,gnu --enable=warning,style,performance,portability \
        --suppressions-list=.cppcheck-suppressions \
        -D_GNU_SOURCE -D__x86_64__ -D__linux__ -I tests/lint -I . -I engine -I probefs \
        -i tests/targets engine examples mount-helper probe-run probe-top probefs shared tests
}

# What shellcheck cannot know of tests: that bats runs a test's parts in one shell, that helpers
# set variables, that single-quoted texts are evaluated later, and that pids are harmless in `ls`.
bats_habits=SC2010,SC2012,SC2016,SC2030,SC2031,SC2034,SC2094,SC2154

lint_shell() {
    local scripts=(run) tests
    [ ! -e .ci/run ] || scripts+=(.ci/run)
    mapfile -t -O "${#scripts[@]}" scripts < <(files '*.sh' '*.bash' | grep -v '^tests/lib/')
    mapfile -t tests < <(files '*.bats'; files '*.bash' | grep '^tests/lib/')
    shellcheck -x "${scripts[@]}" && shellcheck -x -e $bats_habits "${tests[@]}"
}

lint_python() {
    files '*.py' | xargs python3 -m pyflakes
}

# stap is gdb's word for probes of SystemTap's kind.
lint_spelling() {
    files '*' | grep -v '\.svg$' | xargs codespell --ignore-words-list stap
}

# Each folder uses what doc/ARCHITECTURE.md says that it may use.
lint_includes() {
    python3 scripts/check-includes.py
}

# Each link of a page to a file of ours leads somewhere.
lint_links() {
    local page link status=0
    while IFS= read -r page; do
        while IFS= read -r link; do
            [ -e "$(dirname "$page")/$link" ] || { echo "$page: there is no $link"; status=1; }
        done < <(grep -oE '\]\([^):#]+[)#]' "$page" | sed 's/^](//; s/[)#]$//')
    done < <(files '*.md')
    return $status
}

# Each test that SECURITY.md counts on is there, by that name.
lint_security() {
    local suite name status=0
    while IFS= read -r name; do
        suite=${name%%: *} name=${name#*: }
        grep -qxF "@test \"$name\" {" "tests/$suite" || { echo "$suite: $name"; status=1; }
    done < <(sed -n 's/^- \([a-z-]*\.bats: \)/\1/p' SECURITY.md)
    return $status
}

# A length is a sign, not a rule: look for the second concept in what is named here.
tell_sizes() {
    files '*.c' '*.h' '*.bash' '*.bats' '*.sh' '*.py' run |
        xargs awk 'FNR == 501 { print "over 500 lines: " FILENAME }'
}

# lint [STEPS]: as lint_tidy has them.
lint() {
    CC=clang check "build (clang, hardened)" with_hardening 3 make_build build-clang -Dwerror=true
    check "clang-format" lint_format
    check "clang-tidy" lint_tidy "$@"
    check "cppcheck" lint_cppcheck
    check "shellcheck" lint_shell
    check "python" lint_python
    check "codespell" lint_spelling
    check "includes" lint_includes
    check "links" lint_links
    check "tests of SECURITY.md" lint_security
    tell_sizes
}
