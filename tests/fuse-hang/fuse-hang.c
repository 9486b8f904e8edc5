/* SPDX-License-Identifier: MIT */
/*
 * fuse-hang [-f] [-s SECONDS] FILE MOUNTPOINT
 *
 * Serves copies of FILE as MOUNTPOINT/file, file1, ... file9, in the foreground. At SIGUSR1 it
 * makes the kernel drop the pages that it has of them, never answers a read again, and says
 * `silent`: from then on whoever touches a page of a file, or of a mapping of it, sleeps. At
 * SIGUSR2 it drops the pages and is `slow`: each answer to a read takes a tenth of a second.
 *
 *     -f  once silent, it answers no flush either, and says `flush` when the first has come
 *     -s  a process of its own, which is started before it mounts, kills it after that time
 */
#define FUSE_USE_VERSION 310
#include <fuse_lowlevel.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_NUMBER = 2, FILES = 10, SLOW_NS = 100000000, DROP_NS = 20000000, KEPT_MAX = 4096 };

/* A read that is not answered, or not yet. */
struct kept_read {
    fuse_req_t request;
    size_t size;
    off_t offset;
};

static char *content;
static size_t content_size;
static atomic_bool silent, slow, flush_told;
static bool keeps_flushes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept_read kept[KEPT_MAX]; /* guarded by lock, as the next is */
static size_t kept_count;

static void fill_attributes(fuse_ino_t number, struct stat *attributes)
{
    memset(attributes, 0, sizeof(*attributes));
    attributes->st_ino = number;
    attributes->st_nlink = 1;
    attributes->st_uid = getuid();
    attributes->st_gid = getgid();
    if (number == FUSE_ROOT_ID) {
        attributes->st_mode = S_IFDIR | 0755;
    } else {
        attributes->st_mode = S_IFREG | 0755;
        attributes->st_size = (off_t)content_size;
    }
}

static void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {
        .ino = FILE_NUMBER, .attr_timeout = 1000, .entry_timeout = 1000};

    if (parent != FUSE_ROOT_ID || strncmp(name, "file", 4) != 0 ||
        (name[4] && (name[4] < '1' || name[4] > '9' || name[5]))) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    if (name[4])
        entry.ino += (fuse_ino_t)(name[4] - '0');
    fill_attributes(entry.ino, &entry.attr);
    fuse_reply_entry(request, &entry);
}

static void op_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct stat attributes;

    (void)info;
    fill_attributes(number, &attributes);
    fuse_reply_attr(request, &attributes, 1000);
}

static void op_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)number;
    info->keep_cache = 1;
    fuse_reply_open(request, info);
}

static void answer_read(const struct kept_read *read)
{
    size_t at = (size_t)read->offset < content_size ? (size_t)read->offset : content_size;
    size_t left = content_size - at;

    fuse_reply_buf(read->request, content + at, left < read->size ? left : read->size);
}

static void op_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    const struct kept_read read = {request, size, offset};

    (void)number;
    (void)info;
    pthread_mutex_lock(&lock);
    if (silent && kept_count < KEPT_MAX)
        kept[kept_count++] = read;
    else if (!silent && slow)
        nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
    if (!silent)
        answer_read(&read);
    pthread_mutex_unlock(&lock);
}

static void answer_kept(void)
{
    pthread_mutex_lock(&lock);
    while (kept_count > 0)
        answer_read(&kept[--kept_count]);
    pthread_mutex_unlock(&lock);
}

static void op_flush(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)number;
    (void)info;
    if (!silent || !keeps_flushes)
        fuse_reply_err(request, 0);
    else if (!atomic_exchange(&flush_told, true))
        printf("flush\n");
}

static const struct fuse_lowlevel_ops operations = {
    .flush = op_flush,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .open = op_open,
    .read = op_read,
};

static sigset_t user_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    return set;
}

static void *drop_pages(void *session)
{
    for (int i = 0; i < FILES; i++)
        fuse_lowlevel_notify_inval_inode(session, FILE_NUMBER + (fuse_ino_t)i, 0, 0);
    return NULL;
}

/*
 * The kernel drops no page that is being read: it waits, and cannot be killed. So what is read
 * meanwhile is answered after all, and the pages are dropped once more.
 */
static void fall_silent(struct fuse_session *session)
{
    bool again = true;

    silent = true;
    while (again) {
        pthread_t thread;
        struct timespec until;

        if (pthread_create(&thread, NULL, drop_pages, session) != 0)
            abort();
        for (again = false;; again = true) {
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += DROP_NS;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            if (pthread_timedjoin_np(thread, NULL, &until) == 0)
                break;
            answer_kept();
        }
    }
}

static void *wait_for_signals(void *session)
{
    sigset_t set = user_signals();
    int signal;

    while (sigwait(&set, &signal) == 0) {
        if (signal == SIGUSR1) {
            fall_silent(session);
        } else {
            slow = true;
            drop_pages(session);
        }
        printf("%s\n", signal == SIGUSR1 ? "silent" : "slow");
    }
    return NULL;
}

static int read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool complete = false;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0) {
        content_size = (size_t)status.st_size;
        content = malloc(content_size);
        complete = content && read(fd, content, content_size) == (ssize_t)content_size;
    }
    close(fd);
    return complete ? 0 : -1;
}

/* Whoever hangs in it is freed by its end, for certain: no other process has its device open. */
static void end_after(unsigned int seconds)
{
    pid_t pid = getpid();
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; fd < 64; fd++)
        close(fd);
    while (seconds > 0)
        seconds = sleep(seconds);
    kill(pid, SIGKILL);
    _exit(0);
}

int main(int argc, char **argv)
{
    char *words[] = {argv[0], "-ofsname=fuse-hang,subtype=hang"};
    struct fuse_args args = FUSE_ARGS_INIT(2, words);
    struct fuse_session *session;
    sigset_t set = user_signals();
    pthread_t thread;
    int status;

    for (int option; (option = getopt(argc, argv, "fs:")) != -1;) {
        if (option == 'f')
            keeps_flushes = true;
        else if (option == 's')
            end_after((unsigned int)strtoul(optarg, NULL, 10));
    }
    if (argc - optind != 2 || read_file(argv[optind]) < 0) {
        fprintf(stderr, "usage: fuse-hang [-f] [-s SECONDS] FILE MOUNTPOINT\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
    if (!session || fuse_session_mount(session, argv[optind + 1]) < 0)
        return 1;
    if (pthread_create(&thread, NULL, wait_for_signals, session) != 0)
        return 1;
    printf("pid %d\n", (int)getpid());
    status = fuse_session_loop(session);
    fuse_session_unmount(session);
    fuse_session_destroy(session);
    return status != 0;
}
