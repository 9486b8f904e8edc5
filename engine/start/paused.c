/* SPDX-License-Identifier: MIT */
/*
 * The two moments at which a new program is held, so that its probes are on in time:
 *
 *   1. after exec: the kernel has mapped the executable and its loader; no instruction has run
 *   2. at the entry point: the loader has loaded the libraries and run their constructors
 *
 * For the second, a breakpoint replaces the code at the entry point until it is hit. Meanwhile the
 * process lives as if nobody looked: it gets its signals, and if one stops it, it stays stopped
 * until it is continued. Only its main thread is traced: no other reaches the entry point.
 */
#include "start/paused.h"

#include "arch/arch.h"
#include "process/proc.h"
#include "process/ptrace.h"
#include "start/program-file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- running on ------------------------------------------------------------------------- */

/* Waits for the next stop of PID; -ESRCH if it ended instead. */
static int wait_for_stop(pid_t pid, struct ptrace_event *event)
{
    pid_t found = ptrace_wait(pid, true, event);
    return found < 0 || event->ended ? -ESRCH : 0;
}

/* Lets PID go on as if untraced. This only fails if it was killed, which the next wait tells. */
static void run_on(pid_t pid, const struct ptrace_event *event)
{
    if (event->grouped)
        ptrace_listen(pid);
    else
        ptrace_continue(pid, event->signal);
}

int paused_wait_for_exec(pid_t pid)
{
    struct ptrace_event event;
    int status = 0;
    while ((status = wait_for_stop(pid, &event)) == 0 && !event.exec)
        run_on(pid, &event);
    return status;
}

/* ---- what was executed ------------------------------------------------------------------ */

/* What the kernel told the program under TYPE; 0 if it did not. */
static uint64_t auxiliary_value(const struct probe_paused *paused, uint64_t type)
{
    char text[2048];
    Elf64_auxv_t item;
    ssize_t length =
        proc_read(paused->engine->proc, paused->pid, paused->pid, "auxv", text, sizeof(text));
    for (ssize_t at = 0; at + (ssize_t)sizeof(item) <= length; at += (ssize_t)sizeof(item)) {
        memcpy(&item, text + at, sizeof(item));
        if (item.a_type == type)
            return item.a_un.a_val;
    }
    return 0;
}

static int check_executable(const struct probe_paused *paused, const struct probe_program *program)
{
    struct stat status;
    int fd = proc_open(paused->engine->proc, paused->pid, paused->pid, "exe", O_PATH);
    if (fd < 0)
        return fd;
    int result = fstat(fd, &status) < 0 ? -errno : 0;
    close(fd);
    if (result < 0)
        return result;
    return program_file_is_same(&status, &program->executable) ? 0 : -ESTALE;
}

/* The loader is mapped where the kernel tells the program. */
static int check_loader(const struct probe_paused *paused, const struct probe_program *program)
{
    struct stat status;
    uint64_t base = auxiliary_value(paused, AT_BASE);
    const struct mapping *mapping = base ? maps_find(&paused->target->maps, base) : NULL;
    if (!mapping)
        return base == 0 && program->loader.st_ino == 0 ? 0 : -ESTALE;
    int result = image_stat_file(paused->engine, &paused->target->image, mapping, &status);
    if (result == 0 && !program_file_is_same(&status, &program->loader))
        result = -ESTALE;
    return result == -ENOENT ? -ESTALE : result;
}

int paused_check_program(struct probe_paused *paused, const struct probe_program *program,
                         struct probe_error *error)
{
    char shown[PROGRAM_SHOWN];
    const char *what = "the program";
    int status = check_executable(paused, program);
    if (status == 0) {
        what = "the loader of the program";
        status = check_loader(paused, program);
    }
    if (status == -ESTALE)
        return error_set(error, ESTALE,
                         "%s '%s' is not the file any more that was read before, or was changed "
                         "since: try again",
                         what, program_show(program->path, shown));
    if (status < 0)
        return error_set(error, -status,
                         "cannot tell whether %s '%s' is the file that was read: %s", what,
                         program_show(program->path, shown), strerror(-status));
    return 0;
}

/* ---- the entry point -------------------------------------------------------------------- */

