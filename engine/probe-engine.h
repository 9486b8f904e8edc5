/* SPDX-License-Identifier: MIT */
/*
 * libprobe-engine: see and switch the static tracing probes of running processes.
 *
 * The model, from the outside in:
 *
 *   engine   what all targets share: options, the log hook, the cache of object files
 *   image    one memory image of a process (from one exec to the next), as open descriptors
 *   target   the probes found in an image; a probe is known by its index, 0 .. count-1
 *   update   one change of one or more probes: planned, checked, then applied
 *
 *   struct probe_engine *engine;
 *   struct probe_target *target;
 *   struct probe_error error;
 *
 *   probe_engine_new(NULL, &engine);
 *   if (probe_target_open(engine, pid, PROBE_WRITE, &target, &error) < 0)
 *       errx(1, "%s", error.text);
 *   for (size_t i = 0; i < probe_target_count(target); i++)
 *       puts(probe_target_name(target, i));
 *
 * Every function that can fail returns 0 (or a count) or a negative errno value; results come last
 * and are untouched on failure. Where a `struct probe_error *` is taken, a failure leaves in it one
 * whole sentence for people; it may be NULL. The library never prints and never exits.
 *
 * Threads: an engine may be used by many threads at once. A target, its updates and its image are
 * for one thread at a time.
 */
#ifndef PROBE_ENGINE_H
#define PROBE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROBE_API __attribute__((visibility("default")))

/*
 * What a client may want to know of a failure beyond its errno, to add advice of its own: the
 * library's sentences know no options of programs.
 */
enum probe_reason {
    PROBE_REASON_NONE,      /* nothing beyond the sentence */
    PROBE_REASON_TRACED,    /* EBUSY: another tracer has a process that has to be stopped */
    PROBE_REASON_UNSTOPPED, /* ETIMEDOUT: threads did not stop in time */
    PROBE_REASON_YAMA,      /* EACCES, EPERM: Yama; a caller with CAP_SYS_PTRACE may */
    PROBE_REASON_COUNTED,   /* EBUSY: a kernel tracer counts; PROBE_COUNT_SUBTRACT is allowed */
    PROBE_REASON_GIGATEXT,  /* EFBIG: see allow_gigatext in struct probe_engine_options */
};

/* One failure: a sentence for people, NUL-ended, without a full stop. */
struct probe_error {
    char text[512];
    enum probe_reason reason;
};

/* ---- engine ---------------------------------------------------------------------------- */

struct probe_engine;
struct probe_image;

enum probe_log_level { PROBE_LOG_ERROR, PROBE_LOG_WARNING, PROBE_LOG_INFO, PROBE_LOG_DEBUG };

/* How an update writes. */
enum probe_method {
    /* Nothing stops. Where the kernel refuses to write to code, as below, with ptrace's writes. */
    PROBE_METHOD_VM,
    /*
     * All threads are stopped for the whole update: the target never sees half of it. System calls
     * that fail with EINTR after SIGSTOP and SIGCONT (epoll_wait, for one) do so here, too.
     */
    PROBE_METHOD_PTRACE,
    /* The calling process changes its own probes, and no other's: pages of code are made writable
     * for the moment of a write, and then have the permissions again that they had. Not for code
     * on reserved huge pages (MAP_HUGETLB): EINVAL. */
    PROBE_METHOD_SELF,
};

struct probe_engine_options {
    enum probe_method method;
    /* Write to code on pages of 1 GiB as well: the kernel copies such a page whole. */
    bool allow_gigatext;
    /* Where procfs is mounted; NULL for "/proc". */
    const char *proc;
    /* Called with whole sentences, from any thread that uses the engine; NULL for silence. */
    void (*log)(void *data, enum probe_log_level level, const char *sentence);
    void *log_data;
    /* Also tell, at PROBE_LOG_DEBUG, of each object found, each stop and each update. */
    bool verbose;
    /*
     * Does thread TID of a target wait for an answer from the caller (a file system, say)? It
     * cannot stop before it gets one, and counts as stopped. Called from any thread; may be NULL.
     */
    bool (*waits)(void *data, pid_t tid);
    void *waits_data;
    /*
     * For images that somebody else opened: asks whoever did for the file that is mapped from START
     * to END, which has no path any more; see probe_image_open_mapped(). Returns a descriptor,
     * which is closed then, or a negative errno value. Called from any thread; may be NULL.
     */
    int (*open_mapped)(void *data, const struct probe_image *image, uint64_t start, uint64_t end);
    void *open_mapped_data;
    /*
     * Names that no probe may be shown under, as the client has other things of these names beside
     * the probes; NULL-ended, and kept by the client as long as the engine lives. A probe of such a
     * name is shown with its first byte escaped. NULL for none.
     */
    const char *const *reserved_names;
};

