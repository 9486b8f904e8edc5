/* SPDX-License-Identifier: MIT */
/*
 * AArch64, little-endian. No site is patched here: OCaml's compiler emits semaphores only. What
 * SystemTap marks is
 *
 *   d503201f    nop
 *
 * Instructions are four bytes long, and aligned to four.
 */
#include "arch/arch.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/user.h>

enum { INSTRUCTION = sizeof(uint32_t) };

static const uint32_t nop = 0xd503201f;
/* brk #0, and what is the same in all of them; the number is up to who places it. */
static const uint32_t brk = 0xd4200000;
static const uint32_t brk_mask = 0xffe0001f;
/* That of the kernel's uprobes: brk #5. */
static const uint32_t uprobe = 0xd42000a0;

const bool arch_patches_sites = false;
const uint8_t arch_switch_offset = 0;
const uint8_t arch_switch_on = 0;
const uint8_t arch_switch_off = 0;

const uint16_t arch_machine = EM_AARCH64;
const uint16_t arch_machine_32 = EM_ARM;

const uint64_t arch_breakpoint = 0xd4200000;
const uint64_t arch_breakpoint_mask = 0xffffffff;
const uint8_t arch_breakpoint_passed = 0; /* the program counter stays at it */
const size_t arch_counter_offset = offsetof(struct user_regs_struct, pc);

static uint32_t instruction_at(const uint8_t *bytes)
{
    uint32_t instruction = 0;
    memcpy(&instruction, bytes, INSTRUCTION);
    return instruction;
}

bool arch_looks_like_site(const uint8_t memory[SITE_LENGTH])
{
    (void)memory;
    return false;
}

bool arch_has_breakpoint(const uint8_t memory[SITE_LENGTH])
{
    (void)memory;
    return false;
}

bool arch_is_site(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH])
{
    (void)memory, (void)file;
    return false;
}

bool arch_is_nop(const uint8_t bytes[SITE_LENGTH])
{
    return instruction_at(bytes) == nop;
}

enum probe_state arch_site_state(const uint8_t memory[SITE_LENGTH], const uint8_t *file)
{
    (void)memory, (void)file;
    return PROBE_MIXED;
}

unsigned int arch_site_states(const uint8_t *memory, const uint8_t (*file)[SITE_LENGTH],
                              const struct place *places, size_t count)
{
    (void)memory, (void)file, (void)places;
    return count > 0 ? 1U << PROBE_MIXED : 0;
}

size_t arch_watch_offset(const uint8_t file[SITE_LENGTH])
{
    (void)file;
    return 0;
}

bool arch_is_traced(const uint8_t memory[SITE_LENGTH], const uint8_t file[SITE_LENGTH])
{
    uint32_t instruction = instruction_at(memory);
    return instruction != instruction_at(file) && (instruction & brk_mask) == brk;
}

const uint8_t arch_trap_length = INSTRUCTION;

bool arch_has_uprobe(const uint8_t memory[ARCH_TRAP], const uint8_t file[ARCH_TRAP])
{
    return instruction_at(memory) != instruction_at(file) && instruction_at(memory) == uprobe;
}

/* ---- libraries -------------------------------------------------------------------------- */

/* FLAG_AARCH64_LIB64 | FLAG_ELF_LIBC6 */
const uint32_t arch_library_kind = 0x0a03;

/* glibc defines none here. */
const char *const *arch_hwcaps(void)
{
    static const char *const none[] = {NULL};
    return none;
}

const char *arch_platform(void)
{
    unsigned long platform = getauxval(AT_PLATFORM);
    return platform ? (const char *)(uintptr_t)platform : "aarch64";
}

void arch_exit_code(uint8_t status, uint64_t words[EXIT_WORDS])
{
    const uint32_t code[EXIT_WORDS * sizeof(*words) / INSTRUCTION] = {
        0xd2800000 | (uint32_t)status << 5, /* mov x0, #STATUS */
        0xd2800000 | 94U << 5 | 8,          /* mov x8, #94: exit_group */
        0xd4000001,                         /* svc #0 */
        0x14000000,                         /* b . */
    };
    memcpy(words, code, sizeof(code));
}

/* nop; ret */
const uint8_t arch_probe_function[ARCH_PROBE_FUNCTION] = {0x1f, 0x20, 0x03, 0xd5,
                                                          0xc0, 0x03, 0x5f, 0xd6};
