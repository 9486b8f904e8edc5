/* SPDX-License-Identifier: MIT */
#include "fuse/spin.h"

enum { CREDIT_MOST = 8, CREDIT_WON = 2, TRY_EVERY = 32 };

bool patience_has(struct patience *patience, uint32_t opcode)
{
    if (opcode >= PATIENCE_OPCODES)
        return false;
    return patience->credit[opcode] > 0 || patience->refused[opcode]++ % TRY_EVERY == 0;
}

void patience_learn(struct patience *patience, uint32_t opcode, bool came)
{
    uint8_t *credit = &patience->credit[opcode];
    if (came)
        *credit = *credit + CREDIT_WON > CREDIT_MOST ? CREDIT_MOST : *credit + CREDIT_WON;
    else if (*credit > 0)
        --*credit;
}
