/* SPDX-License-Identifier: MIT */
/* Which processes have probes: asked of this one, while a library with probes comes and goes. */
#include "unit.h"

#include "process/mapped-code.h"
#include "probe-engine.h"
#include "process/proc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct probe_engine *engine;
static struct probe_survey *survey;

static int begin(void **state)
{
    (void)state;
    assert_int_equal(probe_engine_new(NULL, &engine), 0);
    assert_int_equal(probe_survey_new(engine, &survey), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    probe_survey_free(survey);
    probe_engine_free(engine);
    return 0;
}

/* Begins with a survey that knows nothing: a new file may look like another test's, for a moment.
 */
static int begin_anew(void **state)
{
    end(state);
    return begin(state);
}

/* Asked twice: the second answer is a remembered one. */
static int find_twice(pid_t pid)
{
    struct probe_image_id id;
    assert_int_equal(probe_image_identify(engine, pid, &id), 0);
    int first = probe_survey_find(survey, pid, &id, NULL, NULL);
    assert_int_equal(probe_survey_find(survey, pid, &id, NULL, NULL), first);
    return first;
}

static void *load_from(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    return library;
}

static void path_of_library(char *path, size_t size)
{
    snprintf(path, size, "%s/libplug.so", getenv("TARGETS"));
}

static void *load(void)
{
    char path[4096];
    path_of_library(path, sizeof(path));
    return load_from(path);
}

static void test_a_library_comes_and_goes(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(find_twice(getpid()), 0);
        void *library = load();
        assert_int_equal(find_twice(getpid()), 1);
        assert_int_equal(dlclose(library), 0);
    }
    assert_int_equal(find_twice(getpid()), 0);
}

/* Code in anonymous memory could be an object's that was copied: answers rest on all files then. */
static void test_with_code_of_a_compiler(void **state)
{
    (void)state;
    void *code = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(code, MAP_FAILED);
    test_a_library_comes_and_goes(state);
    assert_int_equal(munmap(code, 8192), 0);
}

/* What was found of one image is no answer for another. */
static void test_another_image(void **state)
{
    (void)state;
    struct probe_image_id id;
    void *library = load();
    assert_int_equal(find_twice(getpid()), 1);
    assert_int_equal(probe_image_identify(engine, getpid(), &id), 0);
    id.start_time++;
    assert_int_equal(probe_survey_find(survey, getpid(), &id, NULL, NULL), -ESRCH);
    assert_int_equal(dlclose(library), 0);
}

/* A child that does nothing. */
static pid_t fork_idle(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    assert_true(child > 0);
    return child;
}

