/* SPDX-License-Identifier: MIT */
#include "workers/channel.h"

#include "service/operations.h"
#include "workers/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ERRNO_MAX = 511, QUESTIONS_MAX = 256 };

/* A payload of this size or less travels in the packet itself; a larger one in packets behind it.
 */
enum { PAYLOAD_SMALL = 128 };

struct request_packet {
    struct request request;
    struct probe_image image;
    int given[GIVEN_COUNT]; /* -1 where there is none */
    char small[PAYLOAD_SMALL];
    uint64_t payload;
};

struct reply_packet {
    struct worker_question question; /* if it is one, the reply itself comes later */
    struct reply reply;
    struct probe_image image; /* that is lent */
    char small[PAYLOAD_SMALL];
    uint64_t payload;
};

/* The answer to a question; to QUESTION_FILE, with 0 comes a descriptor. */
struct answer_packet {
    int error;
    struct probe_error sentence;
};

int channel_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int status = packet_prepare(ends[0]);
    if (status < 0) {
        close(ends[0]);
        close(ends[1]);
    }
    return status;
}

/* ---- payloads --------------------------------------------------------------------------- */

/* Puts what is small enough into the packet that goes first. */
static void fill_small(char small[PAYLOAD_SMALL], const char *bytes, size_t length)
{
    if (length > 0 && length <= PAYLOAD_SMALL)
        memcpy(small, bytes, length);
}

static int send_payload(int channel, const char *bytes, size_t length,
                        const struct timespec *deadline)
{
    return length <= PAYLOAD_SMALL ? 0 : packets_send(channel, bytes, length, deadline);
}

static int copy_small(const char small[PAYLOAD_SMALL], size_t length, char **result)
{
    if (!*result)
        *result = malloc(length);
    if (!*result)
        return -ENOMEM;
    memcpy(*result, small, length);
    return 0;
}

/*
 * Receives the payload that is said to have LENGTH bytes, if these are not more than MAX; into what
 * CALL has spare, if that is enough. With ENOMEM it is lost, and the channel in order.
 */
static int receive_payload(int channel, uint64_t length, uint64_t max,
                           const char small[PAYLOAD_SMALL], struct call *call, char **result,
                           const struct timespec *deadline)
{
    char *bytes = NULL;
    size_t room = 0;
    *result = NULL;
    if (length == 0)
        return 0;
    if (length > max)
        return -EPIPE;
    if (call->spare && length <= call->spare_size) {
        bytes = call->spare;
        room = call->spare_size;
        call->spare = NULL;
    }
    int status = length <= PAYLOAD_SMALL
                     ? copy_small(small, (size_t)length, &bytes)
                     : packets_receive(channel, (size_t)length, &bytes, room, deadline);
    if (status < 0) {
        free(bytes);
        return status;
    }
    *result = bytes;
    return 0;
}

/* ---- descriptors ------------------------------------------------------------------------ */

/*
 * Where descriptors of an image, and others that are GIVEN (NULL: none are), stand, in the order in
 * which they travel. Returns how many there may be.
 */
static size_t list_fields(struct probe_image *image, int *given, int *fields[PACKET_FDS_MAX])
{
    size_t count = 0;
    fields[count++] = &image->maps;
    fields[count++] = &image->mem;
    fields[count++] = &image->exe;
    fields[count++] = &image->root;
    for (size_t i = 0; given && i < GIVEN_COUNT; i++)
        fields[count++] = &given[i];
    return count;
}

static size_t list_fds(struct probe_image image, const int *given, int fds[PACKET_FDS_MAX])
{
    int copy[GIVEN_COUNT];
    int *fields[PACKET_FDS_MAX];
    size_t count = 0;
    if (given)
        memcpy(copy, given, sizeof(copy));
    size_t fields_count = list_fields(&image, given ? copy : NULL, fields);
    for (size_t i = 0; i < fields_count; i++) {
        if (*fields[i] >= 0)
            fds[count++] = *fields[i];
    }
    return count;
}

/* Puts the descriptors that came in the places of those that were sent. */
static bool take_fds(struct probe_image *image, int *given, const int *fds, size_t count)
{
    int *fields[PACKET_FDS_MAX];
    size_t used = 0;
    bool missing = false;
    size_t fields_count = list_fields(image, given, fields);
    image->stat = -1; /* never sent: it is for those who may ask the kernel themselves */
    for (size_t i = 0; i < fields_count; i++) {
        if (*fields[i] < 0)
            continue;
        missing = missing || used == count;
        *fields[i] = used < count ? fds[used++] : -1;
    }
    bool whole = !missing && used == count;
    while (used < count)
        close(fds[used++]);
    return whole;
}

/* ---- calls ------------------------------------------------------------------------------ */

