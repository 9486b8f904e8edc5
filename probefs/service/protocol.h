/* SPDX-License-Identifier: MIT */
/*
 * A call: what the server asks of a service, and what that answers. operations.c lists what can be
 * asked. A service looks into processes with the identity of the worker that it runs in, and knows
 * nothing of FUSE.
 *
 * Request and reply cross the socket as they are: server and worker are the same program. Each may
 * bring a payload.
 *
 * A request says all that is needed to answer it. Nothing of an open file lives in a worker but
 * what can be made again, so any worker of the same identity can go on with it. Holds are the
 * exception: see HOLD_TAKE.
 *
 * Where the service's own authority does not reach, the reply says `needs_image`. The server may
 * then send the call again with an image that was opened for it: it is used for this call, and
 * closed with it. Before it replies, a worker may then ask for more that takes the server's
 * authority: see struct worker_question. What a stream, or counting, needs comes as descriptors
 * that are `given`: see GIVEN_ATTACHER.
 */
#ifndef PROBEFS_PROTOCOL_H
#define PROBEFS_PROTOCOL_H

#include <probe-engine.h>

enum operation {
    OPERATION_FIND,        /* pid, probe or "": is it there? Says which image was looked at */
    OPERATION_SCAN,        /* scan_entry[], listing: which of these processes have probes? As many
                              back */
    OPERATION_OPEN,        /* pid, probe or "", access: may that be opened now? */
    OPERATION_READ,        /* kind, file, offset, size: bytes */
    OPERATION_WRITE,       /* kind, text */
    OPERATION_CLOSE,       /* file: forget its text */
    OPERATION_LEND,        /* pid, access: opens the image, for another worker. See `lent` */
    OPERATION_LEND_FILE,   /* an image, offset, end: opens what is mapped there, likewise */
    OPERATION_STOP,        /* pid: stops the threads of the image, for another worker */
    OPERATION_WRITE_CODE,  /* pid, offset, size: while they are stopped, writes a site's switch */
    OPERATION_RESUME,      /* pid: lets them go */
    OPERATION_STREAM,      /* probe or "", names that were chosen: begins to watch. See feeds.h */
    OPERATION_HOLD_TAKE,   /* probe, file: takes a reference; bytes that name it */
    OPERATION_HOLD_KEEP,   /* probe, file, these bytes: goes on with one of a worker that ended */
    OPERATION_HOLD_GIVE,   /* file: gives it back */
    OPERATION_HOLD_FORGET, /* names: their counters were set, and holds on them have no claim */
    OPERATION_COUNT,
};

/*
 * What HOLD_TAKE brings is kept by the server, so that another worker can go on with the hold: at
 * most so many bytes, or none.
 */
enum { SAVED_MAX = 1 << 20 };

/* Names are at most this long, with their NUL. */
enum { PROBE_NAME_SIZE = 256 };

/* Answers to yes or no cross as one byte: 0 or 1, and nothing else. */
typedef uint8_t protocol_bool;

struct request {
    enum operation operation;
    pid_t pid;
    struct probe_image_id id; /* the image that is meant; any other is ESRCH */
    protocol_bool any_image;  /* no: the one that the process has now, which the reply tells */
    unsigned int kind;        /* of node */
    enum probe_access access; /* all that the request needs of the image */
    char probe[PROBE_NAME_SIZE];
    int64_t wait;  /* for so long the server waits for the answer; 0: as long as it takes */
    uint64_t file; /* the open file: a number that the server never uses again */
    uint64_t offset, end;
    uint32_t size; /* WRITE: so many ms may be waited for an attacher; STREAM: room for firings */
    pid_t reader;  /* STREAM: who reads it; 0: unknown */
    protocol_bool lendable;       /* the server would lend the image for this request */
    protocol_bool lent;           /* the file was opened with a lent image: do not try without */
    protocol_bool report_forgets; /* reply with the names of probes that HOLD_FORGET would get */
    protocol_bool listed;         /* FIND: only what has probes, as listings show no other */
    /*
     * SCAN: it is part of a listing of all processes that this worker looks into. Its number, which
     * grows, and how many processes its scans ask for together; 0: it is no such part.
     */
    uint64_t listing, listing_size;
};

