/* test_tune.c - what `mpress tune` derives from traces built for it, against models and by hand. */
#define _GNU_SOURCE /* mkdtemp */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "allocators/profile.h"
#include "tests/unit/trace_builder.h"
#include "tools/tune/rounds.h"
#include "tools/tune/tune.h"

enum { LANE = 2, OTHER = 3 };

static struct ladder ladder;

/* The library's own classes. */
static int setup(void **state)
{
    (void)state;
    static const struct profile nothing;
    size_class_init(&nothing);
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class ++)
        ladder.rung[ladder.rungs++] = (struct rung){size_tables.classes[class].bytes, 8,
                                                    size_tables.classes[class].rounds_max};
    return 0;
}

/* -- fit -------------------------------------------------------------------------------------- */

enum { BRUTE_POINTS = 11 };

static double cost_of_choice(const struct fit_point *points, unsigned chosen, double price)
{
    double cost = 0, blocks = 0, asked = 0;
    for (size_t i = 0; i < BRUTE_POINTS; i++) {
        blocks += points[i].blocks;
        asked += points[i].asked;
        if (!points[i].is_class && (chosen >> i & 1) == 0)
            continue;
        cost += points[i].bytes * blocks - asked + (points[i].is_class ? 0 : price);
        blocks = asked = 0;
    }
    return cost;
}

static unsigned mask_of(const struct fit_point *points)
{
    unsigned mask = 0;
    for (size_t i = 0; i < BRUTE_POINTS; i++)
        mask |= (unsigned)points[i].is_chosen << i;
    return mask;
}

static double try_every_choice(const struct fit_point *points, unsigned most, double price)
{
    double least = 1e300;
    for (unsigned chosen = 0; chosen < 1U << BRUTE_POINTS; chosen++) {
        bool adds_a_class = false;
        for (size_t i = 0; i < BRUTE_POINTS; i++)
            adds_a_class |= (chosen >> i & 1) != 0 && points[i].is_class;
        if (adds_a_class || (unsigned)__builtin_popcount(chosen) > most)
            continue;
        least = fmin(least, cost_of_choice(points, chosen, price));
    }
    return least;
}

static void the_chosen_classes_are_the_best_of_all_choices(void **state)
{
    (void)state;
    uint64_t random = 1953;
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned round = 0; round < 2000; round++) {
        struct fit_point points[BRUTE_POINTS] = {0};
        for (size_t i = 0; i < BRUTE_POINTS; i++) {
            points[i].bytes = (uint32_t)(i + 1) * 16;
            points[i].is_class = i + 1 == BRUTE_POINTS || random_next(&random) % 4 == 0;
            points[i].blocks = (double)(random_next(&random) % 100);
            points[i].asked = points[i].blocks * (points[i].bytes - (double)(random % 16));
        }
        unsigned most = (unsigned)(random_next(&random) % 6);
        double price = (double)(random_next(&random) % 3000);
        double cost = fit_choose(points, BRUTE_POINTS, most, price);
        assert_true(fabs(cost - try_every_choice(points, most, price)) < 1e-6);
        assert_true(fabs(cost - cost_of_choice(points, mask_of(points), price)) < 1e-6);
        assert_true((unsigned)__builtin_popcount(mask_of(points)) <= most);
    }
}

static void points_are_what_the_tables_of_the_library_tell_apart(void **state)
{
    (void)state;
    for (uint64_t bytes = 0; bytes <= LADDER_BYTES_MOST; bytes++) {
        size_t point = ladder_point_of(bytes);
        assert_true(point < LADDER_POINTS);
        assert_true(ladder_point_bytes(point) >= bytes);
        assert_true(point == 0 || ladder_point_bytes(point - 1) < bytes);
    }
    assert_int_equal(ladder_point_bytes(LADDER_POINTS - 1), LADDER_BYTES_MOST);
    for (size_t point = 0; point < LADDER_POINTS; point++) {
        struct profile profile;
        struct profile_fault fault;
        char text[64];
        size_t bytes =
            (size_t)sprintf(text, "mpress-profile 1\nclass %u\nend\n", ladder_point_bytes(point));
        assert_true(profile_parse(&profile, text, bytes, &fault));
    }
}

/* -- traces ----------------------------------------------------------------------------------- */