static int answer_question(int channel, const struct call *call,
                           const struct worker_question *question, const struct timespec *deadline)
{
    struct answer_packet answer;
    memset(&answer, 0, sizeof(answer));
    int result =
        call->answer ? call->answer(call->answer_data, question, &answer.sentence) : -EPERM;
    bool has_file = question->kind == QUESTION_FILE && result >= 0;
    answer.error = result < 0 ? -result : 0;
    int status = packet_send(channel, &answer, sizeof(answer), &result, has_file ? 1 : 0, deadline);
    if (has_file)
        close(result);
    return status;
}

/* Receives the reply, and answers what is asked before it. */
static int receive_reply(int channel, const struct call *call, struct reply_packet *reply,
                         int fds[PACKET_FDS_MAX], size_t *count, const struct timespec *deadline)
{
    bool lends = operation_rows[call->request.operation].lends;
    for (int questions = 0; questions <= QUESTIONS_MAX;) {
        /* Without room for descriptors, those that come nevertheless end the channel. */
        int status =
            packet_receive(channel, reply, sizeof(*reply), lends ? fds : NULL, count, deadline);
        if (status < 0 || reply->question.kind == QUESTION_NONE)
            return status;
        status = answer_question(channel, call, &reply->question, deadline);
        if (status < 0)
            return status;
        /* As many as sites: only the deadline limits these. */
        questions += reply->question.kind != QUESTION_WRITE_CODE;
    }
    return -EPIPE;
}

/* Takes the descriptors that came with a reply. */
static int take_lent(struct call *call, const struct reply_packet *reply, const int *fds,
                     size_t count)
{
    struct probe_image image = reply->image;
    if (!operation_rows[call->request.operation].lends)
        return 0;
    if (!take_fds(&image, NULL, fds, count)) {
        probe_image_done(&image);
        return -EPIPE;
    }
    call->lent = image;
    return 0;
}

int channel_ask(int channel, const struct worker_question *question, struct probe_error *sentence)
{
    struct reply_packet packet;
    struct answer_packet answer = {.error = EPIPE};
    int fds[PACKET_FDS_MAX];
    size_t count = 0;
    size_t expected = question->kind == QUESTION_FILE ? 1 : 0;
    memset(&packet, 0, sizeof(packet)); /* no byte of the stack crosses, padding included */
    packet.question.kind = question->kind;
    packet.question.start = question->start;
    packet.question.end = question->end;
    int status = packet_send(channel, &packet, sizeof(packet), NULL, 0, NULL);
    if (status == 0)
        status = packet_receive(channel, &answer, sizeof(answer), fds, &count, NULL);
    if (status < 0)
        return status;
    if (sentence && answer.error != 0)
        *sentence = answer.sentence;
    if (answer.error == 0 && count == expected)
        return expected ? fds[0] : 0;
    while (count > 0)
        close(fds[--count]);
    return answer.error > 0 && answer.error <= ERRNO_MAX ? -answer.error : -EPIPE;
}

int channel_send_call(int channel, const struct call *call, const struct timespec *deadline)
{
    int fds[PACKET_FDS_MAX];
    size_t fd_count = list_fds(call->image, call->given, fds);
    struct request_packet request;
    memset(&request, 0, sizeof(request)); /* no byte of the stack crosses, padding included */
    request.request = call->request;
    request.image = call->image;
    memcpy(request.given, call->given, sizeof(request.given));
    request.payload = call->in_length;
    fill_small(request.small, call->in, call->in_length);

    int status = packet_send(channel, &request, sizeof(request), fds, fd_count, deadline);
    return status < 0 ? status : send_payload(channel, call->in, call->in_length, deadline);
}

/* Takes the reply as a stranger's, whose payload of LENGTH bytes is there. */
static void take_reply(struct call *call, const struct reply *reply, uint64_t length)
{
    call->reply = *reply;
    /* A number that is no errno would leave the caller of the mount without an answer. */
    if (call->reply.error < 0 || call->reply.error > ERRNO_MAX)
        call->reply.error = EIO;
    call->reply.sentence.text[sizeof(call->reply.sentence.text) - 1] = '\0';
    call->out_length = call->out ? (size_t)length : 0;
}