/* Writes BITS, as many as a breakpoint has, at ADDRESS; OLD gets what was there. */
static int exchange_code(pid_t pid, uint64_t address, uint64_t bits, uint64_t *old)
{
    uint64_t word = 0;
    uint64_t start = address & ~(uint64_t)7; /* never across a page */
    unsigned int shift = (unsigned int)(address - start) * 8;
    int status = ptrace_peek(pid, start, &word);
    if (status < 0)
        return status;
    *old = word >> shift & arch_breakpoint_mask;
    return ptrace_poke(pid, start, (word & ~(arch_breakpoint_mask << shift)) | bits << shift);
}

/* Did it stop at the breakpoint at ENTRY? */
static bool is_at_breakpoint(pid_t pid, const struct ptrace_event *event, uint64_t entry)
{
    uint64_t counter = 0;
    return event->signal == SIGTRAP && ptrace_get_counter(pid, &counter) == 0 &&
           counter == entry + arch_breakpoint_passed;
}

/* Runs until the breakpoint is hit; -ESRCH if the program ended or was replaced before. */
static int run_to_breakpoint(struct probe_paused *paused, uint64_t entry)
{
    struct ptrace_event event = {0};
    do {
        run_on(paused->pid, &event);
        if (wait_for_stop(paused->pid, &event) < 0) {
            paused->stopped = false;
            return -ESRCH;
        }
        if (event.exec)
            return -ESRCH;
    } while (!is_at_breakpoint(paused->pid, &event, entry));
    return 0;
}

/* Where the program itself begins, after its loader. */
static uint64_t find_entry(const struct probe_paused *paused)
{
    return auxiliary_value(paused, AT_ENTRY);
}

uint64_t paused_entry(const struct probe_paused *paused)
{
    uint64_t counter = 0;
    uint64_t entry = find_entry(paused);
    return ptrace_get_counter(paused->pid, &counter) == 0 && counter != entry ? entry : 0;
}

int probe_paused_run_to_entry(struct probe_paused *paused, struct probe_error *error)
{
    uint64_t entry = find_entry(paused);
    uint64_t counter = 0;
    uint64_t bits = 0;
    int status = paused->stopped ? ptrace_get_counter(paused->pid, &counter) : -ESRCH;
    if (status == 0 && (entry == 0 || entry == counter))
        return 0; /* there is no loader */
    if (status == 0)
        status = exchange_code(paused->pid, entry, arch_breakpoint, &bits);
    if (status == 0)
        status = run_to_breakpoint(paused, entry);
    if (status == 0)
        status = exchange_code(paused->pid, entry, bits, &bits);
    if (status == 0)
        status = ptrace_set_counter(paused->pid, entry);
    if (status == -ESRCH)
        return error_set(error, ESRCH, "process %d ended before it reached its entry point",
                         paused->pid);
    if (status < 0)
        return error_set(error, -status,
                         "process %d cannot be stopped at its entry point 0x%" PRIx64 ": %s",
                         paused->pid, entry, strerror(-status));
    return probe_target_look(paused->target, error);
}

/* ---- ends ------------------------------------------------------------------------------- */

int paused_init(struct probe_paused *paused, struct probe_engine *engine, pid_t pid,
                struct probe_error *error)
{
    *paused = (struct probe_paused){.engine = engine, .pid = pid, .stopped = true};
    int status = probe_target_open(engine, pid, PROBE_WRITE, &paused->target, error);
    if (status == 0)
        paused->target->traced = true;
    return status;
}

int paused_end(struct probe_paused *paused, int status)
{
    uint64_t words[EXIT_WORDS];
    uint64_t counter = 0;
    arch_exit_code((uint8_t)status, words);
    int result = ptrace_get_counter(paused->pid, &counter);
    for (size_t i = 0; i < EXIT_WORDS && result == 0; i++)
        result = ptrace_poke(paused->pid, counter + i * sizeof(*words), words[i]);
    return result;
}

void paused_done(struct probe_paused *paused)
{
    probe_target_close(paused->target);
    paused->target = NULL;
    if (paused->stopped)
        ptrace_detach(paused->pid, 0);
    paused->stopped = false;
}

void probe_paused_release(struct probe_paused *paused)
{
    if (!paused)
        return;
    paused_done(paused);
    free(paused);
}

struct probe_target *probe_paused_target(const struct probe_paused *paused)
{
    return paused->target;
}

pid_t probe_paused_pid(const struct probe_paused *paused)
{
    return paused->pid;
}