/* Makes an engine; OPTIONS may be NULL. Errors: ENOMEM, or what opening procfs gives. */
PROBE_API int probe_engine_new(const struct probe_engine_options *options,
                               struct probe_engine **engine);
/* Frees the engine (NULL is fine); its targets must be closed before. */
PROBE_API void probe_engine_free(struct probe_engine *engine);

/* ---- image ----------------------------------------------------------------------------- */

/*
 * What tells one image from every other: the process's start time and the layout of its memory,
 * fields 22, 26 to 28 and 45 to 47 of /proc/PID/stat. (Fields 48 to 51 a process may change without
 * an exec.) Compare with probe_image_id_equal().
 */
struct probe_image_id {
    uint64_t start_time; /* clock ticks since boot */
    uint64_t layout[6];  /* addresses; 0 or 1 where the caller may not see them */
};

PROBE_API bool probe_image_id_equal(const struct probe_image_id *a, const struct probe_image_id *b);

/*
 * Reads the identity of the image that PID has now. Errors: ENOENT where there is no such process
 * or it has no memory (a zombie, a kernel thread); ESRCH where it ended meanwhile.
 */
PROBE_API int probe_image_identify(struct probe_engine *engine, pid_t pid,
                                   struct probe_image_id *id);

/*
 * Does PID still run the image ID? 0 if so. Errors: ESRCH it has ended or replaced its program;
 * EMFILE, ENFILE, ENOMEM it cannot be asked.
 */
PROBE_API int probe_image_confirm(const struct probe_engine *engine, pid_t pid,
                                  const struct probe_image_id *id);

/* How much of an image is opened. Each step includes the one before. */
enum probe_access {
    PROBE_NAMES, /* its mappings: which probes there are */
    PROBE_READ,  /* its memory, for reading: their states */
    PROBE_WRITE, /* its memory, for writing: to switch them */
};

/*
 * The descriptors of one image. They are bound to that image by the kernel when they are opened,
 * so one process may open them and another use them: fields may be sent over a socket one by one.
 * -1 where there is none. `own` says that the user of the image may ask the kernel by pid, too.
 */
struct probe_image {
    pid_t pid;
    pid_t tid; /* a live thread of it: PID itself while its main thread runs */
    struct probe_image_id id;
    enum probe_access access;
    bool own;
    int maps; /* /proc/PID/maps */
    int mem;  /* /proc/PID/mem */
    int stat; /* /proc/PID/stat, only where `own` is true: to ask for the identity again */
    int exe;  /* O_PATH of /proc/PID/exe, only where `own` is false */
    int root; /* O_PATH of /proc/PID/root, only where `own` is false */
};

/* An image with no descriptor in it: what probe_image_done() leaves. */
#define PROBE_IMAGE_NONE                                                                           \
    ((struct probe_image){.maps = -1, .mem = -1, .stat = -1, .exe = -1, .root = -1})

/*
 * Opens what ACCESS needs of the image that PID has now, with the authority of the calling thread.
 * Touches no page of the process. Errors: ENOENT no such process or none with memory; EBUSY it
 * shares its memory with its parent (a vfork child before its exec); EACCES, EPERM the kernel
 * refuses; ESRCH it ended or replaced its program meanwhile; EMFILE, ENFILE, ENOMEM.
 */
PROBE_API int probe_image_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                               struct probe_image *image, struct probe_error *error);

