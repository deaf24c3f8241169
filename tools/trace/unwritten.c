/* unwritten.c - UNWRITTEN records, summed up by call stack and size as they are read: there may be
 * many. A hash table of open addressing leads to the sums. */
#include <stdlib.h>

#include "tools/trace/file.h"
#include "tools/trace/memory.h"
#include "tools/trace/payload.h"

enum { FIRST_SLOTS = 64 };

/* The place of (stack, size), or the free one where it would be. */
static uint32_t *find_slot(const struct trace *trace, uint32_t stack, uint64_t size)
{
    const struct unwritten_sums *sums = &trace->unwritten;
    uint64_t key = (size << 24 ^ stack) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(key >> 32) & (sums->slots - 1);
    for (; sums->slot[at] != 0; at = (at + 1) & (sums->slots - 1)) {
        const struct trace_unwritten *sum = &trace->facts.unwritten[sums->slot[at] - 1];
        if (sum->stack == stack && sum->size == size)
            break;
    }
    return &sums->slot[at];
}

static void grow(struct trace *trace)
{
    struct unwritten_sums *sums = &trace->unwritten;
    const struct trace_facts *facts = &trace->facts;
    sums->slots = sums->slots == 0 ? FIRST_SLOTS : 2 * sums->slots;
    free(sums->slot);
    sums->slot = memory_alloc(sums->slots, sizeof(sums->slot[0]));
    for (size_t i = 0; i < facts->unwrittens; i++)
        *find_slot(trace, facts->unwritten[i].stack, facts->unwritten[i].size) = (uint32_t)i + 1;
}

static struct trace_unwritten *find_sum(struct trace *trace, uint32_t stack, uint64_t size)
{
    struct trace_facts *facts = &trace->facts;
    if (2 * facts->unwrittens >= trace->unwritten.slots)
        grow(trace);
    struct trace_unwritten *sum = (struct trace_unwritten *)(uintptr_t)facts->unwritten;
    uint32_t *slot = find_slot(trace, stack, size);
    if (*slot != 0)
        return &sum[*slot - 1];
    sum = memory_grow(sum, facts->unwrittens, &trace->unwritten.capacity, sizeof(*sum));
    facts->unwritten = sum;
    sum += facts->unwrittens++;
    *sum = (struct trace_unwritten){.stack = stack, .size = size};
    *slot = (uint32_t)facts->unwrittens;
    return sum;
}

void unwritten_take(struct trace *trace, struct payload *from)
{
    uint8_t bits = payload_take_u8(from);
    (void)payload_take_uvarint(from); /* its time */
    uint64_t stack = payload_take_uvarint(from), size = payload_take_uvarint(from);
    uint64_t untouched = payload_take_uvarint(from), zero = payload_take_uvarint(from);
    from->is_short |= size > INT64_MAX || untouched > size || zero > size - untouched;
    if (from->is_short)
        return;
    struct trace_unwritten *sum = find_sum(trace, stacks_find(trace, stack), size);
    if (size > INT64_MAX - sum->bytes)
        return; /* nobody has had so much */
    sum->blocks++;
    sum->alive_blocks += (bits & TRACE_UNWRITTEN_ALIVE) != 0;
    sum->bytes += size;
    sum->untouched_bytes += untouched;
    sum->zero_bytes += zero;
}

void unwritten_free(struct trace *trace)
{
    free((void *)(uintptr_t)trace->facts.unwritten);
    free(trace->unwritten.slot);
}
