/* test_map.c - where the blocks of traces built for it lie, and what they pin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/subject.h"

enum { LANE = 2 };

static void add_sample(struct builder *builder, uint64_t rss)
{
    struct trace_sample sample = {.time_ns = builder->now_ns, .live = 1, .rss = rss};
    builder_info(builder, TRACE_INFO_SAMPLE, &sample, sizeof sample);
}

static uint32_t get_node(const struct subject *subject, const struct map_pin *pin)
{
    return subject->analysis->site[pin->site].node;
}

static void pages_are_counted_by_what_of_them_is_in_use(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_alloc(builder, LANE, 0x100000, 24, 0, 0, 0);   /* a sparse page */
    builder_alloc(builder, LANE, 0x104000, 2000, 0, 0, 0); /* to a half */
    builder_alloc(builder, LANE, 0x10c000, 3000, 0, 0, 0); /* to three quarters */
    for (uint64_t i = 0; i < 4; i++)
        builder_alloc(builder, LANE, 0x201000 + i * 1024, 1024, 0, 0, 0); /* full */
    builder_alloc(builder, LANE, 0x300000, 40 << 20, 0, 0, 0);            /* apart */
    const struct maps *maps = &analyse(subject)->maps;
    assert_int_equal(maps->taken, 1);
    const struct map *map = &maps->map[0];
    assert_int_equal(map->time_ns, subject->analysis->last_ns);
    for (int i = 0; i < MAP_LEVELS; i++) {
        assert_int_equal(map->pages[i], 1);
        assert_int_equal(map->bytes[i], ((int[]){24, 2000, 3000, 4096})[i]);
    }
    assert_int_equal(map->huge_blocks, 1);
    assert_int_equal(map->huge_bytes, 40 << 20);
    assert_int_equal(map->units, 4);
    assert_int_equal(map->unit[3].number, 0x200000 / MAP_UNIT_BYTES);
    assert_int_equal(map->unit[3].bytes, 4096);
    assert_int_equal(map->unit[3].largest, 1024);
    end(subject);
}

static void what_is_not_in_use_of_a_sparse_page_is_shared_by_its_blocks(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t one = builder_node(builder, 0, 0x1000), other = builder_node(builder, 0, 0x2000);
    builder_alloc(builder, LANE, 0x100000, 64, one, 0, 0);
    builder_alloc(builder, LANE, 0x100800, 192, other, 0, 0);
    builder_alloc(builder, LANE, 0x200000, 64, one, 0, 0);
    builder_alloc(builder, LANE, 0x300000, 3 * 4096 + 64, other, 0,
                  0); /* its last page is sparse */
    builder_alloc(builder, LANE, 0x400000, 4096, one, 0, 0);
    const struct maps *maps = &analyse(subject)->maps;
    const struct map *map = &maps->map[0];
    assert_int_equal(map->pinned, (4096 - 256) + 2 * (4096 - 64));
    assert_int_equal(map->pins, 2);
    const struct map_pin *most = &map->pin[0], *least = &map->pin[1];
    assert_int_equal(get_node(subject, most), other);
    assert_int_equal(most->blocks, 2);
    assert_int_equal(most->bytes, 192 + 64);
    assert_int_equal(most->pinned, (4096 - 256) * 3 / 4 + 4096 - 64);
    assert_int_equal(get_node(subject, least), one);
    assert_int_equal(least->blocks, 2);
    assert_int_equal(least->pinned, (4096 - 256) / 4 + 4096 - 64);
    end(subject);
}

static void maps_are_of_the_largest_resident_set_of_marks_and_of_the_end(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    for (uint64_t i = 0; i < 300; i++) {
        builder_alloc(builder, LANE, (i + 1) * MAP_UNIT_BYTES, 4096, 0, 0, 0);
        builder->now_ns += 1000;
        if (i == 199)
            add_sample(builder, 1 << 20);
    }
    add_sample(builder, 1 << 19);
    builder_mark(builder, "all");
    for (uint64_t i = 0; i < 300; i++) {
        builder->now_ns += 1000;
        builder_free(builder, LANE, (i + 1) * MAP_UNIT_BYTES);
    }
    const struct maps *maps = &analyse(subject)->maps;
    assert_int_equal(maps->taken, 3);
    assert_int_equal(maps->largest, 0);
    assert_null(maps->map[0].label);
    assert_in_range(maps->map[0].units, 200, 200 + 2 * 32); /* events are read in batches */
    assert_string_equal(maps->map[1].label, "all");
    assert_in_range(maps->map[1].units, 300 - 2 * 32, 300);
    assert_int_equal(maps->map[2].units, 0);
    end(subject);
}

/* As in a process that was attached, or forked. */
static void what_the_trace_does_not_know_is_counted(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_header(builder)->forked = 1;
    for (uint64_t i = 0; i < 100; i++)
        builder_alloc(builder, LANE, 0x100000 + i * 64, 60, 0, 0, 0);
    struct trace_sample sample = {.time_ns = builder->now_ns, .live = 50000, .rss = 1 << 20};
    builder_info(builder, TRACE_INFO_SAMPLE, &sample, sizeof sample);
    const struct maps *maps = &analyse(subject)->maps;
    assert_int_equal(maps->taken, 2);
    assert_int_equal(maps->map[0].in_use, 50000);
    assert_int_equal(maps->map[0].known, 6000); /* no classes are told: what was asked for */
    assert_int_equal(maps->map[1].in_use, 0);
    end(subject);
}

/* The lane begins with its sixth block. */
static void a_ring_has_maps_since_it_is_whole_of_blocks_born_since(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_header(builder)->lane_blocks_most = 4;
    builder_alloc(builder, LANE, 0x100000, 100, 0, 0,
                  0); /* may have been freed in the other lane */
    add_sample(builder, 1 << 30);
    builder->now_ns += 1000;
    builder->lanes[LANE + 1].sequence = 5;
    builder->lanes[LANE + 1].events = 1000;
    builder_alloc(builder, LANE + 1, 0x200000, 200, 0, 0, 0);
    add_sample(builder, 1 << 20);
    const struct analysis *analysis = analyse(subject);
    const struct maps *maps = &analysis->maps;
    assert_true(analysis->facts->whole_since_ns != 0);
    assert_int_equal(maps->taken, 2);
    assert_true(maps->map[0].time_ns >= analysis->facts->whole_since_ns);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(maps->map[i].known, 200);
        assert_int_equal(maps->map[i].pages[0], 1);
    }
    end(subject);
}

static void samples_do_not_tell_where_blocks_lie(void **state)
{
    (void)state;
    struct subject *subject = begin();
    builder_header(&subject->builder)->sample_period = 1000;
    builder_alloc(&subject->builder, LANE, 0x100000, 100, 0, 0, 0);
    add_sample(&subject->builder, 1 << 20);
    assert_int_equal(analyse(subject)->maps.taken, 0);
    end(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_counted_by_what_of_them_is_in_use),
        cmocka_unit_test(what_is_not_in_use_of_a_sparse_page_is_shared_by_its_blocks),
        cmocka_unit_test(maps_are_of_the_largest_resident_set_of_marks_and_of_the_end),
        cmocka_unit_test(what_the_trace_does_not_know_is_counted),
        cmocka_unit_test(a_ring_has_maps_since_it_is_whole_of_blocks_born_since),
        cmocka_unit_test(samples_do_not_tell_where_blocks_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
