/* test_report.c - what an analysis finds in traces built for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/subject.h"
#include "tools/analysis/groups.h"

enum { LANE = 2, OTHER = 3 };

static void a_realloc_keeps_the_age_of_its_block(void **state)
{
    (void)state;
    struct subject *subject = begin();
    uint32_t stack = builder_node(&subject->builder, 0, 0x1000);
    uint64_t born_ns = subject->builder.now_ns;
    builder_alloc(&subject->builder, LANE, 0x10000, 10, stack, 0, 0);
    for (int i = 0; i < 100; i++)
        builder_alloc(&subject->builder, LANE, 0x20000 + 64 * (uint64_t)i, 10, stack, 0, 0);
    uint32_t other = builder_node(&subject->builder, 0, 0x2000);
    builder_realloc(&subject->builder, LANE, 0x10000, 0x90000, 500, other);
    struct analysis *analysis = analyse(subject);
    assert_int_equal(analysis->sites, 2);
    assert_int_equal(analysis->site[1].held.now.bytes, 500);
    assert_true(analysis->site[1].oldest_ns <= born_ns + 10);
    assert_int_equal(analysis->reallocs.grown, 1);
    assert_int_equal(analysis->reallocs.copied_bytes, 10);
    end(subject);
}

static void only_a_block_freed_before_the_next_allocation_is_temporary(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_alloc(builder, LANE, 0x10000, 10, 0, 0, 0);
    builder_free(builder, LANE, 0x10000); /* temporary */
    builder_alloc(builder, LANE, 0x20000, 10, 0, 0, 0);
    builder_alloc(builder, LANE, 0x30000, 10, 0, 0, 0);
    builder_free(builder, LANE, 0x20000); /* not: another came between */
    builder_free(builder, LANE, 0x30000); /* temporary: frees do not count */
    struct analysis *analysis = analyse(subject);
    assert_int_equal(analysis->temporary, 2);
    end(subject);
}

static void a_block_freed_by_another_thread_is_not_temporary(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_alloc(builder, LANE, 0x10000, 10, 0, 0, 0);
    builder_sync(builder, LANE);
    builder_sync(builder, OTHER);
    builder_free(builder, OTHER, 0x10000);
    struct analysis *analysis = analyse(subject);
    assert_int_equal(analysis->temporary, 0);
    assert_int_equal(analysis->frees_of_others, 1);
    assert_int_equal(analysis->threads, 2);
    end(subject);
}

/* Site i of the moment, by its node. */
static uint64_t find_in_moment(const struct analysis *analysis, const struct moment *moment,
                               uint32_t node)
{
    for (size_t i = 0; i < moment->sites; i++) {
        if (analysis->site[moment->site[i].site].node == node)
            return moment->site[i].bytes;
    }
    return 0;
}

static void moments_hold_the_largest_sites_all_over_the_run(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t stacks[2 * MOMENT_SITES];
    for (uint64_t i = 0; i < 2 * MOMENT_SITES; i++) {
        stacks[i] = builder_node(builder, 0, 0x1000 + i);
        builder_alloc(builder, LANE, (i + 1) << 20, 100 + i, stacks[i], 0, 0);
    }
    for (uint64_t k = 0; k < 1000; k++) {
        builder->now_ns += 5000;
        builder_alloc(builder, LANE, 0x100, 7, 0, 0, 0);
        builder_free(builder, LANE, 0x100);
    }
    struct analysis *analysis = analyse(subject);
    const struct moments *moments = &analysis->moments;
    assert_in_range(moments->count, MOMENTS / 2, MOMENTS);
    for (size_t i = 1; i < moments->count; i++)
        assert_true(moments->moment[i].time_ns > moments->moment[i - 1].time_ns);
    const struct moment *last = &moments->moment[moments->count - 1];
    uint64_t start_ns = analysis->facts->header.start_ns;
    assert_true((last->time_ns - start_ns) * 8 >= (analysis->last_ns - start_ns) * 7);
    assert_int_equal(last->sites, MOMENT_SITES);
    assert_in_range(last->bytes, analysis->total.now.bytes, analysis->total.now.bytes + 7);
    assert_int_equal(find_in_moment(analysis, last, stacks[MOMENT_SITES - 1]), 0);
    for (uint64_t i = MOMENT_SITES; i < 2 * MOMENT_SITES; i++)
        assert_int_equal(find_in_moment(analysis, last, stacks[i]), 100 + i);
    end(subject);
}

