/* watch.c - see watch.h.
 *
 *     slow call ── watch_end ── every 16th: is it time? ── look ── level, step, what is left
 *     no room ──── watch_makes_room ── look ── step? ── pressure_judge ── sleep ── more is left
 *
 * One thread at a time looks and acts; another one that has no room meanwhile waits a little. */
#include "preload/watch.h"

#include <errno.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "allocators/growth.h"
#include "allocators/heap.h"
#include "allocators/pressure/pressure.h"
#include "allocators/strategy.h"
#include "preload/bounds.h"
#include "preload/budget_slot.h"
#include "preload/door.h"
#include "preload/foresee.h"
#include "preload/mapped.h"
#include "preload/respond.h"
#include "preload/usage.h"
#include "preload/watch_options.h"

#define MS UINT64_C(1000000)

enum {
    CALLS_PER_LOOK = 16, /* a slow call in so many looks at the clock */
    TRIES = 64,          /* for room, before a request fails all the same */
};
static const uint64_t LOOK_NS = 100 * MS;
static const uint64_t WAIT_NS = 1 * MS, HOLD_NS = 10 * MS;

struct watch_state watch_state;

static struct {
    _Atomic bool is_acting;
    _Atomic uint64_t due_ns;
    _Atomic uint64_t seen_budget; /* at the last look */
    _Atomic uint32_t level;
    _Atomic uint64_t soft, hard; /* mpress_limit_set, MPRESS_LIMIT; 0: none */
    _Atomic bool follows_bounds; /* MPRESS_PRESSURE, or somebody subscribed */
    struct pressure pressure;    /* who acts */
    struct pressure_over over;   /* the same */
} watch;

static _Thread_local struct {
    uint32_t calls;
    bool is_acting;       /* it is this thread: the program's function called again */
    uint32_t answers;     /* that this request had */
    uint64_t injected_ns; /* in this call */
} own __attribute__((tls_model("initial-exec")));

int watch_level(void)
{
    return (int)atomic_load_explicit(&watch.level, memory_order_relaxed);
}

static bool begin_acting(void)
{
    if (own.is_acting || atomic_exchange_explicit(&watch.is_acting, true, memory_order_acquire))
        return false;
    own.is_acting = true;
    return true;
}

static void end_acting(void)
{
    own.is_acting = false;
    atomic_store_explicit(&watch.is_acting, false, memory_order_release);
}

/* -- limits ----------------------------------------------------------------------------------- */

/* The program's own: refused at once beyond `hard`, slowed down for large requests shortly before.
 */
static bool read_own_limit(struct pressure_limit *limit)
{
    uint64_t hard = atomic_load_explicit(&watch.hard, memory_order_relaxed);
    uint64_t soft = atomic_load_explicit(&watch.soft, memory_order_relaxed);
    if (hard == 0)
        return false;
    *limit = (struct pressure_limit){
        .soft = soft,
        .hard = hard,
        .wall = hard,
        .throttle_from = hard - hard / 20,
        .throttle_full = hard,
        .throttle_bytes = 64 * 1024,
        .throttles = true,
        .refuses = true,
    };
    return true;
}

/* The lower one. */
static void read_limit(struct pressure_limit *limit)
{
    struct pressure_limit own_limit;
    bool has_own = read_own_limit(&own_limit);
    *limit = (struct pressure_limit){0};
    if (!budget_read_limit(limit) || (has_own && own_limit.hard < limit->hard))
        *limit = has_own ? own_limit : *limit;
}

/* Between two looks the heap may grow as far as the soft limit; then it asks. */
static void set_left(const struct pressure_limit *limit, const struct usage *usage)
{
    if (limit->hard == 0)
        growth_allow(GROWTH_ANY);
    else
        growth_allow(usage->all < limit->soft ? (int64_t)(limit->soft - usage->all) : 0);
}

/* -- looks ------------------------------------------------------------------------------------ */

/* The limit that is nearest. */
static struct bounds_reading nearest_of(const struct pressure_limit *limit,
                                        const struct usage *usage, bool follows_bounds)
{
    struct bounds_reading nearest = {usage->all, limit->hard}, kernel;
    if (!follows_bounds || !bounds_read(&kernel, usage->now_ns))
        return nearest;
    return bounds_is_nearer(&kernel, &nearest) ? kernel : nearest;
}

static struct pressure_sample sample_of(const struct pressure_limit *limit,
                                        const struct usage *usage)
{
    struct bounds_reading nearest = nearest_of(limit, usage, watch.follows_bounds);
    return (struct pressure_sample){usage->now_ns, nearest.used, nearest.limit,
                                    foresee_chance(&nearest)};
}

static void consider_machine(struct bounds_reading *nearest)
{
    uint64_t available, total = bounds_total();
    if (os_available_read(&available) && total > available)
        *nearest = (struct bounds_reading){total - available, total};
}

