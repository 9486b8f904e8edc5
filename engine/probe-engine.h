/* SPDX-License-Identifier: MIT */
/*
 * libprobe-engine: see and switch the static tracing probes of running processes.
 *
 * The model, from the outside in:
 *
 *   engine   options, log hook and cache of object files, shared by all targets
 *   image    one memory image of a process, from one exec to the next, as open descriptors
 *   target   the probes found in an image; each has an index, 0 .. count-1
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
 * Functions that can fail return 0 or a count, or a negative errno value. Results come last and are
 * untouched on failure. A failure leaves one whole sentence for people in the `struct probe_error`,
 * which may be NULL. The library never prints and never exits.
 *
 * Threads: any number may use an engine at once. A target, its updates and its image are for one
 * thread at a time.
 */
#ifndef PROBE_ENGINE_H
#define PROBE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROBE_API __attribute__((visibility("default")))

/*
 * The cause of a failure, where a client may want to add advice of its own: the library's sentences
 * know no program's options.
 */
enum probe_reason {
    PROBE_REASON_NONE,      /* none but the sentence's */
    PROBE_REASON_TRACED,    /* EBUSY: another tracer has a process that must be stopped */
    PROBE_REASON_UNSTOPPED, /* ETIMEDOUT: threads did not stop in time */
    PROBE_REASON_YAMA,      /* EACCES, EPERM: Yama refuses callers without CAP_SYS_PTRACE */
    PROBE_REASON_COUNTED,   /* EBUSY: a kernel tracer counts; PROBE_COUNT_SUBTRACT may be used */
    PROBE_REASON_GIGATEXT,  /* EFBIG: see allow_gigatext in struct probe_engine_options */
    /* ENOENT, or a probe_target_problem(): without a semaphore, it can be watched, not switched */
    PROBE_REASON_WATCH_ONLY,
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
    /* Nothing stops. If the kernel refuses to write to code, as PROBE_METHOD_PTRACE does it. */
    PROBE_METHOD_VM,
    /*
     * All threads stop for the whole update: the target never sees half of it. System calls that
     * fail with EINTR after SIGSTOP and SIGCONT, such as epoll_wait, also do so here.
     */
    PROBE_METHOD_PTRACE,
    /*
     * The calling process changes its own probes and no other's. Pages of code are writable during
     * a write, and then get their permissions back. Code on reserved huge pages (MAP_HUGETLB) is
     * EINVAL.
     */
    PROBE_METHOD_SELF,
};

/*
 * Stops processes that the caller itself may not trace; see probe_stop_begin(). Each function gets
 * an image that was opened by another process. Called by any thread.
 */
struct probe_tracer {
    /* Stops all threads, for this thread alone. Errors: those of probe_stop_begin(); EOPNOTSUPP. */
    int (*stop)(void *data, const struct probe_image *image, struct probe_error *error);
    /* While they are stopped: see probe_stop_write_code(). */
    int (*write_code)(void *data, const struct probe_image *image, uint64_t address, uint8_t byte);
    /* Lets them all go. */
    void (*resume)(void *data, const struct probe_image *image);
    void *data;
};

struct probe_engine_options {
    enum probe_method method;
    /* Also write to code on pages of 1 GiB, although the kernel copies the whole page. */
    bool allow_gigatext;
    /* Where procfs is mounted; NULL for "/proc". */
    const char *proc;
    /* Called with whole sentences, by any thread that uses the engine; NULL for silence. */
    void (*log)(void *data, enum probe_log_level level, const char *sentence);
    void *log_data;
    /* Also log each object found, each stop and each update, at PROBE_LOG_DEBUG. */
    bool verbose;
    /*
     * Does thread TID of a target wait for an answer from the client (a file system, say)? Such a
     * thread cannot stop before it has the answer, and counts as stopped. Called by any thread; may
     * be NULL.
     */
    bool (*waits)(void *data, pid_t tid);
    void *waits_data;
    /*
     * For images that another process opened: asks that process for the file that is mapped from
     * START to END and has no path any more; see probe_image_open_mapped(). Returns a descriptor,
     * which the engine closes, or a negative errno value. Called by any thread; may be NULL.
     */
    int (*open_mapped)(void *data, const struct probe_image *image, uint64_t start, uint64_t end);
    void *open_mapped_data;
    /*
     * For images that another process opened: asks that process to do what takes more authority
     * than we have. NULL: nobody can be asked.
     */
    const struct probe_tracer *tracer;
    /*
     * Names that no probe is shown under, because the client uses them for other things beside the
     * probes: a probe of such a name has its first byte escaped. NULL-ended; NULL for none. The
     * client keeps them as long as the engine lives.
     */
    const char *const *reserved_names;
    /* Also show probes without a semaphore, which can be watched, not switched. */
    bool all;
};

/* Makes an engine. OPTIONS may be NULL. Errors: ENOMEM; those of opening procfs. */
PROBE_API int probe_engine_new(const struct probe_engine_options *options,
                               struct probe_engine **engine);
/* Frees the engine, whose targets must be closed. NULL is fine. */
PROBE_API void probe_engine_free(struct probe_engine *engine);

/* ---- image ----------------------------------------------------------------------------- */

/*
 * Identifies an image: the start time of the process and the layout of its memory, fields 22, 26 to
 * 28 and 45 to 47 of /proc/PID/stat. (A process can change fields 48 to 51 without an exec.)
 * Compare with probe_image_id_equal().
 */
