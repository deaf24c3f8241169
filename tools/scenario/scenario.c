/* scenario.c - see scenario.h */
#include "tools/scenario/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/budget.h"
#include "tools/cli.h"
#include "tools/place.h"
#include "tools/scenario/gaps.h"
#include "tools/scenario/limits.h"
#include "tools/scenario/options.h"
#include "tools/scenario/output.h"
#include "tools/target.h"
#include "tools/trace/memory.h"
#include "tools/values.h"

/* -- list ------------------------------------------------------------------------------------- */

static void list_mechanism(const struct pressure_mechanism *mechanism,
                           const struct pressure_target *target)
{
    struct pressure pressure;
    char why[PRESSURE_WHY_BYTES];
    bool is_open = pressure_open(&pressure, mechanism->name, target, why);
    printf("  %-12s %s\n", mechanism->name, is_open ? mechanism->enforces : "not here:");
    if (!is_open)
        printf("  %-12s %s\n", "", pressure.choice[0].why);
    else if (pressure_object(mechanism) != NULL)
        printf("  %-12s not by auto: %s\n", "", pressure_object(mechanism));
    if (is_open)
        pressure_close(&pressure);
}

static const char *find_library(char path[PLACE_BYTES])
{
    return place_find_library(path) == 0 && place_can_preload(path) ? path : NULL;
}

static int list(void)
{
    char library[PLACE_BYTES];
    const struct pressure_target target = {find_library(library), "libmpress.so was not found",
                                           false};
    puts("Scenarios:");
    for (size_t i = 0; shape_name(i) != NULL; i++)
        printf("  %-12s %s\n", shape_name(i), shape_summary(i));
    puts("  FILE         lines \"SECONDS LEVEL\", LEVEL as 80% (of the peak) or 512M\n"
         "\n"
         "Pressure, strongest first; auto takes the first that works:");
    for (size_t i = 0; pressure_mechanism(i) != NULL; i++)
        list_mechanism(pressure_mechanism(i), &target);
    return cli_finish(CLI_OK);
}

/* -- one experiment --------------------------------------------------------------------------- */

/* How much less memory it survives in with the best strategy, or holds at one level. */
static double find_best(const struct experiment *experiment, struct sample_interval *interval)
{
    double best = NAN;
    for (size_t i = 0; i < experiment->plan->strategies; i++) {
        const struct experiment_strategy *strategy = &experiment->strategies[i];
        const struct improvement *it = &strategy->improvement;
        bool is_shift = strategy->shift.is_counted;
        double gain = is_shift ? strategy->shift.shift : it->is_counted ? it->reduction : 0;
        if (!strategy->is_measured || (!isnan(best) && gain <= best))
            continue;
        best = gain;
        *interval = is_shift ? strategy->shift.interval : it->reduction_interval;
    }
    return best;
}

/* Two integrals over the time under pressure. */
static double find_efficiency(const struct experiment *experiment)
{
    double asked = 0, heap = 0;
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        asked += level->asked_share * level->heap * level->costed;
        heap += level->heap * level->costed;
    }
    return heap > 0 ? asked / heap : NAN;
}

/* Nothing broke, or nothing held: it is below this one, or above. That may answer the question. */
static void set_one_side(const struct bisect *bisect, double bound, struct verdict_extras *extras)
{
    bool is_below = bisect->bad == 0;
    bool is_answer = is_below ? isnan(bound) || bisect->good <= bound : bisect->bad > bound;
    extras->breaking_point = !is_answer || bisect->good + bisect->bad == 0 ? NAN
                             : is_below                                    ? bisect->good
                                                                           : bisect->bad;
    extras->breaking_interval = is_below ? (struct sample_interval){0, bisect->good}
                                         : (struct sample_interval){bisect->bad, INFINITY};
}

static void set_breaking_point(const struct bisect *bisect, double bound,
                               struct verdict_extras *extras)
{
    struct belief belief;
    if (bisect->good == 0 || bisect->bad == 0) {
        set_one_side(bisect, bound, extras);
        return;
    }
    extras->breaking_point = bisect_get_result(bisect);
    extras->breaking_interval = (struct sample_interval){bisect->figures.low, bisect->figures.high};
    if (!isnan(bound) && bisect_believe(bisect, &belief)) {
        double share = belief_share_below(&belief, bound);
        extras->breaking_confidence = extras->breaking_point <= bound ? share : 1 - share;
    }
}

static void judge(struct experiment *experiment)
{
    const struct bisect *bisect = &experiment->bisect;
    struct verdict_extras extras = {.efficiency = find_efficiency(experiment),
                                    .is_unlimited = limits_add_up(experiment).is_open,
                                    .breaking_point = NAN,
                                    .breaking_confidence = NAN};
    if (experiment->has_searched)
        set_breaking_point(bisect, experiment->plan->bounds.at[VERDICT_BREAKING_POINT], &extras);
    extras.improvement = find_best(experiment, &extras.improvement_interval);
    struct curve curve;
    experiment_make_curve(experiment, &curve);
    verdict_reach(&curve, &extras, &experiment->plan->bounds, &experiment->verdict);
    experiment_free_curve(&curve);
}

