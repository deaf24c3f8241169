/* watch.c - see watch.h.
 *     slow call ── watch_end ── every 16th: is it time? ── look ── level, step, what is left
 *     no room ──── watch_makes_room ── look ── step? ── pressure_judge ── sleep ── more is left
 *
 * One thread at a time looks and acts; another one that has no room meanwhile waits a little. */
#include "preload/watch.h"

#include <errno.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "allocators/cache.h"
#include "allocators/growth.h"
#include "allocators/pressure/pressure.h"
#include "allocators/scavenge.h"
#include "allocators/strategy.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"
#include "preload/compression.h"
#include "preload/door.h"
#include "preload/foresee.h"
#include "preload/journal.h"
#include "preload/mapped.h"
#include "preload/pauses.h"
#include "preload/residency.h"
#include "preload/respond.h"
#include "preload/strategies.h"
#include "preload/watch_limits.h"
#include "preload/watch_options.h"

#define MS UINT64_C(1000000)

enum {
    CALLS_PER_LOOK = 16, /* a slow call in so many looks at the clock */
    TRIES = 64,          /* for room, before a request fails all the same */
};
static const uint64_t STALE_NS = 1000 * MS, WAIT_NS = 1 * MS;

struct watch_state watch_state;

static struct {
    _Atomic bool is_acting;
    _Atomic uint64_t due_ns;
    _Atomic bool is_wanted;       /* a look, by the helper thread */
    _Atomic uint64_t seen_budget; /* at the last look */
    _Atomic uint32_t level;
    struct pressure pressure; /* who acts; the same: */
    struct pressure_over over;
    uint64_t foresee_due_ns;
    struct foresee foreseen; /* then */
} watch;

static _Thread_local struct {
    uint32_t calls;
    bool is_acting;   /* it is this thread: the program's function called again */
    uint32_t answers; /* that this request had, */
    uint32_t holds;   /* of them to wait: these are no tries */
    struct compression_wait wait;
    uint64_t injected_ns; /* in this call */
} own __attribute__((tls_model("initial-exec")));

int watch_level(void)
{
    return (int)atomic_load_explicit(&watch.level, memory_order_relaxed);
}

bool watch_begin_acting(void)
{
    if (own.is_acting || atomic_exchange_explicit(&watch.is_acting, true, memory_order_acquire))
        return false;
    own.is_acting = true;
    return true;
}

void watch_end_acting(void)
{
    own.is_acting = false;
    atomic_store_explicit(&watch.is_acting, false, memory_order_release);
}

/* -- looks ------------------------------------------------------------------------------------ */

/* Between two looks the heap may grow as far as the soft limit; then it asks. */
static void set_left(const struct watch_limit *kept)
{
    uint64_t left = kept->used < kept->limit.soft ? kept->limit.soft - kept->used : 0;
    growth_allow(kept->limit.hard == 0 ? GROWTH_ANY : (int64_t)pressure_part(&kept->limit, left));
}

/* A tick of the forecaster is a second; between two it has nothing new to say. */
static uint32_t find_chance(const struct bounds_reading *nearest, uint64_t now)
{
    if (now >= watch.foresee_due_ns) {
        watch.foresee_due_ns = now + 1000 * MS;
        foresee_warning(nearest, &watch.foreseen);
        journal_warning(&watch.foreseen, nearest);
    }
    return watch.foreseen.percent;
}

static struct pressure_sample sample_of(const struct gauge *gauge)
{
    struct watch_nearest nearest;
    watch_limits_nearest(&nearest, gauge, false);
    return (struct pressure_sample){
        .now_ns = gauge->usage.now_ns,
        .used = nearest.reading.used,
        .limit = nearest.reading.limit,
        .forecast_percent = find_chance(&nearest.reading, gauge->usage.now_ns),
        .stalls_100 = watch_limits_stalls(gauge),
        .is_machine = nearest.is_machine,
    };
}

int watch_read_nearest(struct bounds_reading *found)
{
    struct watch_nearest nearest;
    if (!watch_begin_acting())
        return EAGAIN;
    watch_limits_nearest(&nearest, gauge_read(os_time_ns(), true), true);
    watch_end_acting();
    *found = nearest.reading;
    return found->limit == 0 ? ENOENT : 0;
}

