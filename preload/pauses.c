/* pauses.c - see pauses.h. */
#include "preload/pauses.h"

#include "allocators/base/os.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"

static const uint64_t HOLD_NS = 10000000;

static uint64_t sleep_for(uint64_t ns)
{
    uint64_t start = os_time_ns();
    os_sleep(ns);
    return os_time_ns() - start;
}

uint64_t pauses_throttle(uint64_t ns)
{
    if (ns == 0)
        return 0;
    uint64_t slept = sleep_for(ns);
    actions_note(ACTION_THROTTLE, 0, slept);
    budget_add(&budget_slot->throttles, 1);
    budget_add(&budget_slot->throttled_ns, slept);
    return slept;
}

uint64_t pauses_hold(void)
{
    atomic_fetch_add(&budget_slot->holding, 1);
    uint64_t slept = sleep_for(HOLD_NS);
    atomic_fetch_sub(&budget_slot->holding, 1);
    budget_add(&budget_slot->held_ns, slept);
    return slept;
}
