/* SPDX-License-Identifier: MIT */
/*
 * Calls over a socket, between the server and a worker. One call at a time on each channel:
 *
 *   client: request, payload length, image    then the payload, in packets of at most 64 KiB
 *   worker: reply, payload length             then the payload, likewise
 *
 * or, before that and any number of times, where an image came:
 *
 *   worker: a question
 *   client: an errno value or 0               with 0 the descriptor of a file, if it asks for one
 *
 * The descriptors of an image travel with the first packet, and those of one that is lent with the
 * reply. Neither side believes a length: a
 * packet of the wrong size, or a payload beyond PAYLOAD_MAX, ends the channel; a reply's payload,
 * if it is more than the request asked for. Memory for it is taken as it comes.
 */
#ifndef PROBEFS_CHANNEL_H
#define PROBEFS_CHANNEL_H

#include "service/protocol.h"

#include <time.h>

enum { PAYLOAD_MAX = 64 << 20 };

/* Two connected ends: of whoever calls, and of whoever answers. Errors: EMFILE, ENFILE, ENOMEM. */
int channel_pair(int ends[2]);

/*
 * Sends CALL's request and waits for its reply until DEADLINE (CLOCK_MONOTONIC). The image's
 * descriptors stay the caller's. Errors: ETIMEDOUT; EPIPE the other end has gone or makes no
 * sense. After an error the channel is of no use any more. A payload that there is no memory for is
 * ENOMEM in the reply.
 */
int channel_call(int channel, struct call *call, const struct timespec *deadline);

/*
 * The same in two steps, for whoever waits for many answers: sends the request, and receives what
 * there is of the reply, without waiting. Where that is whole, 1 is returned; 0: there is more to
 * come. No image may be lent. Errors: EPIPE; ENOMEM, also the end of the channel.
 */
struct channel_answer {
    bool begun;          /* the reply itself is there, and its payload comes: */
    size_t length, room; /* so long it is; so much memory it has */
    size_t at;           /* so much of it is there */
};
int channel_send_call(int channel, const struct call *call, const struct timespec *deadline);
int channel_receive_some(int channel, struct call *call, struct channel_answer *answer);

/*
 * The other side: waits for a request. Errors: EPIPE the client has gone; ENOMEM there is one,
 * which is to be refused.
 */
int channel_receive(int channel, struct call *call);
/* Answers it. */
int channel_reply(int channel, const struct call *call);
/* The same with ENOMEM; LAST: the client is to use another channel from now on. */
int channel_refuse(int channel, bool last);

/*
 * For the side that answers, before it does: asks. Returns a descriptor, or 0 if the question is
 * not for a file, or a negative errno value, with a sentence if there is one. SENTENCE may be NULL.
 */
int channel_ask(int channel, const struct worker_question *question, struct probe_error *sentence);

/* Sends descriptor FD alone, without waiting; and waits for one. Errors: EPIPE, EAGAIN. */
int channel_send_fd(int channel, int fd);
int channel_receive_fd(int channel);

#endif
