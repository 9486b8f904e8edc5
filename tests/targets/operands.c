/* SPDX-License-Identifier: MIT */
/*
 * operands: a probe for each kind of operand that a note can have, with the values that it shows.
 *
 * It prints its pid, waits for SIGUSR1, passes each probe once, and prints for each what a line of
 * its trace must say behind TIME and TID. Notes are written by hand, as the compiler chooses
 * operands as it likes; what stands in registers at the site is set by the code around it.
 */
#include "pace.h"

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint16_t watched_semaphore __attribute__((section(".probes")));

/* Referred to by their names, from .symtab. */
int32_t watched_number = -123456;
static int64_t watched_row[] __attribute__((used)) = {1, 2, 3, 4, 5, -6};

/* A site with its note: NAME and ARGUMENTS are texts. */
#define SITE(name, arguments)                                                                      \
    "990: nop\n"                                                                                   \
    ".pushsection .note.stapsdt, \"\", @note\n"                                                    \
    ".balign 4\n"                                                                                  \
    ".4byte 992f - 991f, 994f - 993f, 3\n"                                                         \
    "991: .asciz \"stapsdt\"\n"                                                                    \
    "992: .balign 4\n"                                                                             \
    "993: .8byte 990b, 0, watched_semaphore\n"                                                     \
    ".asciz \"watched\", \"" name "\", \"" arguments "\"\n"                                        \
    "994: .balign 4\n"                                                                             \
    ".popsection\n"

/* Passes the site with A to D in rax, rbx, rcx and rdx. */
#define PASS(name, arguments, a, b, c, d)                                                          \
    __asm__ volatile(SITE(name, arguments) : : "a"(a), "b"(b), "c"(c), "d"(d) : "memory")

/* All registers but the stack's, with 100 + their number in the lowest byte and a pattern above. */
static void pass_registers(void)
{
    __asm__ volatile(
        "push %%rbp\n"
        "mov $0x1122330000000064, %%rax\n"
        "mov $0x1122330000000065, %%rdx\n"
        "mov $0x1122330000000066, %%rcx\n"
        "mov $0x1122330000000067, %%rbx\n"
        "mov $0x1122330000000068, %%rsi\n"
        "mov $0x1122330000000069, %%rdi\n"
        "mov $0x112233000000006a, %%rbp\n"
        "mov $0x112233000000006c, %%r8\n"
        "mov $0x112233000000006d, %%r9\n"
        "mov $0x112233000000006e, %%r10\n"
        "mov $0x112233000000006f, %%r11\n"
        "mov $0x1122330000000070, %%r12\n"
        "mov $0x1122330000000071, %%r13\n"
        "mov $0x1122330000000072, %%r14\n"
        "mov $0x1122330000000073, %%r15\n" SITE(
            "quad", "8@%%rax 8@%%rdx 8@%%rcx 8@%%rbx 8@%%rsi 8@%%rdi 8@%%rbp 8@%%r8 "
                    "8@%%r9 8@%%r10 8@%%r11 8@%%r12")
            SITE("long", "4@%%eax 4@%%edx 4@%%ecx 4@%%ebx 4@%%esi 4@%%edi 4@%%ebp "
                         "-4@%%r8d 4@%%r13d 4@%%r14d 4@%%r15d 8@%%r15")
                SITE("word", "2@%%ax 2@%%dx 2@%%cx -2@%%bx 2@%%si 2@%%di 2@%%bp 2@%%r8w "
                             "2@%%r9w 2@%%r10w 2@%%r11w 2@%%r12w")
                    SITE("byte", "1@%%al 1@%%dl 1@%%cl -1@%%bl 1@%%sil 1@%%dil 1@%%bpl 1@%%r8b "
                                 "1@%%r9b 1@%%r10b 1@%%r13b 1@%%r15b") "pop %%rbp\n"
        :
        :
        : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
          "r13", "r14", "r15");
    puts("watched:quad 0x1122330000000064 0x1122330000000065 0x1122330000000066 0x1122330000000067 "
         "0x1122330000000068 0x1122330000000069 0x112233000000006a 0x112233000000006c "
         "0x112233000000006d 0x112233000000006e 0x112233000000006f 0x1122330000000070");
    puts("watched:long 100 101 102 103 104 105 106 108 113 114 115 0x1122330000000073");
    puts("watched:word 100 101 102 103 104 105 106 108 109 110 111 112");
    puts("watched:byte 100 101 102 103 104 105 106 108 109 110 113 115");
}

