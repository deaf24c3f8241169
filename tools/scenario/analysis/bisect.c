/* bisect.c - see bisect.h */
#include "tools/scenario/analysis/bisect.h"

#include <math.h>

/* A small program's MiB is much of it: 2 % are as fine as the budget's law needs (budget.h). */
static double find_tolerance(double peak)
{
    const double least = 64 << 10, share = 0.01, small_share = 0.02;
    return fmin(fmax(1 << 20, share * peak), fmax(least, small_share * peak));
}

void bisect_init(struct bisect *bisect, double good, double bad, double peak)
{
    *bisect = (struct bisect){
        .good = good,
        .bad = bad,
        .told_good = good,
        .told_bad = bad,
        .least = 1 << 20,
        .most = 4 * peak,
        .tolerance = find_tolerance(peak),
    };
}

void bisect_note_broken(struct bisect *bisect, const double *broken, size_t count)
{
    for (size_t i = 0; i < count && bisect->belows < BISECT_BELOW_MOST; i++) {
        if (broken[i] < bisect->bad)
            bisect->below[bisect->belows++] = broken[i];
    }
}

void bisect_note_held(struct bisect *bisect, const double *held, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bisect->is_held_below |= held[i] < bisect->bad;
}

bool bisect_is_found(const struct bisect *bisect)
{
    return bisect->good > 0 && bisect->bad > 0 && bisect->good - bisect->bad <= bisect->tolerance;
}

bool bisect_is_unbroken(const struct bisect *bisect)
{
    return bisect->bad == 0 && bisect->good > 0 && bisect->good <= bisect->least;
}

void bisect_hint(struct bisect *bisect, const struct bisect *other)
{
    bisect->hint[0] = other->good;
    bisect->hint[1] = other->bad;
    bisect->is_varying = other->is_varying;
    struct belief belief;
    bisect->is_spread_known = bisect_believe(other, &belief);
    if (bisect->is_spread_known)
        belief_give_spread(&belief, &bisect->spread);
}

/* One side is missing: go on in steps of a factor until there is one. (Also before a hint both may
 * be.) */
double bisect_next(const struct bisect *bisect)
{
    for (unsigned i = 0; i < 2; i++) {
        if (bisect->hint[i] > bisect->bad && (bisect->good == 0 || bisect->hint[i] < bisect->good))
            return bisect->hint[i];
    }
    if (bisect->good == 0)
        return bisect->bad >= bisect->most ? 0 : fmin(bisect->most, 1.25 * bisect->bad);
    if (bisect->bad == 0)
        return bisect->good <= bisect->least ? 0 : fmax(bisect->least, bisect->good / 2);
    if (bisect_is_found(bisect)) /* by levels alone, each tried once: votes are to confirm it */
        return bisect->probes == 0 || bisect->is_below ? bisect->bad : 0;
    return (bisect->good + bisect->bad) / 2;
}

/* Two votes for each halving; a side that is missing is some steps away. */
unsigned bisect_runs_left(const struct bisect *bisect)
{
    enum { VOTES = 2, STEPS = 3 };
    if (bisect_next(bisect) == 0)
        return 0;
    bool is_open = bisect->good == 0 || bisect->bad == 0;
    double width = is_open ? fmax(bisect->good, bisect->bad) / 2 : bisect->good - bisect->bad;
    double halvings = fmax(1, ceil(log2(width / bisect->tolerance)));
    return VOTES * ((unsigned)halvings + (is_open ? STEPS : 0));
}

void bisect_add_run(struct bisect *bisect, double budget, bool is_good)
{
    if (bisect->runs < BISECT_RUNS_MOST)
        bisect->run[bisect->runs++] = (struct bisect_run){budget, is_good};
}

/* The largest that broke below what holds after all; 0: none did. */
static double find_below(const struct bisect *bisect, double good)
{
    double bad = 0;
    for (unsigned i = 0; i < bisect->belows; i++) {
        if (bisect->below[i] < good)
            bad = fmax(bad, bisect->below[i]);
    }
    return bad;
}

void bisect_tell(struct bisect *bisect, enum curve_end end)
{
    double budget = bisect_next(bisect);
    bool is_good = end == CURVE_HELD;
    bisect_add_run(bisect, budget, is_good);
    if (is_good)
        bisect->good_votes++;
    else
        bisect->bad_votes++;
    if (bisect->good_votes < 2 && bisect->bad_votes < 2)
        return;
    bisect->odd += bisect->good_votes == 2 ? bisect->bad_votes : bisect->good_votes;
    bisect->probes++;
    if (bisect->good_votes == 2) {
        bisect->good = budget;
        if (bisect->bad >= budget) {
            bisect->bad = find_below(bisect, budget);
            bisect->is_below = bisect->bad > 0;
        }
    } else {
        bisect->bad = budget;
        bisect->is_below = false;
        bisect->kind = is_good ? bisect->kind : end;
    }
    bisect->good_votes = bisect->bad_votes = 0;
}

/* The largest budget of a run that broke, odd as it may be. */
static double find_worst(const struct bisect *bisect)
{
    double worst = 0;
    for (unsigned i = 0; i < bisect->runs; i++) {
        if (!bisect->run[i].is_good)
            worst = fmax(worst, bisect->run[i].budget);
    }
    return worst;
}

void bisect_move_up(struct bisect *bisect, double bad, enum curve_end kind)
{
    unsigned kept = 0;
    bisect->told_good = bisect->told_good > bad ? bisect->told_good : 0;
    double good = bisect->told_good, above = find_worst(bisect);
    for (unsigned i = 0; i < bisect->runs; i++) {
        const struct bisect_run *run = &bisect->run[i];
        bool is_below = run->is_good && run->budget <= bad;
        bisect->is_held_below |= is_below;
        if (is_below)
            continue;
        if (run->is_good && run->budget > above && (good == 0 || run->budget < good))
            good = run->budget;
        bisect->run[kept++] = *run;
    }
    bisect->runs = kept;
    bisect->good = good;
    bisect->bad = bad;
    bisect->told_bad = 0;
    bisect->is_below = false;
    bisect->kind = kind;
    bisect->is_varying = bisect->is_settled = false;
}

bool bisect_is_sure(const struct bisect *bisect)
{
    return !bisect->is_varying || bisect->is_settled;
}

bool bisect_believe(const struct bisect *bisect, struct belief *belief)
{
    if (bisect->good == 0 || bisect->bad == 0)
        return false;
    belief_init(belief, (bisect->good + bisect->bad) / 2, bisect->tolerance);
    if (bisect->is_spread_known)
        belief_take_spread(belief, &bisect->spread);
    if (bisect->told_good > 0)
        belief_tell(belief, bisect->told_good, true);
    if (bisect->told_bad > 0)
        belief_tell(belief, bisect->told_bad, false);
    for (unsigned i = 0; i < bisect->runs; i++)
        belief_tell(belief, bisect->run[i].budget, bisect->run[i].is_good);
    return true;
}

void bisect_conclude(struct bisect *bisect)
{
    struct belief belief;
    if (bisect_believe(bisect, &belief))
        belief_read(&belief, &bisect->figures);
}

double bisect_get_result(const struct bisect *bisect)
{
    if (bisect->good == 0 || bisect->bad == 0)
        return fmax(bisect->good, bisect->bad);
    return bisect->figures.high > 0 ? bisect->figures.middle : (bisect->good + bisect->bad) / 2;
}

double bisect_get_agreement(const struct bisect *bisect)
{
    return bisect->runs == 0 ? 1 : 1 - (double)bisect->odd / (double)bisect->runs;
}
