/* pressure.c - levels with hysteresis, pauses that grow, and the law of an enforced limit. */
#include "allocators/pressure/pressure.h"

#include "allocators/base/check.h"

#define MS UINT64_C(1000000)

const struct pressure_rules pressure_default_rules = {
    .enter_percent = {0, 70, 80, 90, 95},
    .leave_percent = 3,
    .dwell_ns = 5000 * MS,
    .pause_ns = 100 * MS,
    .longest_pause_ns = 10000 * MS,
    .gain_permille = 1,
    .forecast_percent = 50,
    .confirmed_100 = 100,
    .hurting_100 = 1000,
};

const char *pressure_name(enum pressure_level level)
{
    static const char names[PRESSURE_LEVELS][12] = {"calm", "monitor", "gentle", "aggressive",
                                                    "emergency"};
    return names[level];
}

bool pressure_rules_are_valid(const struct pressure_rules *rules)
{
    uint32_t below = 0;
    for (unsigned level = PRESSURE_MONITOR; level < PRESSURE_LEVELS; level++) {
        if (rules->enter_percent[level] <= below || rules->enter_percent[level] > 100)
            return false;
        below = rules->enter_percent[level];
    }
    return true;
}

void pressure_init(struct pressure *pressure, const struct pressure_rules *rules)
{
    *pressure = (struct pressure){.rules = *rules};
    for (unsigned level = 0; level < PRESSURE_LEVELS; level++)
        pressure->wait_ns[level] = rules->pause_ns;
}

/* -- levels ----------------------------------------------------------------------------------- */

/* Of a number that may be large. */
static uint64_t share(uint64_t of, uint64_t part, uint64_t whole)
{
    return of / whole * part + of % whole * part / whole;
}

/* The highest level whose threshold, so many points lower, is reached. */
static enum pressure_level level_at(const struct pressure_rules *rules,
                                    const struct pressure_sample *sample, uint32_t lower)
{
    unsigned level = PRESSURE_EMERGENCY;
    for (; sample->limit != 0 && level > PRESSURE_CALM; level--) {
        uint32_t percent = rules->enter_percent[level];
        percent = percent > lower ? percent - lower : 0;
        if (sample->used >= share(sample->limit, percent, 100))
            return (enum pressure_level)level;
    }
    return PRESSURE_CALM;
}

static enum pressure_level measure(const struct pressure_rules *rules,
                                   const struct pressure_sample *sample, uint32_t lower)
{
    enum pressure_level level = level_at(rules, sample, lower);
    if (sample->stalls_100 == PRESSURE_STALLS_UNKNOWN)
        return level;
    if (level == PRESSURE_MONITOR && sample->stalls_100 >= rules->hurting_100)
        return PRESSURE_GENTLE;
    bool is_confirmed = !sample->is_machine || sample->stalls_100 >= rules->confirmed_100;
    return level > PRESSURE_GENTLE && !is_confirmed ? PRESSURE_GENTLE : level;
}

static enum pressure_level next_level(const struct pressure *pressure,
                                      const struct pressure_sample *sample)
{
    enum pressure_level rising = measure(&pressure->rules, sample, 0);
    enum pressure_level falling = measure(&pressure->rules, sample, pressure->rules.leave_percent);
    if (rising > pressure->level)
        return rising;
    bool has_dwelt = sample->now_ns >= pressure->since_ns + pressure->rules.dwell_ns;
    return falling < pressure->level && has_dwelt ? falling : pressure->level;
}

static bool is_foreseen(const struct pressure *pressure, const struct pressure_sample *sample)
{
    return sample->limit != 0 && sample->forecast_percent != 0 &&
           sample->forecast_percent >= pressure->rules.forecast_percent;
}

struct pressure_advice pressure_take(struct pressure *pressure,
                                     const struct pressure_sample *sample)
{
    struct pressure_advice advice = {.level = next_level(pressure, sample)};
    advice.has_changed = advice.level != pressure->level;
    if (advice.has_changed) {
        pressure->level = advice.level;
        pressure->since_ns = sample->now_ns;
    }
    pressure->limit = sample->limit;
    enum pressure_level step = advice.level >= PRESSURE_GENTLE ? advice.level : PRESSURE_CALM;
    if (step == PRESSURE_CALM && is_foreseen(pressure, sample)) {
        step = PRESSURE_GENTLE;
        advice.by_forecast = true;
    }
    if (step != PRESSURE_CALM && sample->now_ns >= pressure->due_ns[step])
        advice.step = step;
    else
        advice.by_forecast = false;
    return advice;
}

void pressure_note_gain(struct pressure *pressure, enum pressure_level step, uint64_t bytes,
                        uint64_t now_ns)
{
    const struct pressure_rules *rules = &pressure->rules;
    MP_ASSERT(step < PRESSURE_LEVELS);
    bool is_in_vain = bytes < share(pressure->limit, rules->gain_permille, 1000);
    uint64_t wait = is_in_vain ? 2 * pressure->wait_ns[step] : rules->pause_ns;
    if (wait > rules->longest_pause_ns)
        wait = rules->longest_pause_ns;
    pressure->wait_ns[step] = wait;
    pressure->due_ns[step] = now_ns + wait;
}