static void moments_know_the_peak_and_the_end(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t stays = builder_node(builder, 0, 0x1000), goes = builder_node(builder, 0, 0x2000);
    builder_alloc(builder, LANE, 0x10000, 300, goes, 0, 0);
    builder_alloc(builder, LANE, 0x20000, 50, stays, 0, 0);
    builder_free(builder, LANE, 0x10000);
    struct analysis *analysis = analyse(subject);
    struct moment *moment = calloc(1, sizeof *moment);
    moments_read_peak(analysis, moment);
    assert_int_equal(moment->bytes, 350);
    assert_int_equal(find_in_moment(analysis, moment, goes), 300);
    moments_read_now(analysis, analysis->last_ns, moment);
    assert_int_equal(moment->bytes, 50);
    assert_int_equal(moment->sites, 1);
    assert_int_equal(find_in_moment(analysis, moment, stays), 50);
    free(moment);
    end(subject);
}

static void asked_bytes_belong_to_the_time_of_the_sample(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    for (uint64_t i = 0; i < 1000; i++)
        builder_alloc(builder, LANE, 0x10000 + i * 4096, 1000, 0, 0, 0);
    struct trace_sample full = {.time_ns = builder->now_ns + 5,
                                .live = 1100000,
                                .rss = 2000000,
                                .rss_anon = 2200000,
                                .external = 50000,
                                .cached = 25000,
                                .dirty = 20000,
                                .meta = 5000};
    builder->now_ns += 10;
    for (uint64_t i = 0; i < 1000; i++)
        builder_free(builder, LANE, 0x10000 + i * 4096);
    struct trace_sample empty = {.time_ns = builder->now_ns, .live = 1, .rss = 1000000};
    builder_info(builder, TRACE_INFO_SAMPLE, &empty, sizeof empty); /* out of order on purpose */
    builder_info(builder, TRACE_INFO_SAMPLE, &full, sizeof full);
    struct analysis *analysis = analyse(subject);
    const struct look *peak = analysis_find_rss_peak(analysis);
    assert_int_equal(peak->sample.time_ns, full.time_ns);
    assert_int_equal(peak->asked, 1000000);
    assert_int_equal(peak->internal, 100000);
    assert_int_equal(peak->resident_heap, 1200000);
    assert_true(peak->fragmentation > 0.166 && peak->fragmentation < 0.167);
    assert_true(peak->coverage > 0.545 && peak->coverage < 0.546);
    assert_int_equal(analysis_find_last_look(analysis)->asked, 0);
    end(subject);
}

static void among_equally_full_moments_the_most_used_one_is_shown(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_alloc(builder, LANE, 0x10000, 1000, 0, 0, 0);
    struct trace_sample used = {.time_ns = builder->now_ns, .live = 1000, .rss = 999};
    builder_info(builder, TRACE_INFO_SAMPLE, &used, sizeof used);
    builder->now_ns += 100;
    builder_free(builder, LANE, 0x10000);
    struct trace_sample idle = {.time_ns = builder->now_ns + 100, .live = 1, .rss = 1000};
    builder_info(builder, TRACE_INFO_SAMPLE, &idle, sizeof idle);
    struct analysis *analysis = analyse(subject);
    assert_int_equal(analysis_find_rss_peak(analysis)->sample.rss, 999);
    end(subject);
}

