/* SPDX-License-Identifier: MIT */
#include "update/plan-apply.h"

#include "target/loaded.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

static int write_step(const struct memory_writer *writer, const struct plan_step *step,
                      uint16_t value, struct probe_error *error)
{
    return step->is_site ? memory_write_code(writer, step->address, (uint8_t)value, error)
                         : memory_write_counter(writer, step->address, value, error);
}

/* Applies the inverse of STEP to what is there now: others may have changed it since. */
static int undo_step(const struct memory_writer *writer, const struct plan_step *step)
{
    uint16_t now = 0;
    struct memory_piece piece = {step->address, step->is_site ? 1 : sizeof(now), (uint8_t *)&now};
    int status = memory_read(writer->image, &piece, 1, NULL);
    if (status < 0)
        return status;
    if (step->is_site)
        return now == step->new ? write_step(writer, step, step->old, NULL) : 0;
    int value = now - (step->new - step->old);
    value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
    return write_step(writer, step, (uint16_t)value, NULL);
}

/*
 * Says it, if STEP failed for the kind of its pages: some kernels (6.12 is one) make no forced
 * write to pages of hugetlbfs, neither through mem nor for a tracer, and call that EIO.
 */
static void explain_pages(const struct probe_engine *engine, const struct memory_writer *writer,
                          const struct plan_step *step, struct probe_error *error)
{
    const struct mapping *mapping = maps_find(writer->maps, step->address);
    unsigned long size = 0;
    if (!mapping || loaded_page_size(engine, writer->image, mapping, &size) < 0 ||
        size <= (unsigned long)sysconf(_SC_PAGESIZE) >> 10)
        return;
    error_set(error, EIO,
              "process %d has its code at 0x%" PRIx64 " on reserved pages of %lu KiB (hugetlbfs), "
              "and this kernel lets nobody write there: a later one may",
              writer->image->pid, mapping->start, size);
}

/* Takes back the first COUNT steps, in reverse order. */
static void undo_steps(const struct probe_engine *engine, const struct memory_writer *writer,
                       const struct plan *plan, size_t count)
{
    while (count-- > 0) {
        int status = undo_step(writer, &plan->steps[count]);
        if (status < 0 && status != -EFAULT) /* EFAULT: it was unloaded */
            engine_log(engine, PROBE_LOG_ERROR,
                       "process %d: an update failed, and what it wrote at 0x%" PRIx64
                       " cannot be taken back",
                       writer->image->pid, plan->steps[count].address);
    }
}

int plan_apply(const struct probe_engine *engine, const struct memory_writer *writer,
               const struct plan *plan, struct probe_error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        int status = write_step(writer, &plan->steps[i], plan->steps[i].new, error);
        if (status == 0)
            continue;
        if (status != -ESRCH) /* ESRCH: nothing is left to take back */
            undo_steps(engine, writer, plan, i);
        if (status == -EIO && plan->steps[i].is_site)
            explain_pages(engine, writer, &plan->steps[i], error);
        return status;
    }
    engine_log(engine, PROBE_LOG_DEBUG, "process %d: an update changed %zu counters and sites",
               writer->image->pid, plan->count);
    return 0;
}
