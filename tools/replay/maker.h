/* maker.h - what a workload's model is written in: blocks, piles of them, chance. */
#ifndef MPRESS_TOOLS_REPLAY_MAKER_H
#define MPRESS_TOOLS_REPLAY_MAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/replay/workload.h"

struct block {
    uint32_t object; /* as in struct trace_event; 0: none */
    uint32_t bytes;
    uint32_t seat;
};

/* Items of `stride` blocks each. */
struct pile {
    struct block *blocks;
    size_t capacity; /* blocks */
    size_t items;
    size_t first; /* items before it were taken off the front */
    unsigned stride;
};

/* What a thread has. */
struct part {
    struct workload_visit *visit;
    unsigned thread;
    unsigned threads; /* there are */
    uint64_t random;
    uint64_t target;  /* items that it is filled with */
    uint64_t added;   /* of them */
    uint64_t churns;  /* steps in the filled state, altogether */
    uint64_t churned; /* done */
    uint64_t count;   /* the model's own: of rows, of bytes */
    uint64_t level;   /* that it keeps `count` at */
    struct pile items;
    struct pile others;
    struct block table;
};

struct model {
    const char *name;
    const char *summary;
    unsigned item_blocks;  /* alive for each item, about */
    unsigned stride;       /* of the items */
    unsigned churn_events; /* events of a step of churn, about */
    void (*add)(struct part *part);
    void (*churn)(struct part *part);
    bool (*drop)(struct part *part); /* false: nothing is left */
};

extern const struct model models[WORKLOAD_KINDS];

/* workload.c. `thread`: who calls. */
struct block maker_alloc(struct part *part, uint64_t bytes);
struct block maker_alloc_zeroed(struct part *part, uint64_t bytes);
void maker_free(struct part *part, unsigned thread, struct block block);
struct block maker_realloc(struct part *part, struct block block, uint64_t bytes);

/* 0..limit - 1 */
uint64_t maker_random(struct part *part, uint64_t limit);

/* Small ones as often as those in each doubling above: `least` << 0..doublings. */
uint64_t maker_skewed(struct part *part, uint64_t least, unsigned doublings);

/* A new item of no blocks; good until the next one. */
struct block *pile_push(struct pile *pile);
struct block *pile_at(const struct pile *pile, size_t item);

/* The last takes its place. */
void pile_remove(struct pile *pile, size_t item);

/* The oldest item, off the front; there is one. */
struct block *pile_shift(struct pile *pile);

static inline size_t pile_count(const struct pile *pile)
{
    return pile->items - pile->first;
}

#endif
