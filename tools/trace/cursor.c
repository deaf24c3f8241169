/* cursor.c - decodes the records of one event lane.
 *
 * Every field is checked while it is decoded, in every visit: nothing that was checked earlier is
 * relied on. A record that cannot be ends its block; what follows is a DROPPED record of unknown
 * count, and the lane goes on with its next block. */
#include "tools/trace/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"
#include "tools/trace/near.h"

void cursor_init(struct cursor *cursor, const struct trace *trace, const struct file_lane *lane,
                 struct unpacker *unpacker)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->trace = trace;
    cursor->lane = lane;
    cursor->near_units = trace->facts.header.near_units;
    cursor->payloads = payloads_create(unpacker, lane);
}

void cursor_fini(struct cursor *cursor)
{
    payloads_destroy(cursor->payloads);
    free(cursor->txns);
}

uint64_t cursor_bytes(const struct cursor *cursor)
{
    if (cursor->block == NULL)
        return 0;
    return cursor->passed_bytes + (uint64_t)(cursor->at - cursor->start);
}

/* -- fields ----------------------------------------------------------------------------------- */

/* Most numbers are one byte long. */
static inline const unsigned char *get(const unsigned char *at, const unsigned char *end,
                                       uint64_t *n)
{
    if (at < end && *at < 0x80) {
        *n = *at;
        return at + 1;
    }
    return trace_get_uvarint(at, end, n);
}

/* An address as the distance from `base`; NULL: no address. */
static inline const unsigned char *get_units(const struct cursor *cursor, const unsigned char *at,
                                             uint64_t *base)
{
    uint64_t step = 0;
    at = get(at, cursor->end, &step);
    if (at == NULL)
        return NULL;
    *base += (uint64_t)trace_unzigzag(step);
    return *base == 0 || *base >> 60 != 0 ? NULL : at;
}

static inline const unsigned char *get_stack(struct cursor *cursor, const unsigned char *at,
                                             uint32_t *stack)
{
    uint64_t n = 0;
    at = get(at, cursor->end, &n);
    if (at == NULL || n > (uint64_t)UINT32_MAX + TRACE_SLOTS)
        return NULL;
    *stack = n < TRACE_SLOTS ? cursor->stacks[n] : (uint32_t)(n - TRACE_SLOTS);
    cursor->stacks[trace_slot(*stack)] = *stack;
    return at;
}

static inline void remember_address(struct cursor *cursor, uint64_t size, uint64_t units)
{
    cursor->alloc_at[trace_slot(size)] = units;
    cursor->recent[trace_recent_slot(units)] = units;
}

/* stack, size, address, alignment: the common part of ALLOC and REALLOC. */
static inline const unsigned char *get_birth(struct cursor *cursor, const unsigned char *at,
                                             struct cursor_record *record)
{
    at = get_stack(cursor, at, &record->stack);
    if (at == NULL)
        return NULL;
    uint64_t *size = &cursor->sizes[trace_slot(record->stack)];
    if ((record->bits & TRACE_SIZE_KNOWN) == 0)
        at = get(at, cursor->end, size);
    if (at == NULL || *size > INT64_MAX)
        return NULL;
    record->size = *size;
    record->units = record->old_units;
    if (record->op == TRACE_ALLOC || (record->bits & TRACE_IN_PLACE) == 0) {
        record->units = cursor->alloc_at[trace_slot(*size)];
        at = get_units(cursor, at, &record->units);
    }
    if (at == NULL)
        return NULL;
    remember_address(cursor, *size, record->units);
    if ((record->bits & TRACE_ALIGNED) != 0) {
        if (at >= cursor->end || *at >= 63)
            return NULL;
        record->alignment_log2 = *at++;
    }
    return at;
}

static inline const unsigned char *get_death(struct cursor *cursor, const unsigned char *at,
                                             unsigned argument, struct cursor_record *record)
{
    if (argument == 0) {
        at = get_units(cursor, at, &cursor->freed_at);
        record->old_units = cursor->freed_at;
        return at;
    }
    record->old_units = cursor->recent[argument];
    return record->old_units == 0 ? NULL : at;
}

