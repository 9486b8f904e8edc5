/* SPDX-License-Identifier: MIT */
/*
 * A radix sort, from the highest digit in which addresses differ. Comparing all with all took a
 * tenth of an update of 100,000 sites. The sites of a probe come in the order of their addresses,
 * and often so do those of all: then one pass tells code from data, and nothing else is to be done.
 */
#include "process/pieces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* For fewer pieces, dividing them takes longer than comparing. */
enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS, FEW = 48 };

static int compare_pieces(const void *a, const void *b)
{
    const struct memory_piece *x = a;
    const struct memory_piece *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* Are PIECES in order? If not, DIFFER becomes the bits that are not the same in all addresses. */
static bool are_sorted(const struct memory_piece *pieces, size_t count, uint64_t *differ)
{
    bool sorted = true;
    *differ = 0;
    for (size_t i = 1; i < count; i++) {
        *differ |= pieces[i].address ^ pieces[i - 1].address;
        sorted = sorted && pieces[i - 1].address <= pieces[i].address;
    }
    return sorted;
}

/* How far right the highest digit of DIFFER, which is not 0, has to be shifted. */
static unsigned int highest_digit(uint64_t differ)
{
    unsigned int bits = 64 - (unsigned int)__builtin_clzll(differ);
    return bits > DIGIT_BITS ? bits - DIGIT_BITS : 0;
}

/* Sorts PIECES by one digit, through OTHER; ENDS becomes where the pieces of each digit end. */
static void sort_by_digit(struct memory_piece *pieces, struct memory_piece *other, size_t count,
                          unsigned int shift, size_t ends[DIGITS])
{
    size_t end = 0;
    memset(ends, 0, DIGITS * sizeof(*ends));
    for (size_t i = 0; i < count; i++)
        ends[(pieces[i].address >> shift) % DIGITS]++;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t number = ends[digit];
        ends[digit] = end;
        end += number;
    }
    for (size_t i = 0; i < count; i++)
        other[ends[(pieces[i].address >> shift) % DIGITS]++] = pieces[i];
    memcpy(pieces, other, count * sizeof(*pieces));
}

/* OTHER has room for as many. */
static void sort_through(struct memory_piece *pieces, struct memory_piece *other, size_t count)
{
    uint64_t differ = 0;
    size_t ends[DIGITS];
    size_t start = 0;
    if (are_sorted(pieces, count, &differ))
        return;
    if (count < FEW) {
        qsort(pieces, count, sizeof(*pieces), compare_pieces);
        return;
    }
    sort_by_digit(pieces, other, count, highest_digit(differ), ends);
    for (size_t digit = 0; digit < DIGITS; digit++) {
        sort_through(pieces + start, other, ends[digit] - start);
        start = ends[digit];
    }
}

void pieces_sort(struct memory_piece *pieces, size_t count)
{
    struct memory_piece *other = count < FEW ? NULL : malloc(count * sizeof(*other));
    if (other || count < FEW)
        sort_through(pieces, other, count);
    else
        qsort(pieces, count, sizeof(*pieces), compare_pieces);
    free(other);
}