int watch_read_nearest(struct bounds_reading *nearest)
{
    struct pressure_limit limit;
    struct usage usage;
    if (!begin_acting())
        return EAGAIN;
    read_limit(&limit);
    usage_read(&usage);
    *nearest = nearest_of(&limit, &usage, true);
    if (nearest->limit == 0)
        consider_machine(nearest);
    end_acting();
    return nearest->limit == 0 ? ENOENT : 0;
}

/* Does what the level wants. True: memory was given back. */
static bool act(const struct pressure_sample *sample)
{
    struct pressure_advice advice = pressure_take(&watch.pressure, sample);
    atomic_store_explicit(&watch.level, advice.level, memory_order_relaxed);
    if (advice.has_changed)
        respond_tell(advice.level);
    if (advice.step == PRESSURE_CALM)
        return false;
    const struct respond_reason reason = {advice.step, advice.by_forecast, sample->used,
                                          sample->limit};
    uint64_t gained = respond_step(&reason);
    pressure_note_gain(&watch.pressure, advice.step, gained, os_time_ns());
    return gained > 0;
}

static void look(struct pressure_limit *limit, struct usage *usage)
{
    read_limit(limit);
    usage_read(usage);
    if (limit->hard == 0 || usage->all <= limit->hard)
        watch.over = (struct pressure_over){0};
}

/* As the tool wants it just now. What was kept goes back when it is to be kept no more. */
static void choose_strategies(void)
{
    bool pools = budget_allows(BUDGET_POOLING);
    bool is_new = strategy_pools() && !pools;
    strategy_set(budget_allows(BUDGET_LAZY), pools);
    if (is_new)
        door_compact();
}

static void look_and_act(uint64_t now)
{
    struct pressure_limit limit;
    struct usage usage;
    atomic_store_explicit(&watch.due_ns, now + LOOK_NS, memory_order_relaxed);
    atomic_store_explicit(&watch.seen_budget, budget_bytes(), memory_order_relaxed);
    choose_strategies();
    look(&limit, &usage);
    struct pressure_sample sample = sample_of(&limit, &usage);
    if (act(&sample))
        look(&limit, &usage);
    set_left(&limit, &usage);
    if (budget_is_attached())
        usage_publish_progress();
    usage_publish(&usage, watch_level());
}

static void pass(void)
{
    bool has_changed =
        budget_bytes() != atomic_load_explicit(&watch.seen_budget, memory_order_relaxed);
    if (!has_changed && ++own.calls < CALLS_PER_LOOK)
        return;
    own.calls = 0;
    uint64_t now = os_time_coarse_ns();
    if (!has_changed && now < atomic_load_explicit(&watch.due_ns, memory_order_relaxed))
        return;
    if (!begin_acting())
        return;
    uint64_t start = os_time_ns();
    look_and_act(now);
    own.injected_ns += os_time_ns() - start;
    end_acting();
}

/* -- slow calls ------------------------------------------------------------------------------- */

void watch_begin(struct watch_call *call)
{
    call->start_ns = budget_is_attached() ? os_time_ns() : 0;
    own.injected_ns = 0;
}

void watch_end(const struct watch_call *call, size_t bytes)
{
    int error = errno;
    struct budget_slot *slot = budget_slot;
    budget_add(&slot->slow_calls, 1);
    budget_add(&slot->slow_bytes, bytes);
    if (call->start_ns != 0) {
        uint64_t ns = os_time_ns() - call->start_ns;
        budget_note_ns(&slot->slow, ns > own.injected_ns ? ns - own.injected_ns : 0);
        if (own.injected_ns != 0)
            budget_note_ns(&slot->injected, own.injected_ns);
    }
    if (!own.is_acting)
        pass();
    errno = error;
}

/* -- a request without room ------------------------------------------------------------------- */

static void sleep_throttled(uint64_t ns)
{
    if (ns == 0)
        return;
    uint64_t start = os_time_ns();
    os_sleep(ns);
    uint64_t slept = os_time_ns() - start;
    own.injected_ns += slept;
    budget_add(&budget_slot->throttles, 1);
    budget_add(&budget_slot->throttled_ns, slept);
}

static void hold(void)
{
    uint64_t start = os_time_ns();
    atomic_fetch_add(&budget_slot->holding, 1);
    os_sleep(HOLD_NS);
    atomic_fetch_sub(&budget_slot->holding, 1);
    uint64_t ns = os_time_ns() - start;
    own.injected_ns += ns;
    budget_add(&budget_slot->held_ns, ns);
}

static void note_refused(size_t bytes)
{
    budget_add(&budget_slot->refused, 1);
    budget_raise(&budget_slot->largest_refused, bytes);
}

/* What the heap keeps goes back at once when that is all that is missing; else as the level's
 * pauses have it. */