struct probe_image_id {
    uint64_t start_time; /* clock ticks since boot */
    uint64_t layout[6];  /* addresses; 0 or 1 if the caller may not see them */
};

PROBE_API bool probe_image_id_equal(const struct probe_image_id *a, const struct probe_image_id *b);

/*
 * Reads the identity of PID's current image. Errors: ENOENT there is no such process, or it has no
 * memory (a zombie, a kernel thread); ESRCH it ended meanwhile.
 */
PROBE_API int probe_image_identify(struct probe_engine *engine, pid_t pid,
                                   struct probe_image_id *id);

/*
 * Does PID still run the image ID? 0 if so. Errors: ESRCH it has ended or replaced its program;
 * EMFILE, ENFILE, ENOMEM it cannot be asked.
 */
PROBE_API int probe_image_confirm(const struct probe_engine *engine, pid_t pid,
                                  const struct probe_image_id *id);

/* How much of an image is open. Each step includes those before. */
enum probe_access {
    PROBE_NAMES, /* its mappings: to find probes */
    PROBE_READ,  /* its memory, for reading: to see their states */
    PROBE_WRITE, /* its memory, for writing: to switch them */
};

/*
 * The open descriptors of one image; -1 for none. The kernel binds them to the image when they are
 * opened. So one process may open them and another use them: send the fields over a socket one by
 * one. `own` says that whoever uses the image may also ask the kernel by pid.
 */
struct probe_image {
    pid_t pid;
    pid_t tid; /* a live thread: PID itself while its main thread runs */
    struct probe_image_id id;
    enum probe_access access;
    bool own;
    int maps; /* /proc/PID/maps */
    int mem;  /* /proc/PID/mem */
    int stat; /* /proc/PID/stat, if `own`: to read the identity again */
    int exe;  /* O_PATH of /proc/PID/exe, if not `own` */
    int root; /* O_PATH of /proc/PID/root, if not `own` */
};

/* An image without descriptors, as probe_image_done() leaves it. */
#define PROBE_IMAGE_NONE                                                                           \
    ((struct probe_image){.maps = -1, .mem = -1, .stat = -1, .exe = -1, .root = -1})

/*
 * Opens what ACCESS needs of PID's current image, with the authority of the calling thread. Touches
 * no page of the process. Errors: ENOENT there is no such process, or it has no memory; EBUSY it
 * shares its memory with its parent (a vfork child before its exec); EACCES, EPERM the kernel
 * refuses; ESRCH it ended or replaced its program meanwhile; EMFILE; ENFILE; ENOMEM.
 */
PROBE_API int probe_image_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                               struct probe_image *image, struct probe_error *error);

/*
 * The same, but what Yama may refuse (ptrace_scope 1) counts as refused, and is not tried: for a
 * client that then has it opened by another process. Each refusal by Yama leaves a line in the
 * kernel's log.
 */
PROBE_API int probe_image_open_surely(struct probe_engine *engine, pid_t pid,
                                      enum probe_access access, struct probe_image *image,
                                      struct probe_error *error);
/*
 * The same for use by another process, which then needs no authority over PID: also opens `exe` and
 * `root`, and leaves `own` false.
 */
PROBE_API int probe_image_open_for(struct probe_engine *engine, pid_t pid, enum probe_access access,
                                   struct probe_image *image, struct probe_error *error);

/*
 * Opens the very file that is mapped from START to END in IMAGE; returns a descriptor. It is
 * O_PATH: this touches nothing of the file, and using it takes the right to read the file. Errors:
 * ENOENT there is no such mapping; ESRCH the image is gone; EPERM; EACCES; EMFILE; ENFILE.
 */
PROBE_API int probe_image_open_mapped(struct probe_engine *engine, const struct probe_image *image,
                                      uint64_t start, uint64_t end);

/*
 * Stops all threads of process PID, of the image that ID names, until probe_stop_end(): for another
 * process that changes the image's probes, and may not trace it itself. Errors: ESRCH the image has
 * gone; EBUSY another tracer has it; ETIMEDOUT its threads did not stop in time; EACCES, EPERM;
 * ENOMEM, EAGAIN.
 */
struct probe_stop;
PROBE_API int probe_stop_begin(struct probe_engine *engine, pid_t pid,
                               const struct probe_image_id *id, struct probe_stop **stop,
                               struct probe_error *error);
/*
 * Writes a site's switch, also if the kernel refuses other writes to code. Errors: ENOEXEC there is
 * no switch at ADDRESS, or BYTE is no value of one; ETIMEDOUT no thread has stopped by itself; EIO.
 */
PROBE_API int probe_stop_write_code(struct probe_stop *stop, uint64_t address, uint8_t byte);
/* Lets all go. NULL is fine. */
PROBE_API void probe_stop_end(struct probe_stop *stop);

/* Duplicates the descriptors of IMAGE into COPY. Errors: EMFILE; ENFILE. */
PROBE_API int probe_image_copy(const struct probe_image *image, struct probe_image *copy);

/* Closes all descriptors, and leaves PROBE_IMAGE_NONE. */
PROBE_API void probe_image_done(struct probe_image *image);

/* ---- target ---------------------------------------------------------------------------- */

struct probe_target;

/*
 * Opens the image of PID with the caller's own authority, and finds its probes. Errors: those of
 * probe_image_open() and probe_target_attach().
 */
PROBE_API int probe_target_open(struct probe_engine *engine, pid_t pid, enum probe_access access,
                                struct probe_target **target, struct probe_error *error);

