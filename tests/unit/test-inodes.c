/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "server/inodes.h"
#include "server/proc.h"
#include "server/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { EVERY_PID = -1 };

static struct inodes inodes;

/* ---- the machine ------------------------------------------------------------------------- */

static pid_t living = EVERY_PID; /* what processes there are */
static int asked;                /* how often that was asked */

int process_find_user(pid_t pid, int process, struct process_user *user)
{
    (void)process;
    *user = (struct process_user){0};
    asked++;
    /* Nobody is kept from the names while that is asked. */
    assert_int_equal(pthread_mutex_trylock(&inodes.lock), 0);
    pthread_mutex_unlock(&inodes.lock);
    return living == EVERY_PID || living == pid ? 0 : -ENOENT;
}

/* Descriptors of processes are numbers of this test's, and one of them has ended. */
enum { LIVING = 1000, ENDED = 1001 };

bool process_has_ended(int process)
{
    return process == ENDED;
}

/* ---- inodes ------------------------------------------------------------------------------ */

/* What the last sweep gave. */
static struct stale_name *stale;
static size_t stale_count;

static int set_up(void **state)
{
    (void)state;
    return inodes_init(&inodes);
}

static int tear_down(void **state)
{
    (void)state;
    free(stale);
    inodes_done(&inodes);
    return 0;
}

/* An image that differs from others of the same pid in one number. */
static struct probe_image_id make_id(uint64_t number)
{
    struct probe_image_id id;
    memset(&id, 0, sizeof(id));
    id.start_time = 100;
    id.layout[2] = number;
    return id;
}

static struct target *get(pid_t pid, uint64_t number)
{
    struct probe_image_id id = make_id(number);
    struct target *target = NULL;
    assert_int_equal(inodes_get_target(&inodes, pid, &id, -1, &target), 0);
    assert_int_equal(target->pid, pid);
    assert_true(probe_image_id_equal(&target->id, &id));
    return target;
}

static struct inode *look_up_kind(struct target *target, const char *probe, bool watch_only)
{
    struct inode *inode = NULL;
    assert_int_equal(inodes_look_up(&inodes, target, probe, watch_only, &inode), 0);
    assert_ptr_equal(inode->target, target);
    return inode;
}

static struct inode *look_up(struct target *target, const char *probe)
{
    return look_up_kind(target, probe, false);
}

static uint64_t directory_of(const struct inode *inode)
{
    return inode_number(inode, tree_directory(inode->place));
}

static void test_root(void **state)
{
    (void)state;
    struct inode *root = inodes_find(&inodes, 1); /* FUSE_ROOT_ID */
    assert_ptr_equal(root, &inodes.root);
    assert_int_equal(root->place, PLACE_ROOT);
    assert_null(root->target);
    assert_true(directory_of(root) == 1);
    assert_ptr_equal(inode_kind(1), &node_kinds[tree_directory(PLACE_ROOT)]);
    inodes_forget(&inodes, 1, 1000);
    assert_ptr_equal(inodes_find(&inodes, 1), root);
}

static void test_kinds(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct inode *inode = look_up(target, "gc");
    for (unsigned int kind = 0; kind < node_kind_count; kind++) {
        uint64_t number = inode_number(inode, kind);
        assert_ptr_equal(inode_kind(number), &node_kinds[kind]);
        assert_ptr_equal(inodes_find(&inodes, number), inode);
    }
    assert_null(inode_kind(inode->key << KIND_BITS));
    if (node_kind_count < KIND_MAX - 1)
        assert_null(inode_kind(inode->key << KIND_BITS | (KIND_MAX - 1)));
    inodes_forget(&inodes, directory_of(inode), 1);
    inodes_put_target(&inodes, target);
}

static void test_look_up_and_forget(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct inode *inode = look_up(target, NULL);
    uint64_t number = directory_of(inode);
    assert_int_equal(inode->place, PLACE_PROCESS);
    assert_null(inode->probe);
    assert_ptr_equal(look_up(target, NULL), inode); /* two look-ups */
    inodes_look_up_file(&inodes, inode);            /* three */
    inodes_forget(&inodes, number, 1);
    inodes_forget(&inodes, inode_number(inode, 4), 1); /* as of a file in it */
    assert_ptr_equal(inodes_find(&inodes, number), inode);
    inodes_forget(&inodes, number, 1);
    assert_null(inodes_find(&inodes, number));
    inodes_forget(&inodes, number, 1); /* once too often */
    inodes_put_target(&inodes, target);
}