int watch_read_signals(struct mpress_signals *signals)
{
    struct watch_nearest nearest;
    struct bounds_reading group;
    if (!watch_begin_acting())
        return EAGAIN;
    const struct gauge *gauge = gauge_read(os_time_ns(), true);
    watch_limits_nearest(&nearest, gauge, true);
    (void)bounds_read_group(&group, false);
    gauge_copy(gauge, signals);
    watch_end_acting();
    signals->used = nearest.reading.used;
    signals->limit = nearest.reading.limit;
    signals->group_used = group.used;
    signals->group_limit = group.limit;
    signals->level = watch_level();
    return 0;
}

/* What the next growth is judged by. */
static void find_limit(struct watch_limit *kept, const struct gauge *gauge)
{
    watch_limits_find(kept, gauge);
    if (kept->limit.hard == 0 || kept->used + PRESSURE_SMALL_BYTES <= kept->limit.hard)
        watch.over = (struct pressure_over){0};
}

static const struct gauge *look(struct watch_limit *kept)
{
    const struct gauge *gauge = gauge_read(os_time_ns(), false);
    find_limit(kept, gauge);
    return gauge;
}

/* A level may be over while the hot path serves all: the program's next request passes by. */
static void want_look(uint64_t now, uint64_t due)
{
    if (watch_level() == PRESSURE_CALM || now < due + STALE_NS)
        return;
    atomic_store_explicit(&watch.is_wanted, true, memory_order_relaxed);
    door_shut(); /* again with every nap: who opens it need not be one that looks */
}

/* Called by the helper thread, which sees to it that a program that sleeps is not forgotten. */
static void look_meanwhile(void)
{
    uint64_t now = os_time_coarse_ns();
    uint64_t due = atomic_load_explicit(&watch.due_ns, memory_order_relaxed);
    bool is_late = now >= due + BUDGET_PAUSE_NS;
    if (!budget_swaps())
        cold_set_enough(0);
    if ((!is_late && !budget_swaps()) || !watch_begin_acting())
        return;
    if (is_late)
        gauge_sample_system(now);
    if (budget_swaps())
        respond_swap(budget_bytes());
    struct watch_limit kept;
    if (is_late && compression_is_followed()) { /* others of a group may have given back */
        look(&kept);
        compression_correct(&kept);
    }
    watch_end_acting();
    want_look(now, due);
}

/* While there is something that only it sees to. */
static void keep_helper(void)
{
    scavenge_keep_helper(budget_swaps() || cold_is_on() || watch_level() != PRESSURE_CALM);
}

/* Does what the level wants. True: memory was given back. */
static bool act(const struct pressure_sample *sample)
{
    struct pressure_advice advice = pressure_take(&watch.pressure, sample);
    atomic_store_explicit(&watch.level, advice.level, memory_order_relaxed);
    if (advice.has_changed) {
        keep_helper();
        scavenge_watch(); /* it starts: nobody may pass by any more */
        journal_level(advice.level, sample);
        respond_tell(advice.level);
    }
    if (advice.step == PRESSURE_CALM)
        return false;
    const struct respond_reason reason = {advice.step, advice.by_forecast, sample->used,
                                          sample->limit};
    uint64_t gained = respond_step(&reason);
    pressure_note_gain(&watch.pressure, advice.step, gained, os_time_ns());
    return gained > 0;
}

/* A tool wants to see all of it. */
static const struct gauge *take_sample(void)
{
    uint64_t now = os_time_ns();
    if (!budget_is_attached())
        return gauge_sample(now);
    usage_publish_progress();
    return gauge_read(now, false);
}

static void look_and_act(uint64_t now)
{
    struct watch_limit kept;
    atomic_store_explicit(&watch.due_ns, now + budget_pause_ns(now), memory_order_relaxed);
    atomic_store_explicit(&watch.is_wanted, false, memory_order_relaxed);
    atomic_store_explicit(&watch.seen_budget, budget_bytes(), memory_order_relaxed);
    strategies_choose();
    journal_write_refused();
    const struct gauge *gauge = take_sample();
    struct pressure_sample sample = sample_of(gauge);
    if (act(&sample))
        gauge = gauge_read(os_time_ns(), false);
    find_limit(&kept, gauge);
    compression_follow(&kept, 0);
    kept.used += compression_counted_twice(&kept);
    set_left(&kept);
    usage_publish(&gauge->usage, watch_level());
}

