/* SPDX-License-Identifier: MIT */
/*
 * regcomp() of glibc trusts whoever wrote the pattern: `a++++...` doubles the memory that it takes
 * with each sign, `((((...` overflows the stack, `(a{1000}){1000}` is written out. And back
 * references, which extended expressions of POSIX do not have, make regexec() try everything.
 *
 * So the nodes that a pattern will be written out to are counted beforehand: an atom is one, a
 * group is the sum of what is in it, and a repetition multiplies what stands before it.
 */
#include "names/regex-check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The time and memory that compiling takes grow with the square of the nodes, and are small yet. */
enum { LENGTH_MAX = 4096, NODES_MAX = 2000, GROUPS_MAX = 32 };

struct count {
    size_t sums[GROUPS_MAX + 1]; /* of the groups that are open, the whole pattern first */
    size_t depth;
    size_t atom; /* what a repetition would multiply; 0: nothing */
    bool repeated;
};

static const char too_large[] = "it is too large";

static void add_atom(struct count *count, size_t nodes)
{
    count->sums[count->depth] += nodes;
    count->atom = nodes;
    count->repeated = false;
}

/* The length of the bracket expression at PATTERN; of all that is left where it has no end. */
static size_t bracket_length(const char *pattern)
{
    const char *at = pattern + 1;
    at += *at == '^';
    at += *at == ']';
    for (; *at && *at != ']'; at++) {
        if (*at != '[' || !at[1] || !strchr(":.=", at[1]))
            continue;
        const char end[] = {at[1], ']', '\0'};
        const char *closed = strstr(at + 2, end);
        if (!closed)
            return strlen(pattern);
        at = closed + 1;
    }
    return (size_t)(at - pattern) + (*at == ']');
}

/* How often the repetition at PATTERN has the atom before it written out; its length. */
static size_t repetition(const char *pattern, size_t *factor)
{
    char *end = NULL;
    *factor = *pattern == '+' ? 2 : 1;
    if (*pattern != '{')
        return strchr("*+?", *pattern) ? 1 : 0;
    unsigned long least = strtoul(pattern + 1, &end, 10);
    unsigned long most = *end == ',' ? strtoul(end + 1, &end, 10) : 0;
    *factor = (least > most ? least : most) + 1;
    return *end == '}' ? (size_t)(end + 1 - pattern) : 0;
}

static const char *repeat(struct count *count, size_t factor)
{
    if (count->repeated)
        return "it repeats a repetition";
    if (factor > NODES_MAX)
        return too_large;
    count->sums[count->depth] += count->atom * (factor - 1) + 1;
    count->atom = count->atom * factor + 1;
    count->repeated = true;
    return NULL;
}

static const char *open_group(struct count *count)
{
    if (count->depth == GROUPS_MAX)
        return "its groups are nested too deep";
    count->sums[++count->depth] = 0;
    count->atom = 0;
    count->repeated = false;
    return NULL;
}

/* Counts what is at PATTERN; LENGTH is that of what was counted. */
static const char *count_next(struct count *count, const char *pattern, size_t *length)
{
    size_t factor = 1;
    size_t repeats = count->atom > 0 ? repetition(pattern, &factor) : 0;
    *length = repeats > 0 ? repeats : 1;
    if (repeats > 0)
        return repeat(count, factor);
    if (*pattern == '(')
        return open_group(count);
    if (*pattern == ')' && count->depth > 0) {
        size_t inside = count->sums[count->depth--];
        add_atom(count, inside + 1);
        return NULL;
    }
    if (*pattern == '\\' && pattern[1] >= '1' && pattern[1] <= '9')
        return "it has a back reference";
    if (*pattern == '\\' && pattern[1])
        *length = 2;
    else if (*pattern == '[')
        *length = bracket_length(pattern);
    add_atom(count, 1);
    if (*pattern == '|')
        count->atom = 0;
    return NULL;
}

const char *regex_problem(const char *pattern)
{
    struct count count = {.depth = 0};
    if (strlen(pattern) > LENGTH_MAX)
        return too_large;
    for (size_t length = 0; *pattern; pattern += length) {
        const char *problem = count_next(&count, pattern, &length);
        if (problem)
            return problem;
        if (count.sums[count.depth] > NODES_MAX)
            return too_large;
    }
    return NULL;
}
