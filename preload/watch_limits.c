/* watch_limits.c - see watch_limits.h. */
#include "preload/watch_limits.h"

#include <stdatomic.h>

#include "preload/actions.h"
#include "preload/budget_slot.h"
#include "preload/watch_options.h"

enum { MIB = 1024 * 1024, THROTTLED_BYTES = 64 * 1024 };

static struct {
    _Atomic uint64_t soft, hard; /* the process's own; 0: none */
    _Atomic bool follows;        /* the system's: MPRESS_PRESSURE, or somebody subscribed */
    bool keeps_groups;           /* these: constant after the constructor */
    bool follows_machine, follows_stalls;
} limits = {.follows_machine = true, .follows_stalls = true};

void watch_limits_init(const struct conf *conf)
{
    limits.keeps_groups = watch_option_keeps_groups(conf);
    if (limits.keeps_groups)
        watch_limits_follow();
    limits.follows_machine = conf->pressure_machine;
    limits.follows_stalls = conf->pressure_stalls;
}

void watch_limits_set(uint64_t soft, uint64_t hard)
{
    atomic_store_explicit(&limits.soft, soft, memory_order_relaxed);
    atomic_store_explicit(&limits.hard, hard, memory_order_relaxed);
}

void watch_limits_follow(void)
{
    gauge_follow_system();
    atomic_store_explicit(&limits.follows, true, memory_order_relaxed);
}

/* -- those that are kept ---------------------------------------------------------------------- */

/* Refused at once beyond `hard`, slowed down for large requests shortly before. */
static struct pressure_limit make_limit(uint64_t soft, uint64_t hard)
{
    return (struct pressure_limit){
        .soft = soft,
        .hard = hard,
        .wall = hard,
        .throttle_from = hard - hard / 20,
        .throttle_full = hard,
        .throttle_bytes = THROTTLED_BYTES,
        .throttles = actions_may(ACTION_THROTTLE),
        .refuses = actions_may(ACTION_REFUSE),
    };
}

static void consider(struct watch_limit *found, struct pressure_limit limit, uint64_t used)
{
    int64_t left = (int64_t)(limit.hard - used);
    if (limit.hard != 0 &&
        (found->limit.hard == 0 || left < (int64_t)(found->limit.hard - found->used)))
        *found = (struct watch_limit){limit, used};
}

/* So much short of the group's, as the kernel counts what it needs for the process's pages, too,
 * and in portions: small requests then have their reserve, and SIGKILL is not met before ENOMEM. A
 * program that asks for more than the whole group may have does not mean to touch it all. */
static struct pressure_limit limit_of_group(uint64_t max)
{
    uint64_t short_by = max / 50 + MIB;
    uint64_t hard = max > 2 * short_by ? max - short_by : max / 2;
    struct pressure_limit limit = make_limit(hard - hard / 10, hard);
    limit.whole = max;
    return limit;
}

/* While it has swap space the kernel has something better to do than to kill. */
static bool read_group(const struct gauge *gauge, struct bounds_reading *group)
{
    bool acts = actions_may(ACTION_REFUSE) || actions_may(ACTION_THROTTLE);
    return limits.keeps_groups && acts && bounds_read_group(group, gauge->machine.swap != 0);
}

void watch_limits_find(struct watch_limit *found, const struct gauge *gauge)
{
    struct pressure_limit budget = {0};
    struct bounds_reading group;
    *found = (struct watch_limit){.used = gauge->usage.all};
    consider(found,
             make_limit(atomic_load_explicit(&limits.soft, memory_order_relaxed),
                        atomic_load_explicit(&limits.hard, memory_order_relaxed)),
             gauge->usage.all);
    if (budget_read_limit(&budget))
        consider(found, budget, gauge->usage.all);
    if (read_group(gauge, &group))
        consider(found, limit_of_group(group.limit), group.used);
}

/* -- those that are followed ------------------------------------------------------------------ */

static void follow(struct watch_nearest *nearest, uint64_t used, uint64_t limit, bool is_machine)
{
    const struct bounds_reading reading = {used, limit};
    if (limit != 0 && bounds_is_nearer(&reading, &nearest->reading))
        *nearest = (struct watch_nearest){reading, is_machine};
}

void watch_limits_nearest(struct watch_nearest *nearest, const struct gauge *gauge, bool all)
{
    struct pressure_limit budget = {0};
    struct bounds_reading bounds;
    const struct os_machine *machine = &gauge->machine;
    *nearest = (struct watch_nearest){{0, 0}, false};
    follow(nearest, gauge->usage.all, atomic_load_explicit(&limits.hard, memory_order_relaxed),
           false);
    if (budget_read_limit(&budget))
        follow(nearest, gauge->usage.all, budget.hard, false);
    if (!all && !atomic_load_explicit(&limits.follows, memory_order_relaxed))
        return;
    if (bounds_read(&bounds))
        follow(nearest, bounds.used, bounds.limit, false);
    if (limits.follows_machine && machine->total > machine->available)
        follow(nearest, machine->total - machine->available, machine->total, true);
}

uint32_t watch_limits_stalls(const struct gauge *gauge)
{
    bool is_known = limits.follows_stalls && gauge->has_stalls;
    return is_known ? gauge->stalls.some_percent_100 : PRESSURE_STALLS_UNKNOWN;
}
