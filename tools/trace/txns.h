/* txns.h - the transactions that are open at some place of a trace, with their blocks: so that
 * those that end together end one by one for who reads. */
#ifndef MPRESS_TOOLS_TRACE_TXNS_H
#define MPRESS_TOOLS_TRACE_TXNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/objects.h"

struct txns_block {
    uint64_t object;
    uint64_t size;
    uint32_t seat;
};

struct txns_open {
    uint32_t number;
    struct txns_open *parent;          /* NULL: none */
    struct txns_open *children;        /* open ones */
    struct txns_open *next, *previous; /* of the same parent */
    struct txns_block *blocks;         /* oldest first */
    size_t count, capacity;
};

struct txns {
    bool is_used;        /* there ever was one */
    struct objects open; /* number -> the transaction (a pointer to it) */
    char **names; /* room for all, so that a name can be read while others come; NULL: none yet */
    size_t name_count;
};

/* Beyond, all share the last one: the library keeps 255 itself. */
enum { TXNS_NAMES_MOST = 1024 };

void txns_fini(struct txns *txns);

/* The transaction; one whose beginning the trace does not have (any more) begins now. */
struct txns_open *txns_get(struct txns *txns, uint32_t number);

/* It begins, in a parent (0: none), which is of a smaller number or not believed. */
void txns_begin(struct txns *txns, uint32_t number, uint32_t parent);

void txns_add(struct txns_open *txn, const struct txns_block *block);

/* Takes the newest block of those beyond the oldest `kept`; false: there is none. */
bool txns_take(struct txns_open *txn, uint64_t kept, struct txns_block *block);

/* It is over. What blocks it still has are its parent's, the newest there; or nobody's. */
void txns_end(struct txns *txns, struct txns_open *txn);

/* Those that are open, in no order: *place is 0 at first. NULL: there are no more. */
const struct txns_open *txns_next(const struct txns *txns, size_t *place);

/* The number of a name. */
uint64_t txns_name(struct txns *txns, const unsigned char *name, size_t bytes);

#endif
