/* SPDX-License-Identifier: MIT */
#include "watch/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A writer looks at the reader's position at each firing, and the reader at the writers' before it
 * reads. Each look takes the other's cache line away, and the process that is watched pays for it.
 * So the reader tells after so many parts of the ring, and when it has read all, and looks again
 * only then.
 */
enum { TOLD_PARTS = 16 };

int ring_open(int fd, size_t size, struct ring *result)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = page + 2 * size;
    void *reader = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (reader == MAP_FAILED)
        return -errno;
    void *writer = mmap(NULL, mapped, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (writer == MAP_FAILED) {
        int status = -errno;
        munmap(reader, page);
        return status;
    }
    *result = (struct ring){
        .reader = reader,
        .writer = writer,
        .size = size,
        .mapped = mapped,
        .data = (const char *)writer + page,
    };
    result->position = result->end = result->told = atomic_load((_Atomic uint64_t *)reader);
    return 0;
}

void ring_close(struct ring *ring)
{
    if (ring->reader)
        munmap(ring->reader, (size_t)sysconf(_SC_PAGESIZE));
    if (ring->writer)
        munmap(ring->writer, ring->mapped);
    *ring = (struct ring){0};
}

/* The room of a record of LENGTH, with its header. */
static uint64_t room_of(size_t length)
{
    return (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
}

/* Where the writers are. */
static uint64_t end_of(const struct ring *ring)
{
    return atomic_load_explicit((const _Atomic uint64_t *)ring->writer, memory_order_acquire);
}

bool ring_is_empty(const struct ring *ring)
{
    return ring->position >= end_of(ring);
}

/* Gives what was read back to the writers. */
static void tell_position(struct ring *ring)
{
    atomic_store_explicit((_Atomic uint64_t *)ring->reader, ring->position, memory_order_release);
    ring->told = ring->position;
}

/* Is there something behind the position? */
static bool look(struct ring *ring)
{
    if (ring->position < ring->end)
        return true;
    if (ring->told != ring->position)
        tell_position(ring);
    ring->end = end_of(ring);
    return ring->position < ring->end;
}

const void *ring_next(struct ring *ring, size_t *length)
{
    while (look(ring)) {
        const char *header = (const char *)ring->data + (ring->position & (ring->size - 1));
        uint32_t word =
            atomic_load_explicit((const _Atomic uint32_t *)header, memory_order_acquire);
        if (word & BPF_RINGBUF_BUSY_BIT)
            break;
        *length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if (!(word & BPF_RINGBUF_DISCARD_BIT))
            return header + BPF_RINGBUF_HDR_SZ;
        ring_pass(ring, *length);
    }
    return NULL;
}

void ring_pass(struct ring *ring, size_t length)
{
    ring->position += room_of(length);
    if (ring->position - ring->told >= ring->size / TOLD_PARTS)
        tell_position(ring);
}
