/* visit.h - a visit as its own parts see it; users see trace.h only. visit.c makes events of
 * records, visit_txns.c those of transactions. */
#ifndef MPRESS_TOOLS_TRACE_VISIT_H
#define MPRESS_TOOLS_TRACE_VISIT_H

#include "tools/trace/file.h"
#include "tools/trace/objects.h"
#include "tools/trace/order.h"
#include "tools/trace/txns.h"

#define VISIT_NO_THREAD UINT32_MAX
#define VISIT_ODD (UINT64_C(1) << 63) /* see is_odd in struct trace_object */

struct visit_thread {
    char *name; /* NULL: none */
    uint32_t tid;
};

/* What the malloc of a lane's thread serves from. */
struct visit_entered {
    uint32_t txn; /* 0: nothing */
    uint64_t bytes;
};

/* Blocks that end together: one by one, then the event that ends them. */
struct visit_ending {
    struct txns_open *txn; /* NULL: none is under way */
    uint64_t kept;         /* its oldest blocks, which stay */
    struct trace_event event;
};

/* What is kept of an object while it lives, by seat. */
struct visit_life {
    uint64_t size; /* and VISIT_ODD: a cursor yields none that is larger */
    uint64_t born_ns;
    uint32_t stack;
    uint32_t thread;
};

_Static_assert(sizeof(struct visit_life) == 24, "there are as many as objects alive");

struct trace_visit {
    const struct trace *trace;
    struct order *order;
    struct order_run run;   /* what of it did not become events yet */
    struct objects objects; /* by address in units; transactions' blocks have only a seat there */
    bool is_brief;
    uint64_t *number; /* of objects, by seat; not if it is brief */
    size_t number_room;
    struct txns txns;
    struct visit_ending ending;
    struct visit_entered *entered; /* by event lane */
    uint32_t *lane_threads;        /* the thread that runs in each event lane now */
    struct visit_thread *threads;
    size_t thread_capacity;
    struct trace_totals totals;
    size_t damages;
    uint32_t damaged_block; /* + 1; 0: no bad record was met */
    uint32_t damaged_byte;
};

static inline uint64_t visit_size(const struct visit_life *life)
{
    return life->size & ~VISIT_ODD;
}

static inline bool visit_is_odd(const struct visit_life *life)
{
    return (life->size & VISIT_ODD) != 0;
}

static inline struct visit_life *visit_life(const struct trace_visit *visit, uint32_t seat)
{
    return &((struct visit_life *)visit->objects.record)[seat];
}

/* Of who has the seat, or had it last; 0: the visit is brief. */
uint64_t visit_number(const struct trace_visit *visit, uint32_t seat);

/* Who has the seat, at that address. */
struct trace_object visit_describe(const struct trace_visit *visit, uint64_t units, uint32_t seat);

/* The object that the record tells of is born, in that seat. */
void visit_begin_life(struct trace_visit *visit, const struct cursor_record *record, uint32_t seat,
                      struct trace_event *event);

/* Makes *event of a record of a transaction. */
void visit_apply_txn(struct trace_visit *visit, const struct cursor_record *record,
                     struct trace_event *event);

/* The next block that ends, or what ends them. */
void visit_go_on_ending(struct trace_visit *visit, struct trace_event *event);

/* Shows the blocks of open transactions. */
void visit_show_txns(const struct trace_visit *visit, trace_show *show, void *context);

#endif
