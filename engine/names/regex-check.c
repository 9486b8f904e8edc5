/* SPDX-License-Identifier: MIT */
/*
 * glibc's regcomp() trusts the pattern: `a++++...` doubles its memory with each sign, `((((...`
 * overflows the stack, `(a{1000}){1000}` is expanded. And back references, which POSIX extended
 * expressions do not have, make regexec() try everything.
 *
 * So we first count the nodes that a pattern expands to: an atom is one, a group is the sum of its
 * contents, and a repetition multiplies the atom before it.
 */
#include "names/regex-check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Compiling takes time and memory by the square of the nodes; these are still cheap. */
enum { LENGTH_MAX = 4096, NODES_MAX = 2000, GROUPS_MAX = 32 };

struct count {
    size_t sums[GROUPS_MAX + 1]; /* of the open groups; the first is the whole pattern */
    size_t depth;
    size_t atom; /* the nodes that a repetition would multiply; 0 if there is no atom */
    bool repeated;
};

static const char too_large[] = "it is too large";

static void add_atom(struct count *count, size_t nodes)
{
    count->sums[count->depth] += nodes;
    count->atom = nodes;
    count->repeated = false;
}

/* The length of the bracket expression at PATTERN; if it has no end, of all that is left. */
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

/*
 * The length of the repetition at PATTERN, or 0 if there is none; FACTOR is how often it expands
 * the atom before it.
 */
static size_t repetition_length(const char *pattern, size_t *factor)
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

static const char *count_repetition(struct count *count, size_t factor)
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

static const char *count_group(struct count *count)
{
    if (count->depth == GROUPS_MAX)
        return "its groups are nested too deep";
    count->sums[++count->depth] = 0;
    count->atom = 0;
    count->repeated = false;
    return NULL;
}

/* Counts the element at PATTERN, which has LENGTH. Returns what is wrong with it, or NULL. */
static const char *count_next(struct count *count, const char *pattern, size_t *length)
{
    size_t factor = 1;
    size_t repeats = count->atom > 0 ? repetition_length(pattern, &factor) : 0;
    *length = repeats > 0 ? repeats : 1;
    if (repeats > 0)
        return count_repetition(count, factor);
    if (*pattern == '(')
        return count_group(count);
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
