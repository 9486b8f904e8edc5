/* SPDX-License-Identifier: MIT */
#include "process/ptrace.h"

#include "arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

static int status_of(long value)
{
    return value < 0 ? -errno : 0;
}

int ptrace_seize(pid_t tid, bool at_exec)
{
    return status_of(ptrace(PTRACE_SEIZE, tid, NULL, at_exec ? (void *)PTRACE_O_TRACEEXEC : NULL));
}

int ptrace_follow(pid_t tid, bool processes)
{
    unsigned long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE;
    if (processes)
        options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    return status_of(ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)options));
}

int ptrace_interrupt(pid_t tid)
{
    return status_of(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
}

/* Decodes a wait status. See ptrace(2), "Stopped states". */
static struct ptrace_event event_of(int status)
{
    struct ptrace_event event = {0};
    if (!WIFSTOPPED(status)) {
        event.ended = true;
        return event;
    }
    int kind = status >> 16;
    if (kind == PTRACE_EVENT_EXEC) {
        event.exec = true;
    } else if (kind == PTRACE_EVENT_STOP) {
        event.grouped = WSTOPSIG(status) != SIGTRAP;
        event.paused = !event.grouped;
    } else if (kind == 0) {
        event.signal = WSTOPSIG(status);
    }
    return event;
}

pid_t ptrace_wait(pid_t tid, bool wait, struct ptrace_event *event)
{
    int status = 0;
    pid_t found = -1;
    /* __WNOTHREAD: the program may have children and tracees of its own. */
    do {
        found = waitpid(tid, &status, __WALL | __WNOTHREAD | (wait ? 0 : WNOHANG));
    } while (found < 0 && errno == EINTR);
    if (found < 0)
        return -errno;
    if (found > 0)
        *event = event_of(status);
    return found;
}

int ptrace_continue(pid_t tid, int signal)
{
    return status_of(ptrace(PTRACE_CONT, tid, NULL, (void *)(uintptr_t)signal));
}

int ptrace_detach(pid_t tid, int signal)
{
    return status_of(ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)signal));
}

int ptrace_listen(pid_t tid)
{
    return status_of(ptrace(PTRACE_LISTEN, tid, NULL, NULL));
}

int ptrace_peek(pid_t tid, uint64_t address, uint64_t *word)
{
    errno = 0;
    long value = ptrace(PTRACE_PEEKTEXT, tid, (void *)(uintptr_t)address, NULL);
    if (value == -1 && errno != 0)
        return -errno;
    *word = (uint64_t)value;
    return 0;
}

int ptrace_poke(pid_t tid, uint64_t address, uint64_t word)
{
    return status_of(
        ptrace(PTRACE_POKETEXT, tid, (void *)(uintptr_t)address, (void *)(uintptr_t)word));
}

int ptrace_poke_bytes(pid_t tid, uint64_t address, const void *bytes, size_t length)
{
    uint64_t word = 0;
    uint64_t start = address & ~(uint64_t)7; /* never across a page */
    int status = ptrace_peek(tid, start, &word);
    if (status < 0)
        return status;
    memcpy((uint8_t *)&word + (address - start), bytes, length);
    return ptrace_poke(tid, start, word);
}

static int move_registers(enum __ptrace_request request, pid_t tid, struct user_regs_struct *all)
{
    struct iovec place = {all, sizeof(*all)};
    return status_of(ptrace(request, tid, (void *)NT_PRSTATUS, &place));
}

int ptrace_get_counter(pid_t tid, uint64_t *address)
{
    struct user_regs_struct all;
    int status = move_registers(PTRACE_GETREGSET, tid, &all);
    if (status == 0)
        memcpy(address, (const char *)&all + arch_counter_offset, sizeof(*address));
    return status;
}

int ptrace_set_counter(pid_t tid, uint64_t address)
{
    struct user_regs_struct all;
    int status = move_registers(PTRACE_GETREGSET, tid, &all);
    if (status < 0)
        return status;
    memcpy((char *)&all + arch_counter_offset, &address, sizeof(address));
    return move_registers(PTRACE_SETREGSET, tid, &all);
}
