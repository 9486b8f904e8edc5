# SPDX-License-Identifier: MIT
# runs: once
#
# The checks of the sources and pages find what they are meant to find.

load lib/assert

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    work=$(mktemp -d)
    mkdir "$work/doc"
    cp "$top/doc/ARCHITECTURE.md" "$work/doc"
    cp -r "$top/shared" "$top/engine" "$top/probefs" "$top/probe-run" "$top/probe-top" \
        "$top/mount-helper" "$work"
}

teardown() {
    rm -r "$work"
}

check_includes() {
    python3 -I "$top/scripts/check-includes.py" "$work"
}

@test "every include of the sources is one that the table of folders allows" {
    check_includes
}

@test "an include that goes up a folder is found" {
    sed -i '2i #include "target/target.h"' "$work/engine/object/note.c"
    run check_includes
    assert_equal "$status" 1
    assert_equal "$output" \
        "engine/object/note.c: may not include target/target.h (engine/target)"
}

@test "a server's folder that includes libfuse, or an ELF header, is found" {
    sed -i '2i #include <fuse_lowlevel.h>' "$work/probefs/server/file.c"
    sed -i '2i #include <elf.h>' "$work/probefs/service/service.c"
    run check_includes
    assert_equal "$status" 1
    assert_equal "${#lines[@]}" 2
}

@test "a new folder needs a row of its own" {
    mkdir "$work/engine/cellar"
    cp "$work/engine/object/note.c" "$work/engine/cellar"
    run check_includes
    assert_equal "$status" 1
    assert_equal "${lines[0]}" "engine/cellar/note.c: no row of the table speaks of it"
}

@test "ptrace can be called from one file of the engine only" {
    local source=$work/call.c
    printf '#include <stddef.h>\nlong f(void) { return ptrace(0, 0, NULL, NULL); }\n' >"$source"
    run gcc -fsyntax-only -include "$top/engine/no-ptrace.h" "$source"
    assert_equal "$status" 1
    [[ $output == *poisoned* ]]
    sed -i '1i #include <sys/ptrace.h>' "$source"
    gcc -fsyntax-only "$source"
}

@test "a link that leads nowhere is found" {
    source "$top/scripts/lint.bash"
    mkdir -p "$work/pages/doc"
    cd "$work/pages"
    echo 'See [here](doc/page.md), and [elsewhere](https://example.org/x).' >page.md
    echo 'See [there](../page.md#part).' >doc/page.md
    lint_links
    echo 'See [nowhere](page.txt).' >>doc/page.md
    run lint_links
    assert_equal "$status" 1
    assert_equal "$output" "doc/page.md: there is no page.txt"
}
