/* json.c - an experiment as JSON (output.h); tools/scenario/README.md lists the fields. */
#include <math.h>

#include "tools/scenario/gaps.h"
#include "tools/scenario/output.h"
#include "tools/values.h"

/* JSON has no infinity: null. */
static json_t *real_value(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void set_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key, real_value(value));
}

static void set_bytes(json_t *object, const char *key, double bytes)
{
    values_set_number(object, key, bytes > 0 ? (uint64_t)bytes : 0);
}

static void set_flag(json_t *object, const char *key, bool is_so)
{
    json_object_set_new(object, key, json_boolean(is_so));
}

static json_t *services_array(const struct experiment *experiment, const struct experiment_lap *lap)
{
    json_t *array = json_array();
    for (size_t i = 0; i < lap->windows; i++)
        json_array_append_new(array, real_value(experiment->window[lap->first + i].service));
    return array;
}

/* null: nothing was done. */
static json_t *times_object(const struct experiment *experiment, const struct experiment_lap *lap)
{
    struct experiment_times times;
    lap_read_times(experiment, lap, &times);
    if (times.count == 0)
        return json_null();
    json_t *object = json_object();
    values_set_text(object, "of", output_times_of(experiment, &times));
    values_set_number(object, "count", times.count);
    set_real(object, "p50_s", times.p50);
    set_real(object, "p95_s", times.p95);
    set_real(object, "p99_s", times.p99);
    set_real(object, "longest_s", times.most);
    return object;
}

static void set_injected(json_t *object, const struct experiment_lap *lap)
{
    if (!lap->is_injected_known)
        return;
    set_real(object, "slept_s", lap->injected.slept);
    set_real(object, "held_s", lap->injected.held);
    set_real(object, "fetched_s", lap->injected.fetched);
}

static void set_stalls(json_t *object, const struct experiment_stalls *stalls)
{
    const char *of = isnan(stalls->some) ? NULL : stalls->is_of_group ? "group" : "machine";
    values_set_text(object, "stalls_of", of);
    set_real(object, "stalls_some_s", stalls->some);
    set_real(object, "stalls_full_s", stalls->full);
}

static void set_parts(json_t *object, const struct victim_parts *parts)
{
    set_bytes(object, "resident_anon", parts->anon);
    set_bytes(object, "resident_file", parts->file);
    set_bytes(object, "resident_shmem", parts->shmem);
    set_bytes(object, "swapped", parts->swap);
}

static void set_fast(json_t *object, const struct experiment_lap *lap)
{
    values_set_number(object, "fast_calls", lap->fast_calls);
    set_real(object, "fast_p50_s", lap->fast_calls > 0 ? lap->fast_p50 : NAN);
    set_real(object, "fast_p99_s", lap->fast_calls > 0 ? lap->fast_p99 : NAN);
    values_set_number(object, "fast_frees", lap->fast_frees);
    set_real(object, "free_p50_s", lap->fast_frees > 0 ? lap->free_p50 : NAN);
    set_real(object, "free_p99_s", lap->fast_frees > 0 ? lap->free_p99 : NAN);
}

