/* SPDX-License-Identifier: MIT */
/* What the two sides of a start tell each other, over a pair of sockets. */
#ifndef ENGINE_MESSAGE_H
#define ENGINE_MESSAGE_H

#include "error.h"

struct message {
    pid_t helper; /* in the helper's first one: who it is */
    int status;   /* how it went: 0 or a negative errno value */
    struct probe_error error;
};

/* Errors: EMFILE; ENFILE; ENOMEM. */
int message_open(int sockets[2], struct probe_error *error);

/* Sends to, or waits for a message from, the other side. False: there is no other side any more. */
bool message_send(int to, const struct message *message);
bool message_receive(int from, struct message *message);

#endif
