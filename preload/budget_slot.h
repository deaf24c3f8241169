/* budget_slot.h - this process's part in a budget (budget.h). Without a tool there is a slot all
 * the same, which nobody else sees. */
#ifndef MPRESS_BUDGET_SLOT_H
#define MPRESS_BUDGET_SLOT_H

#include <stdbool.h>

#include "allocators/pressure/pressure.h"
#include "preload/budget.h"

extern struct budget_slot *budget_slot;

/* Takes part in the budget of that file; "none": in none. False: it is none. While one thread runs.
 */
bool budget_attach(const char *path);
bool budget_is_attached(void);

/* How long until numbers are to be told again: at most so long. */
enum { BUDGET_PAUSE_NS = 100000000 };
uint64_t budget_pause_ns(uint64_t now_ns);

/* B as it is now; 0: none. */
uint64_t budget_bytes(void);

/* What it asks for; false: nothing. */
bool budget_read_limit(struct pressure_limit *limit);

/* Whether the strategy may be used, by the option and by the tool. */
void budget_set_own_strategies(bool lazy, bool eviction, bool pooling, bool compression);
bool budget_allows(enum budget_strategy strategy);

/* The budget is for all processes together; and what the others have. */
bool budget_is_for_family(void);
bool budget_swaps(void);        /* BUDGET_SWAP */
bool budget_moves_limits(void); /* BUDGET_BACKSTOP */
uint64_t budget_used_by_others(void);

/* One writer or many: counts in the slot. */
static inline void budget_add(_Atomic uint64_t *count, uint64_t number)
{
    atomic_fetch_add_explicit(count, number, memory_order_relaxed);
}

static inline void budget_set(_Atomic uint64_t *field, uint64_t number)
{
    atomic_store_explicit(field, number, memory_order_relaxed);
}

static inline void budget_raise(_Atomic uint64_t *field, uint64_t number)
{
    if (number > atomic_load_explicit(field, memory_order_relaxed))
        budget_set(field, number);
}

static inline void budget_note_ns(struct budget_histogram *histogram, uint64_t ns)
{
    budget_add(&histogram->counts[budget_bucket(ns)], 1);
}

/* Another thread than the first is there, or is gone. */
void budget_thread_begins(void);
void budget_thread_ends(void);

/* The child of a fork gets a slot of its own; `used` bytes are its parent's, mostly. */
void budget_fork_child(uint64_t used);

void budget_end(void);

#endif
