// SPDX-License-Identifier: MIT
/*
 * The programs that run in the kernel while a process is watched. They are loaded anew for each
 * watch, with maps of their own.
 *
 *   uprobe at a site  ->  is it the process, and still the same image?
 *                     ->  count the firing
 *                     ->  evaluate the site's recipe into a record of the ring buffer
 *   an exec, anywhere ->  is it the process? Then it is not the same image any more
 *
 * One interpreter for all sites: a recipe says for each argument which registers, what constant,
 * how many bytes of memory, and whether the value may be the address of a string. So nothing is
 * compiled at run time, and a site costs a row in an array.
 *
 * Surprises:
 * - Nobody is woken up by a record (BPF_RB_NO_WAKEUP): a wake-up would cost the process more than
 *   all the rest. Readers look every few milliseconds.
 * - The kernel wants to know a record's size when it checks the program, so there are records of a
 *   few sizes, each reserved by code of its own (`emit` is inlined for each). It leaves out the
 * code for sizes that the settings exclude, which are constants to it.
 * - Memory is read without faulting: a page that the process never touched cannot be read here. The
 *   record says so, and the reader reads it from /proc/PID/mem.
 * - An exec is seen here and not by polling: a uprobe of a library also fires in the setuid program
 *   that the process becomes, and that program's arguments are not the watcher's business. The
 *   tracepoint comes before the first instruction of the new image.
 * - A child of fork() has the breakpoints of its parent, too: hence the test of the tgid.
 */
#include "arch/registers.h"
#include "watch/program.h"
#include "watch/record.h"

/* Both are for GPL'd programs only: bpf_probe_read_user() and bpf_get_attach_cookie(). */
char _license[] SEC("license") = "Dual MIT/GPL";

const struct watch_settings settings;

struct {
    MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
    MAP_UINT(max_entries, 1); /* set when it is loaded */
    MAP_TYPE(key, __u32);
    MAP_TYPE(value, struct watch_recipe);
} recipes SEC(".maps");

/* It is frozen when it is loaded: whoever is handed its descriptor may map it, and write nothing.
 */
struct {
    MAP_UINT(type, BPF_MAP_TYPE_ARRAY);
    MAP_UINT(map_flags, BPF_F_MMAPABLE);
    MAP_UINT(max_entries, WATCH_COUNTS); /* set when it is loaded */
    MAP_TYPE(key, __u32);
    MAP_TYPE(value, __u64);
} tallies SEC(".maps");

struct {
    MAP_UINT(type, BPF_MAP_TYPE_RINGBUF);
    MAP_UINT(max_entries, 4096); /* set when it is loaded */
} ring SEC(".maps");

/*
 * Constant for the kernel, which gets the values before it checks the programs, and not for the
 * compiler. (`volatile` would make gcc put them among the variables.)
 */
static ALWAYS_INLINE const struct watch_settings *get_settings(void)
{
    const struct watch_settings *loaded = &settings;
    __asm__ volatile("" : "+r"(loaded));
    return loaded;
}

static ALWAYS_INLINE __u64 *find_tally(__u32 key)
{
    return bpf_map_lookup_elem(&tallies, &key);
}

/* A site that was hit, and by which thread: each is a helper's to tell, and asked for once. */
struct firing {
    __u64 thread, recipe; /* of the thread's number and that of the recipe the lower halves count */
};

/* Counts a firing, and returns the recipe of its site. NULL: it is none of this process. */
static ALWAYS_INLINE const struct watch_recipe *count_firing(void *ctx, struct firing *firing)
{
    __u64 thread = bpf_get_current_pid_tgid();
    if (thread >> 32 != get_settings()->tgid)
        return NULL;
    __u64 *replaced = find_tally(WATCH_REPLACED);
    if (!replaced || *(volatile __u64 *)replaced)
        return NULL;
    __u64 cookie = bpf_get_attach_cookie(ctx);
    firing->thread = thread;
    firing->recipe = cookie + get_settings()->first;
    __u32 key = (__u32)cookie;
    const struct watch_recipe *recipe = bpf_map_lookup_elem(&recipes, &key);
    __u64 *count = recipe ? find_tally(WATCH_COUNTS + recipe->probe) : NULL;
    if (!count)
        return NULL;
    __sync_fetch_and_add(count, 1);
    return recipe;
}

