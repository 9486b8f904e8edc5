/* SPDX-License-Identifier: MIT */
#include "fuse/spin.h"

enum { CREDIT_MOST = 8, CREDIT_WON = 2, TRY_EVERY = 32 };

bool spin_is_worth_it(struct spin *spin, uint32_t opcode)
{
    if (opcode >= SPIN_OPCODES)
        return false;
    return spin->credit[opcode] > 0 || spin->refused[opcode]++ % TRY_EVERY == 0;
}

void spin_learn(struct spin *spin, uint32_t opcode, bool came)
{
    uint8_t *credit = &spin->credit[opcode];
    if (came)
        *credit = *credit + CREDIT_WON > CREDIT_MOST ? CREDIT_MOST : *credit + CREDIT_WON;
    else if (*credit > 0)
        --*credit;
}
