/* SPDX-License-Identifier: MIT */
#include "watch/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

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
        .position = atomic_load((_Atomic uint64_t *)reader),
    };
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

const void *ring_next(struct ring *ring, size_t *length)
{
    for (;;) {
        if (ring_is_empty(ring))
            return NULL;
        const char *header = (const char *)ring->data + (ring->position & (ring->size - 1));
        uint32_t word =
            atomic_load_explicit((const _Atomic uint32_t *)header, memory_order_acquire);
        if (word & BPF_RINGBUF_BUSY_BIT)
            return NULL;
        *length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if (!(word & BPF_RINGBUF_DISCARD_BIT))
            return header + BPF_RINGBUF_HDR_SZ;
        ring_pass(ring, *length);
    }
}

void ring_pass(struct ring *ring, size_t length)
{
    ring->position += room_of(length);
    atomic_store_explicit((_Atomic uint64_t *)ring->reader, ring->position, memory_order_release);
}