static void pass_signs(void)
{
    PASS("high", "1@%%ah -1@%%ah 1@%%bh -1@%%ch 1@%%dh", 0x8001, 0x7f02, 0xff03, 0x0104);
    puts("watched:high 128 -128 127 -1 1");
    PASS("signed", "-1@%%al -2@%%bx -4@%%ecx -8@%%rdx", INT64_C(0x180), INT64_C(0x18000),
         INT64_C(0x180000000), INT64_MIN);
    puts("watched:signed -128 -32768 -2147483648 -9223372036854775808");
    PASS("unsigned", "1@%%al 2@%%bx 4@%%ecx 8@%%rdx", INT64_C(0x180), INT64_C(0x18000),
         INT64_C(0x180000000), INT64_MIN);
    puts("watched:unsigned 128 32768 2147483648 0x8000000000000000");
    PASS("edge", "8@%%rax 8@%%rbx -8@%%rcx 4@%%edx", INT64_C(65535), INT64_C(0x123456),
         INT64_C(65536), -1);
    puts("watched:edge 65535 0x123456 65536 4294967295");
    /* A register that is narrower than the value has no more bytes to give. */
    PASS("narrow", "8@%%eax -8@%%bl 4@%%cx -4@%%dh", INT64_C(0x500000007), 0xff, 0x12345, 0xfe00);
    puts("watched:narrow 7 -1 9029 -2");
}

static void pass_memory(void)
{
    static struct {
        int8_t byte;
        int16_t word;
        int32_t number;
        int64_t wide[4];
    } here = {-5, -300, -70000, {10, -20, 30, 0x123456789a}};
    PASS("memory",
         "-1@(%%rax) -2@2(%%rax) -4@4(%%rax) 8@8(%%rax) -8@16(%%rax) 2@-4(%%rbx) 4@(%%rcx,%%rdx,1)",
         &here, &here.wide[0], &here, INT64_C(4));
    puts("watched:memory -5 -300 -70000 10 -20 61072 4294897296");
    PASS("indexed",
         "-8@(%%rax,%%rbx,8) -8@8(%%rax,%%rbx,8) 8@-16(%%rcx,%%rbx,4) -8@8(%%rax,%%rdx,2) "
         "8@(,%%rcx,1)",
         here.wide, INT64_C(1), (char *)here.wide + 12, INT64_C(4));
    puts("watched:indexed -20 30 10 30 0x1effffffff");
    PASS("symbols",
         "-4@watched_number(%%rip) -8@watched_row(%%rip) 8@16+watched_row(%%rip) "
         "-8@watched_row+40(%%rip) 8@watched_row-8+16(%%rip) 4@nobody(%%rip)",
         0, 0, 0, 0);
    puts("watched:symbols -123456 1 3 -6 2 ?");
}

static void pass_constants(void)
{
    PASS("constants", "-4@$5 -4@$-1 8@$0x10 8@$-1 1@$300 2@$-2 -8@$-9223372036854775808 8@$65536",
         0, 0, 0, 0);
    puts("watched:constants 5 -1 16 0xffffffffffffffff 44 65534 -9223372036854775808 0x10000");
    PASS("unknown",
         "16@%%xmm0 8@%%fs:0 banana 3@%%rax 8@%%xmm1 8@ @%%rax 8@%%rip 4f@%%xmm0 8@8(%%rip) "
         "8@16(%%rbx) -4@%%eax",
         7, 0, 0, 0);
    puts("watched:unknown ? ? ? ? ? ? ? ? ? ? ? 7");
    PASS("many", "1@$1 1@$2 1@$3 1@$4 1@$5 1@$6 1@$7 1@$8 1@$9 1@$10 1@$11 1@$12 1@$13 1@$14", 0, 0,
         0, 0);
    puts("watched:many 1 2 3 4 5 6 7 8 9 10 11 12 ? ?");
    PASS("none", "", 0, 0, 0, 0);
    puts("watched:none");
}