/* Receives one packet if there is one. Returns its length, 0 where there is none, or -EPIPE. */
static ssize_t receive_now(int channel, void *bytes, size_t room)
{
    ssize_t got = recv(channel, bytes, room, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return got <= 0 || (size_t)got > room ? -EPIPE : got;
}

/* The reply itself, which says what follows. */
static int begin_answer(int channel, struct call *call, struct channel_answer *answer)
{
    struct reply_packet packet;
    ssize_t got = receive_now(channel, &packet, sizeof(packet));
    if (got <= 0)
        return (int)got;
    if (got != (ssize_t)sizeof(packet) || packet.question.kind != QUESTION_NONE ||
        packet.payload > operation_reply_max(call))
        return -EPIPE;
    answer->begun = true;
    answer->length = (size_t)packet.payload;
    if (answer->length > 0 && answer->length <= PAYLOAD_SMALL) {
        if (copy_small(packet.small, answer->length, &call->out) < 0)
            return -ENOMEM;
        answer->at = answer->length;
    }
    take_reply(call, &packet.reply, packet.payload);
    return 1;
}

/* The next piece of the payload; memory is taken as it comes. */
static int continue_answer(int channel, struct call *call, struct channel_answer *answer)
{
    size_t left = answer->length - answer->at;
    size_t piece = left < PACKET_MAX ? left : PACKET_MAX;
    if (answer->at + piece > answer->room) {
        size_t room = answer->at + (left < PACKETS_FIRST ? left : PACKETS_FIRST);
        char *larger = realloc(call->out, room);
        if (!larger)
            return -ENOMEM;
        call->out = larger;
        answer->room = room;
    }
    ssize_t got = receive_now(channel, call->out + answer->at, piece);
    if (got <= 0)
        return (int)got;
    answer->at += (size_t)got;
    return got == (ssize_t)piece ? 1 : -EPIPE;
}

int channel_receive_some(int channel, struct call *call, struct channel_answer *answer)
{
    int status = 1;
    while (status > 0 && (!answer->begun || answer->at < answer->length))
        status = answer->begun ? continue_answer(channel, call, answer)
                               : begin_answer(channel, call, answer);
    if (status > 0)
        call->out_length = answer->length;
    return status;
}

int channel_call(int channel, struct call *call, const struct timespec *deadline)
{
    struct reply_packet reply;
    int fds[PACKET_FDS_MAX];
    size_t count = 0;
    int status = channel_send_call(channel, call, deadline);
    if (status == 0)
        status = receive_reply(channel, call, &reply, fds, &count, deadline);
    if (status == 0)
        status = take_lent(call, &reply, fds, count);
    if (status != 0)
        return status;
    status = receive_payload(channel, reply.payload, operation_reply_max(call), reply.small, call,
                             &call->out, deadline);
    if (status < 0 && status != -ENOMEM)
        return status;
    take_reply(call, &reply.reply, reply.payload);
    /* It was done all the same: a hold that the reply tells of has to be given back. */
    if (status == -ENOMEM)
        call->reply.error = ENOMEM;
    return 0;
}

int channel_receive(int channel, struct call *call)
{
    struct request_packet packet;
    int fds[PACKET_FDS_MAX];
    size_t fd_count = 0;
    char *payload = NULL;
    if (packet_receive(channel, &packet, sizeof(packet), fds, &fd_count, NULL) < 0)
        return -EPIPE;
    *call = CALL_INIT;
    call->request = packet.request;
    call->request.probe[sizeof(call->request.probe) - 1] = '\0';
    call->image = packet.image;
    memcpy(call->given, packet.given, sizeof(call->given));
    int status = take_fds(&call->image, call->given, fds, fd_count)
                     ? receive_payload(channel, packet.payload, PAYLOAD_MAX, packet.small, call,
                                       &payload, NULL)
                     : -EPIPE;
    if (status < 0) {
        probe_image_done(&call->image);
        call_close_given(call);
        return status;
    }
    call->in = payload;
    call->in_length = (size_t)packet.payload;
    return 0;
}

int channel_reply(int channel, const struct call *call)
{
    struct reply_packet packet;
    int fds[PACKET_FDS_MAX];
    size_t fd_count = list_fds(call->lent, NULL, fds);
    memset(&packet, 0, sizeof(packet));
    packet.reply = call->reply;
    packet.image = call->lent;
    packet.payload = call->out_length;
    fill_small(packet.small, call->out, call->out_length);
    int status = packet_send(channel, &packet, sizeof(packet), fds, fd_count, NULL);
    return status < 0 ? status : send_payload(channel, call->out, call->out_length, NULL);
}

int channel_refuse(int channel, bool last)
{
    struct call call = CALL_INIT;
    call.reply.error = ENOMEM;
    call.reply.last = last;
    return channel_reply(channel, &call);
}

int channel_send_fd(int channel, int fd)
{
    struct timespec now = {0}; /* a deadline in the past: it fits now or not at all */
    return packet_send(channel, "", 1, &fd, 1, &now);
}

int channel_receive_fd(int channel)
{
    char byte = 0;
    int fds[PACKET_FDS_MAX];
    size_t count = 0;
    if (packet_receive(channel, &byte, sizeof(byte), fds, &count, NULL) < 0)
        return -EPIPE;
    if (count == 1)
        return fds[0];
    while (count > 0)
        close(fds[--count]);
    return -EPIPE;
}
