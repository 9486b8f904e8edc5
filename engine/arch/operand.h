/* SPDX-License-Identifier: MIT */
/* One operand of a probe's argument, as the machine's assembler writes it: bytes in, parts out. */
#ifndef ENGINE_OPERAND_H
#define ENGINE_OPERAND_H

#include "arch/registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum operand_kind { OPERAND_CONSTANT, OPERAND_REGISTER, OPERAND_MEMORY };

/*
 * A constant is the sum of `constant` and the symbol; a register is `base`; memory is at the sum of
 * `constant`, the symbol, `base` and `index` << `scale`.
 */
struct operand {
    enum operand_kind kind;
    uint64_t constant;
    const char *symbol; /* within the text; NULL: there is none */
    size_t symbol_length;
    uint8_t base, index; /* slots; ARCH_SLOT_NONE where there is none */
    uint8_t scale;       /* a shift: 0 to 3 */
    bool relative;       /* memory: the symbol's own address is meant, whatever `base` holds */
    uint8_t width;       /* a register: its bytes, 1, 2, 4 or 8 */
    uint8_t shift;       /* a register: the bits below it in its slot */
};

/*
 * Parses LENGTH bytes of TEXT. Returns false where they are no operand that can be evaluated from
 * registers and memory: other syntax, a vector register, a segment, an entry of the linker's
 * tables.
 */
bool arch_parse_operand(const char *text, size_t length, struct operand *operand);

#endif