static int64_t bits_of(double number)
{
    int64_t bits = 0;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static void pass_floats(void)
{
    static float small = -0.25F;
    static double large = 1e100;
    PASS("floats", "8f@%%rax 4f@%%ebx 4f@(%%rcx) -8f@(%%rdx)", bits_of(3.14159265358979),
         0x3fc00000, &small, &large);
    puts("watched:floats 3.14159 1.5 -0.25 1e+100");
}

static void pass_strings(void)
{
    static const char plain[] = "create table x(a int);";
    static const char escaped[] = "a \"quoted\\\" tab\t and\nline";
    static const char umlauts[] = "f\xc3\xbcr \xe2\x82\xac"
                                  "5";
    static const char binary[] = "\x01\x02";
    PASS("strings", "8@%%rax 8@%%rbx 8@%%rcx 8@%%rdx", plain, escaped, umlauts, "");
    puts("watched:strings \"create table x(a int);\" \"a \\\"quoted\\\\\\\" tab\\t and\\nline\" "
         "\"f\xc3\xbcr \xe2\x82\xac"
         "5\" \"\"");
    PASS("pointers", "8@%%rax 4@%%ebx -8@%%rcx 8@%%rdx", binary, 5, plain, INT64_C(0x123456789000));
    printf("watched:pointers 0x%" PRIxPTR " 5 \"create table x(a int);\" 0x123456789000\n",
           (uintptr_t)binary);
    /* In memory, and at the address that the argument is the sum of. */
    static const char *const held[] = {plain, umlauts};
    PASS("held", "8@(%%rax) 8@8(%%rax) 8@(%%rax,%%rbx,8)", held, INT64_C(1), 0, 0);
    puts("watched:held \"create table x(a int);\" \"f\xc3\xbcr \xe2\x82\xac"
         "5\" "
         "\"f\xc3\xbcr \xe2\x82\xac"
         "5\"");
}

static void pass_long_strings(void)
{
    /* 64 bytes, 65, and 63 with a character of two bytes behind them. */
#define SIXTY                                                                                      \
    "0123456789"                                                                                   \
    "0123456789"                                                                                   \
    "0123456789"                                                                                   \
    "0123456789"                                                                                   \
    "0123456789"                                                                                   \
    "0123456789"
    PASS("long_strings", "8@%%rax 8@%%rbx 8@%%rcx", SIXTY "abcd", SIXTY "abcde",
         SIXTY "abc\xc3\xbc", 0);
    puts("watched:long_strings \"" SIXTY "abcd\" \"" SIXTY "abcd\"... \"" SIXTY "abc\"...");
}

/* Strings on pages that the process has never touched. */
static void pass_untouched(void)
{
    static const char text[3][4096]
        __attribute__((aligned(4096))) = {"first", "second page", "third"};
    long page = sysconf(_SC_PAGESIZE);
    /* What was read before is taken out again. */
    madvise((void *)(uintptr_t)text, sizeof(text), MADV_DONTNEED);
    PASS("untouched", "8@%%rax 8@%%rbx 8@%%rcx", text[0], (const char *)text + page, text[2], 0);
    puts("watched:untouched \"first\" \"second page\" \"third\"");
}

int main(void)
{
    struct pace pace = PACE_DEFAULT;
    pace.interval_ms = 3600000;
    pace_begin();
    while (pace_wait(&pace) != SIGUSR1)
        continue;
    pass_registers();
    pass_signs();
    pass_memory();
    pass_constants();
    pass_floats();
    pass_strings();
    pass_long_strings();
    pass_untouched();
    puts("done");
    fflush(stdout);
    while (pace_wait(&pace) != SIGUSR1)
        continue;
    return 0;
}
