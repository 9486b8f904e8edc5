/* SPDX-License-Identifier: MIT */
#include "start/search-path.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDERS_MAX = 4096, TEXT_MAX = 1 << 20 };

/* ---- tokens ----------------------------------------------------------------------------- */

static bool is_identifier(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of NAME or {NAME} at the beginning of TEXT, which is behind a '$'; 0: it is not. */
static size_t token_length(const char *text, const char *name)
{
    bool curly = *text == '{';
    size_t length = strlen(name);
    if (strncmp(text + curly, name, length) != 0)
        return 0;
    if (curly)
        return text[1 + length] == '}' ? length + 2 : 0;
    return is_identifier(text[length]) ? 0 : length;
}

static const char *find_origin(const struct search_tokens *tokens, bool first, const char *rest)
{
    if (tokens->secure && (!first || (*rest && *rest != '/')))
        return NULL;
    return tokens->origin;
}

/* What replaces the token at TEXT, behind its '$'; LENGTH 0: it is none. NULL: cannot be replaced.
 */
static const char *find_token(const struct search_tokens *tokens, const char *text, bool first,
                              size_t *length)
{
    if ((*length = token_length(text, "ORIGIN")) > 0)
        return find_origin(tokens, first, text + *length);
    if ((*length = token_length(text, "PLATFORM")) > 0)
        return tokens->platform;
    if ((*length = token_length(text, "LIB")) > 0)
        return tokens->lib;
    return NULL;
}

/* Resolves ., .. and // by name, in place, in an absolute path. */
static void normalize_path(char *path)
{
    char *out = path;
    for (const char *at = path; *at;) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", 2) == 0) {
            while (out > path && *--out != '/')
                continue;
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            *out++ = '/';
            memmove(out, at, length);
            out += length;
        }
        at += length;
    }
    *out = '\0';
}

bool search_path_contains(const struct search_path *path, const char *folder)
{
    for (size_t i = 0; i < path->count; i++) {
        size_t length = strlen(path->folders[i]);
        if (strncmp(folder, path->folders[i], length) == 0 &&
            (folder[length] == '\0' || folder[length] == '/'))
            return true;
    }
    return false;
}

static bool is_trusted(const struct search_path *trusted, const char *text)
{
    char *normal = *text == '/' ? strdup(text) : NULL;
    if (!normal)
        return false;
    normalize_path(normal);
    bool result = search_path_contains(trusted, normal);
    free(normal);
    return result;
}

/* Writes TEXT with its tokens replaced; returns false where one cannot be. */
static bool write_expanded(FILE *out, const char *text, const struct search_tokens *tokens,
                           bool *with_origin)
{
    for (const char *at = text; *at;) {
        size_t length = 0;
        const char *value = *at == '$' ? find_token(tokens, at + 1, at == text, &length) : NULL;
        if (length == 0) {
            fputc(*at++, out);
            continue;
        }
        if (!value)
            return false;
        *with_origin = *with_origin || value == tokens->origin;
        fputs(value, out);
        at += 1 + length;
    }
    return true;
}

char *search_tokens_expand(const char *text, const struct search_tokens *tokens)
{
    char *expanded = NULL;
    size_t size = 0;
    bool with_origin = false;
    FILE *out = open_memstream(&expanded, &size);
    if (!out)
        return NULL;
    bool known = strlen(text) <= TEXT_MAX && write_expanded(out, text, tokens, &with_origin);
    if (fclose(out) != 0) {
        free(expanded);
        return NULL;
    }
    /* The kernel takes no longer path. */
    if (!known || size >= PATH_MAX ||
        (tokens->trusted && with_origin && !is_trusted(tokens->trusted, expanded)))
        *expanded = '\0';
    return expanded;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Takes over FOLDER. */
static int keep_folder(struct search_path *path, char *folder)
{
    if (path->count == FOLDERS_MAX) {
        free(folder);
        return -E2BIG;
    }
    char **folders = reallocarray(path->folders, path->count + 1, sizeof(*folders));
    if (!folders) {
        free(folder);
        return -ENOMEM;
    }
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        folder[--length] = '\0';
    path->folders = folders;
    path->folders[path->count++] = folder;
    path->size += sizeof(*folders) + length + 1;
    return 0;
}

int search_path_add_folder(struct search_path *path, const char *folder)
{
    char *copy = strdup(folder);
    return copy ? keep_folder(path, copy) : -ENOMEM;
}

static int add_element(struct search_path *path, const char *text, size_t length,
                       const struct search_tokens *tokens)
{
    if (length == 0)
        return search_path_add_folder(path, ".");
    char *element = strndup(text, length);
    char *folder = element ? search_tokens_expand(element, tokens) : NULL;
    free(element);
    if (!folder)
        return -ENOMEM;
    if (*folder)
        return keep_folder(path, folder);
    free(folder);
    return 0;
}

int search_path_add(struct search_path *path, const char *text, const char *separators,
                    const struct search_tokens *tokens)
{
    int status = 0;
    for (const char *at = text; status == 0; at++) {
        size_t length = strcspn(at, separators);
        status = add_element(path, at, length, tokens);
        at += length;
        if (!*at)
            break;
    }
    return status;
}

void search_path_done(struct search_path *path)
{
    for (size_t i = 0; i < path->count; i++)
        free(path->folders[i]);
    free(path->folders);
    *path = (struct search_path){0};
}
