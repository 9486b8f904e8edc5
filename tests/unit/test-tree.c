/* SPDX-License-Identifier: MIT */
/* The one table of the tree: no two rows in each other's way, and no probe in the way of a row. */
#include "unit.h"

#include "names/name.h"
#include "nodes/tree.h"
#include "shared/reserved-names.h"

static void test_rows(void **state)
{
    (void)state;
    unsigned int directories[PLACE_COUNT] = {0};
    assert_true(node_kind_count <= KIND_MAX);
    for (unsigned int i = 0; i < node_kind_count; i++) {
        const struct node_kind *kind = &node_kinds[i];
        assert_true(kind->place < PLACE_COUNT);
        /* What has no name is a directory, but for a probe's stream; and .trace has one. */
        if (kind->place != PLACE_STREAM && !kind->hidden)
            assert_int_equal(kind->type == NODE_DIRECTORY, !kind->name);
        if (kind->name)
            assert_int_equal(tree_find(kind->place, kind->name), i);
        else
            directories[kind->place]++;
        /* Nobody but the owner may write. */
        if (kind->everybody)
            assert_null(kind->write);
        if (kind->type != NODE_FILE && kind->type != NODE_STREAM)
            assert_null(kind->write);
    }
    for (unsigned int place = 0; place < PLACE_COUNT; place++) {
        if (place == PLACE_TRACE) /* a row of the root's */
            continue;
        assert_int_equal(directories[place], 1);
        unsigned int kind = tree_directory((enum place)place);
        assert_int_equal(node_kinds[kind].place, place);
        assert_null(node_kinds[kind].name);
    }
    assert_int_equal(tree_directory(PLACE_ROOT), 0); /* so that the root is FUSE's inode 1 */
}

static void test_names(void **state)
{
    (void)state;
    assert_true(tree_find(PLACE_ROOT, "README") >= 0);
    assert_true(tree_find(PLACE_ROOT, "self") >= 0);
    assert_true(tree_find(PLACE_PROCESS, "enabled") >= 0);
    assert_true(tree_find(PLACE_PROCESS, "exe") >= 0);
    assert_true(tree_find(PLACE_PROBE, "enabled") >= 0);
    assert_int_equal(tree_find(PLACE_ROOT, "enabled"), -1);
    assert_int_equal(tree_find(PLACE_PROBE, "exe"), -1);
    assert_int_equal(tree_find(PLACE_PROCESS, ""), -1);
    assert_int_equal(tree_find(PLACE_PROCESS, "enable"), -1);
    assert_int_equal(tree_find(PLACE_PROCESS, "enabled2"), -1);
}

/* A probe stands beside the files of its process: none may be shown under their names. */
static void test_names_are_reserved(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < node_kind_count; i++) {
        char shown[NAME_LENGTH + 1];
        if (node_kinds[i].place != PLACE_PROCESS || !node_kinds[i].name)
            continue;
        name_show(NULL, node_kinds[i].name, reserved_names, shown);
        assert_int_equal(tree_find(PLACE_PROCESS, shown), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