/*
 * The same for somebody else's use: also opens `exe` and `root`, and leaves `own` false, so that
 * whoever gets the descriptors needs no authority over the process.
 */
PROBE_API int probe_image_open_for(struct probe_engine *engine, pid_t pid, enum probe_access access,
                                   struct probe_image *image, struct probe_error *error);

/*
 * Opens the very file that is mapped from START to END in IMAGE, with O_PATH: that touches nothing
 * of it, and whoever gets the descriptor needs the right to read the file. Returns a descriptor.
 * Errors: ENOENT there is no such mapping; ESRCH the image has gone; EPERM; EACCES; EMFILE; ENFILE.
 */
PROBE_API int probe_image_open_mapped(struct probe_engine *engine, const struct probe_image *image,
                                      uint64_t start, uint64_t end);

/* Duplicates IMAGE's descriptors into COPY. Errors: EMFILE, ENFILE. */
PROBE_API int probe_image_copy(const struct probe_image *image, struct probe_image *copy);

/* Closes what is open and leaves PROBE_IMAGE_NONE. */
PROBE_API void probe_image_done(struct probe_image *image);

/* ---- target ---------------------------------------------------------------------------- */

struct probe_target;

/*
 * Opens PID with the caller's own authority and finds its probes. Errors: those of
 * probe_image_open() and probe_target_attach().
 */
PROBE_API int probe_target_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                                struct probe_target **target, struct probe_error *error);

/* Closes the target and its image. NULL is fine. Nothing in the process changes. */
PROBE_API void probe_target_close(struct probe_target *target);

/* A target without an image, to be given one by probe_target_attach(). Errors: ENOMEM. */
PROBE_API int probe_target_new(struct probe_engine *engine, struct probe_target **target);

/*
 * Says which image TARGET is to have, before one is attached: any other is refused from then on.
 */
PROBE_API void probe_target_expect(struct probe_target *target, pid_t pid,
                                   const struct probe_image_id *id);

/*
 * Makes IMAGE the one that TARGET works through, and looks for its probes. The target owns the
 * descriptors from here on, also on failure, and closes those it had. The image must be the one it
 * had before, if it had one: ESRCH otherwise. Further errors: ENOMEM, EIO.
 */
PROBE_API int probe_target_attach(struct probe_target *target, struct probe_image *image,
                                  struct probe_error *error);

/* Closes the image's descriptors, and keeps what is known of its probes. */
PROBE_API void probe_target_detach(struct probe_target *target);

/*
 * Looks again, so that probes in objects that came or went since are known. Returns 0; indices are
 * the same after it if and only if probe_target_generation() is. Errors: ESRCH the image has gone;
 * ENOMEM; EIO.
 */
PROBE_API int probe_target_look(struct probe_target *target, struct probe_error *error);

/*
 * A look that leaves one question open: is the image still the process's? What reads or writes its
 * memory afterwards asks, and fails if not; for anything else, probe_target_confirm() does.
 */
PROBE_API int probe_target_glance(struct probe_target *target, struct probe_error *error);
/* Leaves it open without a look, where an update is to follow: that looks by itself. */
PROBE_API void probe_target_doubt(struct probe_target *target);
/* Asks, unless something did since it was left open. Errors: ESRCH the image has gone. */
PROBE_API int probe_target_confirm(struct probe_target *target, struct probe_error *error);

/* One attempt at something that finds probes, and then uses their indices. */
typedef int probe_attempt(void *data, struct probe_error *error);

/*
 * Calls ATTEMPT with DATA until no object came or went while it failed: what it did then belongs
 * to one generation of TARGET. Gives up after 50 attempts, or when one ends that began more than
 * 850 ms after the first. Returns what the last attempt returned, 0 or more where it succeeded.
 * Errors: those of the attempt; ESRCH the image has gone, whatever else the attempt failed of.
 */
PROBE_API int probe_target_settle(struct probe_target *target, probe_attempt *attempt, void *data,
                                  struct probe_error *error);

