/* test_scenario_lap.c - how a lap ended, and that no descriptor is lost with a program that could
 * not be started: there is no vfork here, and a mechanism that does nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/own_costs.h"
#include "tools/scenario/experiment.h"

#define MIB 1048576.0

pid_t __wrap_vfork(void);
pid_t __wrap_vfork(void)
{
    errno = EAGAIN;
    return -1;
}

static void one_that_could_not_be_forked_leaves_nothing_open(void **state)
{
    (void)state;
    static char name[] = "true";
    char *arguments[] = {name, NULL};
    const struct process_hooks hooks = {.prepare = NULL};
    struct process process;
    size_t before = count_descriptors();
    assert_int_equal(process_start(&process, arguments, &hooks), EAGAIN);
    assert_int_equal(count_descriptors(), before);
    assert_true(process.pid == 0 && process.pid_fd == -1);
    assert_true(process_has_ended(&process, &hooks));
}

static void set_nothing(struct pressure *pressure, uint64_t bytes)
{
    pressure->budget = bytes;
}

static void tell_room(const struct pressure *pressure, struct pressure_backstop *backstop)
{
    (void)pressure;
    *backstop = (struct pressure_backstop){.head_room = 1};
}

static const struct pressure_mechanism mechanism = {
    .name = "none", .set = set_nothing, .backstop = tell_room};

/* A service that says that memory is missing, without pressure or not; then it breaks. */
static bool is_denied(bool says_so_before)
{
    static char progress[] = "x";
    static const struct plan plan = {.progress = progress};
    struct experiment_lap level;
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = &plan;
    experiment->pressure.mechanism = &mechanism;
    lap_begin(experiment, &experiment->calibration, 0);
    experiment->target.has_missed_memory = says_so_before;
    lap_end(experiment, CURVE_HELD, true, "%s", "");
    lap_begin(experiment, &level, 10 * MIB);
    experiment->target.has_missed_memory = true;
    lap_end(experiment, CURVE_FAILED, true, "%s", "");
    free(experiment);
    return level.is_denied;
}

/* Nothing was refused by the budget: so it was what stands behind it, if it was refused at all. */
static void what_a_service_always_says_is_no_refusal(void **state)
{
    (void)state;
    assert_true(is_denied(false));
    assert_false(is_denied(true));
}

static bool has_refused;

static bool tell_refused(const struct pressure *pressure)
{
    (void)pressure;
    return has_refused;
}

static const struct pressure_mechanism wall = {
    .name = "wall", .set = set_nothing, .has_refused = tell_refused};

static struct experiment_lap end_with(const struct plan *plan, int status, bool misses_memory,
                                      const struct pressure_mechanism *at, double budget)
{
    struct experiment_lap level;
    struct experiment *experiment = calloc(1, sizeof *experiment);
    assert_non_null(experiment);
    experiment->plan = plan;
    experiment->pressure.mechanism = at;
    lap_begin(experiment, &level, budget);
    experiment->target.wait_status = status << 8;
    experiment->target.has_missed_memory = misses_memory;
    strcpy(experiment->target.said, misses_memory ? "words" : "");
    lap_end_with_target(experiment);
    free(experiment);
    return level;
}

static struct experiment_lap end_at(const struct pressure_mechanism *at, double budget)
{
    static const struct plan plan = {.expected_exit = 0};
    return end_with(&plan, 1, true, at, budget);
}

/* Whether it touched memory at the wall or asked the system for something is chance. */
static void what_fails_at_a_wall_is_killed_there(void **state)
{
    (void)state;
    has_refused = true;
    struct experiment_lap level = end_at(&wall, 10 * MIB);
    assert_true(level.end == CURVE_KILLED && !level.is_clean);
    assert_string_equal(level.why, "out of memory: words");
    assert_int_equal(end_at(&wall, 0).end, CURVE_FAILED);
    level = end_at(&mechanism, 10 * MIB); /* others refuse */
    assert_true(level.end == CURVE_FAILED && level.is_clean);
    has_refused = false;
    assert_int_equal(end_at(&wall, 10 * MIB).end, CURVE_FAILED);
}

/* It was done, as far as it says. */
static void a_service_that_ends_by_itself_has_not_failed(void **state)
{
    (void)state;
    static char progress[] = "x";
    static const struct plan service = {.progress = progress}, finite = {.expected_exit = 3};
    struct experiment_lap level = end_with(&service, 0, false, &mechanism, 10 * MIB);
    assert_true(level.end == CURVE_ENDED && level.is_clean);
    assert_string_equal(level.why, "exit 0");
    assert_string_equal(curve_end_name(level.end), "ended by itself");
    level = end_with(&service, 0, true, &mechanism, 10 * MIB);
    assert_true(level.end == CURVE_FAILED && level.is_clean);
    level = end_with(&service, 3, false, &mechanism, 10 * MIB);
    assert_true(level.end == CURVE_FAILED && !level.is_clean);
    assert_int_equal(end_with(&finite, 0, false, &mechanism, 10 * MIB).end, CURVE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_could_not_be_forked_leaves_nothing_open),
        cmocka_unit_test(what_a_service_always_says_is_no_refusal),
        cmocka_unit_test(what_fails_at_a_wall_is_killed_there),
        cmocka_unit_test(a_service_that_ends_by_itself_has_not_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