static void make_room(const struct pressure_limit *limit, struct usage *usage, size_t bytes)
{
    struct pressure_limit same;
    uint64_t needed = usage->all + bytes;
    if (needed <= limit->soft)
        return;
    const struct pressure_sample sample = {usage->now_ns, needed, limit->hard, 0};
    bool helps = needed > limit->hard && usage->kept >= needed - limit->hard;
    bool has_given = act(&sample);
    if (has_given)
        look(&same, usage);
    if (helps && usage->all + bytes > limit->hard) {
        const struct respond_reason reason = {PRESSURE_AGGRESSIVE, false, needed, limit->hard};
        respond_step(&reason);
        look(&same, usage);
    }
}

/* In one of the program's functions, which we call: nothing can be given back, nobody waits. */
static struct pressure_answer judge_within(size_t bytes)
{
    bool is_small = bytes <= PRESSURE_SMALL_BYTES;
    return (struct pressure_answer){is_small ? PRESSURE_GRANT_FREE : PRESSURE_REFUSE, 0, 0};
}

static struct pressure_answer judge(size_t bytes, bool is_block)
{
    struct pressure_limit limit;
    struct usage usage;
    uint64_t start = os_time_ns();
    look(&limit, &usage);
    if (limit.hard == 0 && growth_is_limited())
        set_left(&limit, &usage);
    else if (limit.hard != 0)
        make_room(&limit, &usage, bytes);
    const struct pressure_request request = {usage.now_ns, usage.all, bytes, is_block};
    struct pressure_answer answer = pressure_judge(&limit, &request, &watch.over);
    usage_publish(&usage, watch_level());
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
        sleep_throttled(answer->sleep_ns);
    switch (answer->verdict) {
    case PRESSURE_GRANT:
        grant(answer->left);
        return true;
    case PRESSURE_GRANT_FREE:
        budget_add(&budget_slot->reserve_used, bytes);
        growth_is_free = true;
        return true;
    case PRESSURE_HOLD:
        hold();
        return true;
    case PRESSURE_REFUSE:
        break;
    }
    note_refused(bytes);
    return false;
}

bool watch_makes_room(size_t bytes, bool is_block, unsigned tries)
{
    if (!watch_is_on() || hand.inside != 0)
        return false;
    if (!growth_is_limited()) /* it is the system that has no more */
        return false;
    struct pressure_answer answer;
    if (tries == 0)
        own.answers = 0;
    if (own.is_acting) {
        answer = judge_within(bytes);
    } else if (begin_acting()) {
        answer = judge(bytes, is_block);
        end_acting();
    } else {
        os_sleep(WAIT_NS);
        own.injected_ns += WAIT_NS;
        growth_is_free = tries + 1 >= TRIES; /* it acts for long, may even wait for this thread */
        return tries < TRIES;
    }
    return (answer.verdict == PRESSURE_HOLD || tries < TRIES) && follow(&answer, bytes);
}

void watch_done(void)
{
    growth_is_free = false;
}

/* -- birth, limits, fork ---------------------------------------------------------------------- */

static void start(void)
{
    if (atomic_exchange_explicit(&watch_state.is_on, true, memory_order_relaxed))
        return;
    mapped_start();
}

/* From now on, not from the next look. */
static void start_with(uint64_t soft, uint64_t hard)
{
    atomic_store_explicit(&watch.soft, soft, memory_order_relaxed);
    atomic_store_explicit(&watch.hard, hard, memory_order_relaxed);
    atomic_store_explicit(&watch.due_ns, 0, memory_order_relaxed);
    start();
    if (begin_acting()) {
        look_and_act(os_time_coarse_ns());
        end_acting();
    }
}

void watch_follow_bounds(void)
{
    watch.follows_bounds = true;
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
    watch.follows_bounds = conf->pressure != CONF_PRESSURE_OFF;
    if (conf->pressure == CONF_PRESSURE_VERBOSE)
        respond_set_verbose();
    budget_set_own_strategies(conf->lazy, conf->eviction, conf->pooling, cold_is_on());
    strategy_set(conf->lazy, conf->pooling);
    uint64_t hard = watch_option_limit(conf->limit);
    bool has_budget = budget_attach(conf->budget_file);
    if (hard != 0 || has_budget || watch.follows_bounds)
        start_with(hard - hard / 10, hard);
}

void watch_fork_child(void)
{
    own.is_acting = false;
    atomic_store_explicit(&watch.is_acting, false, memory_order_relaxed);
    atomic_store_explicit(&watch.due_ns, 0, memory_order_relaxed);
    watch.over = (struct pressure_over){0};
    mapped_fork_child();
    respond_fork_child();
    if (!watch_is_on())
        return;
    struct usage usage;
    usage_read(&usage);
    budget_fork_child(usage.used);
}

void watch_exit(void)
{
    if (watch_is_on())
        budget_end();
}