static json_t *lap_object(const struct experiment *experiment, const struct experiment_lap *lap)
{
    json_t *object = json_object();
    set_bytes(object, "budget", lap->budget);
    set_real(object, "after_s", lap->began);
    set_real(object, "lasted_s", lap->lasted);
    values_set_text(object, "end", curve_end_name(lap->end));
    set_flag(object, "clean", lap->is_clean);
    values_set_text(object, "why", lap->why);
    json_object_set_new(object, "service_s", services_array(experiment, lap));
    json_object_set_new(object, "times", times_object(experiment, lap));
    set_real(object, "stalled_s", lap->stalled);
    set_injected(object, lap);
    set_stalls(object, &lap->stalls);
    set_parts(object, &lap->parts);
    set_bytes(object, "used_most", lap->used_most);
    set_bytes(object, "used_last", lap->used_last);
    set_flag(object, "unlimited", lap->is_unlimited);
    set_bytes(object, "resident_most", lap->resident_most);
    set_bytes(object, "resident_mean", lap->resident_mean);
    set_real(object, "run_wait_s", lap->run_wait);
    values_set_number(object, "minor_faults", lap->minor_faults);
    values_set_number(object, "major_faults", lap->major_faults);
    values_set_number(object, "lends", lap->lends);
    values_set_number(object, "refused", lap->refused);
    values_set_number(object, "denied", lap->denied);
    set_flag(object, "broke_at_backstop", lap->is_denied);
    if (lap->heap > 0) {
        set_bytes(object, "heap_mean", lap->heap);
        set_real(object, "asked_share", lap->asked_share);
        set_real(object, "objects_a_mib", lap->objects);
        set_real(object, "coverage", lap->coverage);
        set_real(object, "accounted", lap->accounted);
        set_bytes(object, "untouched", lap->untouched);
    }
    if (lap->slow_calls > 0) {
        values_set_number(object, "slow_calls", lap->slow_calls);
        set_real(object, "slow_p50_s", lap->slow_p50);
        set_real(object, "slow_p99_s", lap->slow_p99);
        set_real(object, "injected_p99_s", lap->injected_p99);
        set_fast(object, lap);
    }
    return object;
}

/* null: it never began. */
static json_t *begun_object(const struct experiment *experiment, const struct experiment_lap *lap)
{
    return lap->began > 0 ? lap_object(experiment, lap) : json_null();
}

static json_t *backstop_object(const struct experiment *experiment)
{
    const struct pressure_backstop *told = &experiment->backstop;
    if (told->head_room == 0)
        return json_null();
    json_t *object = json_object();
    values_set_text(object, "limit", "RLIMIT_DATA");
    values_set_number(object, "head_room", told->head_room);
    values_set_number(object, "denied", told->denied);
    values_set_number(object, "outside", told->outside);
    values_set_text(object, "name", told->outside > 0 ? told->name : NULL);
    values_set_number(object, "unreached", told->unreached);
    values_set_number(object, "broke", experiment->denied);
    values_set_number(object, "broken", experiment->broken);
    return object;
}

static json_t *pressure_object_of(const struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    json_t *object = json_object(), *others = json_array();
    for (size_t i = 0; i < pressure->choices; i++) {
        const struct pressure_choice *choice = &pressure->choice[i];
        if (!choice->is_taken) {
            json_array_append_new(others, json_pack("{s:s,s:s}", "mechanism",
                                                    choice->mechanism->name, "why", choice->why));
            continue;
        }
        values_set_text(object, "mechanism", choice->mechanism->name);
        values_set_text(object, "enforces", choice->mechanism->enforces);
        values_set_text(object, "budget_of", choice->mechanism->unit);
    }
    json_object_set_new(object, "not_taken", others);
    json_object_set_new(object, "backstop", backstop_object(experiment));
    return object;
}

static json_t *interval_array(const struct sample_interval *interval)
{
    json_t *array = json_array();
    json_array_append_new(array, real_value(interval->low));
    json_array_append_new(array, real_value(interval->high));
    return array;
}

static void set_found(json_t *object, const char *key, double bytes)
{
    json_object_set_new(object, key, bytes > 0 ? values_number((uint64_t)bytes) : json_null());
}

/* The bracket is of runs that were seen; where their needs differ, that says little. */
static void set_limits(json_t *object, const struct bisect *bisect)
{
    const struct belief_figures *figures = &bisect->figures;
    bool is_seen = !bisect->is_varying;
    struct sample_interval interval = {figures->low, figures->high};
    json_object_set_new(object, "interval",
                        figures->high > 0 ? interval_array(&interval) : json_null());
    set_found(object, "broken_at", is_seen ? bisect->bad : 0);
    set_found(object, "held_at", is_seen ? bisect->good : 0);
    set_bytes(object, "tolerance", bisect->tolerance);
    set_bytes(object, "spread", is_seen ? 0 : figures->spread);
}