static void test_an_open_node_stays(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct inode *inode = look_up(target, "gc");
    uint64_t number = directory_of(inode);
    inodes_put_target(&inodes, target);
    assert_false(inodes_is_open(&inodes, inode));
    inodes_opened(&inodes, inode);
    inodes_opened(&inodes, inode);
    assert_true(inodes_is_open(&inodes, inode));
    inodes_forget(&inodes, number, 1); /* overtakes the RELEASE */
    assert_ptr_equal(inodes_find(&inodes, number), inode);
    inodes_closed(&inodes, inode);
    assert_true(inodes_is_open(&inodes, inode));
    inodes_closed(&inodes, inode);
    assert_null(inodes_find(&inodes, number));
}

static void test_numbers_never_repeat(void **state)
{
    (void)state;
    struct target *targets[] = {get(7, 1), get(8, 1), get(7, 2)};
    const char *const probes[] = {NULL, "gc", "gd", "web:gc"};
    uint64_t seen[ARRAY_LENGTH(targets) * ARRAY_LENGTH(probes)];
    size_t count = 0;
    for (size_t t = 0; t < ARRAY_LENGTH(targets); t++) {
        for (size_t p = 0; p < ARRAY_LENGTH(probes); p++) {
            uint64_t number = directory_of(look_up(targets[t], probes[p]));
            assert_true(number == directory_of(look_up(targets[t], probes[p])));
            for (size_t i = 0; i < count; i++)
                assert_true(seen[i] >> KIND_BITS != number >> KIND_BITS);
            seen[count++] = number;
            inodes_forget(&inodes, number, 2);
        }
    }
    /* Nobody outside can tell them: they are others in every server. */
    struct inodes other;
    struct target *same = NULL;
    struct inode *inode = NULL;
    assert_int_equal(inodes_init(&other), 0);
    assert_int_equal(inodes_get_target(&other, targets[0]->pid, &targets[0]->id, -1, &same), 0);
    assert_int_equal(inodes_look_up(&other, same, NULL, false, &inode), 0);
    assert_true(directory_of(inode) != seen[0]);
    inodes_put_target(&other, same);
    inodes_done(&other);
    for (size_t t = 0; t < ARRAY_LENGTH(targets); t++)
        inodes_put_target(&inodes, targets[t]);
}

/* A probe that can only be watched is another directory than one that can be switched. */
static void test_no_semaphore(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct inode *switched = look_up(target, "web:gc");
    struct inode *watched = look_up_kind(target, "web:gc", true);
    assert_ptr_not_equal(switched, watched);
    assert_ptr_equal(look_up_kind(target, "web:gc", true), watched);
    assert_true(directory_of(switched) != directory_of(watched));
    assert_string_equal(watched->probe, "web:gc");
    static const char *const files[] = {"enabled", "semaphore", "hold"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        assert_true(inode_find_file(switched, PLACE_PROBE, files[i]) >= 0);
        assert_int_equal(inode_find_file(watched, PLACE_PROBE, files[i]), -1);
    }
    assert_true(inode_find_file(watched, PLACE_PROBE, "sites") >= 0);
    assert_int_equal(inode_find_file(watched, PLACE_PROBE, "sites"),
                     inode_find_file(switched, PLACE_PROBE, "sites"));
    assert_int_equal(inode_find_file(watched, PLACE_PROBE, "control"), -1);
    inodes_forget(&inodes, directory_of(switched), 1);
    inodes_forget(&inodes, directory_of(watched), 2);
    inodes_put_target(&inodes, target);
}

static void test_the_latest_image_of_a_pid(void **state)
{
    (void)state;
    struct target *first = get(7, 1);
    struct target *again = get(7, 1);
    assert_ptr_equal(first, again);
    struct inode *inode = look_up(first, NULL);
    uint64_t number = directory_of(inode);
    struct target *second = get(7, 2); /* it called exec */
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(inodes_find(&inodes, number)->target, first);
    assert_ptr_equal(get(7, 2), second);
    inodes_put_target(&inodes, first);
    inodes_put_target(&inodes, again);
    inodes_put_target(&inodes, second);
    inodes_put_target(&inodes, second);
    assert_ptr_equal(inodes_find(&inodes, number)->target, first);
    inodes_forget(&inodes, number, 1);
    assert_null(inodes_find(&inodes, number));
}