static const unsigned char *get_thread(struct cursor *cursor, const unsigned char *at,
                                       struct cursor_record *record)
{
    if (record->kind == TRACE_THREAD_END) {
        cursor->tid = 0;
        return at;
    }
    if (record->kind != TRACE_THREAD_START && record->kind != TRACE_THREAD_NAME)
        return NULL;
    at = get(at, cursor->end, &record->size);
    if (record->kind == TRACE_THREAD_START)
        cursor->tid = (uint32_t)record->size;
    if (at == NULL || record->kind == TRACE_THREAD_START)
        return at;
    if (record->size > (size_t)(cursor->end - at))
        return NULL;
    size_t kept = record->size < TRACE_NAME_BYTES ? (size_t)record->size : TRACE_NAME_BYTES;
    memcpy(record->name, at, kept);
    const unsigned char *end = at + record->size;
    record->size = kept;
    return end;
}

static const unsigned char *get_small(const unsigned char *at, const unsigned char *end,
                                      uint32_t *n)
{
    uint64_t wide = 0;
    at = at != NULL ? get(at, end, &wide) : NULL;
    *n = (uint32_t)wide;
    return wide <= UINT32_MAX ? at : NULL;
}

static const unsigned char *get_all(const unsigned char *at, const unsigned char *end,
                                    uint64_t *const *values, size_t count)
{
    for (size_t i = 0; i < count && at != NULL; i++)
        at = get(at, end, values[i]);
    return at;
}

/* The rest of a BEGIN or END goes where it stays until the next call of cursor_fill. */
static struct cursor_txn *add_txn(struct cursor *cursor, struct cursor_record *record)
{
    cursor->txns =
        memory_grow(cursor->txns, cursor->txn_count, &cursor->txn_capacity, sizeof(*cursor->txns));
    record->old_units = cursor->txn_count;
    struct cursor_txn *txn = &cursor->txns[cursor->txn_count++];
    memset(txn, 0, sizeof(*txn));
    return txn;
}

static const unsigned char *get_txn_begin(struct cursor *cursor, const unsigned char *at,
                                          const unsigned char *end, struct cursor_record *record)
{
    struct cursor_txn *txn = add_txn(cursor, record);
    uint32_t parent;
    at = get_small(get_small(at, end, &parent), end, &record->stack);
    at = at != NULL ? get(at, end, &txn->begun.expected) : NULL;
    if (at == NULL)
        return NULL;
    txn->begun.parent = parent;
    txn->name_bytes = (size_t)(end - at);
    if (txn->name_bytes > TRACE_TXN_NAME_BYTES)
        txn->name_bytes = TRACE_TXN_NAME_BYTES;
    memcpy(txn->name, at, txn->name_bytes);
    return at;
}

static const unsigned char *get_txn_end(struct cursor *cursor, const unsigned char *at,
                                        const unsigned char *end, struct cursor_record *record)
{
    struct trace_txn_ended *ended = &add_txn(cursor, record)->ended;
    uint64_t *const values[] = {&ended->how,      &ended->blocks,   &ended->used,
                                &ended->reserved, &ended->malloced, &ended->escaped};
    return get_all(at, end, values, sizeof(values) / sizeof(values[0]));
}

static const unsigned char *get_txn_alloc(const unsigned char *at, const unsigned char *end,
                                          struct cursor_record *record)
{
    uint64_t alignment = 0;
    uint64_t *const values[] = {&record->size, &alignment};
    at = get_small(at, end, &record->stack);
    at = at != NULL ? get_all(at, end, values, 2) : NULL;
    record->alignment_log2 = (uint8_t)alignment;
    return alignment < 63 && record->size <= INT64_MAX ? at : NULL;
}

/* A record of a transaction; NULL: it cannot be. */
static const unsigned char *get_txn(struct cursor *cursor, const unsigned char *at,
                                    const unsigned char *end, struct cursor_record *record)
{
    uint32_t number;
    at = get_small(at, end, &number);
    record->units = number;
    if (at == NULL || (number == 0 && record->kind != TRACE_TXN_ENTER))
        return NULL;
    switch (record->kind) {
    case TRACE_TXN_BEGIN:
        return get_txn_begin(cursor, at, end, record);
    case TRACE_TXN_ALLOC:
        return get_txn_alloc(at, end, record);
    case TRACE_TXN_END:
        return get_txn_end(cursor, at, end, record);
    case TRACE_TXN_BACK:
    case TRACE_TXN_ENTER:
        return get(at, end, &record->size);
    default:
        return at;
    }
}