/* Closes the target and its image, and changes nothing in the process. NULL is fine. */
PROBE_API void probe_target_close(struct probe_target *target);

/* Makes a target without an image, for probe_target_attach(). Errors: ENOMEM. */
PROBE_API int probe_target_new(struct probe_engine *engine, struct probe_target **target);

/* Before an image is attached: TARGET will refuse any but the image ID of PID. */
PROBE_API void probe_target_expect(struct probe_target *target, pid_t pid,
                                   const struct probe_image_id *id);

/*
 * How long looks at TARGET wait for an object with so many notes that to read it takes seconds:
 * until UNTIL (CLOCK_MONOTONIC). Then they, and what begins with a look, fail with EINPROGRESS. A
 * thread of the engine goes on reading, and a later look, at any target, finds what it has read. A
 * file that hangs is waited for all the same. NULL, as at first: the calling thread reads, for as
 * long as that takes.
 */
PROBE_API void probe_target_wait_until(struct probe_target *target, const struct timespec *until);

/*
 * Gives TARGET the descriptors of IMAGE to work with, and looks for probes. The target owns them
 * from then on, even if this fails, and closes those that it had. Errors: ESRCH the target had or
 * expects another image, or the image is gone; EINPROGRESS an object is still being read; ENOMEM;
 * EIO.
 */
PROBE_API int probe_target_attach(struct probe_target *target, struct probe_image *image,
                                  struct probe_error *error);

/* Closes the image's descriptors; the target keeps what it knows of its probes. */
PROBE_API void probe_target_detach(struct probe_target *target);

/*
 * Looks again for objects that came or went. Indices are the same afterwards if and only if
 * probe_target_generation() is. Errors: ESRCH the image is gone; EINPROGRESS an object is still
 * being read; ENOMEM; EIO.
 */
PROBE_API int probe_target_look(struct probe_target *target, struct probe_error *error);

/*
 * Looks again, but does not ask whether the image is still the process's. Reads and writes of its
 * memory ask that themselves, and fail if not; after anything else, call probe_target_confirm().
 */
PROBE_API int probe_target_glance(struct probe_target *target, struct probe_error *error);
/* Leaves that open without a look. For use before an update, which looks by itself. */
PROBE_API void probe_target_doubt(struct probe_target *target);
/* Asks, unless something else did since it was left open. Errors: ESRCH the image is gone. */
PROBE_API int probe_target_confirm(struct probe_target *target, struct probe_error *error);

/* One attempt at something that finds probes and then uses their indices. */
typedef int probe_attempt(void *data, struct probe_error *error);

/*
 * Calls ATTEMPT with DATA, and again while it fails because objects came or went: in the end, all
 * that it did belongs to one generation of TARGET. Gives up after 50 attempts, or behind one that
 * began more than 850 ms after the first. Returns the result of the last attempt. Errors: those of
 * the attempt; ESRCH the image is gone, whatever else the attempt says.
 */
PROBE_API int probe_target_settle(struct probe_target *target, probe_attempt *attempt, void *data,
                                  struct probe_error *error);

/*
 * Stops all threads of the process until probe_target_resume() or probe_target_close(). It sees the
 * updates in between as one, whatever the engine's method. No effect if TARGET is stopped so
 * already; a process that a signal stopped stays stopped. Errors: EBUSY another tracer has it;
 * ETIMEDOUT its threads did not stop within a second; ESRCH; EACCES; EPERM; ENOMEM; EAGAIN.
 */
PROBE_API int probe_target_stop(struct probe_target *target, struct probe_error *error);
PROBE_API void probe_target_resume(struct probe_target *target);

PROBE_API pid_t probe_target_pid(const struct probe_target *target);
PROBE_API const struct probe_image_id *probe_target_id(const struct probe_target *target);
/* Did this process open the attached image with its own authority? False without an image. */
PROBE_API bool probe_target_is_own(const struct probe_target *target);
/* Duplicates the attached image. Errors: EBADF there is none; EMFILE; ENFILE. */
PROBE_API int probe_target_copy_image(const struct probe_target *target, struct probe_image *copy);
/*
 * Returns 0 if the kernel would let the calling process read and write TARGET's process now, and
 * the attached image still has memory. Touches no memory, and is cheaper than to open the image
 * again. Errors: EPERM it would not; ESRCH the process has ended, or its main thread has, and then
 * only opening the image can tell.
 */
PROBE_API int probe_target_ask(struct probe_target *target);
/* Grows with each look that finds other objects than the look before. */
PROBE_API uint64_t probe_target_generation(const struct probe_target *target);
/* What the attached image allows; PROBE_NAMES without an image. */
PROBE_API enum probe_access probe_target_access(const struct probe_target *target);

/* How many probes there are. */
PROBE_API size_t probe_target_count(const struct probe_target *target);

/*
 * The name that probe INDEX is shown under: at most 255 bytes, with %XX escapes. Names are sorted
 * by byte value. The string lives until the next look, attach or close.
 */
PROBE_API const char *probe_target_name(const struct probe_target *target, size_t index);

/* Has probe INDEX a counter, so that it can be switched? */
PROBE_API bool probe_target_is_switchable(const struct probe_target *target, size_t index);

/* The index of the probe shown as NAME, or -ENOENT. */
PROBE_API ssize_t probe_target_find(const struct probe_target *target, const char *name);

/*
 * Sets CHOSEN (of probe_target_count()) for each probe that PATTERN means, as for
 * probe_update_add_pattern(), those included that can only be watched. Returns how many these are.
 * Errors: ENOENT none; EINVAL no such pattern; ENOMEM.
 */
