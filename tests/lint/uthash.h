/* SPDX-License-Identifier: MIT */
/*
 * For static analysis alone: what the macros of <uthash.h> do, without how. Analysers look into
 * the macros' bodies, lose their way between the buckets, and find faults that are none.
 *
 * Put before the real one by -I; never compiled into a program.
 */
#ifndef UTHASH_H
#define UTHASH_H

#include <stddef.h>
#include <string.h>

#define HASH_INITIAL_NUM_BUCKETS      32U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 5U

typedef struct UT_hash_handle {
    struct UT_hash_table *tbl;
    void *next, *prev;
    struct UT_hash_handle *hh_prev, *hh_next;
    unsigned int hashv;
} UT_hash_handle;

typedef struct UT_hash_bucket {
    struct UT_hash_handle *hh_head;
    unsigned int count;
} UT_hash_bucket;

typedef struct UT_hash_table {
    UT_hash_bucket *buckets;
    unsigned int num_buckets, log2_num_buckets, num_items;
    unsigned int ideal_chain_maxlen, nonideal_items;
    unsigned int ineff_expands, noexpand;
} UT_hash_table;

void *lint_hash_find(const void *head, const void *key, size_t length);
void *lint_hash_add(void *head, const void *key, size_t length, void *element);
void *lint_hash_table(const void *head);
void *lint_hash_delete(void *head, const void *element);
void *lint_hash_next(const UT_hash_handle *handle);
unsigned int lint_hash_count(const void *head);

#define HASH_FIND(hh, head, key, length, out) ((out) = lint_hash_find((head), (key), (length)))
#define HASH_FIND_INT(head, key, out)         HASH_FIND(hh, head, key, sizeof(int), out)
#define HASH_FIND_STR(head, key, out)         HASH_FIND(hh, head, key, strlen(key), out)

#define HASH_ADD_KEYPTR(hh, head, key, length, element)                                            \
    ((head) = lint_hash_add((head), (key), (length), (element)),                                   \
     (element)->hh.tbl = lint_hash_table(head))
#define HASH_ADD(hh, head, field, length, element)                                                 \
    HASH_ADD_KEYPTR(hh, head, &(element)->field, length, element)
#define HASH_ADD_INT(head, field, element) HASH_ADD(hh, head, field, sizeof(int), element)

#define HASH_DELETE(hh, head, element) ((head) = lint_hash_delete((head), (element)))
#define HASH_DEL(head, element)        HASH_DELETE(hh, head, element)

#define HASH_ITER(hh, head, element, following)                                                    \
    for ((element) = (head), (following) = (element) ? lint_hash_next(&(element)->hh) : NULL;      \
         (element);                                                                                \
         (element) = (following), (following) = (element) ? lint_hash_next(&(element)->hh) : NULL)

#define HASH_COUNT(head) lint_hash_count(head)

#endif
