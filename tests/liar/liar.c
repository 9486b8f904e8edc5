/* SPDX-License-Identifier: MIT */
/*
 * Makes liars of the workers of user LIAR_UID, as if that user had taken them over. It is preloaded
 * in the server, and in all that this starts. Every other packet that such a worker sends arrives
 * as it is, so that the server goes on to ask; in the others, some bytes or all are others, or the
 * length is. Each lie is a byte more in the file LIAR_COUNT.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLIPS_MAX = 32, LENGTH_MAX = 70000 };

typedef ssize_t send_function(int socket, const struct msghdr *message, int flags);

static _Thread_local unsigned int seed;

static unsigned int below(unsigned int limit)
{
    if (seed == 0)
        seed = (unsigned int)gettid();
    return (unsigned int)rand_r(&seed) % limit;
}

static bool is_liar(void)
{
    const char *user = getenv("LIAR_UID");
    return user && strcmp(program_invocation_short_name, "probefs-worker") == 0 &&
           getuid() == (uid_t)strtoul(user, NULL, 10);
}

static void garble(unsigned char *bytes, size_t length)
{
    /* The beginning has errors, lengths and booleans: there is more to lie about. */
    size_t range = below(2) ? length : length < 64 ? length : 64;
    unsigned int flips = below(4) ? below(FLIPS_MAX) + 1 : (unsigned int)length;
    for (unsigned int i = 0; i < flips && range > 0; i++)
        bytes[below((unsigned int)range)] = (unsigned char)below(below(2) ? 256 : 32);
}

static void count_lie(void)
{
    const char *path = getenv("LIAR_COUNT");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (fd < 0 || write(fd, "!", 1) != 1)
        abort(); /* nobody is to believe that nothing was said */
    close(fd);
}

static ssize_t send_lie(send_function *send, int socket, const struct msghdr *message, int flags)
{
    static _Thread_local unsigned char lie[LENGTH_MAX];
    size_t length = message->msg_iov[0].iov_len;
    struct iovec vector = {lie, length};
    struct msghdr other = *message;
    memcpy(lie, message->msg_iov[0].iov_base, length);
    garble(lie, length);
    if (below(8) == 0)
        vector.iov_len = below(LENGTH_MAX);
    other.msg_iov = &vector;
    count_lie();
    return send(socket, &other, flags) < 0 ? -1 : (ssize_t)length;
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    send_function *send = NULL;
    *(void **)&send = dlsym(RTLD_NEXT, "sendmsg");
    bool lies = is_liar() && message->msg_iovlen == 1 &&
                message->msg_iov[0].iov_len <= LENGTH_MAX && below(2) == 0;
    return lies ? send_lie(send, socket, message, flags) : send(socket, message, flags);
}