PROBE_API ssize_t probe_target_match(const struct probe_target *target, const char *pattern,
                                     bool *chosen, struct probe_error *error);

/*
 * Writes the program's path, as /proc/PID/exe gives it, into PATH of SIZE bytes, without a NUL.
 * Returns its length. Errors: ESRCH the image is gone; EACCES; ENAMETOOLONG.
 */
PROBE_API ssize_t probe_target_exe(struct probe_target *target, char *path, size_t size,
                                   struct probe_error *error);

/*
 * Returns 0 if the process runs the very file that is at PATH now. Errors: ESTALE it runs another
 * file, or one that was deleted or replaced since; ESRCH the image is gone; EBADF no image is
 * attached; EACCES the kernel does not show its program; those of stat() for PATH.
 */
PROBE_API int probe_target_check_program(const struct probe_target *target, const char *path,
                                         struct probe_error *error);

/*
 * Why some of the target's probes are not shown: the I-th sentence, or NULL past the last. Causes
 * are notes that do not fit their object, as linkers leave behind when they drop a function;
 * objects that cannot be read or are mapped shared; a 32-bit program; and probes without a
 * semaphore, which cannot be switched (those of libraries count only while the target has no probe
 * at all). Each cause is named once, in the order found. The string lives until the target is
 * closed.
 */
PROBE_API const char *probe_target_problem(const struct probe_target *target, size_t i);
/* What advice the I-th sentence, which there must be, asks for: WATCH_ONLY, or NONE. */
PROBE_API enum probe_reason probe_target_problem_reason(const struct probe_target *target,
                                                        size_t i);

/* ---- survey ---------------------------------------------------------------------------- */

/* A survey of many processes: which have probes? It remembers what it found. */
struct probe_survey;

/* Errors: ENOMEM. The survey must be freed before its engine; NULL is fine. */
PROBE_API int probe_survey_new(struct probe_engine *engine, struct probe_survey **survey);
PROBE_API void probe_survey_free(struct probe_survey *survey);

/*
 * Returns 1 if PID, whose image is ID, has probes now, or 0. Sees what was loaded or unloaded since
 * the last call. UNTIL is that of probe_target_wait_until(). For any number of threads at once.
 * Errors: those of probe_image_open() and probe_target_attach().
 */
PROBE_API int probe_survey_find(struct probe_survey *survey, pid_t pid,
                                const struct probe_image_id *id, const struct timespec *until,
                                struct probe_error *error);

/*
 * A client that asks for all processes, again and again, says between which calls it did: what none
 * of them was about is forgotten, so that nothing is kept of processes that have ended. Returns how
 * many that are. Rounds may overlap. Without them a survey keeps the last 65,536 answers.
 */
PROBE_API uint64_t probe_survey_begin_round(struct probe_survey *survey);
PROBE_API size_t probe_survey_end_round(struct probe_survey *survey, uint64_t round);

/* ---- states ---------------------------------------------------------------------------- */

enum probe_state {
    PROBE_OFF,        /* all counters 0, all sites off */
    PROBE_ON,         /* all counters above 0, all sites on */
    PROBE_MIXED,      /* counters or sites disagree, or a site holds other bytes */
    PROBE_WATCH_ONLY, /* it has no counter: see `all` in struct probe_engine_options */
};

/*
 * Reads the states of the COUNT probes with these INDICES into STATES, an array of COUNT. NULL
 * means all probes, and COUNT must be probe_target_count() then. Errors: ESRCH the image is gone;
 * EFAULT a page cannot be read; EACCES the image is not open for reading; ENOMEM; EIO.
 */
PROBE_API int probe_target_states(struct probe_target *target, const size_t *indices, size_t count,
                                  enum probe_state *states, struct probe_error *error);

/* The same for all probes as one state: probe_state_join() of theirs, but cheaper. */
PROBE_API int probe_target_state(struct probe_target *target, enum probe_state *state,
                                 struct probe_error *error);

/* One state for many: off or on if all are, else mixed. Those without a counter do not count. */
PROBE_API enum probe_state probe_state_join(const enum probe_state *states, size_t count);

/* The counters and sites of some probes, as they were when it was taken. */
struct probe_snapshot;

/* One site of a probe. The strings live as long as the target's generation does. */
struct probe_site {
    uint64_t address;       /* at runtime */
    enum probe_state state; /* mixed: its bytes are no site's; a plain nop follows its counter */
    const char *object;     /* its path, escaped, without spaces */
    uint64_t offset;        /* in that file */
    const char *arguments;  /* as in the note, not escaped */
};

/*
 * Reads the COUNT probes with these INDICES, or all, as probe_target_states(). The snapshot's I-th
 * probe is that of the I-th index. Free it before the next look. Errors: those of
 * probe_target_states().
 */
PROBE_API int probe_snapshot_take(struct probe_target *target, const size_t *indices, size_t count,
                                  struct probe_snapshot **snapshot, struct probe_error *error);
PROBE_API void probe_snapshot_free(struct probe_snapshot *snapshot);

PROBE_API const char *probe_snapshot_name(const struct probe_snapshot *snapshot, size_t i);
PROBE_API enum probe_state probe_snapshot_state(const struct probe_snapshot *snapshot, size_t i);
/* The number of the I-th probe's counters, and the C-th, ordered by address. */
PROBE_API size_t probe_snapshot_counter_count(const struct probe_snapshot *snapshot, size_t i);
PROBE_API uint16_t probe_snapshot_counter(const struct probe_snapshot *snapshot, size_t i,
                                          size_t c);