static struct trace *open_built(struct builder *builder)
{
    struct trace_error error;
    builder_end(builder, TRACE_END_EXIT);
    char *path = builder_write(builder);
    struct trace *trace = trace_open(path, &error);
    assert_non_null(trace);
    unlink(path);
    free(path);
    builder_fini(builder);
    return trace;
}

static struct demand read_built(struct builder *builder)
{
    struct demand demand;
    struct progress progress;
    struct trace *trace = open_built(builder);
    progress_init(&progress, false, 0);
    demand_read(&demand, trace, &ladder, &progress);
    trace_close(trace);
    return demand;
}

static void what_is_lost_is_counted_under_the_size_that_placed_the_block(void **state)
{
    (void)state;
    static struct builder builder;
    builder_init(&builder);
    builder_alloc(&builder, LANE, 0x10000, 290, 0, 0, 0);        /* in 320 bytes */
    builder_realloc(&builder, LANE, 0x10000, 0x10000, 170, 0);   /* stays there */
    builder_alloc(&builder, LANE, 0x20000, 290, 0, 0, 0);        /* in 320 */
    builder_realloc(&builder, LANE, 0x20000, 0x30000, 100, 0);   /* moves to 112 */
    builder_alloc(&builder, LANE, 0x40000, 100 * 1000, 0, 0, 0); /* outside */
    builder_alloc(&builder, LANE, 0x80000, 100, 0, 8, 0);        /* aligned: outside */
    struct demand demand = read_built(&builder);
    struct loss loss = demand_lose(&demand, &ladder, 0, LADDER_BYTES_MOST);
    assert_int_equal(demand.requests, 5);
    assert_int_equal(demand.outside, 2);
    assert_int_equal(demand.use[290].requests, 2);
    assert_int_equal(demand.use[170].requests, 0);
    assert_int_equal((int)loss.requests, 30 + 30 + 12);
    assert_int_equal((int)loss.requests_asked, 290 + 290 + 100);
    assert_int_equal((int)loss.peak, 320 - 170 + 112 - 100);
    assert_int_equal((int)loss.peak_asked, 170 + 100);
    loss = demand_lose(&demand, &ladder, 112, 320);
    assert_int_equal((int)loss.requests, 60);
    demand_free(&demand);
}

static void averages_are_over_time(void **state)
{
    (void)state;
    static struct builder builder;
    builder_init(&builder);
    builder_alloc(&builder, LANE, 0x10000, 300, 0, 0, 0);
    for (uint64_t i = 0; i < 5000; i++) {
        builder_alloc(&builder, LANE, 0x20000, 16, 0, 0, 0);
        builder_free(&builder, LANE, 0x20000);
    }
    builder_free(&builder, LANE, 0x10000); /* it lived nearly all the time */
    struct demand demand = read_built(&builder);
    struct loss loss = demand_lose(&demand, &ladder, 288, 320);
    assert_true(loss.mean_asked > 270 && loss.mean_asked <= 300);
    assert_true(fabs(loss.mean / loss.mean_asked - 20.0 / 300) < 1e-9);
    assert_int_equal((int)loss.peak, 20);
    demand_free(&demand);
}

/* -- magazines -------------------------------------------------------------------------------- */

static struct traffic count_doors(size_t rung, unsigned bursts, unsigned burst)
{
    struct traffic traffic[LADDER_MOST] = {0};
    struct rounds *rounds = rounds_create(&ladder, traffic);
    for (unsigned i = 0; i < bursts; i++) {
        for (unsigned k = 0; k < burst; k++)
            rounds_take(rounds, 7, rung);
        for (unsigned k = 0; k < burst; k++)
            rounds_give(rounds, 7, rung);
    }
    rounds_destroy(rounds);
    return traffic[rung];
}

static void threads_that_swing_within_a_magazine_hardly_see_the_door(void **state)
{
    (void)state;
    size_t rung = ladder_find(&ladder, 64);
    struct traffic one = count_doors(rung, 1000, 1);
    assert_int_equal(one.calls, 2000);
    assert_int_equal(one.doors[0], 1);
    struct traffic many = count_doors(rung, 1000, 200);
    assert_true(many.doors[0] < 20); /* it grew to 256 */
    assert_int_equal(many.doors[5], 1);
}