static void pass(void)
{
    bool has_changed =
        budget_bytes() != atomic_load_explicit(&watch.seen_budget, memory_order_relaxed) ||
        atomic_load_explicit(&watch.is_wanted, memory_order_relaxed);
    if (!has_changed && ++own.calls < CALLS_PER_LOOK)
        return;
    own.calls = 0;
    uint64_t now = os_time_coarse_ns();
    if (!has_changed && now < atomic_load_explicit(&watch.due_ns, memory_order_relaxed))
        return;
    if (!watch_begin_acting())
        return;
    uint64_t start = os_time_ns();
    look_and_act(now);
    own.injected_ns += os_time_ns() - start;
    watch_end_acting();
}

/* -- slow calls ------------------------------------------------------------------------------- */

void watch_begin(struct watch_call *call)
{
    call->start_ns = budget_is_attached() ? os_time_ns() : 0;
    own.injected_ns = 0;
    growth_wanted = 0; /* of the request before */
}

void watch_end(const struct watch_call *call, size_t bytes)
{
    int error = errno;
    budget_add(&budget_slot->slow_calls, 1);
    budget_add(&budget_slot->slow_bytes, bytes);
    if (call->start_ns != 0) {
        uint64_t ns = os_time_ns() - call->start_ns;
        budget_note_ns(&budget_slot->slow, ns > own.injected_ns ? ns - own.injected_ns : 0);
        if (own.injected_ns != 0)
            budget_note_ns(&budget_slot->injected, own.injected_ns);
    }
    gauge_follow_peak(bytes);
    if (!own.is_acting)
        pass();
    errno = error;
}

/* -- a request without room ------------------------------------------------------------------- */

/* What the heap keeps goes back at once when that is all that is missing, or before a request is
 * refused: who was before has given up what it had; else as the level's pauses have it. */
static const struct gauge *make_room(struct watch_limit *kept, const struct gauge *gauge,
                                     size_t bytes)
{
    uint64_t needed = kept->used + bytes, hard = kept->limit.hard;
    if (needed <= kept->limit.soft || (kept->limit.whole != 0 && bytes > kept->limit.whole))
        return gauge;
    const struct pressure_sample sample = {.now_ns = gauge->usage.now_ns,
                                           .used = needed,
                                           .limit = hard,
                                           .stalls_100 = PRESSURE_STALLS_UNKNOWN};
    bool helps = needed > hard && gauge->usage.kept >= needed - hard;
    if (act(&sample))
        gauge = look(kept);
    if ((helps || respond_may_step(os_time_ns())) && kept->used + bytes > hard) {
        const struct respond_reason reason = {PRESSURE_AGGRESSIVE, false, needed, hard};
        respond_step(&reason);
        gauge = look(kept);
    }
    return gauge;
}

/* In one of the program's functions, which we call: nothing can be given back, nobody waits. */
static struct pressure_answer judge_within(size_t bytes)
{
    bool is_small = bytes <= PRESSURE_SMALL_BYTES;
    return (struct pressure_answer){is_small ? PRESSURE_GRANT_FREE : PRESSURE_REFUSE, 0, 0};
}

static struct pressure_answer judge(size_t bytes, bool is_block)
{
    struct watch_limit kept;
    uint64_t start = os_time_ns();
    const struct gauge *gauge = look(&kept);
    if (kept.limit.hard == 0 && growth_is_limited())
        set_left(&kept);
    else if (kept.limit.hard != 0)
        gauge = make_room(&kept, gauge, bytes);
    compression_follow(&kept, bytes);
    bool can_wait = compression_helps(&kept, gauge->usage.now_ns, &own.wait);
    const struct pressure_request request = {gauge->usage.now_ns,
                                             kept.used + compression_counted_twice(&kept), bytes,
                                             is_block, can_wait};
    struct pressure_answer answer = pressure_judge(&kept.limit, &request, &watch.over);
    if (answer.verdict == PRESSURE_REFUSE)
        compression_follow(&kept, 0); /* it waits no more */
    usage_publish(&gauge->usage, watch_level());
    own.injected_ns += os_time_ns() - start;
    return answer;
}

/* At least what the heap wanted for this request: a slab may be sixteen times as long. */
static void grant(uint64_t left)
{
    left = left > growth_wanted ? left : growth_wanted;
    growth_allow(left < GROWTH_ANY ? (int64_t)left : GROWTH_ANY);
}

