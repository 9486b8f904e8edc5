/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "process/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program at 0x400000, its heap, a library with a hole behind it, a shared file, a stack. */
static const char sample[] =
    "00400000-00401000 r--p 00000000 fe:01 1234                       /usr/bin/some program\n"
    "00401000-00403000 r-xp 00001000 fe:01 1234                       /usr/bin/some program\n"
    "00403000-00404000 rw-p 00003000 fe:01 1234                       /usr/bin/some program\n"
    "01000000-01100000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f0000000000-7f0000001000 r-xp 00000000 103:0a 18446744073709551615 /lib/x.so (deleted)\n"
    "7f0000002000-7f0000003000 rw-s 00000000 00:01 77                 /memfd:name\n"
    "7f0000003000-7f0000004000 ---p 00000000 00:00 0 \n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n";

static int parse(const char *text, size_t length, struct maps *maps)
{
    char *copy = exact_copy(text, length); /* no NUL behind it */
    int status = maps_parse(copy, length, maps);
    free(copy);
    return status;
}

static void test_fields(void **state)
{
    (void)state;
    struct maps maps;
    assert_int_equal(parse(sample, strlen(sample), &maps), 0);
    assert_int_equal(maps.count, 8);

    const struct mapping *code = &maps.items[1];
    assert_true(code->start == 0x401000 && code->end == 0x403000 && code->offset == 0x1000);
    assert_true(code->device == ((uint64_t)0xfe << 32 | 1));
    assert_true(code->inode == 1234);
    assert_true(code->readable && !code->writable && code->executable && !code->shared);
    assert_string_equal(code->path, "/usr/bin/some program");

    assert_true(maps.items[2].writable && !maps.items[2].executable);
    assert_true(maps.items[3].inode == 0);
    assert_string_equal(maps.items[3].path, "[heap]");
    assert_true(maps.items[4].inode == UINT64_MAX);
    assert_true(maps.items[4].device == ((uint64_t)0x103 << 32 | 0xa));
    assert_string_equal(maps.items[4].path, "/lib/x.so (deleted)");
    assert_true(maps.items[5].shared);
    assert_string_equal(maps.items[6].path, "");
    assert_false(maps.items[6].readable || maps.items[6].writable || maps.items[6].executable);
    assert_true(maps.items[7].start == 0xffffffffff600000);
    maps_done(&maps);
    assert_null(maps.items);
    assert_int_equal(maps.count, 0);
}

static void test_nothing(void **state)
{
    (void)state;
    struct maps maps;
    assert_int_equal(parse("", 0, &maps), 0);
    assert_int_equal(maps.count, 0);
    assert_null(maps_find(&maps, 0));
    maps_done(&maps);
}

static void test_find(void **state)
{
    (void)state;
    static const struct {
        uint64_t address;
        int index;
    } rows[] = {
        {0, -1},
        {0x3fffff, -1},
        {0x400000, 0},
        {0x400fff, 0},
        {0x401000, 1},
        {0x403fff, 2},
        {0x404000, -1},
        {0x7f0000000fff, 4},
        {0x7f0000001000, -1},
        {0x7f0000001fff, -1},
        {0x7f0000002000, 5},
        {0xffffffffff600fff, 7},
        {0xffffffffff601000, -1},
        {UINT64_MAX, -1},
    };
    struct maps maps;
    assert_int_equal(parse(sample, strlen(sample), &maps), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct mapping *expected = rows[i].index < 0 ? NULL : &maps.items[rows[i].index];
        assert_ptr_equal(maps_find(&maps, rows[i].address), expected);
    }
    maps_done(&maps);
}

#define GOOD "00400000-00401000 r--p 00000000 fe:01 1234 /bin/x\n"