/*
 * Stops all threads of the process, until probe_target_resume() or probe_target_close(): updates in
 * between are seen by it as one, whatever the engine's method. A target that is stopped already
 * stays so. Errors: EBUSY another tracer has it; ETIMEDOUT its threads did not stop within a
 * second; ESRCH; EACCES, EPERM; ENOMEM, EAGAIN.
 */
PROBE_API int probe_target_stop(struct probe_target *target, struct probe_error *error);
PROBE_API void probe_target_resume(struct probe_target *target);

PROBE_API pid_t probe_target_pid(const struct probe_target *target);
PROBE_API const struct probe_image_id *probe_target_id(const struct probe_target *target);
/* Was the attached image opened by this process, with its own authority? False without one. */
PROBE_API bool probe_target_is_own(const struct probe_target *target);
/* Duplicates the attached image. Errors: EBADF without one; EMFILE, ENFILE. */
PROBE_API int probe_target_copy_image(const struct probe_target *target, struct probe_image *copy);
/*
 * Would the kernel, at this moment, let the calling process read and write TARGET's, and does the
 * attached image still have memory? Asked without touching any, and cheaper than by opening the
 * image again. 0; EPERM it would not; ESRCH the process has gone, or its main thread has: then only
 * opening its image can tell.
 */
PROBE_API int probe_target_ask(struct probe_target *target);
/* A number that grows each time that a look finds other objects than the one before. */
PROBE_API uint64_t probe_target_generation(const struct probe_target *target);
/* What the attached image allows; PROBE_NAMES without one. */
PROBE_API enum probe_access probe_target_access(const struct probe_target *target);

/* How many probes there are. */
PROBE_API size_t probe_target_count(const struct probe_target *target);

/*
 * The name of probe INDEX as it is shown: at most 255 bytes, escaped as %XX. Names are sorted by
 * byte value. The string lives until the next look, attach or close.
 */
PROBE_API const char *probe_target_name(const struct probe_target *target, size_t index);

/* The index of the probe that is shown as NAME, or -ENOENT. */
PROBE_API ssize_t probe_target_find(const struct probe_target *target, const char *name);

/*
 * The program's path, as /proc/PID/exe gives it, into PATH of SIZE bytes, without a NUL; returns
 * its length. Errors: ESRCH the image has gone; EACCES; ENAMETOOLONG.
 */
PROBE_API ssize_t probe_target_exe(struct probe_target *target, char *path, size_t size,
                                   struct probe_error *error);

/*
 * Does the process run the very file that is at PATH now? Returns 0 where it does. Errors: ESTALE
 * it runs another, or one that has been deleted or replaced since; ESRCH the image has gone; EBADF
 * no image is attached; those of stat() for PATH; EACCES the kernel does not show its program.
 */
PROBE_API int probe_target_check_program(const struct probe_target *target, const char *path,
                                         struct probe_error *error);

/*
 * What of the target's probes is not shown, and why: the I-th sentence, or NULL past the last. Such
 * are notes that do not fit their object, as linkers leave them when they drop a function; objects
 * that cannot be read, or are mapped shared; a program of 32 bits; and probes without a semaphore,
 * which cannot be switched (of libraries only while the target has no probe at all). Each is told
 * once, in the order found. The string lives until the target is closed.
 */
PROBE_API const char *probe_target_problem(const struct probe_target *target, size_t i);

/* ---- survey ---------------------------------------------------------------------------- */

/* Which of many processes have probes; what was found is remembered for the next time. */
struct probe_survey;

/* Errors: ENOMEM. The survey must be freed (NULL is fine) before its engine. */
PROBE_API int probe_survey_new(struct probe_engine *engine, struct probe_survey **survey);
PROBE_API void probe_survey_free(struct probe_survey *survey);

/*
 * Has PID, whose image is ID, any probes? 1 or 0, at this moment: what was loaded or unloaded since
 * the last time is seen. For any number of threads at once. Errors: those of probe_image_open() and
 * probe_target_attach().
 */
PROBE_API int probe_survey_find(struct probe_survey *survey, pid_t pid,
                                const struct probe_image_id *id, struct probe_error *error);

/* ---- states ---------------------------------------------------------------------------- */