static void test_start_time(void **state)
{
    (void)state;
    struct probe_image_id id = make_id(1);
    struct target *targets[2];
    id.start_time = 0;
    assert_int_equal(inodes_get_target(&inodes, 7, &id, -1, &targets[0]), 0);
    id.start_time = 1000 * (uint64_t)sysconf(_SC_CLK_TCK);
    assert_int_equal(inodes_get_target(&inodes, 8, &id, -1, &targets[1]), 0);
    assert_int_equal(targets[1]->start.tv_sec - targets[0]->start.tv_sec, 1000);
    inodes_put_target(&inodes, targets[0]);
    inodes_put_target(&inodes, targets[1]);
}

/* Returns how many names are stale, where the process ALIVE alone is alive. */
static size_t sweep(pid_t alive)
{
    free(stale);
    stale = NULL;
    living = alive;
    sweep_inodes(&inodes, &stale, &stale_count);
    living = EVERY_PID;
    return stale_count;
}

static bool was_stale(uint64_t directory, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < stale_count; i++)
        found |= stale[i].directory == directory && strcmp(stale[i].name, name) == 0;
    return found;
}

static bool has_time(struct target *target, uint64_t number)
{
    struct timespec time = inodes_get_time(&inodes, target, number);
    return time.tv_sec != target->start.tv_sec;
}

static void test_times_outlive_the_node(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct inode *inode = look_up(target, "gc");
    uint64_t number = inode_number(inode, 5);
    assert_false(has_time(target, number));
    inodes_set_written(&inodes, target, number);
    assert_true(has_time(target, number));
    assert_false(has_time(target, number + 1));
    inodes_set_written(&inodes, target, number);
    inodes_forget(&inodes, directory_of(inode), 1);
    inodes_put_target(&inodes, target);

    target = get(7, 1);
    assert_true(has_time(target, number));
    /* One that is alive is not swept; one in use that has ended is forgotten with its last use. */
    inodes_put_target(&inodes, target);
    sweep(7);
    target = get(7, 1);
    assert_true(has_time(target, number));
    sweep(0);
    assert_true(has_time(target, number));
    inodes_put_target(&inodes, target);
    target = get(7, 1);
    assert_false(has_time(target, number));
    inodes_put_target(&inodes, target);

    /* Another image of the pid has times of its own. */
    target = get(7, 1);
    inodes_set_written(&inodes, target, number);
    inodes_put_target(&inodes, target);
    target = get(7, 2);
    assert_false(has_time(target, number));
    inodes_put_target(&inodes, target);
}

/*
 * Of what has ended, the kernel is told the name; all names in it, too, where it does not forget
 * it; and nothing where it does.
 */
static void test_names_of_what_has_ended(void **state)
{
    (void)state;
    struct inode *inode = NULL;
    struct target *seven = get(7, 1);
    struct target *eight = get(8, 1);
    uint64_t probe = directory_of(look_up(seven, "gc"));
    assert_int_equal(inodes_look_up(&inodes, seven, NULL, false, &inode), 0);
    uint64_t number = inode_number(inode, tree_directory(PLACE_PROCESS));
    inodes_put_target(&inodes, seven);
    assert_int_equal(sweep(8), 1);
    assert_true(was_stale(1, "7"));
    assert_true(sweep(8) > 2);
    assert_true(was_stale(1, "7"));
    assert_true(was_stale(number, "gc"));
    assert_true(was_stale(number, "enabled"));
    inodes_forget(&inodes, probe, 1);
    sweep(8);
    assert_false(was_stale(number, "gc"));
    assert_true(was_stale(number, "enabled"));
    inodes_forget(&inodes, number, 1);
    assert_int_equal(sweep(8), 0);
    inodes_put_target(&inodes, eight);
}