static ALWAYS_INLINE void load_registers(const __u64 *ctx, __u64 *slots)
{
#define LOAD(slot, index) slots[slot] = ctx[index];
    ARCH_REGISTERS(LOAD)
#undef LOAD
    slots[ARCH_SLOT_NONE] = 0;
}

static ALWAYS_INLINE int evaluate(const struct watch_operand *operand, const __u64 *slots,
                                  __u64 *value)
{
    __u32 base = operand->base;
    __u32 index = operand->index;
    if (base >= ARCH_SLOT_COUNT || index >= ARCH_SLOT_COUNT)
        return -1;
    __u64 sum = operand->constant + slots[base] + (slots[index] << (operand->scale & 63));
    __u32 length = operand->load;
    *value = sum;
    if (length == 0)
        return 0;
    if (length > sizeof(*value))
        return -1;
    __u64 loaded = 0;
    if (bpf_probe_read_user(&loaded, length, (const void *)sum) < 0)
        return -1;
    *value = loaded;
    return 0;
}

/*
 * Records a firing: VALUES and ROOM are constants here. Its operands are evaluated behind the
 * reservation, as a firing that finds no room should cost the process little.
 */
static ALWAYS_INLINE void emit(const __u64 *ctx, const struct watch_recipe *recipe,
                               const struct firing *firing, const __u32 values, const __u32 room)
{
    const __u64 size =
        sizeof(struct watch_record) + values * sizeof(__u64) + room * sizeof(struct watch_text);
    __u64 *lost = find_tally(WATCH_LOST);
    if (!lost)
        return;
    struct watch_record *record = bpf_ringbuf_reserve(&ring, size, 0);
    if (!record) {
        __sync_fetch_and_add(lost, 1);
        return;
    }
    record->time = bpf_ktime_get_ns();
    record->lost = *(volatile __u64 *)lost;
    record->tid = (__u32)firing->thread;
    /* gcc 14 would make one store of these two, and forget to clear what is above the first. */
    __asm__ volatile("" : : : "memory");
    record->recipe = (__u32)firing->recipe;

    struct watch_text *texts = (struct watch_text *)(record->values + values);
    __u64 slots[ARCH_SLOT_COUNT];
    load_registers(ctx, slots);
    for (__u32 i = 0;; i++) {
        /* Else gcc would make a pointer of it, which the kernel's checker finds no bounds for. */
        __asm__ volatile("" : "+r"(i));
        if (i >= values || i >= recipe->count)
            break;
        const struct watch_operand *operand = &recipe->operands[i];
        __u64 value = 0;
        int failed = evaluate(operand, slots, &value) < 0;
        record->failed[i] = (__u8)failed;
        record->values[i] = value;
        __u32 text = (__u32)operand->text - 1;
        if (room == 0 || text >= room)
            continue;
        if (failed || value < ARCH_POINTER_LEAST || value > ARCH_POINTER_MOST)
            texts[text].length = 0;
        else
            texts[text].length = (__s32)bpf_probe_read_user_str(texts[text].bytes, WATCH_TEXT_READ,
                                                                (const void *)value);
    }
    bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static ALWAYS_INLINE int fits(const struct watch_recipe *recipe, __u32 values, __u32 texts)
{
    return recipe->count <= values && recipe->texts <= texts;
}

SEC("uprobe")
int watch_record(void *ctx)
{
    struct firing firing;
    const struct watch_recipe *recipe = count_firing(ctx, &firing);
    if (!recipe)
        return 0;
    __u32 kind = 1;
#define EMIT(values, texts)                                                                        \
    if (get_settings()->kinds & kind && fits(recipe, values, texts)) {                             \
        emit(ctx, recipe, &firing, values, texts);                                                 \
        return 0;                                                                                  \
    }                                                                                              \
    kind <<= 1;
    WATCH_KINDS(EMIT)
#undef EMIT
    return 0;
}

SEC("uprobe")
int watch_count(void *ctx)
{
    struct firing unused;
    count_firing(ctx, &unused);
    return 0;
}

SEC("raw_tp/sched_process_exec")
int watch_exec(void *ctx)
{
    (void)ctx;
    __u64 *replaced = find_tally(WATCH_REPLACED);
    if (replaced && bpf_get_current_pid_tgid() >> 32 == get_settings()->tgid)
        *replaced = 1;
    return 0;
}
