/* SPDX-License-Identifier: MIT */
/*
 * x86-64. A patched site is one of
 *
 *   90 3d aa bb cc dd    nop; cmp eax, imm32    off
 *   90 e8 aa bb cc dd    nop; call rel32        on
 *
 * Both have the same length and the same last four bytes: a thread that passes while the switch is
 * written executes one or the other.
 */
#include "arch/arch.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

enum { NOP = 0x90, RET = 0xc3, BREAKPOINT = 0xcc, CMP = 0x3d, CALL = 0xe8, SWITCH = 1, FIXED = 2 };

const bool arch_patches_sites = true;
const uint8_t arch_switch_offset = SWITCH;
const uint8_t arch_switch_on = CALL;
const uint8_t arch_switch_off = CMP;

const uint16_t arch_machine = EM_X86_64;
const uint16_t arch_machine_32 = EM_386;

const uint64_t arch_breakpoint = BREAKPOINT;
const uint64_t arch_breakpoint_mask = 0xff;
const uint8_t arch_breakpoint_passed = 1;
const size_t arch_counter_offset = offsetof(struct user_regs_struct, rip);

const uint8_t arch_probe_function[ARCH_PROBE_FUNCTION] = {NOP, RET, RET, RET, RET, RET, RET, RET};

static bool is_switch(uint8_t byte)
{
    return byte == CMP || byte == CALL;
}

bool arch_looks_like_site(const uint8_t memory[SITE_LENGTH])
{
    return (memory[0] == NOP || memory[0] == BREAKPOINT) && is_switch(memory[SWITCH]);
}

bool arch_is_site(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH])
{
    return file[0] == NOP && is_switch(file[SWITCH]) && arch_looks_like_site(memory) &&
           memcmp(memory + FIXED, file + FIXED, SITE_LENGTH - FIXED) == 0;
}

bool arch_is_nop(const uint8_t bytes[SITE_LENGTH])
{
    /* nop, with a prefix, or of several bytes */
    return bytes[0] == NOP || (bytes[0] == 0x66 && bytes[1] == NOP) ||
           (bytes[0] == 0x0f && bytes[1] == 0x1f) ||
           (bytes[0] == 0x66 && bytes[1] == 0x0f && bytes[2] == 0x1f);
}

enum probe_state arch_site_state(const uint8_t memory[SITE_LENGTH], const uint8_t *file)
{
    if (!(file ? arch_is_site(memory, file) : arch_looks_like_site(memory)))
        return PROBE_MIXED;
    return memory[SWITCH] == CALL ? PROBE_ON : PROBE_OFF;
}

/* No site has this one. */
static const uint32_t NO_HEAD = UINT32_MAX;

/* The nop and the switch. */
static uint16_t head_of(const uint8_t bytes[SITE_LENGTH])
{
    uint16_t head = 0;
    memcpy(&head, bytes, sizeof(head));
    return head;
}

/* What follows them, and is never written. */
static uint32_t tail_of(const uint8_t bytes[SITE_LENGTH])
{
    uint32_t tail = 0;
    memcpy(&tail, bytes + FIXED, sizeof(tail));
    return tail;
}

/*
 * As fast as can be, as a process may have hundreds of thousands of sites: most have the state of
 * the one before. They have it if the heads are the same, in memory and in the file, and so are the
 * tails of both.
 */
unsigned int arch_site_states(const uint8_t *memory, const uint8_t (*file)[SITE_LENGTH],
                              const struct place *places, size_t count)
{
    unsigned int states = 0;
    uint32_t last_head = NO_HEAD;
    uint32_t last_file_head = NO_HEAD;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *site = memory + (places[i].offset - places[0].offset);
        const uint8_t *site_file = file ? file[places[i].index] : site;
        if (head_of(site) == last_head && head_of(site_file) == last_file_head &&
            tail_of(site) == tail_of(site_file))
            continue;
        enum probe_state state = arch_site_state(site, file ? site_file : NULL);
        states |= 1U << state;
        last_head = state == PROBE_MIXED ? NO_HEAD : head_of(site);
        last_file_head = head_of(site_file);
    }
    return states;
}

bool arch_has_breakpoint(const uint8_t memory[SITE_LENGTH])
{
    return memory[0] == BREAKPOINT;
}