/* The tables of what has gone go, too; and a sweep is due when processes are seen to be missing. */
static void test_many_come_and_go(void **state)
{
    enum { MANY = 20000 };
    (void)state;
    static pid_t pids[MANY];
    struct target *stays = get(MANY + 1, 1);
    uint64_t kept = directory_of(look_up(stays, NULL));
    for (pid_t pid = 1; pid <= MANY; pid++) {
        struct target *target = get(pid, 1);
        pids[pid - 1] = pid;
        look_up(target, NULL);
        inodes_put_target(&inodes, target);
    }
    assert_true(sweep_is_due(&inodes));
    assert_int_equal(sweep(EVERY_PID), 0);
    sweep_note_processes(&inodes, pids, MANY);
    assert_false(sweep_is_due(&inodes)); /* for one that is missing */
    pids[0] = MANY + 1;
    sweep_note_processes(&inodes, pids, 1);
    assert_true(sweep_is_due(&inodes));
    assert_int_equal(sweep(MANY + 1), MANY);
    /* Before the kernel forgets, it is told once more, and then there is nothing else to do. */
    sweep_note_processes(&inodes, pids, 1);
    assert_true(sweep_is_due(&inodes));
    assert_true(sweep(MANY + 1) > MANY);
    sweep_note_processes(&inodes, pids, 1);
    assert_false(sweep_is_due(&inodes));
    unsigned int largest = inodes.table->hh.tbl->num_buckets;
    for (struct inode *inode = inodes.table, *next = NULL; inode; inode = next) {
        next = inode->hh.next;
        if (inode->target != stays)
            inodes_forget(&inodes, directory_of(inode), 1);
    }
    assert_ptr_equal(inodes_find(&inodes, kept)->target, stays);
    assert_true(inodes.table->hh.tbl->num_buckets < largest / 8);
    assert_true(inodes.targets->hh.tbl->num_buckets < largest / 8);
    assert_int_equal(HASH_COUNT(inodes.targets), 1);
    inodes_put_target(&inodes, stays);
    inodes_forget(&inodes, kept, 1);
}

static void test_a_sweep_locks_nothing(void **state)
{
    (void)state;
    struct target *seven = get(7, 1);
    struct target *eight = get(8, 1);
    asked = 0;
    sweep(EVERY_PID);
    assert_int_equal(asked, 2);
    inodes_put_target(&inodes, seven);
    inodes_put_target(&inodes, eight);
}

/* Met before anybody knew which image it is; the numbers stay when that is known. */
static void test_a_target_is_identified(void **state)
{
    (void)state;
    struct probe_image_id id = make_id(1);
    struct probe_image_id other = make_id(2);
    struct target *unknown = NULL;
    struct target *again = NULL;
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &unknown), 0);
    assert_false(atomic_load(&unknown->identified));
    uint64_t number = directory_of(look_up(unknown, NULL));
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &again), 0);
    assert_ptr_equal(again, unknown);
    assert_int_equal(inodes_identify(&inodes, unknown, &id), 0);
    assert_true(atomic_load(&unknown->identified));
    assert_true(number == directory_of(look_up(unknown, NULL)));
    assert_int_equal(inodes_identify(&inodes, unknown, &id), 0);
    assert_int_equal(inodes_identify(&inodes, unknown, &other), -ESRCH);
    assert_ptr_equal(get(7, 1), unknown);
    struct target *second = get(7, 2);
    assert_ptr_not_equal(second, unknown);
    inodes_forget(&inodes, number, 2);
    inodes_put_target(&inodes, unknown);
    inodes_put_target(&inodes, unknown);
    inodes_put_target(&inodes, unknown);
    inodes_put_target(&inodes, second);
}

/* Identified before there was a number: then that is the image's own, as if it had been known. */
static void test_numbers_of_what_is_identified_first(void **state)
{
    (void)state;
    struct probe_image_id id = make_id(1);
    struct target *target = get(7, 1);
    uint64_t number = directory_of(look_up(target, NULL));
    inodes_forget(&inodes, number, 1);
    inodes_put_target(&inodes, target);
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &target), 0);
    assert_int_equal(inodes_identify(&inodes, target, &id), 0);
    assert_true(number == directory_of(look_up(target, NULL)));
    inodes_forget(&inodes, number, 1);
    inodes_put_target(&inodes, target);
}

