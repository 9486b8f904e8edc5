/* SPDX-License-Identifier: MIT */
/*
 * What the BPF program and its two sides in user space say to each other: recipes go in, records
 * and tallies come out. Fixed sizes only, so that neither the program nor the side that loads it
 * has anything to parse.
 */
#ifndef ENGINE_WATCH_RECORD_H
#define ENGINE_WATCH_RECORD_H

#include <linux/types.h>

enum {
    WATCH_ARGUMENTS_MAX = 12, /* as many as <sys/sdt.h> can give a probe */
    WATCH_PAIR = 2,           /* values in records of the smallest kinds: a cache line */
    WATCH_FEW = 4,            /* values, or texts, in records of the smaller kinds */
    WATCH_TEXT_MAX = 64,      /* bytes of a string that are shown */
    WATCH_TEXT_READ = 66,     /* one more tells that there is more, and the NUL */
    WATCH_SITES_MAX = 1 << 20,
};

/*
 * How one argument is computed: sum = constant + base + (index << scale). The value is the sum, or
 * `load` bytes of memory at that address.
 */
struct watch_operand {
    __u64 constant;
    __u8 base, index; /* slots, see arch/operand.h */
    __u8 scale;
    __u8 load; /* 0, 1, 2, 4 or 8 */
    __u8 text; /* 1 + the record's text that it goes to where it is an address; 0: it is none */
    __u8 unused[3];
};

/*
 * What is recorded when one site is hit. Recipes are numbered over all that a watch has attached;
 * the site's cookie is the recipe's place among those that the program was loaded with.
 */
struct watch_recipe {
    __u32 probe; /* whose count grows */
    __u8 count;  /* operands */
    __u8 texts;
    __u8 unused[2];
    struct watch_operand operands[WATCH_ARGUMENTS_MAX];
};

/* A string as it was when the site was hit. */
struct watch_text {
    __s32 length; /* with the NUL; 0: not asked for; below 0: it could not be read then */
    char bytes[WATCH_TEXT_READ + 2];
};

/*
 * One firing. The values follow, and behind them the texts: as many as there is room for in the
 * first of WATCH_KINDS that is enough.
 */
struct watch_record {
    __u64 time;   /* CLOCK_MONOTONIC, ns */
    __u64 lost;   /* how many firings found no room before */
    __u32 tid;    /* in the initial pid namespace */
    __u32 recipe; /* its number */
    /* 1 where an operand could not be loaded; its value is the address then. (A byte each, as the
     * kernel's checker would follow every combination of bits.) */
    __u8 failed[WATCH_ARGUMENTS_MAX];
    __u32 unused;
    __u64 values[];
};

/* Kinds of records: X(values, texts). */
#define WATCH_KINDS(X)                                                                             \
    X(WATCH_PAIR, 0)                                                                               \
    X(WATCH_FEW, 0)                                                                                \
    X(WATCH_PAIR, 1)                                                                               \
    X(WATCH_FEW, 1)                                                                                \
    X(WATCH_ARGUMENTS_MAX, WATCH_FEW)                                                              \
    X(WATCH_ARGUMENTS_MAX, WATCH_ARGUMENTS_MAX)

/* The tallies: an array of 64-bit numbers that the program writes, and everybody else may read. */
enum {
    WATCH_REPLACED, /* 1: the process has called exec; nothing is recorded any more */
    WATCH_LOST,     /* firings that were not recorded for want of room */
    WATCH_COUNTS,   /* from here on: firings of each probe, recorded or lost */
};

/* What the program is told when it is loaded. */
struct watch_settings {
    __u32 tgid;  /* the process, in the initial pid namespace */
    __u32 kinds; /* a bit for each of WATCH_KINDS that a recipe needs */
    __u32 first; /* the number of the first recipe */
};

#endif
