/* SPDX-License-Identifier: MIT */
#include "names/select.h"

#include "names/name.h"
#include "names/regex-check.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shown names have these bytes only escaped, so that they tell patterns from names. */
static const char glob_bytes[] = "*?[\\";
enum { REGEX_MARK = '~', PAIR_MARK = ',' };

bool select_is_pair(const char *pattern)
{
    return pattern[0] != REGEX_MARK && strchr(pattern, PAIR_MARK);
}

struct selection {
    const struct select_names *names;
    bool stop_first;
    select_visit *visit;
    void *data;
    ssize_t matched;
    struct probe_error *error;
};

static int selection_no_match(const struct selection *selection, const char *pattern)
{
    char shown[NAME_LENGTH + 1];
    text_escape(pattern, strlen(pattern), false, shown, sizeof(shown));
    return error_set(selection->error, ENOENT, "%s has no probe that matches '%s'",
                     selection->names->owner, shown);
}

static int selection_add(struct selection *selection, size_t index)
{
    int status = selection->visit(selection->data, index, selection->error);
    if (status == 0)
        selection->matched++;
    return status;
}

/* A name that is shown cut is also found by its full form. */
static int selection_add_name(struct selection *selection, const char *name)
{
    const struct select_names *names = selection->names;
    ssize_t index = names->find(names->data, name);
    if (index < 0 && strlen(name) > NAME_LENGTH) {
        char shown[NAME_LENGTH + 1];
        if (name_show_full(name, shown) < 0)
            return error_memory(selection->error);
        index = names->find(names->data, shown);
    }
    return index < 0 ? selection_no_match(selection, name)
                     : selection_add(selection, (size_t)index);
}

/* Adds the names that MATCHES accepts, in their order. */
static int selection_add_matching(struct selection *selection, const char *pattern,
                                  bool (*matches)(const void *data, const char *name),
                                  const void *data)
{
    const struct select_names *names = selection->names;
    int status = 0;
    for (size_t i = 0; i < names->count && status == 0; i++) {
        if (matches(data, names->name(names->data, i)))
            status = selection_add(selection, i);
    }
    if (status == 0 && selection->matched == 0)
        return selection_no_match(selection, pattern);
    return status;
}

static bool matches_glob(const void *data, const char *name)
{
    return fnmatch(data, name, 0) == 0;
}

static bool matches_regex(const void *data, const char *name)
{
    return regexec(data, name, 0, NULL, 0) == 0;
}

static int selection_add_regex(struct selection *selection, const char *pattern)
{
    regex_t regex;
    char reason[128];
    const char *problem = regex_problem(pattern + 1);
    if (problem)
        return error_set(selection->error, EINVAL, "'%.64s%s' is not accepted as a pattern: %s",
                         pattern, strlen(pattern) > 64 ? "..." : "", problem);
    int code = regcomp(&regex, pattern + 1, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        regerror(code, &regex, reason, sizeof(reason));
        return error_set(selection->error, code == REG_ESPACE ? ENOMEM : EINVAL,
                         "'%s' is not a regular expression: %s", pattern, reason);
    }
    int status = selection_add_matching(selection, pattern, matches_regex, &regex);
    regfree(&regex);
    return status;
}

static int selection_add_pair(struct selection *selection, const char *pattern)
{
    char *start = strdup(pattern);
    if (!start)
        return error_memory(selection->error);
    char *stop = strchr(start, PAIR_MARK);
    *stop++ = '\0';
    int status = 0;
    if (!*start || !*stop || strchr(stop, PAIR_MARK) || strpbrk(pattern, glob_bytes))
        status = error_set(selection->error, EINVAL, "'%s' is not a pair START,STOP of two names",
                           pattern);
    if (status == 0)
        status = selection_add_name(selection, selection->stop_first ? stop : start);
    if (status == 0)
        status = selection_add_name(selection, selection->stop_first ? start : stop);
    free(start);
    return status;
}

ssize_t select_names(const struct select_names *names, const char *pattern, bool stop_first,
                     select_visit *visit, void *data, struct probe_error *error)
{
    struct selection selection = {
        .names = names,
        .stop_first = stop_first,
        .visit = visit,
        .data = data,
        .error = error,
    };
    int status = 0;
    if (pattern[0] == REGEX_MARK)
        status = selection_add_regex(&selection, pattern);
    else if (select_is_pair(pattern))
        status = selection_add_pair(&selection, pattern);
    else if (strpbrk(pattern, glob_bytes))
        status = selection_add_matching(&selection, pattern, matches_glob, pattern);
    else
        status = selection_add_name(&selection, pattern);
    return status < 0 ? status : selection.matched;
}
