/* SPDX-License-Identifier: MIT */
/*
 * attach PID PROBE
 *
 * Attaches a BPF program that does nothing to the sites of a probe, by one call of the kernel: the
 * least that it costs to begin and to end watching, and that a firing costs then. Prints how many
 * nanoseconds the call took; when its standard input ends, detaches, and prints what that took.
 */
#include "engine.h"
#include "watch/links.h"
#include "watch/plan-to-watch.h"

#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "attach: %s: %s\n", what, why);
    exit(1);
}

/* r0 = 0; exit */
static int load_nothing(void)
{
    static const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
                                           {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_KPROBE,
        .insn_cnt = sizeof(code) / sizeof(*code),
        .insns = (uintptr_t)code,
        .license = (uintptr_t) "GPL",
        .expected_attach_type = LINK_UPROBE_MULTI,
    };
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

int main(int argc, char **argv)
{
    struct probe_engine *engine = NULL;
    struct probe_target *target = NULL;
    struct watch_table table = {0};
    struct watch_plan plan;
    struct probe_error error = {0};
    if (argc != 3 || probe_engine_new(NULL, &engine) < 0)
        return 2;
    pid_t pid = (pid_t)strtol(argv[1], NULL, 10);
    if (probe_target_open(engine, pid, PROBE_WRITE, &target, &error) < 0)
        fail("open", error.text);
    ssize_t index = probe_target_find(target, argv[2]);
    const size_t indices[] = {(size_t)index};
    if (index < 0 || watch_plan_make(target, indices, 1, &table, &plan, &error) < 0)
        fail("plan", index < 0 ? "no such probe" : error.text);
    int program = load_nothing();
    const struct link_sites sites = {plan.files[0].fd, plan.site_count, plan.offsets,
                                     plan.references, plan.cookies};
    int64_t begin = now();
    int link = program < 0 ? program : link_multi(program, pid, &sites);
    if (link < 0)
        fail("attach", "the kernel refuses");
    printf("%" PRId64 "\n", now() - begin);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    begin = now();
    close(link);
    printf("%" PRId64 "\n", now() - begin);
    watch_plan_done(&plan);
    watch_table_done(&table);
    probe_target_close(target);
    probe_engine_free(engine);
    return 0;
}