/* -- a limit that is enforced ----------------------------------------------------------------- */

uint64_t pressure_reserve(const struct pressure_limit *limit)
{
    uint64_t reserve = limit->hard / 100;
    return reserve > PRESSURE_RESERVE_LEAST ? reserve : PRESSURE_RESERVE_LEAST;
}

/* The square of how far `needed` is on the way, of 50 ms. */
static uint64_t sleep_for(const struct pressure_limit *limit, uint64_t needed, uint64_t bytes)
{
    if (!limit->throttles || needed <= limit->throttle_from || bytes < limit->throttle_bytes)
        return 0;
    uint64_t way = limit->throttle_full - limit->throttle_from,
             gone = needed - limit->throttle_from;
    if (gone >= way)
        return PRESSURE_LONGEST_SLEEP_NS;
    uint64_t permille = share(1000, gone, way);
    return PRESSURE_LONGEST_SLEEP_NS / 1000 * permille / 1000 * permille;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Who is preempted with its part, and goes on when others took what there was, is over by that. */
uint64_t pressure_part(const struct pressure_limit *limit, uint64_t left)
{
    const uint64_t shares_least = 64;
    return limit->sharers > 1 ? least(left / limit->sharers, limit->hard / shares_least) : left;
}

/* So much that growth is looked at a few times on its way from one threshold to the next. */
static uint64_t quantum(const struct pressure_limit *limit)
{
    return (limit->hard - limit->soft) / 8;
}

/* Beyond a request, so that the next one need not ask; of a small limit that is little. */
static uint64_t quantum_least(const struct pressure_limit *limit)
{
    return least(PRESSURE_QUANTUM_LEAST, pressure_part(limit, limit->hard / 64));
}

static struct pressure_answer grant_below_hard(const struct pressure_limit *limit,
                                               const struct pressure_request *request,
                                               uint64_t needed)
{
    struct pressure_answer answer = {.verdict = PRESSURE_GRANT};
    if (needed <= limit->soft)
        answer.left = pressure_part(limit, limit->soft - request->used);
    else
        answer.left = least(limit->hard - request->used,
                            request->bytes + pressure_part(limit, quantum(limit)));
    answer.left = most(answer.left, request->bytes + quantum_least(limit));
    answer.sleep_ns = sleep_for(limit, needed, request->bytes);
    return answer;
}

static bool is_final(const struct pressure_limit *limit, uint64_t needed, uint64_t over_ns)
{
    return (limit->refuses || limit->holds) && (needed > limit->wall || over_ns >= limit->grace_ns);
}

/* The reserve is beyond what was reached before anything was refused. The first request is, however
 * small: a program of small blocks alone would else use the reserve up before it is told, and have
 * none to unwind with (redis then fails in its handler of that very failure, again and again). */
static bool has_reserve(const struct pressure_limit *limit, const struct pressure_request *request,
                        struct pressure_over *over)
{
    bool is_told = over->base != 0 || limit->holds;
    if (over->base == 0 || request->used < over->base)
        over->base = request->used;
    if (!is_told)
        return false;
    uint64_t reached = request->used - over->base + request->bytes;
    uint64_t reserve = pressure_reserve(limit);
    if (request->bytes <= PRESSURE_TINY_BYTES)
        reserve += reserve / 2;
    return request->is_block && request->bytes <= PRESSURE_SMALL_BYTES && reached <= reserve;
}

struct pressure_answer pressure_judge(const struct pressure_limit *limit,
                                      const struct pressure_request *request,
                                      struct pressure_over *over)
{
    uint64_t needed = request->used + request->bytes;
    if (limit->hard == 0)
        return (struct pressure_answer){.verdict = PRESSURE_GRANT, .left = UINT64_MAX};
    if (needed < request->bytes)
        return (struct pressure_answer){.verdict = PRESSURE_REFUSE};
    if (limit->whole != 0 && request->bytes > limit->whole)
        return (struct pressure_answer){.verdict = PRESSURE_GRANT_FREE};
    if (needed <= limit->hard)
        return grant_below_hard(limit, request, needed);
    if (request->can_wait)
        return (struct pressure_answer){.verdict = PRESSURE_HOLD};
    if (over->since_ns == 0)
        over->since_ns = request->now_ns;
    struct pressure_answer answer = {.verdict = PRESSURE_GRANT,
                                     .left = request->bytes + quantum_least(limit),
                                     .sleep_ns = sleep_for(limit, needed, request->bytes)};
    if (!is_final(limit, needed, request->now_ns - over->since_ns))
        return answer;
    if (has_reserve(limit, request, over))
        answer.verdict = PRESSURE_GRANT_FREE;
    else
        answer =
            (struct pressure_answer){.verdict = limit->holds ? PRESSURE_HOLD : PRESSURE_REFUSE};
    return answer;
}