/* True: try again. */
static bool follow(const struct pressure_answer *answer, size_t bytes)
{
    if (own.answers++ == 0) /* once for a request, however often it is tried */
        own.injected_ns += pauses_throttle(answer->sleep_ns);
    switch (answer->verdict) {
    case PRESSURE_GRANT:
        grant(answer->left);
        return true;
    case PRESSURE_GRANT_FREE:
        budget_add(&budget_slot->reserve_used, bytes);
        growth_is_free = true;
        return true;
    case PRESSURE_HOLD:
        own.holds++;
        own.injected_ns += pauses_hold();
        return true;
    case PRESSURE_REFUSE:
        break;
    }
    respond_note_refused(bytes);
    return false;
}

bool watch_makes_room(size_t bytes, bool is_block, unsigned tries)
{
    if (!watch_is_on() || hand.inside != 0)
        return false;
    if (!growth_is_limited()) /* it is the system that has no more */
        return false;
    struct pressure_answer answer;
    if (tries == 0) {
        own.answers = own.holds = 0;
        own.wait = (struct compression_wait){0};
    }
    unsigned most = TRIES + own.holds;
    if (own.is_acting) {
        answer = judge_within(bytes);
    } else if (watch_begin_acting()) {
        answer = judge(bytes, is_block);
        watch_end_acting();
    } else {
        os_sleep(WAIT_NS);
        own.injected_ns += WAIT_NS;
        growth_is_free = tries + 1 >= most; /* it acts for long, may even wait for this thread */
        return tries < most;
    }
    return (answer.verdict == PRESSURE_HOLD || tries < most) && follow(&answer, bytes);
}

/* -- birth, limits, fork ---------------------------------------------------------------------- */

static void start(void)
{
    if (atomic_exchange_explicit(&watch_state.is_on, true, memory_order_relaxed))
        return;
    mapped_start();
    scavenge_on_nap(look_meanwhile);
    keep_helper();
}

static void look_now(uint64_t now)
{
    if (!watch_begin_acting())
        return;
    look_and_act(now);
    watch_end_acting();
}

int watch_look_if_stale(void)
{
    uint64_t now = os_time_coarse_ns();
    if (watch_is_on() && hand.inside == 0 &&
        now >= atomic_load_explicit(&watch.due_ns, memory_order_relaxed) + STALE_NS)
        look_now(now);
    return watch_level();
}

/* From now on, not from the next look. */
static void start_with(uint64_t soft, uint64_t hard)
{
    watch_limits_set(soft, hard);
    atomic_store_explicit(&watch.due_ns, 0, memory_order_relaxed);
    start();
    look_now(os_time_coarse_ns());
}

void watch_follow_bounds(void)
{
    watch_limits_follow();
    start();
}

int watch_set_limit(uint64_t soft, uint64_t hard)
{
    if (hard != 0 && soft == 0)
        soft = hard - hard / 10;
    if (soft > hard || hard >= GROWTH_ANY)
        return EINVAL;
    start_with(soft, hard);
    return 0;
}

void watch_init(const struct conf *conf)
{
    struct pressure_rules rules = watch_option_levels(conf->pressure_levels);
    pressure_init(&watch.pressure, &rules);
    watch_limits_init(conf);
    actions_allow(watch_option_actions(conf->pressure_actions));
    if (conf->pressure == CONF_PRESSURE_VERBOSE)
        journal_set_verbose();
    budget_set_own_strategies(conf->lazy, conf->eviction, conf->pooling, cold_is_on());
    strategy_set(conf->lazy, conf->pooling);
    uint64_t hard = watch_option_limit(conf->limit);
    bool has_budget = budget_attach(conf->budget_file);
    if (hard != 0 || has_budget || watch_option_keeps_groups(conf))
        start_with(hard - hard / 10, hard);
}

void watch_fork_child(void)
{
    own.is_acting = false;
    atomic_store_explicit(&watch.is_acting, false, memory_order_relaxed);
    atomic_store_explicit(&watch.due_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&watch.is_wanted, false, memory_order_relaxed);
    watch.over = (struct pressure_over){0};
    mapped_fork_child();
    respond_fork_child();
    compression_fork_child();
    if (!watch_is_on())
        return;
    gauge_fork_child();
    budget_fork_child(gauge_read(os_time_ns(), false)->usage.used);
    residency_fork_child();
}

void watch_exit(void)
{
    if (!watch_is_on())
        return;
    journal_write_refused();
    if (watch_begin_acting()) {
        gauge_tell(watch_level());
        watch_end_acting();
    }
    budget_end();
}
