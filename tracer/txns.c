/* txns.c - the records of transactions (format.h, TRANSACTIONS).
 *
 * Each: a turn begins - the stack - an epoch, if the transaction was last written of in another
 * lane
 * - room - fields - first byte - the turn ends. Numbers are those of all traces of the process;
 * what an older trace knew is not known to the one that runs: so it is asked within the turn. */
#include "tracer/tracer.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "tracer/epoch.h"
#include "tracer/recorder.h"
#include "tracer/turn.h"
#include "tracer/unwind.h"

enum { VALUES_MOST = 6, RECORD_MOST = 2 + 10 * (1 + VALUES_MOST) + TRACE_TXN_NAME_BYTES };

struct record {
    enum trace_other_kind kind;
    unsigned count; /* of the values behind the transaction's number */
    uint64_t values[VALUES_MOST];
    const char *name; /* behind them; NULL: none */
};

static uint64_t number_in_trace(const struct tracer_txn *txn)
{
    uint64_t older = atomic_load_explicit(&recorder.older_txns, memory_order_relaxed);
    return txn != NULL && txn->number > older ? txn->number - older : 0;
}

/* ORDER, for transactions: its last record is in another lane. */
static bool is_elsewhere(const struct lane *lane, const struct tracer_txn *txn)
{
    return txn != NULL && txn->lane != 0 &&
           (txn->lane != lane->owner || lane->owner == BIRTHS_NOBODY);
}

static void note_lane(const struct lane *lane, struct tracer_txn *txn)
{
    if (txn != NULL)
        txn->lane = lane->owner != BIRTHS_NOBODY ? lane->owner : UINT64_MAX;
}

static size_t encode(const struct record *record, uint64_t number, unsigned char *bytes)
{
    unsigned char *end = trace_put_uvarint(bytes, number);
    for (unsigned i = 0; i < record->count; i++)
        end = trace_put_uvarint(end, record->values[i]);
    size_t length = 0;
    while (record->name != NULL && length < TRACE_TXN_NAME_BYTES && record->name[length] != '\0')
        length++;
    if (length != 0)
        memcpy(end, record->name, length);
    return (size_t)(end - bytes) + length;
}

/* False: the disk is full. */
static bool put(struct lane *lane, const struct record *record, struct tracer_txn *txn,
                struct tracer_txn *parent)
{
    unsigned char bytes[RECORD_MOST];
    size_t length = encode(record, number_in_trace(txn), bytes);
    bool is_due = epoch_is_due() && (is_elsewhere(lane, txn) || is_elsewhere(lane, parent));
    if (!turn_draw_if(lane, is_due) || !lane_reserve(lane, RECORD_MOST))
        return false;
    note_lane(lane, txn);
    note_lane(lane, parent);
    unsigned char fields[10 + RECORD_MOST];
    unsigned char *end = trace_put_uvarint(fields, length);
    memcpy(end, bytes, length);
    lane->events += record->kind == TRACE_TXN_ALLOC;
    lane_append(lane, turn_first_byte(TRACE_OTHER, record->kind), fields, end + length);
    return true;
}

/* False: it is lost. */
static bool put_or_lose(struct lane *lane, const struct record *record, struct tracer_txn *txn,
                        struct tracer_txn *parent)
{
    bool is_written = put(lane, record, txn, parent);
    if (is_written)
        turn_end_written(lane);
    else
        turn_end_lost(lane);
    return is_written;
}

/* A record of a transaction that the trace knows. */
static void write(const struct record *record, struct tracer_txn *txn, struct tracer_txn *parent)
{
    struct lane *lane = number_in_trace(txn) != 0 ? turn_begin(true) : NULL;
    if (lane == NULL)
        return;
    if (number_in_trace(txn) != 0) /* still: another trace may have begun */
        (void)put_or_lose(lane, record, txn, number_in_trace(parent) != 0 ? parent : NULL);
    else
        turn_end_written(lane);
}

void tracer_txn_begin(struct tracer_txn *txn, struct tracer_txn *parent, const char *name,
                      size_t expected, const struct tracer_caller *caller)
{
    *txn = (struct tracer_txn){0};
    struct lane *lane = turn_begin(true);
    if (lane == NULL)
        return;
    bool is_written;
    uint32_t stack = unwind_event(lane, caller, &is_written);
    if (!is_written) {
        turn_end_lost(lane);
        return;
    }
    uint64_t in = number_in_trace(parent);
    txn->number = atomic_fetch_add_explicit(&recorder.txns, 1, memory_order_relaxed) + 1;
    const struct record record = {TRACE_TXN_BEGIN, 3, {in, stack, expected}, name};
    if (!put_or_lose(lane, &record, txn, in != 0 ? parent : NULL))
        txn->number = 0;
}

void tracer_txn_alloc(struct tracer_txn *txn, size_t bytes, size_t alignment,
                      const struct tracer_caller *caller)
{
    struct lane *lane = number_in_trace(txn) != 0 ? turn_begin(true) : NULL;
    if (lane == NULL)
        return;
    bool is_written;
    uint32_t stack = unwind_event(lane, caller, &is_written);
    const struct record record = {TRACE_TXN_ALLOC, 3, {stack, bytes, log2_floor(alignment)}, NULL};
    if (!is_written)
        turn_end_lost(lane);
    else if (number_in_trace(txn) != 0)
        (void)put_or_lose(lane, &record, txn, NULL);
    else
        turn_end_written(lane);
}

void tracer_txn_save(struct tracer_txn *txn)
{
    write(&(struct record){.kind = TRACE_TXN_SAVE}, txn, NULL);
}

void tracer_txn_back(struct tracer_txn *txn, uint64_t blocks)
{
    write(&(struct record){TRACE_TXN_BACK, 1, {blocks}, NULL}, txn, NULL);
}

void tracer_txn_adopt(struct tracer_txn *txn)
{
    write(&(struct record){.kind = TRACE_TXN_ADOPT}, txn, NULL);
}

void tracer_txn_enter(struct tracer_txn *txn, size_t bytes)
{
    struct lane *lane = turn_begin(true);
    if (lane == NULL)
        return;
    bool is_known = number_in_trace(txn) != 0;
    const struct record record = {TRACE_TXN_ENTER, 1, {is_known ? bytes : 0}, NULL};
    (void)put_or_lose(lane, &record, is_known ? txn : NULL, NULL);
}

void tracer_txn_end(struct tracer_txn *txn, struct tracer_txn *parent,
                    const struct tracer_txn_ended *ended)
{
    const struct record record = {
        TRACE_TXN_END,
        6,
        {ended->how, ended->blocks, ended->used, ended->reserved, ended->malloced, ended->escaped},
        NULL};
    write(&record, txn, parent);
}
