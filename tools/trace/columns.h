/* columns.h - the bytes of blocks, sorted by what they mean, and back.
 *
 * Addresses repeat like addresses and sizes like sizes: each field of a record has columns of its
 * own, one for its first byte, one for its second, one for all further ones. Which column the next
 * byte belongs to follows from the bytes of the block before it alone. So any bytes at all come
 * back as they were; those that are no records of format.h are only compressed less well. */
#ifndef MPRESS_TOOLS_TRACE_COLUMNS_H
#define MPRESS_TOOLS_TRACE_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

enum columns_field {
    COLUMNS_FIRST, /* first bytes of events: op and argument. Of other lanes: all bytes */
    COLUMNS_STACK, /* in the stack lane: the way to the parent */
    COLUMNS_SIZE,
    COLUMNS_BIRTH, /* in the stack lane: the ip */
    COLUMNS_DEATH,
    COLUMNS_SYNC,
    COLUMNS_TIME,
    COLUMNS_OTHER,
    COLUMNS_FIELDS,
};

enum { COLUMNS_PLACES = 3, COLUMNS = COLUMNS_FIELDS * COLUMNS_PLACES };

/* Where each column stands: behind what was appended or taken last. */
struct columns {
    unsigned char *at[COLUMNS];
};

/* Appends the payload of one block of `lane`; each column has room for all of it. */
void columns_split(struct columns *columns, uint32_t lane, const unsigned char *payload,
                   size_t bytes);

/* Makes a payload again. Columns that were not split from it may be read up to `bytes` behind where
 * they stand, and it is on the caller to compare where they end. */
void columns_join(struct columns *columns, uint32_t lane, unsigned char *payload, size_t bytes);

#endif