/* The same for its sites. */
PROBE_API size_t probe_snapshot_site_count(const struct probe_snapshot *snapshot, size_t i);
PROBE_API struct probe_site probe_snapshot_site(const struct probe_snapshot *snapshot, size_t i,
                                                size_t s);

/*
 * Escapes LENGTH bytes of TEXT from a target into OUT of SIZE, NUL-ended, so that no terminal is
 * fooled: control characters, hidden ones and invalid UTF-8 become %XX. Returns the length; text
 * that does not fit is cut.
 */
PROBE_API size_t probe_escape(const char *text, size_t length, char *out, size_t size);

/* ---- update ---------------------------------------------------------------------------- */

struct probe_update;

enum probe_action {
    PROBE_SWITCH_OFF, /* counters to 0, sites off */
    PROBE_SWITCH_ON,  /* counters of 0 to 1, sites on */
    /* The caller's own reference, beside those of others. Sites are on while counters are above 0.
     */
    PROBE_COUNT_ADD,
    PROBE_COUNT_SUBTRACT,
    PROBE_COUNT_SET, /* counters to a value */
};

/* Begins an update of TARGET, which must outlive the update. Errors: ENOMEM. */
PROBE_API int probe_update_new(struct probe_target *target, struct probe_update **update);
PROBE_API void probe_update_free(struct probe_update *update);

/*
 * Adds probe INDEX with an action; VALUE is for PROBE_COUNT_SET, else 0. Probes change in the order
 * added. No effect if the probe was added with the same action and value. Errors: EINVAL it was
 * added with another, or has no counter; EAGAIN see probe_update_apply(); ENOMEM.
 */
PROBE_API int probe_update_add(struct probe_update *update, size_t index, enum probe_action action,
                               unsigned int value, struct probe_error *error);

/*
 * Adds all probes that PATTERN means and that have a counter:
 *
 *   NAME          the probe shown under that name
 *   GLOB          a shell pattern, with * ? [ or \
 *   ~REGEX        POSIX extended, anywhere in the name
 *   START,STOP    two names: STOP changes first if they are switched on, START if off, so that no
 *                 span stays open
 *
 * Returns how many matched, at least 1. Errors: ENOENT nothing matches; EINVAL not a pattern, or a
 * probe was added with another action or value; EAGAIN; ENOMEM.
 */
PROBE_API ssize_t probe_update_add_pattern(struct probe_update *update, const char *pattern,
                                           enum probe_action action, unsigned int value,
                                           struct probe_error *error);

/* Is probe INDEX meant, which is shown as NAME? */
typedef bool probe_predicate(void *data, size_t index, const char *name);

/*
 * Adds all probes with a counter that PREDICATE accepts; it is called with DATA, in the order of
 * their names. Returns how many there are, at least 1. Errors: ENOENT it accepts none; EINVAL,
 * EAGAIN, ENOMEM as above.
 */
PROBE_API ssize_t probe_update_add_if(struct probe_update *update, probe_predicate *predicate,
                                      void *data, enum probe_action action, unsigned int value,
                                      struct probe_error *error);

/*
 * Lists the probes that lose the references of others: those that the update switches off or sets,
 * and those that share a counter with one of them. The caller frees INDICES. Errors: ENOMEM.
 */
PROBE_API int probe_update_resets(const struct probe_update *update, size_t **indices,
                                  size_t *count);

/*
 * Checks everything, then applies it. On failure nothing has changed. Errors:
 *
 *   ESRCH              the image is gone
 *   EAGAIN             objects came or went since the update began, so that indices changed: make
 *                      a new update
 *   EINVAL             two probes with different actions share a counter; or the method is
 *                      PROBE_METHOD_SELF, and this is another process
 *   ENOEXEC            the bytes at a site are not a probe's
 *   EBUSY              a kernel tracer counts there; or another tracer has the process
 *   EOVERFLOW, ERANGE  a counter cannot have the value: the highest is 65535, or 32767 if the
 *                      kernel counts there, too
 *   EACCES, EPERM      the image is not open for writing, or the process may not be stopped
 *   EFAULT             a page cannot be read, written or copied
 *   EFBIG              code on pages of 1 GiB
 *   ETIMEDOUT          another update of the process did not end, or its threads did not stop
 *   ENOMEM, EIO
 */
PROBE_API int probe_update_apply(struct probe_update *update, struct probe_error *error);

/* ---- reference ------------------------------------------------------------------------- */

/*
 * One reference to a probe. It is given back to the very counters that it was taken from, even if
 * objects came and went meanwhile.
 */
struct probe_reference;

/* Adds 1 to each counter of probe INDEX, as an update. Errors: those of an update. */
PROBE_API int probe_reference_take(struct probe_target *target, size_t index,
                                   struct probe_reference **reference, struct probe_error *error);
/*
 * Takes 1 away from those of its counters that are still there and above 0. Does not free the
 * reference. Errors: those of an update.
 */
PROBE_API int probe_reference_give(struct probe_target *target, struct probe_reference *reference,
                                   struct probe_error *error);
/*
 * Says that somebody else set the reference's counters: there is nothing to give back any more,
 * except in children that were forked before.
 */
PROBE_API void probe_reference_forget(struct probe_reference *reference);

/*
 * Has somebody set the counters of the reference in the child PID, which started START_TIME clock
 * ticks after boot? Then the reference is not in them any more.
 */
