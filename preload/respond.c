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
#include "preload/actions.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/journal.h"
#include "preload/route.h"
#include "preload/usage.h"

enum { SUBSCRIBERS = 16, SWAP_BYTES = 32 * 1024 * 1024 /* in one step */ };

/* Longer than the level lasts at least, and than two of its steps in vain lie apart. */
static const uint64_t PACKING_NS = UINT64_C(12000000000);
/* Longer than the helper's naps. */
static const uint64_t SWAP_NS = UINT64_C(300000000);

struct subscriber {
    void (*function)(int level, void *context); /* NULL: free */
    void *context;
};

static struct {
    struct lock lock; /* of the list; a call is made of a copy, without it */
    struct subscriber list[SUBSCRIBERS];
    uint64_t step_due_ns; /* whoever acts */
} respond = {.lock = LOCK_INIT(LOCK_RANK_SUBSCRIBERS)};

/* -- steps ------------------------------------------------------------------------------------ */

static uint64_t anonymous_bytes(void)
{
    uint64_t rss = 0, rss_anon = 0;
    os_resident(&rss, &rss_anon);
    return rss_anon;
}

/* True: it was done. The two that give back are one strategy to the tool. */
static bool trim(void)
{
    if (!budget_allows(BUDGET_EVICTION) || !door_come_in())
        return false;
    heap_trim();
    door_go_out();
    return true;
}

/* All that holds no block: free spans, free pages in slabs, the ends of huge pages. */
static bool compact(void)
{
    struct heap_squeezed squeezed;
    if (!budget_allows(BUDGET_EVICTION) || !door_come_in())
        return false;
    route_squeeze(&squeezed);
    door_go_out();
    journal_squeezed(&squeezed);
    return true;
}

static bool swap(void)
{
    if (!budget_allows(BUDGET_EVICTION) || !os_has_swap() || !door_come_in())
        return false;
    cold_swap_out(SWAP_BYTES);
    door_go_out();
    return true;
}

/* By the thread of its own that packs; what it gains comes later. (Else respond_swap has it.) */
static bool pack(void)
{
    return !budget_swaps() && budget_allows(BUDGET_COMPRESSION) && cold_work_for(PACKING_NS) == 0;
}

static bool call(void)
{
    return respond_tell(PRESSURE_EMERGENCY);
}

static bool (*const functions[ACTIONS])(void) = {
    [ACTION_TRIM] = trim, [ACTION_COMPACT] = compact, [ACTION_SWAP] = swap,
    [ACTION_PACK] = pack, [ACTION_CALL] = call,
};

/* *resident: RssAnon before, and then after. Bytes by which it fell. */
static uint64_t act(enum action action, const struct respond_reason *reason, uint64_t *resident,
                    unsigned *done)
{
    uint64_t start = os_time_ns();
    if (functions[action] == NULL || !actions_may(action) || !functions[action]())
        return 0;
    uint64_t after = anonymous_bytes(), ns = os_time_ns() - start;
    uint64_t gained = *resident > after ? *resident - after : 0;
    *resident = after;
    ++*done;
    actions_note(action, gained, ns);
    journal_action(action, reason, gained, ns);
    return gained;
}

uint64_t respond_step(const struct respond_reason *reason)
{
    uint64_t start = os_time_ns(), resident = anonymous_bytes(), gained = 0;
    unsigned done = 0;
    for (unsigned i = 0; i < ACTIONS; i++) {
        if (actions_from((enum action)i) <= reason->step)
            gained += act((enum action)i, reason, &resident, &done);
    }
    if (done == 0) /* all were switched off, or had nothing to do */
        return 0;
    budget_add(&budget_slot->runs[BUDGET_EVICTION], 1);
    budget_add(&budget_slot->gained[BUDGET_EVICTION], gained);
    uint64_t now = os_time_ns();
    respond.step_due_ns = now + 20 * (now - start);
    budget_add(&budget_slot->strategy_ns[BUDGET_EVICTION], now - start);
    return gained;
}

bool respond_may_step(uint64_t now_ns)
{
    return now_ns >= respond.step_due_ns;
}

/* So much less, in parts of the budget, is the level that is held. */
enum { SWAP_MARGIN = 50 };

void respond_swap(uint64_t budget)
{
    usage_publish_cold();
    if (budget == 0) {
        cold_set_enough(0);
        return;
    }
    /* What is packed between the two counts in neither: the next nap sees it. Counted in both, more
     * would be taken away than the budget wants. */
    uint64_t saved = cold_saved_bytes(), resident = anonymous_bytes();
    uint64_t level = budget - budget / SWAP_MARGIN, would_be = resident + saved;
    cold_set_enough(would_be > level ? would_be - level : 1);
    if (resident <= level)
        return;
    if (budget_allows(BUDGET_COMPRESSION))
        (void)cold_work_for(SWAP_NS);
    uint64_t excess = resident - level;
    if (budget_allows(BUDGET_EVICTION) && os_has_swap())
        cold_swap_out(excess < SWAP_BYTES / 8 ? excess : SWAP_BYTES / 8);
}

void respond_note_refused(size_t bytes)
{
    actions_note(ACTION_REFUSE, bytes, 0);
    journal_note_refused(bytes);
    budget_add(&budget_slot->refused, 1);
    budget_raise(&budget_slot->largest_refused, bytes);
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

bool respond_tell(enum pressure_level level)
{
    bool has_called = false;
    struct subscriber copy[SUBSCRIBERS];
    if (!lock_list())
        return false;
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        copy[i] = respond.list[i];
    unlock_list();
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        if (copy[i].function == NULL)
            continue;
        copy[i].function((int)level, copy[i].context);
        has_called = true;
    }
    return has_called;
}

/* A list that the fork cut in the middle of a change has one half-written pair at worst: none that
 * is called was ever without its context. */
void respond_fork_child(void)
{
    lock_reset(&respond.lock);
}
