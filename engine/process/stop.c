/* SPDX-License-Identifier: MIT */
/*
 * Stops for others: a process with the authority to trace stops one for a client without it, which
 * does the rest.
 */
#include "arch/arch.h"
#include "process/deadline.h"
#include "process/image.h"
#include "process/ptrace.h"
#include "process/tracee.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct probe_stop {
    struct tracee_stop *tracee;
    pid_t pid;
};

int probe_stop_begin(struct probe_engine *engine, pid_t pid, const struct probe_image_id *id,
                     struct probe_stop **result, struct probe_error *error)
{
    const struct timespec deadline = clock_after(DEADLINE_OF_STOP);
    struct probe_stop *stop = calloc(1, sizeof(*stop));
    if (!stop)
        return error_memory(error);
    stop->pid = pid;
    int status = tracee_begin(engine, pid, &deadline, &stop->tracee, error);
    if (status < 0) {
        free(stop);
        return status;
    }
    if (probe_image_confirm(engine, pid, id) < 0) {
        probe_stop_end(stop);
        return error_gone(error, pid);
    }
    *result = stop;
    return 0;
}

struct switch_write {
    uint64_t address;
    uint8_t byte;
};

/* Only one value of the switch takes the place of the other, whatever the client asks for. */
static bool is_switch(uint8_t byte)
{
    return arch_patches_sites && (byte == arch_switch_on || byte == arch_switch_off);
}

/* Called by the tracing thread. */
static int write_switch(void *data, pid_t tid)
{
    const struct switch_write *write = data;
    const uint64_t start = write->address & ~(uint64_t)7;
    uint64_t word = 0;
    if (tid == 0)
        return -ETIMEDOUT;
    int status = ptrace_peek(tid, start, &word);
    if (status < 0)
        return status;
    if (!is_switch(((const uint8_t *)&word)[write->address - start]) || !is_switch(write->byte))
        return -ENOEXEC;
    return ptrace_poke_bytes(tid, write->address, &write->byte, sizeof(write->byte));
}

int probe_stop_write_code(struct probe_stop *stop, uint64_t address, uint8_t byte)
{
    struct switch_write write = {address, byte};
    return tracee_act(stop->tracee, write_switch, &write);
}

void probe_stop_end(struct probe_stop *stop)
{
    if (!stop)
        return;
    tracee_end(stop->tracee);
    free(stop);
}
