/* huge_warm.h - a few freed own mappings, kept with their pages for the next block of such a size.
 *
 * They hold memory, so they count as dirty, never as live, and are not zero. Nobody gives them back
 * by himself but the scavenger (huge_tick), whoever runs short, and huge_purge. */
#ifndef MPRESS_HUGE_WARM_H
#define MPRESS_HUGE_WARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HUGE_WARM_SLOTS = 4,
    HUGE_WARM_BYTES = 128 * 1024 * 1024, /* altogether */
    HUGE_WARM_BYTES_MIN = 1024 * 1024,   /* of one: below, a mapping is made as fast */
};

struct huge_mapping {
    char *start;
    size_t bytes; /* H1: from the start; behind them no page was ever touched */
    size_t room;  /* bytes of the mapping */
};

/* Keeps a mapping. False: there is no slot, or it would be too much. */
bool huge_warm_put(const struct huge_mapping *mapping, uint64_t now_ns);

/* Takes the smallest one with room for `bytes` and not above twice as many of its own. */
bool huge_warm_take(size_t bytes, size_t alignment, struct huge_mapping *mapping);

/* Takes the one that waits longest, when that is since `before_ns` or longer. */
bool huge_warm_take_older(uint64_t before_ns, struct huge_mapping *mapping);

/* p points into one. */
bool huge_warm_contains(const void *p);

/* One begins in [start, end). */
bool huge_warm_any_within(uintptr_t start, uintptr_t end);

/* Shows every one. Without the lock: the other threads stand still. */
void huge_warm_visit(void (*visit)(void *p, size_t bytes, void *context), void *context);

size_t huge_warm_bytes(void);

void huge_warm_fork_child(void);

#endif
