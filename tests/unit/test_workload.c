/* test_workload.c - the workloads that are made up: whole, the same every time, and replayable. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tools/replay/fit.h"
#include "tools/replay/run.h"

enum { OBJECTS = 3000 };

/* What is alive, as its events say. */
struct model {
    uint64_t sizes[20 * OBJECTS]; /* + 1, by object; 0: dead */
    uint64_t live;
    uint64_t most;
    uint64_t bytes;
    uint64_t most_bytes;
};

static void kill_object(struct model *model, const struct trace_event *event)
{
    assert_int_equal(model->sizes[event->old_object], event->old_size + 1);
    model->sizes[event->old_object] = 0;
    model->bytes -= event->old_size;
    model->live--;
}

static void bear_object(struct model *model, const struct trace_event *event)
{
    assert_true(event->object < 20 * OBJECTS);
    model->sizes[event->object] = event->size + 1;
    model->bytes += event->size;
    model->live++;
    model->most = model->live > model->most ? model->live : model->most;
    model->most_bytes = model->bytes > model->most_bytes ? model->bytes : model->most_bytes;
}

static void check_visit(const struct workload *workload)
{
    struct model *model = calloc(1, sizeof(*model));
    struct workload_visit *visit = workload_visit_create(workload);
    struct workload_visit *again = workload_visit_create(workload);
    struct trace_event event;
    struct trace_event other;
    while (workload_visit_next(visit, &event)) {
        assert_true(workload_visit_next(again, &other));
        assert_memory_equal(&event, &other, sizeof(event));
        assert_true(event.thread < workload->threads);
        if (event.old_object != 0)
            kill_object(model, &event);
        if (event.object != 0)
            bear_object(model, &event);
    }
    assert_false(workload_visit_next(again, &other));
    assert_int_equal(model->live, 0);
    assert_int_equal(workload_visit_totals(visit)->live_bytes, 0);
    assert_int_equal(workload_visit_totals(visit)->peak_bytes, model->most_bytes);
    assert_in_range(model->most, OBJECTS * 9 / 10, OBJECTS * 3 / 2);
    workload_visit_destroy(visit);
    workload_visit_destroy(again);
    free(model);
}

static void every_workload_frees_what_it_had_and_is_the_same_again(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < WORKLOAD_KINDS; kind++) {
        assert_int_equal(workload_find(workload_name(kind)), kind);
        for (unsigned threads = 1; threads <= WORKLOAD_THREADS_MOST; threads += 3) {
            struct workload workload = {.kind = kind, .threads = threads, .objects = OBJECTS};
            check_visit(&workload);
        }
    }
    assert_int_equal(workload_find("web"), WORKLOAD_KINDS);
    assert_null(workload_name(WORKLOAD_KINDS));
}

static void run_checked(const struct workload *workload)
{
    static const struct allocator glibc = {.name = "glibc"};
    struct source source = {.workload = workload};
    struct compiled compiled;
    struct result result;
    assert_int_equal(compile_source(&source, &(struct compile_options){0}, &compiled), 0);
    assert_int_equal(compiled.program->threads, workload->threads);
    assert_int_equal(compiled.program->end_bytes, 0);
    struct run_plan plan = {.compiled = &compiled, .orders = {.copies = 1, .rounds = 1}};
    run_once(&plan, &glibc, PROGRAM_CHECKED, &result);
    assert_string_equal(result.error, "");
    assert_int_equal(result.is_done, 1);
    assert_int_equal(result.overlaps, 0);
    compile_free(&compiled);
}

static void every_workload_can_be_run(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < WORKLOAD_KINDS; kind++) {
        run_checked(&(struct workload){.kind = kind, .threads = 1, .objects = OBJECTS});
        run_checked(&(struct workload){.kind = kind, .threads = 3, .objects = OBJECTS});
    }
}

static void a_line_goes_through_points_that_lie_on_one(void **state)
{
    (void)state;
    const double x[] = {10, 20, 40};
    const double straight[] = {125, 225, 425};
    const double bent[] = {100, 400, 300};
    struct fit fit = fit_line(x, straight, 3);
    assert_true(fit.slope > 9.999 && fit.slope < 10.001);
    assert_true(fit.fixed > 24.99 && fit.fixed < 25.01);
    assert_true(fit.quality > 0.9999);
    assert_true(fit_line(x, bent, 3).quality < 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_workload_frees_what_it_had_and_is_the_same_again),
        cmocka_unit_test(every_workload_can_be_run),
        cmocka_unit_test(a_line_goes_through_points_that_lie_on_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
