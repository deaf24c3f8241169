/* txns.h - what became of the transactions of a trace, by name. */
#ifndef MPRESS_TOOLS_ANALYSIS_TXNS_H
#define MPRESS_TOOLS_ANALYSIS_TXNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/escapes.h"
#include "tools/store.h"
#include "tools/trace/objects.h"
#include "tools/trace/trace.h"

/* Sums over the transactions of a name; what is said of ends and sizes is of those that ended. */
struct txn_name {
    const char *name;
    uint32_t node;     /* the call stack of the first one */
    uint64_t begun;    /* those that are open at the end, too */
    uint64_t ended[3]; /* by enum trace_txn_end */
    uint64_t backs;    /* to a mark */
    uint64_t nested;   /* begun within another */
    uint64_t depth;    /* the most that were open within each other, this one included */
    uint64_t blocks;
    uint64_t asked;      /* bytes of blocks, at their ends; */
    uint64_t asked_most; /* by one of them */
    uint64_t lived_ns, lived_most_ns;
    uint64_t malloced; /* blocks of malloc's */
    uint64_t escaped;  /* of these, those that outlived it */
    /* Of those that began in no other, as children borrow of their parents' memory: */
    uint64_t own_asked, own_used, own_reserved; /* own_used: with the gaps between blocks */
    uint64_t open_blocks, open_asked;           /* at the end of the trace */
};

struct txn_open {
    uint64_t begun_ns;
    uint64_t blocks, asked;             /* now, with those that end just now: */
    uint64_t dying_blocks, dying_asked; /* until the event that ends them */
    uint32_t name;                      /* index; UINT32_MAX: the place is free */
    uint32_t parent;                    /* number; 0: none */
    uint32_t depth;
    uint32_t malloced; /* ring of malloc's blocks out of it (escapes.h) */
};

struct txns_booked {
    struct store *store;
    struct objects places; /* number -> index in `open` + 1; used once there is one */
    struct txn_open *open;
    size_t opens, open_room;
    struct txn_name *name;
    size_t names, name_room;
    bool is_used;
    uint64_t begun, ended[3];
    struct escapes escapes;
};

/* An event of a transaction, or a block of one. */
void txns_book(struct txns_booked *txns, struct store *store, const struct trace_visit *visit,
               const struct trace_event *event);

/* A block of malloc's that is born out of one, or one that may be such dies. */
void txns_book_malloc(struct txns_booked *txns, struct store *store,
                      const struct trace_event *event);

/* All events are booked: sums up what is open, and sorts the names by bytes. */
void txns_finish(struct txns_booked *txns);
void txns_booked_fini(struct txns_booked *txns);

#endif
