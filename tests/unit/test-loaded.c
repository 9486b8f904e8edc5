/* SPDX-License-Identifier: MIT */
/* Where an update may write: addresses against mappings. */
#include "unit.h"

#include "target/loaded.h"

/*
 * An object of inode 5 with its bss behind it, and text that was copied to anonymous memory; then
 * what is none of its.
 */
static const char sample[] = "00001000-00002000 r--p 00000000 fe:01 5 /lib/x.so\n"
                             "00002000-00003000 r-xp 00001000 fe:01 5 /lib/x.so\n"
                             "00003000-00004000 r-xp 00000000 00:00 0 \n"
                             "00004000-00005000 rw-p 00003000 fe:01 5 /lib/x.so\n"
                             "00005000-00006000 rw-p 00000000 00:00 0 \n"
                             "00006000-00007000 rw-s 00003000 fe:01 5 /lib/x.so\n"
                             "00007000-00008000 r-xs 00001000 fe:01 5 /lib/x.so\n"
                             "00008000-00009000 rw-p 00000000 fe:01 6 /lib/y.so\n"
                             "00009000-0000a000 r-xp 00000000 fe:02 5 /lib/z.so\n"
                             "0000a000-0000b000 rwxp 00000000 fe:01 5 /lib/x.so\n"
                             "0000c000-0000d000 r-xp 00000000 00:01 7 /memfd:text (deleted)\n"
                             "0000d000-0000e000 r-xs 00001000 00:01 7 /memfd:text (deleted)\n"
                             "0000e000-0000f000 rw-p 00002000 00:01 7 /memfd:text (deleted)\n"
                             "0000f000-00010000 r-xp 00000000 00:01 8 /memfd:other (deleted)\n";

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        uint64_t address;
        size_t length;
        enum loaded_use use;
        const char *wrong; /* NULL: it may be written */
    } rows[] = {
        {0x2000, 6, LOADED_CODE, NULL},
        {0x2ffa, 6, LOADED_CODE, NULL},
        {0x2ffd, 6, LOADED_CODE, NULL}, /* from the file's text into the copied one */
        {0x3000, 6, LOADED_CODE, NULL},
        {0xa000, 6, LOADED_CODE, NULL},
        {0x1000, 6, LOADED_CODE, "not executable"},
        {0x1ffd, 6, LOADED_CODE, "not executable"},
        {0x4000, 6, LOADED_CODE, "not executable"},
        {0x3ffd, 6, LOADED_CODE, "not executable"},
        {0x7000, 6, LOADED_CODE, "shared mapping"},
        {0x9000, 6, LOADED_CODE, "another object"},
        {0xc000, 6, LOADED_CODE, NULL}, /* of a file that has copies of its code */
        {0xd000, 6, LOADED_CODE, "shared mapping"},
        {0xf000, 6, LOADED_CODE, "another object"},
        {0x0ffd, 6, LOADED_CODE, "not mapped"},
        {0xaffd, 6, LOADED_CODE, "not mapped"},
        {0x100000, 6, LOADED_CODE, "not mapped"},
        {0x4000, 2, LOADED_DATA, NULL},
        {0x4fff, 2, LOADED_DATA, NULL}, /* from the file's data into the bss */
        {0x5ffe, 2, LOADED_DATA, NULL},
        {0xa000, 2, LOADED_DATA, NULL},
        {0x2000, 2, LOADED_DATA, "not writable"},
        {0x3fff, 2, LOADED_DATA, "not writable"},
        {0x5fff, 2, LOADED_DATA, "shared mapping"},
        {0x6000, 2, LOADED_DATA, "shared mapping"},
        {0x8000, 2, LOADED_DATA, "another object"},
        {0xe000, 2, LOADED_DATA, "another object"},
        {0xafff, 2, LOADED_DATA, "not mapped"},
        {0xf000, 2, LOADED_DATA, "not writable"},
    };
    struct maps maps;
    const struct loaded loaded = {
        .device = (uint64_t)0xfe << 32 | 1,
        .inode = 5,
        .path = "/lib/x.so",
        .copies = {{1, 7}},
        .copy_count = 1,
    };
    assert_int_equal(maps_parse(sample, strlen(sample), &maps), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct probe_error error = {.text = ""};
        bool owns =
            loaded_owns(&loaded, &maps, rows[i].address, rows[i].length, rows[i].use, &error);
        if (owns != !rows[i].wrong)
            fail_msg("address %#llx: %s", (unsigned long long)rows[i].address, error.text);
        if (rows[i].wrong) {
            assert_sentence(error, rows[i].wrong);
            assert_sentence(error, "'/lib/x.so'");
        }
    }
    maps_done(&maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
