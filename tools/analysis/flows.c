/* flows.c - see flows.h. */
#include "tools/analysis/flows.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

static struct flow *find(const struct flows *flows, uint32_t from, uint32_t to)
{
    uint64_t key = (uint64_t)from << 32 | to;
    size_t at = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (flows->slots - 1);
    while (flows->flow[at].amount.blocks != 0 &&
           (flows->flow[at].from != from || flows->flow[at].to != to))
        at = (at + 1) & (flows->slots - 1);
    return &flows->flow[at];
}

static void grow(struct flows *flows, struct store *store)
{
    struct flows old = *flows;
    flows->slots = old.slots == 0 ? FIRST_SLOTS : 2 * old.slots;
    flows->flow = store_alloc(store, flows->slots, sizeof flows->flow[0]);
    for (size_t i = 0; i < old.slots; i++) {
        if (old.flow[i].amount.blocks != 0)
            *find(flows, old.flow[i].from, old.flow[i].to) = old.flow[i];
    }
    if (old.flow != NULL)
        store_free(old.flow);
}

void flows_add(struct flows *flows, struct store *store, uint32_t from, uint32_t to,
               const struct amount *amount)
{
    if (2 * (flows->used + 1) > flows->slots)
        grow(flows, store);
    struct flow *flow = find(flows, from, to);
    flows->used += flow->amount.blocks == 0;
    flow->from = from;
    flow->to = to;
    amount_add(&flow->amount, amount);
}

static int compare(const void *a, const void *b)
{
    const struct flow *one = a, *other = b;
    if (one->amount.bytes != other->amount.bytes)
        return one->amount.bytes < other->amount.bytes ? 1 : -1;
    if (one->amount.blocks != other->amount.blocks)
        return one->amount.blocks < other->amount.blocks ? 1 : -1;
    uint64_t key = (uint64_t)one->from << 32 | one->to;
    uint64_t other_key = (uint64_t)other->from << 32 | other->to;
    return (key > other_key) - (key < other_key);
}

/* A free slot comes last: no bytes and no blocks. */
size_t flows_sort(struct flows *flows)
{
    if (flows->used != 0)
        qsort(flows->flow, flows->slots, sizeof flows->flow[0], compare);
    return flows->used;
}