/* Of a pid that is used again, nothing is believed but the descriptor. */
static void test_a_pid_that_is_used_again(void **state)
{
    (void)state;
    struct probe_image_id id = make_id(1);
    struct target *first = NULL;
    struct target *second = NULL;
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &first), 0);
    assert_int_equal(inodes_get_target(&inodes, 7, &id, -1, &second), 0);
    assert_ptr_not_equal(first, second); /* nobody knows what the first was */
    inodes_put_target(&inodes, first);
    inodes_put_target(&inodes, second);
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &first), 0);
    assert_true(inodes_keep_process(&inodes, first, LIVING));
    assert_false(inodes_keep_process(&inodes, first, LIVING));
    assert_int_equal(inodes_get_target(&inodes, 7, &id, -1, &second), 0);
    assert_ptr_equal(first, second);
    assert_true(inodes_target_lives(first));
    inodes_put_target(&inodes, second);
    atomic_store(&first->process, ENDED);
    assert_false(inodes_target_lives(first));
    assert_int_equal(inodes_get_target(&inodes, 7, NULL, -1, &second), 0);
    assert_ptr_not_equal(first, second);
    inodes_put_target(&inodes, first);
    inodes_put_target(&inodes, second);
}

/* One of whom a worker has said that it is gone is not found any more. */
static void test_what_is_gone(void **state)
{
    (void)state;
    struct target *target = get(7, 1);
    struct target *found = inodes_find_target(&inodes, 7);
    assert_ptr_equal(found, target);
    inodes_put_target(&inodes, found);
    atomic_store(&target->is_gone, true);
    assert_null(inodes_find_target(&inodes, 7));
    assert_false(inodes_target_lives(target));
    struct target *next = get(7, 1);
    assert_ptr_not_equal(next, target);
    inodes_put_target(&inodes, target);
    inodes_put_target(&inodes, next);
}

static bool is_seven(const struct target *target)
{
    return target->pid == 7;
}

static void test_targets_in_use(void **state)
{
    (void)state;
    struct target **targets = NULL;
    size_t count = 0;
    struct target *seven = get(7, 1);
    struct target *eight = get(8, 1);
    assert_int_equal(inodes_get_targets(&inodes, is_seven, &targets, &count), 0);
    assert_int_equal(count, 1);
    assert_ptr_equal(targets[0], seven);
    inodes_put_target(&inodes, seven);
    /* It is there for as long as it is in use. */
    assert_ptr_equal(get(7, 1), seven);
    inodes_put_target(&inodes, seven);
    inodes_put_targets(&inodes, targets, count);
    inodes_put_target(&inodes, eight);
}

static void test_when_a_sweep_is_due(void **state)
{
    (void)state;
    sweep(0);
    assert_false(sweep_is_due(&inodes));
    for (pid_t pid = 1000; pid < 1032; pid++)
        inodes_set_written(&inodes, get(pid, 1), 5);
    assert_true(sweep_is_due(&inodes));
    for (pid_t pid = 1000; pid < 1032; pid++) {
        struct target *target = get(pid, 1);
        inodes_put_target(&inodes, target);
        inodes_put_target(&inodes, target);
    }
    sweep(0);
    assert_false(sweep_is_due(&inodes));
}

/* What is still looked up at the end is freed by inodes_done(): the sanitizer tells. */
static void test_the_end(void **state)
{
    (void)state;
    struct inodes own;
    struct probe_image_id id = make_id(1);
    struct target *target = NULL;
    struct inode *inode = NULL;
    assert_int_equal(inodes_init(&own), 0);
    assert_int_equal(inodes_get_target(&own, 7, &id, -1, &target), 0);
    for (unsigned int i = 0; i < 100; i++) {
        char name[8];
        snprintf(name, sizeof(name), "gc%u", i);
        assert_int_equal(inodes_look_up(&own, target, name, false, &inode), 0);
        inodes_set_written(&own, target, inode_number(inode, 5));
    }
    inodes_put_target(&own, target);
    inodes_done(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_look_up_and_forget),
        cmocka_unit_test(test_an_open_node_stays),
        cmocka_unit_test(test_numbers_never_repeat),
        cmocka_unit_test(test_no_semaphore),
        cmocka_unit_test(test_the_latest_image_of_a_pid),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_times_outlive_the_node),
        cmocka_unit_test(test_names_of_what_has_ended),
        cmocka_unit_test(test_a_sweep_locks_nothing),
        cmocka_unit_test(test_many_come_and_go),
        cmocka_unit_test(test_a_target_is_identified),
        cmocka_unit_test(test_numbers_of_what_is_identified_first),
        cmocka_unit_test(test_a_pid_that_is_used_again),
        cmocka_unit_test(test_what_is_gone),
        cmocka_unit_test(test_targets_in_use),
        cmocka_unit_test(test_when_a_sweep_is_due),
        cmocka_unit_test(test_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