typedef bool probe_child_predicate(void *data, pid_t pid, uint64_t start_time);

/*
 * Which children to look into: those of the process's own user and group, or also those of other
 * users, which the first kind of call left out. A hostile user can make the second kind wait for
 * ever: make it in a process that can be given up.
 */
enum probe_children { PROBE_CHILDREN_OF_USER, PROBE_CHILDREN_OF_OTHERS };

/*
 * Takes 1 away in the children, too, that the process forked while the reference was held, and in
 * their children: fork copied the counters. To be called after probe_reference_give() or
 * probe_reference_forget(). Leaves out children that called exec, children of a parent that has
 * ended, and those of which SKIP (may be NULL), called with DATA, says so. Tells the log hook about
 * those that the kernel does not let it change. After DEADLINE (CLOCK_MONOTONIC) it begins no
 * further child; another call goes on from there. Errors: EAGAIN there are more; E2BIG there are
 * more than 32,768, and the others were left out; EINVAL the reference was not given back; ENOMEM.
 */
PROBE_API int probe_reference_give_children(struct probe_engine *engine,
                                            struct probe_reference *reference,
                                            enum probe_children whose, probe_child_predicate *skip,
                                            void *data, const struct timespec *deadline,
                                            struct probe_error *error);

/* The number of children of other users that were left out so far. */
PROBE_API size_t probe_reference_unreached(const struct probe_reference *reference);

/*
 * Makes the bytes that another process needs to give the reference back; they mean nothing to
 * others. The caller frees them. Errors: ENOMEM.
 */
PROBE_API int probe_reference_save(const struct probe_reference *reference, char **bytes,
                                   size_t *length);
/* Makes a reference of such bytes, which need not be trusted. Errors: EINVAL they are none; ENOMEM.
 */
PROBE_API int probe_reference_restore(const char *bytes, size_t length,
                                      struct probe_reference **reference);
/* Frees the reference, and takes nothing away. NULL is fine. */
PROBE_API void probe_reference_free(struct probe_reference *reference);

/* ---- watch ----------------------------------------------------------------------------- */

/*
 * Probes that are watched: each firing becomes a line, or is counted, in all threads of the process
 * and in none of its children. For who has CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN before Linux 6.6)
 * in the machine's first namespaces. The process never waits for its watcher.
 *
 *   2026-11-30T08:35:12.507468Z 18561 postgresql:query__start "create table x(a int);" 0
 *
 * TIME TID PROBE ARGUMENTS, as probefs(5) describes them. Other lines begin with '#': "# lost N"
 * where N firings found no room, so that lines and what was lost are the firings; "# exec" or
 * "# ended" at the end.
 *
 * While a probe is watched, the kernel has a reference of its own in its semaphore for each site,
 * so the probe is on. When the watch is freed, or its process ends in whatever way, all is as it
 * was: a process named probe-holder, which is nobody's child, sees to that.
 */
struct probe_watch;

struct probe_watch_options {
    bool counts_only; /* firings are counted and no lines are made: it costs the process less */
    size_t room;      /* bytes of memory for firings that are not read yet; 0: 4 MiB */
    /*
     * A socket to a process that attaches for this one (see probe_attacher_new()), which then needs
     * no capability. It stays the caller's, and open until the watch is freed. 0: this process
     * attaches by itself.
     */
    int attacher;
    /*
     * What probe_watch_add() cannot add is left out, object by object, for as long as it lasts; a
     * line `# not watched: ...` says so. Its error, and that of probe_watch_settle(), is told all
     * the same, and probe_watch_lacks() says when to add again.
     */
    bool leaves_out;
};

/* The least that probe_watch_read() reads into. */
enum { PROBE_WATCH_READ_MIN = 8192 };

/*
 * Watches the probes of TARGET at COUNT INDICES (NULL: all, and COUNT must be
 * probe_target_count()), as of its last look; there may be none yet. TARGET must be open for
 * writing, and may be closed before the watch is freed; its engine may not. OPTIONS may be NULL.
 * Errors: EOPNOTSUPP this kernel cannot watch, or this library was built without; or not this code:
 * a copy in huge pages, a file on a FUSE mount; EPERM the capabilities are not there; EACCES the
 * target is not open for writing; EBUSY another tracer watches one of them with another semaphore;
 * ERANGE a semaphore has no room for the kernel's references; E2BIG too many sites for perf events
 * (64), which older kernels need; ESRCH the image has gone; EAGAIN a file was replaced, look again;
 * ETIMEDOUT the kernel does not finish attaching; those of opening files; ENOMEM; EIO.
 */
PROBE_API int probe_watch_new(struct probe_target *target, const size_t *indices, size_t count,
                              const struct probe_watch_options *options, struct probe_watch **watch,
                              struct probe_error *error);
/*
 * Watches these, too: what is watched already stays so, so that all that are meant can be given
 * after each look. Returns how many sites came in addition. Errors: as above; E2BIG there are more
 * than 4096 new probes.
 */
PROBE_API ssize_t probe_watch_add(struct probe_watch *watch, struct probe_target *target,
                                  const size_t *indices, size_t count, struct probe_error *error);
/* With `leaves_out`: may probe_watch_add() add more, though nothing was loaded since? */
PROBE_API bool probe_watch_lacks(const struct probe_watch *watch);
/*
 * With an attacher, probe_watch_new() and probe_watch_add() only ask it, and what they add is
 * watched once it has answered. This waits for the answer for TIMEOUT milliseconds (-1: without
 * end), and returns 0 where nothing is asked any more. Errors: EINPROGRESS there is none yet; those
 * of attaching; EIO there is no attacher any more. (While there is none, probe_watch_add() is
 * EAGAIN.)
 */
