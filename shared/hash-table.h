/* SPDX-License-Identifier: MIT */
/*
 * What uthash lacks: its tables grow with their items, and become smaller only when the last item
 * goes. A table that has held many items, and holds a few for good, is given back here.
 *
 *   HASH_DEL(all->table, item);
 *   hash_table_shrink(HASH_TABLE(hh, all->table));
 */
#ifndef SHARED_HASH_TABLE_H
#define SHARED_HASH_TABLE_H

#include <stdlib.h>
#include <uthash.h>

/* Smaller tables are not worth it; one that is this many times larger than its items need is. */
enum { HASH_TABLE_WORTH_IT = 1024, HASH_TABLE_TOO_LARGE = 8 };

/* The table of the items at HEAD, linked by their member HH; NULL where there are none. */
#define HASH_TABLE(hh, head) ((head) ? (head)->hh.tbl : NULL)

/* Puts the items of a chain, from FIRST, into COUNT buckets. */
static inline void hash_table_move(UT_hash_table *table, UT_hash_handle *first,
                                   UT_hash_bucket *buckets, unsigned int count)
{
    UT_hash_handle *next = NULL;
    for (UT_hash_handle *item = first; item; item = next) {
        UT_hash_bucket *bucket = &buckets[item->hashv & (count - 1)];
        next = item->hh_next;
        item->hh_prev = NULL;
        item->hh_next = bucket->hh_head;
        if (bucket->hh_head)
            bucket->hh_head->hh_prev = item;
        bucket->hh_head = item;
        table->nonideal_items += ++bucket->count > table->ideal_chain_maxlen;
    }
}

/*
 * Makes a table smaller if it is much too large for its items, whose order stays. Before it is,
 * most of them were removed: so a removal with this behind it takes constant time on average.
 * Without memory the table stays as it is.
 */
static inline void hash_table_shrink(UT_hash_table *table)
{
    unsigned int count = HASH_INITIAL_NUM_BUCKETS;
    unsigned int log2 = HASH_INITIAL_NUM_BUCKETS_LOG2;
    if (!table || table->num_buckets < HASH_TABLE_WORTH_IT ||
        table->num_buckets / HASH_TABLE_TOO_LARGE < table->num_items)
        return;
    for (; count < table->num_items; count *= 2)
        log2++;
    UT_hash_bucket *buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return;
    table->ideal_chain_maxlen = (table->num_items + count - 1) / count;
    table->nonideal_items = 0;
    for (unsigned int i = 0; i < table->num_buckets; i++)
        hash_table_move(table, table->buckets[i].hh_head, buckets, count);
    free(table->buckets);
    table->buckets = buckets;
    table->num_buckets = count;
    table->log2_num_buckets = log2;
    table->ineff_expands = table->noexpand = 0;
}

#endif
