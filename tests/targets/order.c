/* SPDX-License-Identifier: MIT */
/*
 * order PID START STOP
 *
 * Watches two bytes of a process from outside, and says which of them changes first, each time
 * that both have gone from one resting state to the other:
 *
 *     watching
 *     stop first
 *     start first
 *     unseen          both changed between two looks
 *
 * START and STOP are addresses in hex. The resting states are those in which both bytes are off
 * (0, 3d) or both on.
 *
 * One look reads START, STOP and START again, in this order. Which was first is certain where one
 * has changed and the other, which was read after it, has not.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "opcodes.h"

struct look {
    uint8_t start, stop, start_again;
};

static bool is_on(uint8_t byte)
{
    return byte != 0 && byte != OPCODE_OFF;
}

static bool look(pid_t pid, uint64_t start, uint64_t stop, struct look *result)
{
    struct iovec local[] = {{&result->start, 1}, {&result->stop, 1}, {&result->start_again, 1}};
    /* Addresses of another process, which are no pointers of ours. */
    struct iovec remote[] = {
        {(void *)(uintptr_t)start, 1}, {(void *)(uintptr_t)stop, 1}, {(void *)(uintptr_t)start, 1}};

    return process_vm_readv(pid, local, 3, remote, 3, 0) == 3;
}

int main(int argc, char **argv)
{
    const char *first = NULL;
    bool resting;
    struct look seen;
    pid_t pid;
    uint64_t start, stop;

    if (argc != 4) {
        fprintf(stderr, "usage: order PID START STOP\n");
        return 2;
    }
    pid = (pid_t)strtol(argv[1], NULL, 10);
    start = strtoull(argv[2], NULL, 16);
    stop = strtoull(argv[3], NULL, 16);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!look(pid, start, stop, &seen))
        return 1;
    resting = is_on(seen.start);
    printf("watching\n");
    while (look(pid, start, stop, &seen)) {
        bool start_changed = is_on(seen.start) != resting;
        bool stop_changed = is_on(seen.stop) != resting;

        if (!first && start_changed && !stop_changed)
            first = "start first";
        else if (!first && stop_changed && is_on(seen.start_again) == resting)
            first = "stop first";
        if (start_changed && stop_changed) {
            printf("%s\n", first ? first : "unseen");
            first = NULL;
            resting = !resting;
        }
    }
    return 0;
}
