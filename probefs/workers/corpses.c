/* SPDX-License-Identifier: MIT */
#include "workers/corpses.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

struct corpse {
    uid_t uid;
    int pidfd;
    pid_t target;             /* 0: none, or one of several */
    struct probe_image_id id; /* all 0: not known */
    struct corpse *next;
};

static bool is_known(const struct probe_image_id *id)
{
    return id->start_time != 0;
}

void corpses_add(struct corpses *corpses, uid_t uid, int pidfd, const struct call *call)
{
    struct corpse *corpse = calloc(1, sizeof(*corpse));
    if (!corpse)
        return;
    corpse->uid = uid;
    corpse->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
    if (call)
        corpse->target = call->request.pid;
    if (call && !call->request.any_image)
        corpse->id = call->request.id;
    LL_PREPEND(corpses->list, corpse);
}

static void corpse_forget(struct corpses *corpses, struct corpse *corpse)
{
    LL_DELETE(corpses->list, corpse);
    if (corpse->pidfd >= 0)
        close(corpse->pidfd);
    free(corpse);
}

void corpses_done(struct corpses *corpses)
{
    while (corpses->list)
        corpse_forget(corpses, corpses->list);
}

static void forget_dead(struct corpses *corpses)
{
    struct corpse *corpse = NULL;
    struct corpse *next = NULL;
    LL_FOREACH_SAFE(corpses->list, corpse, next)
    {
        struct pollfd poller = {.fd = corpse->pidfd, .events = POLLIN};
        if (corpse->pidfd < 0 || poll(&poller, 1, 0) > 0)
            corpse_forget(corpses, corpse);
    }
}

unsigned int corpses_count(struct corpses *corpses, uid_t uid)
{
    unsigned int count = 0;
    const struct corpse *corpse = NULL;
    forget_dead(corpses);
    LL_FOREACH(corpses->list, corpse)
    count += corpse->uid == uid;
    return count;
}

bool corpses_have(struct corpses *corpses, const struct call *call)
{
    const struct request *request = &call->request;
    const struct corpse *corpse = NULL;
    if (!corpses->list || request->pid == 0)
        return false;
    forget_dead(corpses);
    LL_FOREACH(corpses->list, corpse)
    {
        bool is_other = is_known(&corpse->id) && !request->any_image &&
                        !probe_image_id_equal(&corpse->id, &request->id);
        if (corpse->target == request->pid && !is_other)
            return true;
    }
    return false;
}
