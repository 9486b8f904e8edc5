/* SPDX-License-Identifier: MIT */
/*
 * What the server asks of a service, in the same process or in a worker: find, scan, open, read,
 * write, flush, release. A service looks into processes of one user, and knows nothing of FUSE.
 *
 * A call is a request with a payload, answered by a reply with a payload. Both structures cross
 * the socket as they are: server and worker are the same program.
 *
 * A request may bring an image that the server opened because the service's own authority does not
 * reach (see `needs_image`): it is used for this request, and closed with it. Before it replies, a
 * worker may ask for files that such an image has mapped and that have no path any more.
 */
#ifndef PROBEFS_PROTOCOL_H
#define PROBEFS_PROTOCOL_H

#include <probe-engine.h>

enum operation {
    OPERATION_FIND,    /* pid, probe or "": is it there? */
    OPERATION_SCAN,    /* payload scan_entry[]: which processes have probes? The reply likewise */
    OPERATION_OPEN,    /* pid, kind, probe, write: a handle; see below for holds */
    OPERATION_READ,    /* handle, offset, size: bytes */
    OPERATION_WRITE,   /* handle, owner, payload */
    OPERATION_FLUSH,   /* handle, owner */
    OPERATION_RELEASE, /* handle */
    OPERATION_RESET,   /* pid, payload of names: their counters were set elsewhere */
};

/*
 * The reply to the open of a hold brings bytes, which the server keeps: at most so many, or none.
 * Where the worker ends before the hold does, an open with these bytes makes another worker take it
 * over as it is.
 */
enum { SAVED_MAX = 1 << 20 };

/* Names are at most this long, with their NUL. */
enum { PROBE_NAME_SIZE = 256 };

struct request {
    enum operation operation;
    pid_t pid;
    struct probe_image_id id; /* the image that is meant; any other is ESRCH */
    unsigned int kind;        /* of node */
    bool write;               /* opened for writing */
    enum probe_access access; /* all that the request needs of the image */
    char probe[PROBE_NAME_SIZE];
    uint64_t handle;
    uint64_t offset;
    uint32_t size;
    uint64_t owner;     /* who writes or flushes: the same number for the same files */
    bool report_resets; /* reply with the names of probes whose references were forgotten */
};

struct scan_entry {
    pid_t pid;
    struct probe_image_id id;
    bool has_probes;
    bool needs_image; /* the service's own authority does not reach */
};

struct reply {
    int error; /* 0 or an errno value */
    /* The service may not open the image with that access: the server may, and ask again. */
    bool needs_image;
    bool sees_maps; /* but it may see its mappings */
    bool last;      /* the channel of this reply is of no use any more */
    uint64_t handle;
    struct probe_error sentence;
};

struct call {
    struct request request;
    const char *in; /* the request's payload; the caller's */
    size_t in_length;
    struct probe_image image; /* PROBE_IMAGE_NONE, or one for this request; the callee closes it */
    /* Opens what the image has mapped from START to END; NULL: the worker gets no such file. */
    int (*open_mapped)(void *data, uint64_t start, uint64_t end);
    void *open_mapped_data;

    /*
     * Memory for the reply's payload, if it fits, or NULL: with it, a reply to what has had its
     * effect is not lost. It is used, or stays the caller's.
     */
    char *spare;
    size_t spare_size;

    struct reply reply;
    char *out; /* the reply's payload; allocated for the caller, or NULL */
    size_t out_length;
};

#define CALL_INIT ((struct call){.image = PROBE_IMAGE_NONE})

#endif