static void wide_swings_in_a_class_of_few_rounds_want_warm_magazines(void **state)
{
    (void)state;
    size_t rung = ladder_find(&ladder, 4096);
    assert_int_equal(ladder.rung[rung].most_rounds, 16);
    struct traffic traffic = count_doors(rung, 1000, 100);
    assert_true(traffic.doors[0] > 10 * 1000);
    assert_true(traffic.doors[4] < 2 * 1000 + 10);
    assert_true(rounds_may_begin(&ladder.rung[rung], 1));
    assert_false(rounds_may_begin(&ladder.rung[rung], 2)); /* 32 rounds: 128 KiB in one */
}

/* -- the whole -------------------------------------------------------------------------------- */

static void fill_with_300_bytes(struct builder *builder)
{
    builder_init(builder);
    for (uint64_t i = 0; i < 5000; i++)
        builder_alloc(builder, LANE, 0x100000 + i * 320, 300, 0, 0, 0);
    for (uint64_t i = 0; i < 5000; i++)
        builder_alloc(builder, OTHER, 0x1000000 + i * 64, 64, 0, 0, 0);
}

static struct tuning *tune(struct builder *builder)
{
    static struct tuning tuning;
    struct progress progress;
    struct trace *trace = open_built(builder);
    progress_init(&progress, false, 0);
    memset(&tuning, 0, sizeof tuning);
    tuning.ladder = ladder;
    tuning_make(&tuning, trace, &progress);
    trace_close(trace);
    return &tuning;
}

static void a_size_that_fills_the_heap_gets_its_class(void **state)
{
    (void)state;
    static struct builder builder;
    fill_with_300_bytes(&builder);
    struct tuning *tuning = tune(&builder);
    assert_int_equal(tuning->exacts, 1);
    assert_int_equal(tuning->exact[0].bytes, 304);
    assert_int_equal(tuning->exact[0].from, 288);
    assert_int_equal(tuning->exact[0].requests, 5000);
    assert_int_equal((int)tuning->exact[0].before.peak, 5000 * 20);
    assert_int_equal((int)tuning->exact[0].after.peak, 5000 * 4);
    assert_int_equal((int)(tuning->before.peak - tuning->after.peak), 5000 * 16);
    tuning_fini(tuning);
}

static void a_class_that_saves_less_than_its_slab_is_not_worth_it(void **state)
{
    (void)state;
    static struct builder builder;
    builder_init(&builder);
    for (uint64_t i = 0; i < 500; i++) /* 8 KB at most */
        builder_alloc(&builder, LANE, 0x100000 + i * 320, 300, 0, 0, 0);
    struct tuning *tuning = tune(&builder);
    assert_int_equal(tuning->exacts, 0);
    assert_true(tuning->before.peak == tuning->after.peak);
    tuning_fini(tuning);
}

static void what_is_written_the_library_reads(void **state)
{
    (void)state;
    static struct builder builder;
    fill_with_300_bytes(&builder);
    for (uint64_t round = 0; round < 300; round++) {
        for (uint64_t i = 0; i < 100; i++)
            builder_alloc(&builder, LANE, 0x4000000 + i * 1024, 1000, 0, 0, 0);
        for (uint64_t i = 0; i < 100; i++)
            builder_free(&builder, LANE, 0x4000000 + i * 1024);
    }
    struct tuning *tuning = tune(&builder);
    assert_true(tuning->warms > 0);
    char folder[] = "/tmp/test_tune.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/p", folder);
    assert_int_equal(tune_write(tuning, path, "a\nb \033.mpt"), 0);
    assert_int_equal(tune_write(tuning, path, "again"), 0);
    struct profile profile;
    assert_true(profile_load(&profile, path));
    assert_int_equal(profile.exact, tuning->exacts);
    assert_int_equal(profile.warm, tuning->warms);
    assert_int_equal(profile.warms[0].rounds, tuning->warm[0].rounds);
    unlink(path);
    rmdir(folder);
    tuning_fini(tuning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_classes_are_the_best_of_all_choices),
        cmocka_unit_test(points_are_what_the_tables_of_the_library_tell_apart),
        cmocka_unit_test(what_is_lost_is_counted_under_the_size_that_placed_the_block),
        cmocka_unit_test(averages_are_over_time),
        cmocka_unit_test(threads_that_swing_within_a_magazine_hardly_see_the_door),
        cmocka_unit_test(wide_swings_in_a_class_of_few_rounds_want_warm_magazines),
        cmocka_unit_test(a_size_that_fills_the_heap_gets_its_class),
        cmocka_unit_test(a_class_that_saves_less_than_its_slab_is_not_worth_it),
        cmocka_unit_test(what_is_written_the_library_reads),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