static void test_what_is_no_line_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\n",
        "x\n",
        (GOOD "\n"),
        (GOOD "nonsense\n"),
        "00400000 00401000 r--p 00000000 fe:01 1234 /bin/x\n",
        "00400000-00401000 r-- 00000000 fe:01 1234 /bin/x\n",
        "00400000-00401000 r--p 00000000 fe:01\n",
        "00400000-00401000 r--p 00000000 fe01 1234 /bin/x\n",
        "00401000-00400000 r--p 00000000 fe:01 1234 /bin/x\n",        /* ends before it starts */
        "00400000-00400000 r--p 00000000 fe:01 1234 /bin/x\n",        /* nothing in it */
        (GOOD GOOD),                                                  /* overlaps the one before */
        ("00500000-00501000 r--p 00000000 fe:01 1234 /bin/x\n" GOOD), /* not sorted */
        "00400000-00401000 r--p 00000000 fe:01 1234 /bin/x",          /* has no end */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct maps maps = {.count = 99};
        assert_int_equal(parse(bad[i], strlen(bad[i]), &maps), -EINVAL);
        assert_int_equal(maps.count, 99);
    }
}

static void test_a_nul_is_refused(void **state)
{
    (void)state;
    char text[] = GOOD;
    struct maps maps;
    for (size_t i = 0; i + 2 < sizeof(text); i++) {
        char kept = text[i];
        text[i] = '\0';
        assert_int_equal(parse(text, strlen(GOOD), &maps), -EINVAL);
        text[i] = kept;
    }
}

static bool same(const char *a, const char *b)
{
    struct maps x;
    struct maps y;
    assert_int_equal(parse(a, strlen(a), &x), 0);
    assert_int_equal(parse(b, strlen(b), &y), 0);
    bool result = maps_have_same_files(&x, &y);
    assert_int_equal(maps_have_same_files(&y, &x), result);
    maps_done(&x);
    maps_done(&y);
    return result;
}

static void test_same_files(void **state)
{
    (void)state;
#define HEAP  "01000000-01100000 rw-p 00000000 00:00 0 [heap]\n"
#define STACK "7ff000000000-7ff000100000 rw-p 00000000 00:00 0 [stack]\n"
#define JIT   "01200000-01300000 rwxp 00000000 00:00 0 \n"
#define LIB   "02000000-02001000 r-xp 00000000 fe:01 5 /lib/x.so\n"
    assert_true(same("", ""));
    assert_true(same(GOOD LIB, GOOD LIB));
    assert_true(same(GOOD, GOOD HEAP STACK));
    assert_true(same(GOOD HEAP LIB, GOOD LIB STACK));
    assert_false(same(GOOD, ""));
    assert_false(same(GOOD, GOOD LIB));
    assert_false(same(GOOD HEAP, GOOD JIT)); /* text may have been copied there */
    assert_false(same(LIB, "02000000-02001000 r--p 00000000 fe:01 5 /lib/x.so\n"));
    assert_false(same(LIB, "02000000-02001000 r-xp 00001000 fe:01 5 /lib/x.so\n"));
    assert_false(same(LIB, "02000000-02002000 r-xp 00000000 fe:01 5 /lib/x.so\n"));
    assert_false(same(LIB, "02001000-02002000 r-xp 00000000 fe:01 5 /lib/x.so\n"));
    assert_false(same(LIB, "02000000-02001000 r-xs 00000000 fe:01 5 /lib/x.so\n"));
    assert_false(same(LIB, "02000000-02001000 r-xp 00000000 fe:01 6 /lib/x.so\n"));
    assert_false(same(LIB, "02000000-02001000 r-xp 00000000 fe:02 5 /lib/x.so\n"));
    /* A file that is renamed while it is loaded is the same file. */
    assert_true(same(LIB, "02000000-02001000 r-xp 00000000 fe:01 5 /lib/x.so (deleted)\n"));
}

static void test_own_maps(void **state)
{
    (void)state;
    struct maps maps;
    char *anonymous = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(anonymous, MAP_FAILED);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(maps_read(fd, &maps), 0);
    assert_int_equal(close(fd), 0);

    const struct mapping *code = maps_find(&maps, (uintptr_t)test_own_maps);
    assert_non_null(code);
    assert_true(code->executable && code->inode != 0 && code->path[0] == '/');
    const struct mapping *data = maps_find(&maps, (uintptr_t)anonymous);
    assert_non_null(data);
    assert_true(data->readable && !data->executable && data->inode == 0);
    maps_done(&maps);
    munmap(anonymous, 4096);
}

