/* test_reader_order.c - the reader's order of events is one that can have happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/trace_threads.h"
#include "tools/trace/trace.h"

static struct trace *open_and_remove(char *path)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    if (trace == NULL)
        print_error("%s\n", error.text);
    unlink(path);
    free(path);
    assert_non_null(trace);
    return trace;
}

/* What a visit says against what really happened. */
struct outcome {
    struct trace_totals totals;
    uint64_t deaths;
    uint64_t mistaken; /* deaths given to another object than the one that died */
    bool is_complete;
};

static struct outcome visit_all(struct trace *trace, const struct threads_truth *truth)
{
    struct outcome outcome = {.deaths = 0};
    size_t at[BUILDER_LANES] = {0};
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        if (event.kind != TRACE_EVENT_FREE && event.kind != TRACE_EVENT_REALLOC)
            continue;
        uint64_t real = truth->killed[event.lane][at[event.lane]++];
        outcome.deaths++;
        outcome.mistaken += event.old_size != real;
    }
    outcome.totals = *trace_visit_totals(visit);
    outcome.is_complete = trace_visit_is_complete(visit, NULL);
    trace_visit_destroy(visit);
    return outcome;
}

static struct outcome run_plan(const struct threads_plan *plan)
{
    struct builder *builder = malloc(sizeof(*builder));
    struct threads_truth truth;
    builder_init(builder);
    threads_record(plan, builder, &truth);
    builder_end(builder, TRACE_END_EXIT);
    struct trace *trace = open_and_remove(builder_write(builder));
    struct outcome outcome = visit_all(trace, &truth);
    trace_close(trace);
    threads_truth_fini(&truth);
    builder_fini(builder);
    free(builder);
    return outcome;
}

/* The shapes: 5 x 4 x 3 x 3 x 2 of them. */
enum { SHAPES = 360, STEPS = 20000 / TEST_DIVISOR };

static struct threads_plan plan_of(unsigned shape)
{
    static const unsigned lanes[] = {1, 2, 3, 8, 64};
    static const unsigned rounds[] = {1, 2, 8, 64};
    static const unsigned live[] = {1, 10, 300};
    static const unsigned foreign[] = {0, 10, 100};
    return (struct threads_plan){.seed = shape * 7919 + 1,
                                 .lanes = lanes[shape % 5],
                                 .steps = STEPS,
                                 .rounds = rounds[shape / 5 % 4],
                                 .live_most = live[shape / 20 % 3],
                                 .foreign = foreign[shape / 60 % 3],
                                 .end_thread = shape / 180 * 50};
}

static void expect_no_mistake(bool every)
{
    for (unsigned shape = 0; shape < SHAPES; shape++) {
        struct threads_plan plan = plan_of(shape);
        plan.every = every;
        struct outcome outcome = run_plan(&plan);
        if (outcome.mistaken != 0)
            print_error("shape %u\n", shape);
        assert_int_equal(outcome.mistaken, 0);
        assert_int_equal(outcome.totals.unknown_frees, 0);
        assert_int_equal(outcome.totals.stale, 0);
        assert_true(outcome.is_complete);
        assert_true(outcome.deaths > STEPS / 20);
    }
}

static void every_death_finds_its_object_when_every_event_draws_an_epoch(void **state)
{
    (void)state;
    expect_no_mistake(true);
}

static void every_death_finds_its_object_when_arrivals_and_foreign_deaths_do(void **state)
{
    (void)state;
    expect_no_mistake(false);
}

/* A thread that is copied last frees what another one allocated behind its copy. */
static void a_copy_ends_where_an_epoch_was_drawn_before_it(void **state)
{
    (void)state;
    struct builder builder;
    builder_init(&builder);
    builder_alloc(&builder, 3, 0x1000, 100, 0, 0, 0);
    builder_sync(&builder, 2);
    builder_alloc(&builder, 2, 0x2000, 100, 0, 0, 0);
    builder_sync(&builder, 3);
    builder_free(&builder, 3, 0x1000);
    builder_header(&builder)->copied_ns = builder.now_ns;
    builder_header(&builder)->copied_epoch = ++builder.epoch;
    builder_free(&builder, 2, 0x2000); /* its segment is older: nobody else has to do with it */
    builder_sync(&builder, 3);
    builder_free(&builder, 3, 0x3000);
    builder_alloc(&builder, 3, 0x3000, 100, 0, 0, 0);
    struct trace *trace = open_and_remove(builder_write(&builder));
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    size_t events = 0;
    while (trace_visit_next(visit, &event))
        events += event.kind == TRACE_EVENT_ALLOC || event.kind == TRACE_EVENT_FREE;
    assert_int_equal(events, 4);
    assert_int_equal(trace_visit_totals(visit)->unknown_frees, 0);
    trace_visit_destroy(visit);
    trace_close(trace);
    builder_fini(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_ends_where_an_epoch_was_drawn_before_it),
        cmocka_unit_test(every_death_finds_its_object_when_every_event_draws_an_epoch),
        cmocka_unit_test(every_death_finds_its_object_when_arrivals_and_foreign_deaths_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