static json_t *search_object(const struct experiment *experiment)
{
    const struct bisect *bisect = &experiment->bisect;
    if (!experiment->has_searched)
        return json_null();
    json_t *object = json_object();
    bool is_known = bisect->bad > 0 && bisect->good > 0;
    set_found(object, "bytes", is_known ? bisect_get_result(bisect) : 0);
    values_set_text(object, "kind", bisect->bad > 0 ? curve_end_name(bisect->kind) : NULL);
    set_limits(object, bisect);
    set_real(object, "of_peak", is_known ? bisect_get_result(bisect) / experiment->peak : NAN);
    values_set_number(object, "probes", bisect->probes);
    values_set_number(object, "runs", bisect->runs);
    set_real(object, "agreement", bisect_get_agreement(bisect));
    set_flag(object, "out_of_time", experiment->is_out_of_time);
    set_flag(object, "confirmed", experiment->is_confirmed);
    return object;
}

static void set_shift(json_t *object, const struct experiment_strategy *strategy)
{
    const struct bisect *without = &strategy->without, *with = &strategy->with;
    set_found(object, "breaks_without", without->good > 0 ? bisect_get_result(without) : 0);
    set_found(object, "breaks_with", with->good * with->bad > 0 ? bisect_get_result(with) : 0);
    set_real(object, "shift", strategy->shift.shift);
    json_object_set_new(object, "shift_interval", interval_array(&strategy->shift.interval));
    set_flag(object, "shift_counted", strategy->shift.is_counted);
    values_set_text(object, "shift_objection", strategy->shift.objection);
}

