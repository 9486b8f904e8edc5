/* SPDX-License-Identifier: MIT */
/* A library with a SystemTap probe, for vault. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

unsigned short vault_turn_semaphore __attribute__((section(".probes")));

void vault_turn(long value);

void vault_turn(long value)
{
    STAP_PROBE1(vault, turn, value);
}