enum probe_state {
    PROBE_OFF,   /* all counters 0, all sites off */
    PROBE_ON,    /* all counters above 0, all sites on */
    PROBE_MIXED, /* counters or sites disagree, or a site holds something else */
};

/*
 * Reads the states of COUNT probes, given by their indices (NULL: all, and COUNT must be
 * probe_target_count()), into STATES, an array of COUNT. Errors: ESRCH the image has gone; EFAULT
 * a page is not readable; EACCES the image is not open for reading; ENOMEM; EIO.
 */
PROBE_API int probe_target_states(struct probe_target *target, const size_t *indices, size_t count,
                                  enum probe_state *states, struct probe_error *error);

/* The same as one state for all probes: as probe_state_join() of theirs, at a lower cost. */
PROBE_API int probe_target_state(struct probe_target *target, enum probe_state *state,
                                 struct probe_error *error);

/* One state for many: off or on where all are, mixed where they differ or one is. */
PROBE_API enum probe_state probe_state_join(const enum probe_state *states, size_t count);

/* The counters and sites of some probes, as they were at one moment. */
struct probe_snapshot;

/* One site of a probe. The strings live as long as the target's generation does. */
struct probe_site {
    uint64_t address;       /* at runtime */
    enum probe_state state; /* mixed: its bytes are not a site's; a plain nop follows its counter */
    const char *object;     /* path, escaped, without spaces */
    uint64_t offset;        /* in that file */
    const char *arguments;  /* as the note gives them, not escaped */
};

/*
 * Reads COUNT probes, given by their indices (NULL: all, and COUNT must be probe_target_count()).
 * The snapshot's I-th probe is the I-th index. It must be freed before the next look. Errors: those
 * of probe_target_states().
 */
PROBE_API int probe_snapshot_take(struct probe_target *target, const size_t *indices, size_t count,
                                  struct probe_snapshot **snapshot, struct probe_error *error);
PROBE_API void probe_snapshot_free(struct probe_snapshot *snapshot);

PROBE_API const char *probe_snapshot_name(const struct probe_snapshot *snapshot, size_t i);
PROBE_API enum probe_state probe_snapshot_state(const struct probe_snapshot *snapshot, size_t i);
/* The I-th probe's counters: how many, and the C-th, in the order of their addresses. */
PROBE_API size_t probe_snapshot_counter_count(const struct probe_snapshot *snapshot, size_t i);
PROBE_API uint16_t probe_snapshot_counter(const struct probe_snapshot *snapshot, size_t i,
                                          size_t c);
/* Its sites, likewise. */
PROBE_API size_t probe_snapshot_site_count(const struct probe_snapshot *snapshot, size_t i);
PROBE_API struct probe_site probe_snapshot_site(const struct probe_snapshot *snapshot, size_t i,
                                                size_t s);

/*
 * Escapes LENGTH bytes of TEXT that came from a target into OUT of SIZE, NUL-ended, so that no
 * terminal is fooled: control characters and invalid UTF-8 become %XX. Returns the length; text
 * that does not fit is cut.
 */
PROBE_API size_t probe_escape(const char *text, size_t length, char *out, size_t size);

/* ---- update ---------------------------------------------------------------------------- */

struct probe_update;

enum probe_action {
    PROBE_SWITCH_OFF, /* counters to 0, sites off */
    PROBE_SWITCH_ON,  /* counters of 0 to 1, sites on */
    /* One's own reference, beside those of others; sites follow "counter above 0". */
    PROBE_COUNT_ADD,
    PROBE_COUNT_SUBTRACT,
    PROBE_COUNT_SET, /* counters to a value */
};

/* Begins an update of TARGET, which must outlive it. Errors: ENOMEM. */
PROBE_API int probe_update_new(struct probe_target *target, struct probe_update **update);
PROBE_API void probe_update_free(struct probe_update *update);

/*
 * Adds probe INDEX with what is to become of it (VALUE is for PROBE_COUNT_SET, else 0); probes are
 * changed in the order added. The same probe may be added again with the same action and value, to
 * no effect. Errors: EINVAL it was added with another; EAGAIN as below; ENOMEM.
 */