static void test_reading_fails(void **state)
{
    (void)state;
    struct maps maps;
    assert_int_equal(maps_read(-1, &maps), -EBADF);
}

/* ---- the text, and the kernel's answers ------------------------------------------------- */

/* Has this kernel PROCMAP_QUERY? It must then answer; and an older one must say that it cannot. */
static bool kernel_answers(void)
{
    struct utsname name;
    unsigned int major = 0;
    unsigned int minor = 0;
    assert_int_equal(uname(&name), 0);
    assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 11);
}

static int open_own_maps(void)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* A private, a shared and an anonymous mapping, two of a memfd, a hole that nobody may touch. */
#define PAGE_BYTES sysconf(_SC_PAGESIZE)

struct scene {
    int file;
    char *pages; /* five, side by side */
};

static void map_at(char *at, int protection, int flags, int fd, off_t offset)
{
    char *got = mmap(at, PAGE_BYTES, protection, flags | MAP_FIXED, fd, offset);
    assert_ptr_equal(got, at);
}

static struct scene scene_begin(void)
{
    struct scene scene = {.file = memfd_create("scene", MFD_CLOEXEC)};
    assert_true(scene.file >= 0);
    assert_int_equal(ftruncate(scene.file, (off_t)4 * PAGE_BYTES), 0);
    scene.pages = mmap(NULL, 5UL * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(scene.pages, MAP_FAILED);
    map_at(scene.pages, PROT_READ | PROT_EXEC, MAP_PRIVATE, scene.file, PAGE_BYTES);
    map_at(scene.pages + PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, scene.file, 0);
    map_at(scene.pages + 2L * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map_at(scene.pages + 3L * PAGE_BYTES, PROT_READ, MAP_PRIVATE, scene.file, 0);
    return scene;
}

static void scene_end(const struct scene *scene)
{
    assert_int_equal(munmap(scene->pages, 5UL * PAGE_BYTES), 0);
    assert_int_equal(close(scene->file), 0);
}

/* Each mapping of KIND that the text shows is the next answer, and there is no other. */
static void check_answers(int fd, const struct maps *maps, enum maps_kind kind)
{
    struct mapping answer = {0};
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->items[i];
        if (!mapping_is_of_kind(mapping, kind))
            continue;
        assert_int_equal(maps_query(fd, answer.end, kind, &answer), 0);
        if (!mapping_is_same(mapping, &answer))
            fail_msg("mapping %llx of '%s' is answered as %llx", (unsigned long long)mapping->start,
                     mapping->path, (unsigned long long)answer.start);
        assert_int_equal(maps_compare_one(fd, mapping), 1);
    }
    assert_int_equal(maps_query(fd, answer.end, kind, &answer), -ENOENT);
    assert_int_equal(maps_compare(fd, maps, kind), 1);
}

/* A child with the same mappings, which do not change: reading ours would change ours. */
static pid_t start_child(void)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (;;)
            pause();
    }
    return child;
}