static void test_a_process_that_ends(void **state)
{
    (void)state;
    struct probe_image_id id;
    pid_t child = fork_idle();
    assert_int_equal(probe_image_identify(engine, child, &id), 0);
    assert_int_equal(probe_survey_find(survey, child, &id, NULL, NULL), 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(probe_survey_find(survey, child, &id, NULL, NULL), -ENOENT);
}

static void copy_library(int to)
{
    char source[4096];
    path_of_library(source, sizeof(source));
    int from = open(source, O_RDONLY | O_CLOEXEC);
    assert_true(from >= 0 && to >= 0);
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        continue;
    close(from);
}

/* Makes notes of probes notes of something else. */
static void hide_notes(int fd)
{
    static const char name[] = ".note.stapsdt";
    char *bytes = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    char *found = memmem(bytes, (size_t)lseek(fd, 0, SEEK_END), name, sizeof(name));
    assert_non_null(found);
    found[1] = 'N';
    assert_int_equal(munmap(bytes, 1 << 20), 0);
}

/*
 * A library gets probes while nobody has it loaded: its mappings, and the number of its file, may
 * be what they were.
 */
static void test_a_file_that_is_replaced(void **state)
{
    (void)state;
    /* Only root may follow the links of map_files, which tell one file from another. */
    if (geteuid() != 0)
        skip();
    char path[] = "/tmp/probefs-survey-XXXXXX";
    int file = mkstemp(path);
    copy_library(file);
    hide_notes(file);
    void *library = load_from(path);
    assert_int_equal(find_twice(getpid()), 0);
    assert_int_equal(dlclose(library), 0);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    copy_library(file);
    library = load_from(path);
    struct probe_image_id id;
    int found = 0;
    for (int tries = 0; tries < 600 && found == 0; tries++) {
        assert_int_equal(probe_image_identify(engine, getpid(), &id), 0);
        found = probe_survey_find(survey, getpid(), &id, NULL, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    assert_int_equal(found, 1);
    assert_int_equal(dlclose(library), 0);
    close(file);
    assert_int_equal(unlink(path), 0);
}

/* A file that could not be read is asked for again, though nothing that is mapped has changed. */
static void test_a_file_that_becomes_readable(void **state)
{
    (void)state;
    char path[] = "/tmp/probefs-survey-XXXXXX";
    int to = mkstemp(path);
    copy_library(to);
    close(to);
    void *library = load_from(path);
    uid_t user = geteuid();
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(seteuid(user == 0 ? 65534 : user), 0); /* root could read it */
    int before = find_twice(getpid());
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(before, 0);
    assert_int_equal(find_twice(getpid()), 1);
    assert_int_equal(dlclose(library), 0);
    assert_int_equal(unlink(path), 0);
}

/* What was asked for since a round began stays, whatever is asked for at the same time. */
static void test_rounds(void **state)
{
    (void)state;
    struct probe_image_id id;
    pid_t child = fork_idle();
    uint64_t round = probe_survey_begin_round(survey);
    assert_int_equal(find_twice(child), 0);
    assert_int_equal(find_twice(getpid()), 0);
    assert_int_equal(probe_survey_end_round(survey, round), 0);
    assert_int_equal(probe_image_identify(engine, child, &id), 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    round = probe_survey_begin_round(survey);
    assert_int_equal(find_twice(getpid()), 0);
    uint64_t next = probe_survey_begin_round(survey);
    assert_int_equal(probe_survey_end_round(survey, round), 1); /* the child */
    assert_int_equal(probe_survey_end_round(survey, round), 0);
    assert_int_equal(find_twice(getpid()), 0);
    assert_int_equal(probe_survey_end_round(survey, next), 0);
    assert_int_equal(probe_survey_end_round(survey, probe_survey_begin_round(survey)), 1);
}

/* The code in maps' TEXT, as where the kernel does not answer. */
static void read_text(const char *text, size_t length, struct mapped_code *code)
{
    int copied = memfd_create("maps", MFD_CLOEXEC);
    assert_int_equal(write(copied, text, length), (ssize_t)length);
    assert_int_equal(mapped_code_read(copied, code), 0);
    close(copied);
}

/* The same code from the text of maps, as from the kernel's answers. */
static void test_code_in_text(void **state)
{
    (void)state;
    struct mapped_code answers;
    struct mapped_code text;
    char *copy = NULL;
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t length = proc_read_all(maps, &copy);
    assert_true(length > 0);
    read_text(copy, (size_t)length, &text);
    free(copy);
    assert_int_equal(mapped_code_read(maps, &answers), 0);
    assert_true(answers.digest == text.digest);
    assert_int_equal(answers.count, text.count);
    assert_false(answers.copied || text.copied);
    close(maps);
}

/* A name that memory was given is like those of what the kernel maps itself. */
static void test_named_code_in_text(void **state)
{
    (void)state;
    static const char named[] = "10000-20000 r-xp 00000000 00:00 0   [anon:text]\n";
    static const char special[] = "10000-12000 r-xp 00000000 00:00 0   [vdso]\n";
    struct mapped_code code;
    read_text(named, strlen(named), &code);
    assert_true(code.copied);
    read_text(special, strlen(special), &code);
    assert_false(code.copied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_library_comes_and_goes),
        cmocka_unit_test(test_with_code_of_a_compiler),
        cmocka_unit_test(test_another_image),
        cmocka_unit_test(test_a_process_that_ends),
        cmocka_unit_test_setup(test_a_file_that_is_replaced, begin_anew),
        cmocka_unit_test_setup(test_a_file_that_becomes_readable, begin_anew),
        cmocka_unit_test_setup(test_rounds, begin_anew),
        cmocka_unit_test(test_code_in_text),
        cmocka_unit_test(test_named_code_in_text),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