PROBE_API int probe_update_add(struct probe_update *update, size_t index, enum probe_action action,
                               unsigned int value, struct probe_error *error);

/*
 * Adds all probes that PATTERN means, likewise:
 *
 *   NAME          the probe that is shown so
 *   GLOB          a shell pattern, with * ? [ or \
 *   ~REGEX        POSIX extended, anywhere in the name
 *   START,STOP    two names: STOP is changed first where they are switched on, START where off,
 *                 so that no span is left open
 *
 * Returns how many matched (at least 1). Errors: ENOENT nothing matches; EINVAL no such pattern, or
 * a probe was added with another value; EAGAIN; ENOMEM.
 */
PROBE_API ssize_t probe_update_add_pattern(struct probe_update *update, const char *pattern,
                                           enum probe_action action, unsigned int value,
                                           struct probe_error *error);

/* Is the probe INDEX meant, which is shown as NAME? */
typedef bool probe_predicate(void *data, size_t index, const char *name);

/*
 * Adds all probes for which PREDICATE, called with DATA in the order of their names, says so.
 * Returns how many (at least 1). Errors: ENOENT there are none; EINVAL, EAGAIN, ENOMEM as above.
 */
PROBE_API ssize_t probe_update_add_if(struct probe_update *update, probe_predicate *predicate,
                                      void *data, enum probe_action action, unsigned int value,
                                      struct probe_error *error);

/*
 * Lists the probes that lose the references of others: those that the update switches off or sets,
 * and those that share a counter with one. INDICES is for the caller to free. Errors: ENOMEM.
 */
PROBE_API int probe_update_resets(const struct probe_update *update, size_t **indices,
                                  size_t *count);

/*
 * Checks everything, then applies it. On failure nothing has changed. Errors: ESRCH the image has
 * gone; EAGAIN it has loaded or unloaded objects since the update began, so that indices are
 * others: make a new update; EINVAL two probes with different actions share a counter, or the
 * method is PROBE_METHOD_SELF and this is another process; ENOEXEC the bytes at a site are not a
 * probe's; EBUSY a kernel tracer counts there; EOVERFLOW, ERANGE a counter cannot have the value
 * (the highest is 65535, and 32767 where the kernel counts, too); EACCES, EPERM the image is not
 * open for writing, or the process may not be stopped; EFAULT a page cannot be read or written, or
 * not be copied; EFBIG code on pages of 1 GiB; ETIMEDOUT another update of this process did not
 * end, or its threads did not stop; EBUSY another tracer has it, too; ENOMEM; EIO.
 */
PROBE_API int probe_update_apply(struct probe_update *update, struct probe_error *error);

/* ---- reference ------------------------------------------------------------------------- */

/*
 * One reference to a probe, which is given back to the very counters that it was taken from, even
 * where objects came and went meanwhile.
 */
struct probe_reference;

/* Adds 1 to each counter of probe INDEX, as an update. Errors: those of one. */
PROBE_API int probe_reference_take(struct probe_target *target, size_t index,
                                   struct probe_reference **reference, struct probe_error *error);
/*
 * Takes 1 away again, from what is there still and above 0. The reference stays to be freed.
 * Errors: those of an update.
 */
PROBE_API int probe_reference_give(struct probe_target *target, struct probe_reference *reference,
                                   struct probe_error *error);
/*
 * What another process needs to give it back: bytes without a meaning to others, to be freed.
 * Errors: ENOMEM.
 */
PROBE_API int probe_reference_save(const struct probe_reference *reference, char **bytes,
                                   size_t *length);
/* Makes a reference of such bytes, whoever they come from. Errors: EINVAL they are none; ENOMEM. */
PROBE_API int probe_reference_restore(const char *bytes, size_t length,
                                      struct probe_reference **reference);
/* Frees it, and takes nothing away. NULL is fine. */
PROBE_API void probe_reference_free(struct probe_reference *reference);

/* ---- launch ---------------------------------------------------------------------------- */

