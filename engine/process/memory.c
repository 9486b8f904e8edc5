/* SPDX-License-Identifier: MIT */
#include "process/memory.h"

#include "process/ptrace.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Pieces no more than GAP apart are read as one span: reading a page costs about as much as reading
 * a byte. All spans of one call share a buffer.
 */
enum { GAP = 4096, SPANS_MAX = IOV_MAX, BUFFER_SMALL = 16 << 10, BUFFER_LARGE = 1 << 20 };

struct span {
    uint64_t address;
    size_t length;
    size_t first, count; /* its pieces */
    size_t at;           /* offset in the buffer */
};

static int compare_pieces(const void *a, const void *b)
{
    const struct memory_piece *x = a;
    const struct memory_piece *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* They mostly come in order, and sorting a hundred thousand took a tenth of an update. */
static void sort_pieces(struct memory_piece *pieces, size_t count)
{
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = pieces[i - 1].address <= pieces[i].address;
    if (!sorted)
        qsort(pieces, count, sizeof(*pieces), compare_pieces);
}

static uint64_t piece_end(const struct memory_piece *piece)
{
    return piece->address + piece->length;
}

/* The next span: of pieces from FIRST on, at most ROOM bytes long. */
static struct span next_span(const struct memory_piece *pieces, size_t first, size_t count,
                             size_t room)
{
    struct span span = {
        .address = pieces[first].address,
        .length = pieces[first].length,
        .first = first,
        .count = 1,
    };
    for (size_t i = first + 1; i < count; i++) {
        uint64_t end = span.address + span.length;
        if (pieces[i].address > end && pieces[i].address - end > GAP)
            break;
        uint64_t length = piece_end(&pieces[i]) - span.address;
        if (length > room)
            break;
        if (length > span.length)
            span.length = (size_t)length;
        span.count++;
    }
    return span;
}

static int read_piece(const struct probe_image *image, const struct memory_piece *piece,
                      struct probe_error *error)
{
    ssize_t got = pread(image->mem, piece->bytes, piece->length, (off_t)piece->address);
    if (got == (ssize_t)piece->length)
        return 0;
    if (got == 0)
        return error_gone(error, image->pid);
    return error_set(error, EFAULT, "process %d: cannot read %zu bytes at 0x%" PRIx64, image->pid,
                     piece->length, piece->address);
}

/* The fallback when spans cannot be read: a gap may lie where no page is. */
static int read_pieces(const struct probe_image *image, const struct memory_piece *pieces,
                       size_t count, struct probe_error *error)
{
    for (size_t i = 0; i < count; i++) {
        int status = read_piece(image, &pieces[i], error);
        if (status < 0)
            return status;
    }
    return 0;
}

static bool read_spans(const struct probe_image *image, const struct span *spans, size_t count,
                       uint8_t *buffer, size_t length)
{
    struct iovec remote[SPANS_MAX];
    for (size_t i = 0; i < count; i++)
        remote[i] = (struct iovec){(void *)(uintptr_t)spans[i].address, spans[i].length};
    struct iovec local = {buffer, length};
    /* A thread number other than the main one may belong to another process by now. */
    return image->own && image->tid == image->pid &&
           process_vm_readv(image->pid, &local, 1, remote, count, 0) == (ssize_t)length;
}

int memory_read_span(const struct probe_image *image, uint64_t address, size_t length,
                     uint8_t *bytes)
{
    const struct span span = {.address = address, .length = length};
    if (read_spans(image, &span, 1, bytes, length) ||
        pread(image->mem, bytes, length, (off_t)address) == (ssize_t)length)
        return 0;
    return -EFAULT;
}

/* Reads as many pieces as fit into the buffer; returns how many, or an error. */
static ssize_t read_some(const struct probe_image *image, struct memory_piece *pieces, size_t count,
                         uint8_t *buffer, size_t size, struct probe_error *error)
{
    struct span spans[SPANS_MAX];
    size_t span_count = 0;
    size_t used = 0;
    size_t done = 0;
    while (done < count && span_count < SPANS_MAX && used + pieces[done].length <= size) {
        struct span span = next_span(pieces, done, count, size - used);
        span.at = used;
        used += span.length;
        done += span.count;
        spans[span_count++] = span;
    }
    if (!read_spans(image, spans, span_count, buffer, used)) {
        int status = read_pieces(image, pieces, done, error);
        return status < 0 ? status : (ssize_t)done;
    }
    for (size_t i = 0; i < span_count; i++) {
        for (size_t p = spans[i].first; p < spans[i].first + spans[i].count; p++)
            memcpy(pieces[p].bytes, buffer + spans[i].at + (pieces[p].address - spans[i].address),
                   pieces[p].length);
    }
    return (ssize_t)done;
}

int memory_read(const struct probe_image *image, struct memory_piece *pieces, size_t count,
                struct probe_error *error)
{
    if (image->mem < 0)
        return error_set(error, EACCES, "process %d is not open for reading", image->pid);
    if (count == 0)
        return 0;
    /* For a few pieces, an allocation would cost as much as the reading. */
    uint8_t small[BUFFER_SMALL];
    size_t size = count <= 16 ? sizeof(small) : BUFFER_LARGE;
    uint8_t *buffer = count <= 16 ? small : malloc(size);
    if (!buffer)
        return error_memory(error);
    sort_pieces(pieces, count);
    ssize_t done = 0;
    for (size_t i = 0; i < count && done >= 0; i += (size_t)done) {
        done = read_some(image, pieces + i, count - i, buffer, size, error);
        if (done < 0)
            break;
    }
    if (buffer != small)
        free(buffer);
    return done < 0 ? (int)done : 0;
}

static int fail_write(const struct probe_image *image, uint64_t address, const char *what,
                      int errnum, struct probe_error *error)
{
    if (errnum == ESRCH)
        return error_gone(error, image->pid);
    if (errnum == ETIMEDOUT)
        return error_set(error, ETIMEDOUT,
                         "process %d: all of its threads wait for an answer, and the kernel only "
                         "lets code be written through one that has stopped: try again",
                         image->pid);
    return error_set(error, errnum, "process %d: cannot write the %s at 0x%" PRIx64 ": %s",
                     image->pid, what, address, strerror(errnum));
}

/* ---- ways to write: each returns 0 or an errno value ------------------------------------ */

static int write_mem(const struct probe_image *image, uint64_t address, const void *bytes,
                     size_t length)
{
    /* As pwrite() is a cancellation point, it takes 5 % of an update longer. */
    ssize_t put = syscall(SYS_pwrite64, image->mem, bytes, length, (off_t)address);
    /* A short write: the page of the other bytes is not there. */
    return put == (ssize_t)length ? 0 : put == 0 ? ESRCH : put > 0 ? EFAULT : errno;
}

/* Writes by pid, what the process itself may write: only to one that is stopped, or to ourselves.
 */
static int write_by_pid(const struct memory_writer *writer, uint64_t address, const void *bytes,
                        size_t length)
{
    pid_t tid = writer->tid > 0 ? writer->tid : writer->image->tid;
    if (writer->tracer)
        return EROFS;
    struct iovec local = {(void *)bytes, length};
    struct iovec remote = {(void *)(uintptr_t)address, length};
    ssize_t put = process_vm_writev(tid, &local, 1, &remote, 1, 0);
    return put == (ssize_t)length ? 0 : put >= 0 ? EFAULT : errno;
}

/* Writes one byte by ptrace, which writes 8: so seven are written as they are. */
static int write_by_ptrace(const struct memory_writer *writer, uint64_t address, const void *bytes,
                           size_t length)
{
    const struct probe_tracer *tracer = writer->tracer;
    if (tracer)
        return -tracer->write_code(tracer->data, writer->image, address, *(const uint8_t *)bytes);
    if (writer->tid == 0)
        return ETIMEDOUT;
    return -ptrace_poke_bytes(writer->tid, address, bytes, length);
}

/* Did the kernel refuse a write for what it is? Not if nothing can be read there, either. */
static bool is_refusal(const struct probe_image *image, uint64_t address, size_t length, int errnum)
{
    uint8_t bytes[sizeof(uint64_t)];
    return errnum != 0 && errnum != ESRCH && errnum != EFAULT && errnum != ENOMEM &&
           length <= sizeof(bytes) && memory_read_span(image, address, length, bytes) == 0;
}

typedef int write_way(const struct memory_writer *writer, uint64_t address, const void *bytes,
                      size_t length);

/* Writes through mem and, if the kernel refuses that, by OTHER: not while the process runs. */
static int write_mem_or(write_way *other, const struct memory_writer *writer, bool *refused,
                        uint64_t address, const void *bytes, size_t length)
{
    if (!*refused) {
        int errnum = write_mem(writer->image, address, bytes, length);
        if (!is_refusal(writer->image, address, length, errnum))
            return errnum;
        *refused = true;
    }
    return writer->way == MEMORY_RUNNING ? EROFS : other(writer, address, bytes, length);
}

static int permissions_of(const struct mapping *mapping)
{
    return (mapping->readable ? PROT_READ : 0) | (mapping->writable ? PROT_WRITE : 0) |
           (mapping->executable ? PROT_EXEC : 0);
}

/*
 * Writes into our own code. The page stays executable throughout, as threads may be running in it.
 * The kernel does the writing: then a page that cannot be copied is an error, not a SIGBUS.
 */
static int write_self(const struct memory_writer *writer, uint64_t address, uint8_t byte)
{
    const struct mapping *mapping = maps_find(writer->maps, address);
    uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)(uintptr_t)(address & ~(size - 1));
    if (!mapping)
        return EFAULT;
    if (mprotect(page, size, permissions_of(mapping) | PROT_WRITE) < 0)
        return errno;
    int errnum = write_by_pid(writer, address, &byte, sizeof(byte));
    if (mprotect(page, size, permissions_of(mapping)) < 0 && errnum == 0)
        errnum = errno;
    return errnum;
}

/* ----------------------------------------------------------------------------------------- */

int memory_write_counter(const struct memory_writer *writer, uint64_t address, uint16_t value,
                         struct probe_error *error)
{
    const struct probe_image *image = writer->image;
    if (image->access < PROBE_WRITE)
        return error_set(error, EACCES, "process %d is not open for writing", image->pid);
    int errnum = write_mem_or(write_by_pid, writer, &writer->refusals->counters, address, &value,
                              sizeof(value));
    return errnum ? fail_write(image, address, "semaphore", errnum, error) : 0;
}

int memory_write_code(const struct memory_writer *writer, uint64_t address, uint8_t byte,
                      struct probe_error *error)
{
    const struct probe_image *image = writer->image;
    if (image->access < PROBE_WRITE)
        return error_set(error, EACCES, "process %d is not open for writing", image->pid);
    int errnum = writer->way == MEMORY_SELF
                     ? write_self(writer, address, byte)
                     : write_mem_or(write_by_ptrace, writer, &writer->refusals->code, address,
                                    &byte, sizeof(byte));
    return errnum ? fail_write(image, address, "code", errnum, error) : 0;
}