static void test_text_and_answers_agree(void **state)
{
    (void)state;
    struct scene scene = scene_begin();
    struct maps maps;
    char path[32];
    pid_t child = start_child();
    snprintf(path, sizeof(path), "/proc/%d/maps", child);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(maps_read(fd, &maps), 0);
    if (kernel_answers()) {
        check_answers(fd, &maps, MAPS_ALL);
        check_answers(fd, &maps, MAPS_EXECUTABLE);
        check_answers(fd, &maps, MAPS_OF_FILES);
    } else {
        assert_int_equal(maps_compare(fd, &maps, MAPS_ALL), -ENOTTY);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    maps_done(&maps);
    close(fd);
    scene_end(&scene);
}

static void change_nothing(struct scene *scene)
{
    (void)scene;
}

static void change_anonymous(struct scene *scene)
{
    map_at(scene->pages + 4L * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
           0);
}

static void add_copied_text(struct scene *scene)
{
    map_at(scene->pages + 4L * PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
           0);
}

static void add_code(struct scene *scene)
{
    map_at(scene->pages + 4L * PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, scene->file, 0);
}

static void add_data(struct scene *scene)
{
    map_at(scene->pages + 4L * PAGE_BYTES, PROT_READ, MAP_PRIVATE, scene->file, 0);
}

static void move_code(struct scene *scene)
{
    map_at(scene->pages, PROT_READ | PROT_EXEC, MAP_PRIVATE, scene->file, 2L * PAGE_BYTES);
}

static void share_code(struct scene *scene)
{
    map_at(scene->pages, PROT_READ | PROT_EXEC, MAP_SHARED, scene->file, PAGE_BYTES);
}

static void protect_code(struct scene *scene)
{
    assert_int_equal(mprotect(scene->pages, PAGE_BYTES, PROT_READ), 0);
}

static void unprotect_data(struct scene *scene)
{
    assert_int_equal(mprotect(scene->pages + 3L * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE),
                     0);
}

static void unmap_code(struct scene *scene)
{
    assert_int_equal(munmap(scene->pages, PAGE_BYTES), 0);
}

static void replace_code(struct scene *scene)
{
    int other = memfd_create("other", MFD_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(ftruncate(other, (off_t)4 * PAGE_BYTES), 0);
    map_at(scene->pages, PROT_READ | PROT_EXEC, MAP_PRIVATE, other, PAGE_BYTES);
    close(other);
}

/* What the text says of a change, the kernel's answers say, too. */
static void test_changes(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct scene *scene);
        bool same;
    } rows[] = {
        {change_nothing, true}, {change_anonymous, true}, {add_copied_text, false},
        {add_code, false},      {add_data, false},        {move_code, false},
        {share_code, false},    {protect_code, false},    {unprotect_data, false},
        {unmap_code, false},    {replace_code, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct scene scene = scene_begin();
        struct maps before;
        struct maps after;
        int fd = open_own_maps();
        assert_int_equal(maps_read(fd, &before), 0);
        rows[i].change(&scene);
        int answer = maps_compare(fd, &before, MAPS_EXECUTABLE);
        if (answer == 1)
            answer = maps_compare(fd, &before, MAPS_OF_FILES);
        assert_int_equal(maps_read(fd, &after), 0);
        if (maps_have_same_files(&before, &after) != rows[i].same)
            fail_msg("the text says otherwise of row %zu", i);
        if (answer != (kernel_answers() ? rows[i].same : -ENOTTY))
            fail_msg("the kernel says otherwise of row %zu: %d", i, answer);
        maps_done(&before);
        maps_done(&after);
        close(fd);
        scene_end(&scene);
    }
}

/* A file that is no maps file of the kernel's cannot be asked, but be read. */
static void test_a_file_has_no_answers(void **state)
{
    (void)state;
    struct maps maps;
    struct mapping mapping;
    int fd = memfd_create("maps", MFD_CLOEXEC);
    assert_int_equal(write(fd, sample, strlen(sample)), strlen(sample));
    assert_int_equal(maps_query(fd, 0, MAPS_ALL, &mapping), -ENOTTY);
    assert_int_equal(maps_read(fd, &maps), 0);
    assert_int_equal(maps_compare(fd, &maps, MAPS_EXECUTABLE), -ENOTTY);
    assert_int_equal(maps_compare_one(fd, &maps.items[0]), -ENOTTY);
    maps_done(&maps);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_what_is_no_line_is_refused),
        cmocka_unit_test(test_a_nul_is_refused),
        cmocka_unit_test(test_same_files),
        cmocka_unit_test(test_own_maps),
        cmocka_unit_test(test_reading_fails),
        cmocka_unit_test(test_text_and_answers_agree),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_a_file_has_no_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