/* Stacks 1-2-3 and 1-4-3 (by address, innermost first) agree in one frame, not in two. */
static void stacks_that_agree_in_the_shown_frames_are_one_group(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t outer = builder_node(builder, 0, 0x3000);
    uint32_t one = builder_node(builder, builder_node(builder, outer, 0x2000), 0x1000);
    uint32_t two = builder_node(builder, builder_node(builder, outer, 0x4000), 0x1000);
    builder_alloc(builder, LANE, 0x10000, 10, one, 0, 0);
    builder_alloc(builder, LANE, 0x20000, 20, two, 0, 0);
    builder_alloc(builder, LANE, 0x30000, 40, outer, 0, 0);
    struct analysis *analysis = analyse(subject);
    struct groups groups;
    groups_init(&groups, analysis, 1);
    groups_sort(&groups, GROUPS_BY_END);
    assert_int_equal(groups.groups, 2);
    assert_int_equal(groups.group[0].end.bytes, 40);
    assert_int_equal(groups.group[1].end.bytes, 30);
    assert_int_equal(groups.group[1].stacks, 2);
    groups_init(&groups, analysis, 2);
    assert_int_equal(groups.groups, 3);
    groups_init(&groups, analysis, 0);
    assert_int_equal(groups.groups, 3);
    end(subject);
}

static void frames_of_the_library_are_not_shown(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_module(builder, 0, 0x10000, 0x10000, 0x20000, "/usr/lib/libmpress.so.0");
    uint32_t caller = builder_node(builder, 0, 0x5000);
    uint32_t new_in_library = builder_node(builder, caller, 0x12345);
    builder_alloc(builder, LANE, 0x10000, 10, new_in_library, 0, 0);
    struct analysis *analysis = analyse(subject);
    struct trace_node frames[4];
    assert_int_equal(groups_read_stack(analysis, new_in_library, frames, 4), 1);
    assert_int_equal(frames[0].ip, 0x5000);
    end(subject);
}

static void sizes_fall_into_the_class_that_holds_them(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        unsigned class;
    } cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 2}, {1024, 10}, {1025, 11}};
    struct subject *subject = begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        builder_alloc(&subject->builder, LANE, 0x10000 * (i + 1), cases[i].size, 0, 0, 0);
    struct analysis *analysis = analyse(subject);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(analysis->size[cases[i].class].allocations > 0);
    assert_int_equal(analysis->size[2].allocations, 2);
    end(subject);
}

static void a_block_whose_free_was_lost_ends_when_its_address_is_used_again(void **state)
{
    (void)state;
    struct subject *subject = begin();
    builder_alloc(&subject->builder, LANE, 0x10000, 10, 0, 0, 0);
    builder_alloc(&subject->builder, LANE, 0x10000, 20, 0, 0, 0);
    struct analysis *analysis = analyse(subject);
    assert_int_equal(analysis->total.now.bytes, 20);
    assert_int_equal(analysis->total.now.blocks, 1);
    end(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_realloc_keeps_the_age_of_its_block),
        cmocka_unit_test(only_a_block_freed_before_the_next_allocation_is_temporary),
        cmocka_unit_test(a_block_freed_by_another_thread_is_not_temporary),
        cmocka_unit_test(moments_hold_the_largest_sites_all_over_the_run),
        cmocka_unit_test(moments_know_the_peak_and_the_end),
        cmocka_unit_test(asked_bytes_belong_to_the_time_of_the_sample),
        cmocka_unit_test(among_equally_full_moments_the_most_used_one_is_shown),
        cmocka_unit_test(stacks_that_agree_in_the_shown_frames_are_one_group),
        cmocka_unit_test(frames_of_the_library_are_not_shown),
        cmocka_unit_test(sizes_fall_into_the_class_that_holds_them),
        cmocka_unit_test(a_block_whose_free_was_lost_ends_when_its_address_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
