/* SPDX-License-Identifier: MIT */
#include "server/stream-input.h"

#include "common/text.h"
#include "service/stream-packet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void stream_input_init(struct stream_input *input, int socket, pid_t pid)
{
    *input = (struct stream_input){.socket = socket, .pid = pid};
}

void stream_input_done(struct stream_input *input)
{
    free(input->packet);
    input->packet = NULL;
}

static void set_end(struct stream_input *input, int status, const char *reason)
{
    input->has_ended = true;
    input->status = status;
    snprintf(input->sentence.text, sizeof(input->sentence.text), "process %d: %s", input->pid,
             reason);
}

/* A worker says how it ends. Its user may have taken it over. */
static void take_end(struct stream_input *input, const char *bytes, size_t length)
{
    struct stream_end end;
    if (length != sizeof(end)) {
        set_end(input, -EIO, "its user's worker makes no sense");
        return;
    }
    memcpy(&end, bytes, sizeof(end));
    end.sentence.text[sizeof(end.sentence.text) - 1] = '\0';
    input->has_ended = true;
    input->status = end.error >= 0 && end.error < 512 ? -end.error : -EIO;
    probe_escape(end.sentence.text, strlen(end.sentence.text), input->sentence.text,
                 sizeof(input->sentence.text));
}

/* Receives a packet, if there is one. Returns whether there is something new. */
static bool receive_packet(struct stream_input *input)
{
    if (input->has_ended)
        return false;
    if (!input->packet && !(input->packet = malloc(STREAM_PACKET_MAX)))
        return false;
    ssize_t got = recv(input->socket, input->packet, STREAM_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0 || got > STREAM_PACKET_MAX) {
        set_end(input, -EIO, "its user's worker has ended, and with it what was watched");
        return true;
    }
    input->at = 1;
    input->length = 0;
    if (input->packet[0] == STREAM_LINES) {
        input->length = (size_t)got;
        text_clean(input->packet + 1, input->length - 1);
    } else {
        take_end(input, input->packet + 1, (size_t)got - 1);
    }
    return true;
}

bool stream_input_is_ready(struct stream_input *input)
{
    return input->at < input->length || input->has_ended || receive_packet(input);
}

/* How much of LENGTH bytes fits into SIZE: whole lines, if one does. */
static size_t fit_lines(const char *bytes, size_t length, size_t size, bool is_first)
{
    if (length <= size)
        return length;
    const char *last = memrchr(bytes, '\n', size);
    return last ? (size_t)(last - bytes) + 1 : is_first ? size : 0;
}

size_t stream_input_take(struct stream_input *input, char *bytes, size_t size)
{
    size_t used = 0;
    for (;;) {
        if (input->at >= input->length && !receive_packet(input))
            return used;
        size_t left = input->length > input->at ? input->length - input->at : 0;
        size_t fits = fit_lines(input->packet + input->at, left, size - used, used == 0);
        memcpy(bytes + used, input->packet + input->at, fits);
        used += fits;
        input->at += fits;
        if (fits < left || used == size)
            return used;
    }
}
