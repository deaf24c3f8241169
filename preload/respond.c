/* respond.c - the steps of the levels, what they gained, and who wants to hear of them. */
#include "preload/respond.h"

#include <errno.h>
#include <stddef.h>

#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/base/os_fault.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "allocators/cold/swap.h"
#include "allocators/heap.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/route.h"

enum { SUBSCRIBERS = 16, SWAP_BYTES = 32 * 1024 * 1024 /* in one step */ };

/* Longer than the level lasts at least, and than two of its steps in vain lie apart. */
static const uint64_t PACKING_NS = UINT64_C(12000000000);

struct subscriber {
    void (*function)(int level, void *context); /* NULL: free */
    void *context;
};

static struct {
    struct lock lock; /* of the list; a call is made of a copy, without it */
    bool is_verbose;
    struct subscriber list[SUBSCRIBERS];
} respond = {.lock = LOCK_INIT(LOCK_RANK_SUBSCRIBERS)};

void respond_set_verbose(void)
{
    respond.is_verbose = true;
}

/* -- steps ------------------------------------------------------------------------------------ */

static uint64_t anonymous_bytes(void)
{
    uint64_t rss = 0, rss_anon = 0;
    os_resident(&rss, &rss_anon);
    return rss_anon;
}

/* The parts of a step of the aggressive level and above. */
struct parts {
    struct heap_squeezed squeezed;
    size_t swapped_bytes; /* asked to be */
    bool has_swap;
    int packing; /* cold_work_for */
};

static void give_all_back(struct parts *parts)
{
    route_squeeze(&parts->squeezed);
    parts->has_swap = os_has_swap();
    if (parts->has_swap)
        parts->swapped_bytes = cold_swap_out(SWAP_BYTES);
}

static void give_back(enum pressure_level step, struct parts *parts)
{
    if (budget_allows(BUDGET_EVICTION) && door_come_in()) {
        if (step >= PRESSURE_AGGRESSIVE)
            give_all_back(parts);
        else
            heap_trim();
        door_go_out();
    }
    if (step >= PRESSURE_AGGRESSIVE && budget_allows(BUDGET_COMPRESSION))
        parts->packing = cold_work_for(PACKING_NS);
}

static void say_step(const struct respond_reason *reason, uint64_t gained, uint64_t ns)
{
    uint64_t percent = reason->limit == 0 ? 0 : reason->used * 100 / reason->limit;
    say("pressure: %s%s at %lu %% of %lu KiB: %lu KiB given back in %lu us",
        pressure_name(reason->step), reason->by_forecast ? " (foreseen)" : "", percent,
        reason->limit / 1024, gained / 1024, ns / 1000);
}

static void say_parts(const struct parts *parts)
{
    struct cold_stats cold;
    cold_read_stats(&cold);
    say("pressure: of it %lu KiB free spans and pages, %lu KiB ends of huge pages; %lu KiB of "
        "holes "
        "opened to all sizes; %s, %lu KiB to it; packed so far: %lu KiB saved%s",
        parts->squeezed.purged_bytes / 1024, parts->squeezed.slack_bytes / 1024,
        parts->squeezed.melted_bytes / 1024, parts->has_swap ? "swap space" : "no swap space",
        parts->swapped_bytes / 1024, cold.saved_bytes / 1024,
        !cold_is_on()         ? " (off)"
        : parts->packing != 0 ? " (refused now)"
                              : "");
}

uint64_t respond_step(const struct respond_reason *reason)
{
    uint64_t start = os_time_ns(), before = anonymous_bytes();
    struct parts parts = {.packing = 0};
    give_back(reason->step, &parts);
    if (reason->step == PRESSURE_EMERGENCY)
        respond_tell(PRESSURE_EMERGENCY);
    uint64_t after = anonymous_bytes(), ns = os_time_ns() - start;
    uint64_t gained = before > after ? before - after : 0;
    budget_add(&budget_slot->runs[BUDGET_EVICTION], 1);
    budget_add(&budget_slot->gained[BUDGET_EVICTION], gained);
    budget_add(&budget_slot->strategy_ns[BUDGET_EVICTION], ns);
    if (respond.is_verbose)
        say_step(reason, gained, ns);
    if (respond.is_verbose && reason->step >= PRESSURE_AGGRESSIVE)
        say_parts(&parts);
    return gained;
}

/* -- subscribers ------------------------------------------------------------------------------ */

static bool lock_list(void)
{
    if (!door_come_in()) /* so that no signal handler waits for the lock */
        return false;
    lock_take(&respond.lock);
    return true;
}

static void unlock_list(void)
{
    lock_drop(&respond.lock);
    door_go_out();
}

/* The place of this pair, or of a free one. */
static struct subscriber *find(void (*function)(int level, void *context), void *context)
{
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        struct subscriber *at = &respond.list[i];
        if (at->function == function && (function == NULL || at->context == context))
            return at;
    }
    return NULL;
}

int respond_subscribe(void (*function)(int level, void *context), void *context)
{
    if (function == NULL)
        return EINVAL;
    if (!lock_list())
        return EBUSY;
    struct subscriber *at = find(NULL, NULL);
    if (at != NULL)
        *at = (struct subscriber){function, context};
    unlock_list();
    return at != NULL ? 0 : ENOSPC;
}

int respond_unsubscribe(void (*function)(int level, void *context), void *context)
{
    if (function == NULL || !lock_list())
        return EINVAL;
    struct subscriber *at = find(function, context);
    if (at != NULL)
        at->function = NULL;
    unlock_list();
    return at != NULL ? 0 : ENOENT;
}

void respond_tell(enum pressure_level level)
{
    struct subscriber copy[SUBSCRIBERS];
    if (!lock_list())
        return;
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        copy[i] = respond.list[i];
    unlock_list();
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        if (copy[i].function != NULL)
            copy[i].function((int)level, copy[i].context);
    }
}

/* A list that the fork cut in the middle of a change has one half-written pair at worst: none that
 * is called was ever without its context. */
void respond_fork_child(void)
{
    lock_reset(&respond.lock);
}