static const unsigned char *get_other(struct cursor *cursor, const unsigned char *at,
                                      struct cursor_record *record)
{
    uint64_t length = 0;
    at = get(at, cursor->end, &length);
    if (at == NULL || length > (size_t)(cursor->end - at))
        return NULL;
    const unsigned char *end = at + length;
    if (record->kind >= TRACE_TXN_BEGIN && record->kind <= TRACE_TXN_ADOPT)
        return get_txn(cursor, at, end, record) != NULL ? end : NULL;
    if (record->kind == TRACE_FAILED) {
        at = get_small(at, end, &record->stack);
        if (at == NULL)
            return NULL;
    }
    if (record->kind == TRACE_FAILED || record->kind == TRACE_DROPPED)
        at = get(at, end, &record->size);
    return at == NULL ? NULL : end;
}

/* -- records ---------------------------------------------------------------------------------- */

static inline uint64_t add_or_saturate(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* Decodes the record at cursor->at into *record; the place behind it, or NULL: it cannot be. */
static inline const unsigned char *get_record(struct cursor *cursor, struct cursor_record *record)
{
    const unsigned char *at = cursor->at;
    unsigned argument = *at >> 3;
    uint64_t n = 0;
    *record = (struct cursor_record){.op = *at & 7};
    at++;
    switch (record->op) {
    case TRACE_NEAR:
        return near_get(cursor, at, argument, record);
    case TRACE_ALLOC:
        record->bits = (uint8_t)argument;
        return get_birth(cursor, at, record);
    case TRACE_FREE:
        return get_death(cursor, at, argument, record);
    case TRACE_REALLOC:
        record->bits = (uint8_t)argument;
        at = get_death(cursor, at, 0, record);
        return at == NULL ? NULL : get_birth(cursor, at, record);
    case TRACE_SYNC:
        at = get(at, cursor->end, &n);
        cursor->epoch = add_or_saturate(cursor->epoch, n);
        record->size = cursor->epoch;
        return at;
    case TRACE_TIME:
        at = get(at, cursor->end, &n);
        cursor->time_ns = add_or_saturate(cursor->time_ns, n);
        return at;
    case TRACE_THREAD:
        record->kind = (uint8_t)argument;
        return get_thread(cursor, at, record);
    case TRACE_OTHER:
        record->kind = (uint8_t)argument;
        return get_other(cursor, at, record);
    default:
        return NULL;
    }
}

/* What the header of the block says of the thread. */
static struct cursor_record thread_record(struct cursor *cursor)
{
    cursor->tid = cursor->block->tid;
    struct cursor_record record = {.op = TRACE_THREAD, .kind = CURSOR_GOES_ON, .size = cursor->tid};
    memcpy(record.name, file_thread_name(cursor->trace, cursor->block), sizeof(record.name));
    return record;
}

static struct cursor_record gap_record(void)
{
    return (struct cursor_record){.op = TRACE_OTHER, .kind = TRACE_DROPPED};
}

/* Spreads the time up to `until` evenly over the records since the last known time. The first of
 * them has that time itself. */
static void spread_time(struct cursor *cursor, struct cursor_record *first,
                        const struct cursor_record *end, uint64_t until)
{
    uint64_t from = cursor->latest_ns;
    uint64_t count = (uint64_t)(end - first);
    uint64_t span = until > from ? until - from : 0;
    uint64_t step = count != 0 ? span / count : 0;
    for (uint64_t i = 0; i < count; i++)
        first[i].time_ns = from + step * i;
    cursor->latest_ns = from + span;
    cursor->spans[count > 1 && span != 0 ? 64 - __builtin_clzll(span) : 0] += count;
}

/* -- blocks ----------------------------------------------------------------------------------- */

static bool is_at_end_of_block(const struct cursor *cursor)
{
    return cursor->at >= cursor->end || (cursor->block->is_open && *cursor->at == 0);
}

/* Gives up the rest of the block. In an open one a bad record may be just the cut end of a file. */
static void skip_damaged(struct cursor *cursor)
{
    size_t byte = (size_t)(cursor->at - cursor->start);
    cursor->at = cursor->end;
    if (cursor->block->is_open && cursor->block->limit < TRACE_PAYLOAD_BYTES)
        return;
    cursor->is_gap_next = true;
    if (cursor->damaged_block == 0) {
        cursor->damaged_block = cursor->block->index + 1;
        cursor->damaged_byte = (uint32_t)byte + TRACE_BLOCK_HEADER_BYTES;
    }
}

/* A block that cannot be unpacked: its events are missing before the next one. */
static void skip_block(struct cursor *cursor)
{
    static const unsigned char nothing;
    cursor->start = cursor->at = cursor->end = &nothing;
    cursor->is_gap_next = true;
    if (cursor->damaged_block == 0)
        cursor->damaged_block = cursor->block->index + 1;
}

/* Moves on to the next block of the lane; false: there is none. A block starts with a SYNC of its
 * own if SYNCs were lost with blocks before it; then *record holds that. */
static bool enter_block(struct cursor *cursor, struct cursor_record *record)
{
    if (cursor->next_block >= cursor->lane->count) {
        cursor->end = cursor->at; /* nothing is there to be read again */
        payloads_finish(cursor->payloads);
        return false;
    }
    const struct file_block *block =
        &cursor->trace->blocks[cursor->lane->first + cursor->next_block];
    if (cursor->block != NULL)
        cursor->passed_bytes += cursor->block->limit;
    cursor->block = block;
    cursor->start = cursor->at = payloads_get(cursor->payloads, cursor->next_block);
    cursor->next_block++;
    cursor->is_gap_next |= block->is_after_gap;
    cursor->is_thread_next = block->tid != 0 && block->tid != cursor->tid;
    if (cursor->start == NULL)
        skip_block(cursor);
    else
        cursor->end = cursor->at + block->limit;
    cursor->time_ns = block->time_ns;
    cursor->freed_at = 0;
    memset(cursor->stacks, 0, sizeof(cursor->stacks));
    memset(cursor->sizes, 0, sizeof(cursor->sizes));
    memset(cursor->alloc_at, 0, sizeof(cursor->alloc_at));
    memset(cursor->recent, 0, sizeof(cursor->recent));
    if (block->epoch > cursor->epoch) {
        cursor->epoch = block->epoch;
        *record = (struct cursor_record){
            .op = TRACE_SYNC, .size = block->epoch, .time_ns = cursor->latest_ns};
    }
    return true;
}

/* What stands before the next record of the block, and is in no block; false: nothing does. */
static bool put_in_front(struct cursor *cursor, struct cursor_record *record)
{
    if (cursor->is_gap_next) {
        cursor->is_gap_next = false;
        *record = gap_record();
        return true;
    }
    if (cursor->is_thread_next) {
        cursor->is_thread_next = false;
        *record = thread_record(cursor);
        return true;
    }
    return false;
}

/* The next record; false: there is none here, but the damage, or the clock, has moved on. */
static bool decode(struct cursor *cursor, struct cursor_record *record)
{
    if (put_in_front(cursor, record))
        return true;
    const unsigned char *next = get_record(cursor, record);
    if (next == NULL) {
        skip_damaged(cursor);
        return false;
    }
    cursor->at = next;
    return true;
}

/* The records that wait refer to what they have beside themselves: it goes with them. */
static void keep_txns(struct cursor *cursor, struct cursor_record *records, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; cursor->txn_count != 0 && i < count; i++) {
        struct cursor_record *record = &records[i];
        if (record->op != TRACE_OTHER ||
            (record->kind != TRACE_TXN_BEGIN && record->kind != TRACE_TXN_END))
            continue;
        cursor->txns[kept] = cursor->txns[record->old_units];
        record->old_units = kept++;
    }
    cursor->txn_count = kept;
}

size_t cursor_fill(struct cursor *cursor, struct cursor_record *records, size_t *count, size_t most)
{
    size_t timed = 0;
    keep_txns(cursor, records, *count);
    while (*count < most) {
        struct cursor_record *record = &records[*count];
        if (cursor->block == NULL || is_at_end_of_block(cursor)) {
            record->op = 0;
            if (!enter_block(cursor, record))
                break;
            *count += record->op == TRACE_SYNC;
        } else if (!decode(cursor, record)) {
            continue;
        } else if (record->op != TRACE_TIME) {
            ++*count;
            continue;
        }
        spread_time(cursor, &records[timed], &records[*count], cursor->time_ns);
        timed = *count;
    }
    if (timed != 0 && *count == most)
        return timed;
    spread_time(cursor, &records[timed], &records[*count], 0);
    return *count;
}