static json_t *strategies_array(const struct experiment *experiment)
{
    json_t *array = json_array();
    for (size_t i = 0; i < experiment->plan->strategies; i++) {
        const struct experiment_strategy *strategy = &experiment->strategies[i];
        const struct improvement *it = &strategy->improvement;
        json_t *object = json_object();
        values_set_text(object, "name", strategy->what->name);
        set_flag(object, "measured", strategy->is_measured);
        values_set_text(object, "why", strategy->is_measured ? NULL : strategy->why);
        set_bytes(object, "budget", strategy->level);
        if (strategy->is_measured) {
            set_real(object, "reduction", it->reduction);
            json_object_set_new(object, "reduction_interval",
                                interval_array(&it->reduction_interval));
            set_real(object, "overhead", it->overhead);
            json_object_set_new(object, "overhead_interval",
                                interval_array(&it->overhead_interval));
            set_real(object, "drift", it->drift);
            set_flag(object, "counted", it->is_counted);
            values_set_text(object, "objection", it->objection);
        }
        if (strategy->with.runs > 0)
            set_shift(object, strategy);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *criterion_object(const struct experiment *experiment, enum verdict_row row)
{
    const struct verdict_criterion *criterion = &experiment->verdict.row[row];
    json_t *object = json_object();
    set_real(object, "value", criterion->is_known ? criterion->value : NAN);
    set_flag(object, "known", criterion->is_known);
    set_real(object, "bound", experiment->plan->bounds.at[row]);
    json_object_set_new(object, "met",
                        criterion->is_asked && criterion->is_known ? json_boolean(criterion->is_met)
                                                                   : json_null());
    json_object_set_new(object, "interval", interval_array(&criterion->interval));
    set_real(object, "confidence", criterion->confidence);
    set_flag(object, "needed", criterion->is_needed);
    values_set_text(object, "why_not", criterion->is_known ? NULL : gaps_explain(experiment, row));
    return object;
}

static json_t *verdict_object(const struct experiment *experiment)
{
    const struct verdict *verdict = &experiment->verdict;
    const struct curve_figures *figures = &verdict->figures;
    json_t *object = json_object(), *criteria = json_object(), *grace = json_object();
    json_t *parts = json_object();
    for (unsigned row = 0; row < VERDICT_ROWS; row++)
        json_object_set_new(criteria, verdict_row_name(row), criterion_object(experiment, row));
    set_flag(grace, "clean", figures->is_clean);
    set_flag(grace, "monotone", figures->is_monotone);
    set_flag(grace, "without_cliff", figures->is_without_cliff);
    json_object_set_new(grace, "recovers",
                        isnan(figures->recovery) ? json_null()
                                                 : json_boolean(figures->is_recovering));
    set_real(grace, "residual", figures->residual);
    set_real(grace, "steepest", figures->steepest);
    set_real(grace, "cliff", figures->cliff);
    values_set_text(object, "verdict", output_verdict_word(verdict));
    values_set_number(object, "asked", verdict->asked);
    values_set_number(object, "measured", verdict->measured);
    json_object_set_new(object, "criteria", criteria);
    json_object_set_new(object, "grace", grace);
    set_real(parts, "alive", figures->alive);
    set_real(parts, "steady", figures->steady);
    set_real(parts, "unstalled", figures->unstalled);
    set_real(parts, "recovered", figures->recovered);
    json_object_set_new(object, "stability_parts", parts);
    set_real(object, "d50", figures->latency[0]);
    set_real(object, "d99", figures->latency[1]);
    set_real(object, "retention", figures->retention);
    set_real(object, "slowdown_after", figures->slowdown);
    return object;
}

static json_t *program_array(const struct plan *plan)
{
    json_t *array = json_array();
    for (char **word = plan->arguments; *word != NULL; word++)
        json_array_append_new(array, values_text(*word));
    return array;
}

static json_t *baseline_object(const struct experiment *experiment)
{
    json_t *object = lap_object(experiment, &experiment->calibration);
    set_real(object, "median_s", experiment->baseline);
    set_real(object, "spread", experiment->verdict.figures.noise);
    set_bytes(object, "peak", experiment->peak);
    set_flag(object, "growing", experiment->is_growing);
    return object;
}

static json_t *notes_array(const struct schedule *schedule)
{
    json_t *array = json_array();
    for (size_t i = 0; i < schedule->notes; i++)
        json_array_append_new(array, json_string(schedule->note[i]));
    return array;
}

json_t *output_json(const struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    json_t *object = json_object(), *levels = json_array();
    for (size_t i = 0; i < experiment->levels; i++)
        json_array_append_new(levels, lap_object(experiment, &experiment->level[i]));
    values_set_text(object, "scenario", plan->shape.name);
    values_set_text(object, "name", plan->name);
    values_set_text(object, "form", plan->is_ramp ? "ramp" : "staircase");
    json_object_set_new(object, "command", plan->trace == NULL ? program_array(plan) : json_null());
    values_set_text(object, "trace", plan->trace);
    values_set_text(object, "how", plan->how);
    if (plan->trace != NULL)
        values_set_text(object, "with", plan->with == NULL ? "mpress" : plan->with);
    set_flag(object, "finite", plan_is_finite(plan));
    json_object_set_new(object, "pressure", pressure_object_of(experiment));
    json_object_set_new(object, "baseline", baseline_object(experiment));
    set_bytes(object, "floor", experiment->floor);
    values_set_number(object, "levels_planned", experiment->planned);
    json_object_set_new(object, "levels", levels);
    json_object_set_new(object, "release", begun_object(experiment, &experiment->release));
    json_object_set_new(object, "release_again",
                        experiment->release_again.windows > 0
                            ? lap_object(experiment, &experiment->release_again)
                            : json_null());
    json_object_set_new(object, "breaking_point", search_object(experiment));
    json_object_set_new(object, "strategies", strategies_array(experiment));
    json_object_set_new(object, "result", verdict_object(experiment));
    set_real(object, "lasted_s", experiment->total);
    set_real(object, "clock_step_s", experiment->clock_step);
    set_real(object, "within_s", experiment->schedule.whole);
    json_object_set_new(object, "left_out", notes_array(&experiment->schedule));
    set_real(object, "own_processor_s", experiment->own_processor);
    return object;
}