PROBE_API int probe_watch_settle(struct probe_watch *watch, int timeout, struct probe_error *error);
/* Begins to end it, without waiting: nothing new is recorded. */
PROBE_API void probe_watch_release(struct probe_watch *watch);
/*
 * Releases it, and waits for TIMEOUT milliseconds (-1: without end) until nothing is left in the
 * process: 0, and probe_watch_free() does not wait. Errors: EINPROGRESS the kernel is still at it.
 */
PROBE_API int probe_watch_end(struct probe_watch *watch, int timeout);
/* Ends it; when this returns, nothing is left in the process. NULL is fine. */
PROBE_API void probe_watch_free(struct probe_watch *watch);

/*
 * Waits until there is something to read, for TIMEOUT milliseconds (-1: without end): 1, or 0 after
 * that time. Errors: EINTR a signal came; ENODATA all has been read, the end included.
 */
PROBE_API int probe_watch_wait(struct probe_watch *watch, int timeout);
/*
 * Reads whole lines into BUFFER of SIZE, at least PROBE_WATCH_READ_MIN; no NUL. Returns how many
 * bytes, 0 where there is nothing to read now. Errors: EINVAL; ENODATA as above.
 */
PROBE_API ssize_t probe_watch_read(struct probe_watch *watch, char *buffer, size_t size);

/* How many probes are watched, the name of the I-th, in the order added, and how often it fired. */
PROBE_API size_t probe_watch_count(const struct probe_watch *watch);
PROBE_API const char *probe_watch_name(const struct probe_watch *watch, size_t i);
PROBE_API uint64_t probe_watch_hits(const struct probe_watch *watch, size_t i);
/* How many firings, of all probes, found no room. */
PROBE_API uint64_t probe_watch_lost(const struct probe_watch *watch);

/* How probes are watched: by links of many sites, or by a perf event for each (older kernels). */
enum probe_watch_way { PROBE_WATCH_MULTI = 1, PROBE_WATCH_PERF };

/* Which of them works here: tried once for each engine. Errors: EOPNOTSUPP none; EPERM; ENOMEM. */
PROBE_API int probe_watch_find_way(struct probe_engine *engine, enum probe_watch_way *way,
                                   struct probe_error *error);

/* ---- attacher -------------------------------------------------------------------------- */

/*
 * Attaching for watchers that have no capabilities and need not be trusted: over a socket each asks
 * for probes of one process, and gets what it needs to read them. An attacher parses nothing: it
 * checks a plan of fixed form, and what proves the right to watch is the process's memory, which
 * the kernel must have opened for writing.
 */
struct probe_attacher;

/* What the watcher at the other end may have. */
struct probe_grant {
    pid_t pid;   /* probes of this process, */
    uid_t uid;   /* for as long as /proc/PID/mem belongs to this user and group: */
    gid_t gid;   /* to root where it becomes a setuid program */
    size_t room; /* so many bytes for firings that are not read yet; 0: as many as any */
};

/*
 * Serves SOCKET (SOCK_SEQPACKET) as GRANT says. All that it attaches ends with the watcher, and
 * with the other end of LIFETIME (-1: there is none). Both descriptors become the attacher's.
 * Errors: ENOMEM.
 */
PROBE_API int probe_attacher_new(struct probe_engine *engine, int socket,
                                 const struct probe_grant *grant, int lifetime,
                                 struct probe_attacher **attacher);
/*
 * Answers one request, which must be there. Waits for the kernel to attach, some seconds at most.
 * MEMORY is about how much of the kernel's memory it may take, and afterwards how much of that is
 * left; NULL: as much as any. What was refused is in ERROR, and its errno is returned; it was
 * answered all the same. Errors: EPIPE the watcher has gone, or makes no sense; ETIMEDOUT the
 * kernel does not finish; ENOMEM it takes more than MEMORY.
 */
PROBE_API int probe_attacher_serve(struct probe_attacher *attacher, uint64_t *memory,
                                   struct probe_error *error);
/* How much of what it has taken is taken for as long as the attacher lives. */
PROBE_API uint64_t probe_attacher_kept(const struct probe_attacher *attacher);
/*
 * Answers one request, which must be there, with STATUS (a negative errno value) and REASON,
 * without a look at it. Returns STATUS. Errors: EPIPE, as above.
 */
PROBE_API int probe_attacher_refuse(struct probe_attacher *attacher, int status,
                                    const struct probe_error *reason);
/* Takes a descriptor that ends when what was attached last is detached; -1: there is none. */
PROBE_API int probe_attacher_take_end(struct probe_attacher *attacher);
/* What is attached stays so. NULL is fine. */
PROBE_API void probe_attacher_free(struct probe_attacher *attacher);

/* ---- launch ---------------------------------------------------------------------------- */

/*
 * A program to be started, and the probes that it will have: those of its executable and of the
 * libraries that it is linked with. The program of a script is its interpreter.
 *
 *   probe_program_open(engine, "postgres", NULL, &program, &error);
 *   probe_launch_exec(program, argv, NULL, (const char *[]){"query_*"}, 1, &error);
 *   errx(126, "%s", error.text);
 */
struct probe_program;