/*
 * A program that is to be started, and the probes that it will have: those of its executable and
 * of the libraries that it is linked with. A script's program is its interpreter.
 *
 *   probe_program_open(engine, "postgres", NULL, &program, &error);
 *   probe_launch_exec(program, argv, NULL, (const char *[]){"query_*"}, 1, &error);
 *   errx(126, "%s", error.text);
 */
struct probe_program;

/*
 * Finds NAME along PATH (unless there is a slash in it), and reads its probes. Nothing of it is
 * run, but its loader is, to list the libraries, in ENVIRONMENT (NULL: the caller's): where the
 * loader belongs to root or to the caller, and the program changes no privileges. Else the log says
 * that the libraries are not known. Errors: ENOENT there is no such program, or no interpreter of
 * it; EACCES it may not be executed or read; ELOOP; EAGAIN; EMFILE; ENFILE; ENOMEM; EIO.
 */
PROBE_API int probe_program_open(struct probe_engine *engine, const char *name,
                                 char *const *environment, struct probe_program **program,
                                 struct probe_error *error);
/* NULL is fine. */
PROBE_API void probe_program_close(struct probe_program *program);

/* The file that is executed. It lives as long as the program, and so do the names. */
PROBE_API const char *probe_program_path(const struct probe_program *program);
/* How many probes there are, and the name of the INDEXth, sorted by byte value. */
PROBE_API size_t probe_program_count(const struct probe_program *program);
PROBE_API const char *probe_program_name(const struct probe_program *program, size_t index);

/*
 * How many probes PATTERN means, as for probe_update_add_pattern(). Errors: ENOENT none; EINVAL no
 * such pattern; ENOMEM.
 */
PROBE_API ssize_t probe_program_match(const struct probe_program *program, const char *pattern,
                                      struct probe_error *error);

/*
 * Executes the program in the calling process, as execve() does, with all probes on that the COUNT
 * PATTERNS mean: those of the executable before its first instruction, those of libraries before
 * its entry point. Nothing else about it is other than after execve(). Patterns that mean none are
 * passed over. Returns only if it fails, with the process as before. Errors: EPERM the program is
 * setuid, setgid or has capabilities, and would lose them, as the caller has no CAP_SYS_PTRACE; or
 * the kernel lets nobody trace the caller; EAGAIN, EMFILE, ENFILE no helper can be started; ENOMEM;
 * those of execve().
 *
 * The caller must have one thread. A program whose probes cannot be switched on after all is ended
 * with status 126 where its code would begin, and the log hook, called in a helper process, says
 * why. A process that is the first of its pid namespace finds that helper among its orphans.
 */
PROBE_API int probe_launch_exec(const struct probe_program *program, char *const *arguments,
                                char *const *environment, const char *const *patterns, size_t count,
                                struct probe_error *error);

/*
 * A child that was started and is held, for the thread that started it: only that one may pass it
 * to the functions below, and the child runs on by itself when that thread ends.
 */
struct probe_paused;

/*
 * Starts the program as a child, with the caller's signal mask and no handlers, and holds it before
 * its first instruction. The child's stops send SIGCHLD, as its end does. Errors: those of
 * probe_launch_exec(), of fork() and of probe_target_open(); there is no child then.
 */
PROBE_API int probe_paused_start(const struct probe_program *program, char *const *arguments,
                                 char *const *environment, struct probe_paused **paused,
                                 struct probe_error *error);

PROBE_API pid_t probe_paused_pid(const struct probe_paused *paused);
/* Its probes, open for writing until it is released; at first those of the executable alone. */
PROBE_API struct probe_target *probe_paused_target(const struct probe_paused *paused);

/*
 * Lets it run to its entry point, and looks again: then the libraries are loaded, and their
 * constructors have run. To no effect where it is there. Errors: ESRCH it ended before (and has
 * been waited for), or called exec; EPERM, EIO it cannot be stopped there; those of
 * probe_target_look().
 */
PROBE_API int probe_paused_run_to_entry(struct probe_paused *paused, struct probe_error *error);

/* Lets go of the child, which runs on, and frees PAUSED (NULL is fine) and its target. */
PROBE_API void probe_paused_release(struct probe_paused *paused);

#ifdef __cplusplus
}
#endif

#endif