/* uprobe(2), which headers do not know yet. */
enum { SYSCALL_UPROBE = 336 };

/* As libbpf's usdt.h makes sites. */
static const uint8_t combination[SITE_LENGTH] = {NOP, 0x0f, 0x1f, 0x44, 0x00, 0x00};

/* A uprobe is a breakpoint or, on a five-byte nop from Linux 6.18 on, the kernel's own call. */
static bool is_uprobe(uint8_t byte)
{
    return byte == BREAKPOINT || byte == CALL;
}

const uint8_t arch_trap_length = 1;

bool arch_has_uprobe(const uint8_t memory[ARCH_TRAP], const uint8_t file[ARCH_TRAP])
{
    return memory[0] != file[0] && is_uprobe(memory[0]);
}

bool arch_is_traced(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH])
{
    if (memory[0] != file[0] && is_uprobe(memory[0]))
        return true;
    return memcmp(file, combination, sizeof(combination)) == 0 && is_uprobe(memory[1]);
}

/* Does this kernel replace a five-byte nop by a call? Only then it has uprobe(2), which refuses
 * all other callers. */
static bool has_uprobe_calls(void)
{
    return syscall(SYSCALL_UPROBE) < 0 && errno == ENXIO;
}

size_t arch_watch_offset(const uint8_t file[SITE_LENGTH])
{
    return memcmp(file, combination, sizeof(combination)) == 0 && has_uprobe_calls() ? 1 : 0;
}

/* ---- libraries -------------------------------------------------------------------------- */

/* FLAG_X8664_LIB64 | FLAG_ELF_LIBC6 */
const uint32_t arch_library_kind = 0x0303;

enum {
    CPUID_EXTENDED = 0x80000001,
    BASIC_CX16 = 1 << 13,
    BASIC_MOVBE = 1 << 22,
    BASIC_F16C = 1 << 29,
    EXTENDED_LAHF = 1 << 0,
    EXTENDED_LZCNT = 1 << 5,
};

/* Has ecx of cpuid's LEAF all of these BITS? For what __builtin_cpu_supports() does not know. */
static bool has_bits(unsigned int leaf, unsigned int bits)
{
    unsigned int a = 0;
    unsigned int b = 0;
    unsigned int c = 0;
    unsigned int d = 0;
    return __get_cpuid(leaf, &a, &b, &c, &d) && (c & bits) == bits;
}

/* The level of the x86-64 psABI: 1 to 4. */
static int find_level(void)
{
    __builtin_cpu_init();
    if (!has_bits(1, BASIC_CX16) || !has_bits(CPUID_EXTENDED, EXTENDED_LAHF) ||
        !__builtin_cpu_supports("popcnt") || !__builtin_cpu_supports("sse3") ||
        !__builtin_cpu_supports("ssse3") || !__builtin_cpu_supports("sse4.1") ||
        !__builtin_cpu_supports("sse4.2"))
        return 1;
    if (!has_bits(1, BASIC_MOVBE | BASIC_F16C) || !has_bits(CPUID_EXTENDED, EXTENDED_LZCNT) ||
        !__builtin_cpu_supports("avx") || !__builtin_cpu_supports("avx2") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") ||
        !__builtin_cpu_supports("fma"))
        return 2;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return 3;
    return 4;
}

const char *const *arch_hwcaps(void)
{
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2", NULL};
    return names + 4 - find_level();
}

const char *arch_platform(void)
{
    unsigned long platform = getauxval(AT_PLATFORM);
    /* glibc replaces the kernel's name on these processors. */
    if (find_level() >= 3 && __builtin_cpu_is("intel"))
        return "haswell";
    return platform ? (const char *)(uintptr_t)platform : "x86_64";
}

void arch_exit_code(uint8_t status, uint64_t words[EXIT_WORDS])
{
    /* mov $231, %eax (exit_group); mov $STATUS, %edi; syscall; and 4 bytes to spare */
    const uint8_t code[EXIT_WORDS * sizeof(*words)] = {0xb8,   231, 0, 0, 0,    0xbf,
                                                       status, 0,   0, 0, 0x0f, 0x05};
    memcpy(words, code, sizeof(code));
}
