/* SPDX-License-Identifier: MIT */
/* For static analysis alone: what the macros of <utlist.h> do, without how. See uthash.h here. */
#ifndef UTLIST_H
#define UTLIST_H

#include <stddef.h>

void *lint_list_add(void *head, void *element);
void *lint_list_delete(void *head, const void *element);
void *lint_list_next(const void *element);
void *lint_list_replace(void *head, const void *element, void *by);

#define DL_APPEND(head, element) ((head) = lint_list_add((head), (element)))
#define DL_DELETE(head, element) ((head) = lint_list_delete((head), (element)))
#define DL_FOREACH(head, element)                                                                  \
    for ((element) = (head); (element); (element) = lint_list_next(element))
#define DL_FOREACH_SAFE(head, element, following)                                                  \
    for ((element) = (head); (element) && ((following) = lint_list_next(element), 1);              \
         (element) = (following))

#define DL_REPLACE_ELEM(head, element, by) ((head) = lint_list_replace((head), (element), (by)))

#define DL_APPEND2(head, element, before, after) DL_APPEND(head, element)
#define DL_DELETE2(head, element, before, after) DL_DELETE(head, element)
#define DL_FOREACH2(head, element, after)        DL_FOREACH(head, element)

#define LL_PREPEND(head, element)                 DL_APPEND(head, element)
#define LL_DELETE(head, element)                  DL_DELETE(head, element)
#define LL_FOREACH(head, element)                 DL_FOREACH(head, element)
#define LL_FOREACH_SAFE(head, element, following) DL_FOREACH_SAFE(head, element, following)
#define LL_PREPEND2(head, element, after)         LL_PREPEND(head, element)
#define LL_DELETE2(head, element, after)          LL_DELETE(head, element)
#define LL_FOREACH2(head, element, after)         LL_FOREACH(head, element)
#define LL_SEARCH_SCALAR(head, element, field, value)                                              \
    do {                                                                                           \
        LL_FOREACH(head, element)                                                                  \
        if ((element)->field == (value))                                                           \
            break;                                                                                 \
    } while (0)

#endif