/* What a scan found out about a process. */
enum scan_answer {
    SCAN_UNKNOWN, /* nothing: it takes too long, or there is no memory for it */
    SCAN_HAS_PROBES,
    SCAN_HAS_NONE,    /* or is no process */
    SCAN_NEEDS_IMAGE, /* the service's own authority does not reach */
    SCAN_ANSWERS,
};

struct scan_entry {
    pid_t pid;
    uint8_t answer;
    struct probe_image_id id; /* where it is known that there are probes */
};

struct reply {
    int error;                /* 0 or an errno value */
    struct probe_image_id id; /* which image it is about; all 0 where that was not found out */
    /* The service may not open the image with that access: the server may, and ask again. */
    protocol_bool needs_image;
    protocol_bool sees_maps;   /* but it may see its mappings */
    protocol_bool last;        /* the channel of this reply is of no use any more */
    protocol_bool watch_only;  /* FIND: the probe has no semaphore */
    protocol_bool is_counting; /* the worker counts something: it is not idle */
    protocol_bool has_end;     /* READ: nothing follows what was read, and no text is kept */
    /*
     * The hold is there, and is to be given back whatever the error says. HOLD_TAKE: the service
     * could not save it, or the server has no memory for what came with a success. HOLD_GIVE: the
     * service could not do it yet.
     */
    protocol_bool is_held;
    struct probe_error sentence;
};

/* What a worker may ask for in the middle of a call, about the image that came with it. */
enum question_kind {
    QUESTION_NONE,
    QUESTION_FILE,       /* the file that is mapped from start to end, by a descriptor */
    QUESTION_STOP,       /* that all threads of the process be stopped */
    QUESTION_WRITE_CODE, /* while they are: that the switch at start get the value of end */
    QUESTION_RESUME,     /* that they be let go; otherwise, that happens at the end of the call */
};

struct worker_question {
    enum question_kind kind;
    uint64_t start, end;
};
/*
 * Descriptors that come with a request: a grant to have probes attached to (see grants.h), and the
 * stream that lines go to.
 */
enum { GIVEN_ATTACHER, GIVEN_STREAM, GIVEN_COUNT };

struct call {
    struct request request;
    const char *in; /* the request's payload; the caller's */
    size_t in_length;
    struct probe_image image; /* PROBE_IMAGE_NONE, or one for this request; the callee closes it */
    /*
     * Answers a question: with a descriptor or 0, or with a negative errno value and a sentence.
     * NULL: the worker may not ask.
     */
    int (*answer)(void *data, const struct worker_question *question, struct probe_error *sentence);
    void *answer_data;
    /*
     * Told why there was no answer in time, before others who wait for that worker learn that it is
     * ended. May not wait. NULL: nobody is told.
     */
    void (*given_up)(const void *data, int status);
    const void *given_up_data;
    int given[GIVEN_COUNT]; /* -1 for none; the callee closes what it does not keep */

    /*
     * Memory for the reply's payload, if it fits, or NULL: with it, a reply to what has had its
     * effect is not lost. It is used, or stays the caller's.
     */
    char *spare;
    size_t spare_size;

    struct timespec until; /* set by the service: when to answer at the latest; with `wait` alone */
    struct reply reply;
    /* What LEND opened, and LEND_FILE in `exe`; the caller closes it. */
    struct probe_image lent;
    char *out; /* the reply's payload; allocated for the caller, or NULL */
    size_t out_length;
};

#define CALL_INIT                                                                                  \
    ((struct call){.image = PROBE_IMAGE_NONE, .lent = PROBE_IMAGE_NONE, .given = {-1, -1}})

/* Closes what is given with CALL. */
void call_close_given(struct call *call);

#endif