/*
 * Finds NAME along PATH (unless there is a slash in it), and reads its probes. Nothing of it runs,
 * nor of its loader or its libraries: these are found by reading, as the loaders of glibc and musl
 * would find them in ENVIRONMENT (NULL: the caller's). A library that is not found is left out,
 * with a line in the log. Errors: ENOENT there is no such program, or no interpreter of it; EACCES
 * it may not be executed or read; ELOOP; E2BIG it needs more libraries than any real program;
 * EMFILE; ENFILE; ENOMEM; EIO.
 */
PROBE_API int probe_program_open(struct probe_engine *engine, const char *name,
                                 char *const *environment, struct probe_program **program,
                                 struct probe_error *error);
/* NULL is fine. */
PROBE_API void probe_program_close(struct probe_program *program);

/* The file that is executed. The string lives as long as the program, as do the names. */
PROBE_API const char *probe_program_path(const struct probe_program *program);
/* How many probes there are, and the name of probe INDEX; they are sorted by byte value. */
PROBE_API size_t probe_program_count(const struct probe_program *program);
PROBE_API const char *probe_program_name(const struct probe_program *program, size_t index);
/* Has it a semaphore? A probe without one can be watched, but not switched. */
PROBE_API bool probe_program_is_switchable(const struct probe_program *program, size_t index);

/*
 * How many probes that can be switched PATTERN means, as for probe_update_add_pattern(). Errors:
 * ENOENT none (if there are others of that name, the reason is PROBE_REASON_WATCH_ONLY); EINVAL no
 * such pattern; ENOMEM.
 */
PROBE_API ssize_t probe_program_match(const struct probe_program *program, const char *pattern,
                                      struct probe_error *error);

/* How a program is started. NULL for arrays of 0. */
struct probe_launch_options {
    const char *const *on; /* patterns of probes to switch on */
    size_t on_count;
    const char *const *off; /* of probes to switch off: these win over ON */
    size_t off_count;
    /*
     * If no probe of the program is meant, follow it through each exec, until one of the programs
     * that it becomes has a probe that is; children of setuid and setgid programs (sudo, su) are
     * followed as well. If none comes, the log hook is told before the process's parent learns of
     * its end.
     */
    bool follow;
    /*
     * A descriptor, closed by an exec, that the trace of what is switched on is written to, as
     * probe_watch_read() has it; also of probes that can only be watched, if the engine shows them.
     * It begins with the first instruction (of libraries, at the entry point) and ends with the
     * process or its next exec; the last lines may come a moment after the process has ended. 0: no
     * trace.
     */
    int trace;
};

/*
 * Executes the program in the calling process, as execve() does, with probes switched as OPTIONS
 * say: those of the executable before its first instruction, those of libraries before its entry
 * point. Nothing else about it is other than after execve(). Patterns that mean no probe are told
 * to the log hook, once the program is at its entry point. Returns only if it fails, with the
 * process as before. Errors: EPERM the program is setuid, setgid or has capabilities, and would
 * lose them, as the caller has no CAP_SYS_PTRACE; or the kernel lets nobody trace the caller;
 * EAGAIN, EMFILE, ENFILE no helper can be started; ENOMEM; those of execve(); for a trace, those of
 * probe_watch_find_way().
 *
 * The caller must have one thread. A program whose probes cannot be switched after all, or that is
 * not the file that was read (it was replaced since), is ended with status 126 before any of its
 * code runs, and the log hook says why. The hook is called in a helper process; with FOLLOW or
 * TRACE, that has no descriptors of the caller's but the standard error and those that an exec
 * closes. A process that is the first of its pid namespace finds the helper among its orphans.
 */
PROBE_API int probe_launch_exec_with(const struct probe_program *program, char *const *arguments,
                                     char *const *environment,
                                     const struct probe_launch_options *options,
                                     struct probe_error *error);

/* The same, to switch on all probes that the COUNT PATTERNS mean. */
PROBE_API int probe_launch_exec(const struct probe_program *program, char *const *arguments,
                                char *const *environment, const char *const *patterns, size_t count,
                                struct probe_error *error);

/*
 * A child that was started and is held. Only the thread that started it may pass it to the
 * functions below; when that thread ends, the child runs on by itself.
 */
struct probe_paused;

/*
 * Starts the program as a child, with the caller's signal mask and no handlers, and holds it before
 * its first instruction. The stops of the child send SIGCHLD, as does its end. On failure there is
 * no child. Errors: those of probe_launch_exec(), of fork() and of probe_target_open(); ESTALE the
 * program, or its loader, is not the file any more that was read.
 */
PROBE_API int probe_paused_start(const struct probe_program *program, char *const *arguments,
                                 char *const *environment, struct probe_paused **paused,
                                 struct probe_error *error);

PROBE_API pid_t probe_paused_pid(const struct probe_paused *paused);
/* Its probes, open for writing until it is released; at first only those of the executable. */
PROBE_API struct probe_target *probe_paused_target(const struct probe_paused *paused);

/*
 * Lets it run to its entry point, and looks again: its libraries are loaded then, and their
 * constructors have run. No effect if it is already there. Errors: ESRCH it ended before, and was
 * waited for, or called exec; EPERM, EIO it cannot be stopped there; those of probe_target_look().
 */
PROBE_API int probe_paused_run_to_entry(struct probe_paused *paused, struct probe_error *error);

/* Lets the child run on, and frees PAUSED and its target. NULL is fine. */
PROBE_API void probe_paused_release(struct probe_paused *paused);

#ifdef __cplusplus
}
#endif

#endif
