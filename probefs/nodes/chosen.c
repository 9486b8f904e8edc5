/* SPDX-License-Identifier: MIT */
#include "nodes/chosen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a text. */
struct words {
    const char *at, *end;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n';
}

static void skip_comment(struct words *words)
{
    while (words->at < words->end && *words->at != '\n')
        words->at++;
}

/* The next word, NUL-ended and to be freed. Returns 1; 0 there is none; ENOMEM. */
static int next_word(struct words *words, char **word)
{
    while (words->at < words->end && (is_blank(*words->at) || *words->at == '#')) {
        if (*words->at == '#')
            skip_comment(words);
        else
            words->at++;
    }
    const char *begin = words->at;
    while (words->at < words->end && !is_blank(*words->at))
        words->at++;
    if (words->at == begin)
        return 0;
    *word = strndup(begin, (size_t)(words->at - begin));
    return *word ? 1 : -ENOMEM;
}

int chosen_match(const struct probe_target *target, const char *text, size_t length, bool *chosen,
                 struct probe_error *error)
{
    /* cppcheck-suppress nullPointerArithmeticRedundantCheck; without a text, LENGTH is 0 */
    struct words words = {text, text + length};
    char *word = NULL;
    int count = 0;
    int status = 0;
    if (memchr(text, '\0', length)) {
        snprintf(error->text, sizeof(error->text), "names of probes are text, and this is none");
        return -EINVAL;
    }
    while ((status = next_word(&words, &word)) > 0) {
        ssize_t matched = probe_target_match(target, word, chosen, error);
        free(word);
        if (matched < 0)
            return (int)matched;
        count++;
    }
    return status < 0 ? status : count;
}

/* The indices of what is CHOSEN, of ALL. */
static int list_chosen(const bool *chosen, size_t all, size_t **indices, size_t *count)
{
    size_t used = 0;
    size_t *list = calloc(all + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < all; i++) {
        if (chosen[i])
            list[used++] = i;
    }
    *indices = list;
    *count = used;
    return 0;
}

int chosen_find(const struct probe_target *target, const char *text, size_t length,
                size_t **indices, size_t *count)
{
    /* cppcheck-suppress nullPointerArithmeticRedundantCheck; without a text, LENGTH is 0 */
    struct words words = {text, text + length};
    struct probe_error unused;
    char *word = NULL;
    size_t all = probe_target_count(target);
    bool *chosen = calloc(all + 1, sizeof(*chosen));
    int status = chosen ? 0 : -ENOMEM;
    if (status == 0 && !text)
        memset(chosen, true, all);
    while (status == 0 && text && (status = next_word(&words, &word)) > 0) {
        ssize_t matched = probe_target_match(target, word, chosen, &unused);
        status = matched == -ENOMEM ? -ENOMEM : 0;
        free(word);
    }
    if (status == 0)
        status = list_chosen(chosen, all, indices, count);
    free(chosen);
    return status;
}