/* The program must be there; whether it can be preloaded only decides how. */
static int open_pressure(struct experiment *experiment, char library[PLACE_BYTES])
{
    const struct plan *plan = experiment->plan;
    char path[TARGET_PATH_BYTES], target_why[TARGET_WHY_BYTES], why[PRESSURE_WHY_BYTES];
    enum target_verdict verdict = target_find(plan->arguments[0], path, target_why);
    if (plan->preload != NULL) {
        verdict = TARGET_NOT_RUNNABLE;
        snprintf(target_why, sizeof target_why, "it runs under another allocator");
    }
    if (verdict == TARGET_NOT_FOUND) {
        cli_say("%s", target_why);
        return CLI_CRITERIA;
    }
    const char *found = find_library(library);
    bool is_fine = verdict == TARGET_FINE;
    const struct pressure_target target = {is_fine ? found : NULL,
                                           is_fine ? "libmpress.so was not found" : target_why,
                                           plan->trace != NULL};
    if (pressure_open(&experiment->pressure, plan->pressure, &target, why))
        return CLI_GO_ON;
    cli_say("%s", why);
    return CLI_CRITERIA;
}

static int print(const struct experiment *experiment, json_t *all)
{
    const struct plan *plan = experiment->plan;
    if (plan->is_json)
        json_array_append_new(all, output_json(experiment));
    else
        output_text(experiment, stdout);
    int error = plan->html == NULL ? 0 : output_html(experiment, plan->html);
    if (error != 0) {
        cli_say("%s: cannot be written: %s", plan->html, strerror(error));
        return CLI_USAGE;
    }
    return experiment->verdict.is_passed ? CLI_OK : CLI_FAILED;
}

/* The library's own strategies, where it is there and nothing else was asked for. */
static void add_own_strategies(const struct pressure *pressure, struct plan *plan)
{
    bool is_told = plan->strategies > 0 || plan->has_no_strategies;
    if (!pressure->mechanism->needs_preload || is_told)
        return;
    plan_add_own_strategy(plan, "lazy commit", BUDGET_LAZY);
    plan_add_own_strategy(plan, "eviction", BUDGET_EVICTION);
    plan_add_own_strategy(plan, "pooling", BUDGET_POOLING);
    const char *compression = getenv("MPRESS_COMPRESSION"); /* the program inherits it */
    if ((compression != NULL && strcmp(compression, "on") == 0) ||
        pressure->mechanism == &pressure_swap)
        plan_add_own_strategy(plan, "compression", BUDGET_COMPRESSION);
}

/* What was asked for and the mechanism that was chosen cannot tell is not found out by a run. */
static int check_criteria(const struct plan *plan, const struct pressure *pressure)
{
    enum verdict_row row = gaps_find_demanded(plan, pressure->mechanism);
    if (row == VERDICT_ROWS)
        return CLI_GO_ON;
    const struct gap *gap = gaps_find(plan, pressure->mechanism, row);
    cli_say("criterion %s cannot be measured by %s: %s; %s", verdict_row_name(row),
            pressure->mechanism->name, gap->why, gap->remedy);
    return CLI_CRITERIA;
}

static int run(struct plan *plan, json_t *all)
{
    struct experiment experiment = {.plan = plan};
    char library[PLACE_BYTES];
    int status = open_pressure(&experiment, library);
    if (status != CLI_GO_ON)
        return status;
    add_own_strategies(&experiment.pressure, plan);
    status = check_criteria(plan, &experiment.pressure);
    if (status != CLI_GO_ON) {
        pressure_close(&experiment.pressure);
        return status;
    }
    status = experiment_run(&experiment);
    pressure_close(&experiment.pressure);
    if (status == CLI_CRITERIA)
        cli_say("%s", experiment.why);
    if (status == CLI_OK) {
        judge(&experiment);
        status = print(&experiment, all);
    }
    experiment_fini(&experiment);
    return status;
}

/* The worst of several: a failure of ours, then one of the target, then a criterion. */
static int get_worse(int a, int b)
{
    static const int rank[] = {[CLI_OK] = 0, [CLI_FAILED] = 1, [CLI_CRITERIA] = 2, [CLI_USAGE] = 3};
    return rank[a] > rank[b] ? a : b;
}

static int run_all(struct scenario_options *options)
{
    int status = CLI_OK;
    json_t *all = json_array();
    for (size_t i = 0; i < options->plans; i++)
        status = get_worse(status, run(&options->plan[i], all));
    if (!options->plan[0].is_json) {
        json_decref(all);
    } else {
        json_t *root = json_pack("{s:s,s:o}", "schema", "mpress-scenario/1", "experiments", all);
        if (values_print(root, 6) != CLI_OK)
            status = CLI_USAGE;
    }
    return cli_finish(CLI_OK) == CLI_OK ? status : CLI_USAGE;
}

int scenario_run(struct scenario_options *options)
{
    return options->is_list ? list() : run_all(options);
}

int scenario_main(int argc, char **argv)
{
    struct scenario_options *options = memory_alloc(1, sizeof(*options));
    int status = options_read(argc, argv, NULL, options);
    if (status == CLI_GO_ON)
        status = scenario_run(options);
    options_fini(options);
    free(options);
    return status;
}
