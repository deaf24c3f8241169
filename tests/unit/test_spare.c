/* test_spare.c - what blocks of traces built for it can hold beyond what was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/subject.h"

enum { LANE = 2 };

/* Classes of 16, 48, 64, 256 bytes; larger blocks in steps. */
static void add_classes(struct builder *builder, uint64_t step)
{
    unsigned char payload[16], *at = trace_put_uvarint(payload, step);
    static const unsigned char differences[] = {16, 32, 16, 192};
    for (size_t i = 0; i < sizeof differences; i++)
        at = trace_put_uvarint(at, differences[i]);
    builder_info(builder, TRACE_INFO_CLASSES, payload, (size_t)(at - payload));
}

static void each_request_is_rounded_up_to_its_class(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t one = builder_node(builder, 0, 0x1000), other = builder_node(builder, 0, 0x2000);
    add_classes(builder, 4096);
    builder_alloc(builder, LANE, 0x10000, 0, one, 0, 0);      /* 16 of class 16 */
    builder_alloc(builder, LANE, 0x20000, 17, one, 0, 0);     /* 31 of class 48 */
    builder_alloc(builder, LANE, 0x30000, 48, one, 0, 0);     /* nothing */
    builder_alloc(builder, LANE, 0x40000, 257, other, 0, 0);  /* 3839 of a page */
    builder_alloc(builder, LANE, 0x50000, 8192, other, 0, 0); /* nothing */
    builder_free(builder, LANE, 0x40000);
    const struct spares *spares = &analyse(subject)->spares;
    assert_true(spares->is_known && spares->is_all && spares->is_taken);
    assert_int_equal(spares->all.blocks, 5);
    assert_int_equal(spares->all.asked, 0 + 17 + 48 + 257 + 8192);
    assert_int_equal(spares->all.spare, 16 + 31 + 3839);
    assert_int_equal(spares->held.blocks, 4);
    assert_int_equal(spares->held.spare, 16 + 31);
    assert_int_equal(spares->classes, 5);
    assert_int_equal(spares->class[1].all.blocks, 2);
    assert_int_equal(spares->class[1].all.spare, 31);
    assert_int_equal(spares->class[4].all.spare, 3839);
    assert_int_equal(spares->class[4].held.blocks, 1);
    assert_int_equal(subject->analysis->site[0].spare.all, 16 + 31);
    assert_int_equal(subject->analysis->site[0].spare.held.blocks, 3);
    assert_int_equal(subject->analysis->site[1].spare.all, 3839);
    assert_int_equal(subject->analysis->site[1].spare.held.spare, 0);
    end(subject);
}

static void aligned_blocks_are_of_a_class_that_is_a_multiple(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    add_classes(builder, 4096);
    builder_alloc(builder, LANE, 0x10000, 40, 0, 5, 0);   /* by 32: class 64 */
    builder_alloc(builder, LANE, 0x20000, 65, 0, 6, 0);   /* by 64: class 256 */
    builder_alloc(builder, LANE, 0x30000, 100, 0, 9, 0);  /* by 512: none, a page */
    builder_alloc(builder, LANE, 0x40000, 100, 0, 15, 0); /* beyond any class */
    const struct spares *spares = &analyse(subject)->spares;
    uint64_t expected = (64 - 40) + (256 - 65) + 2 * (4096 - 100);
    assert_int_equal(spares->all.spare, expected);
    assert_int_equal(spares->held.spare, expected);
    assert_int_equal(spares->class[2].held.blocks, 1);
    assert_int_equal(spares->class[3].held.blocks, 1);
    assert_int_equal(spares->class[4].held.blocks, 2);
    end(subject);
}

static void what_realloc_leaves_in_place_keeps_its_class(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    add_classes(builder, 4096);
    builder_alloc(builder, LANE, 0x10000, 250, 0, 0, 0);
    for (uint64_t i = 0; i < 1000; i++) /* those that died leave nothing behind */
        builder_realloc(builder, LANE, 0x10000, 0x10000, 60 - i % 2, 0);
    const struct spares *spares = &analyse(subject)->spares;
    assert_int_equal(spares->all.blocks, 1001);
    assert_int_equal(spares->all.spare, 6 + 500 * (256 - 60) + 500 * (256 - 59));
    assert_int_equal(spares->held.blocks, 1);
    assert_int_equal(spares->held.spare, 256 - 59);
    assert_int_equal(spares->odd.count, 1);
    end(subject);
}

static void without_classes_nothing_is_known(void **state)
{
    (void)state;
    struct subject *subject = begin();
    builder_info(&subject->builder, TRACE_INFO_CLASSES, "\x10\x10\x00", 3); /* no growth */
    builder_alloc(&subject->builder, LANE, 0x10000, 250, 0, 0, 0);
    assert_false(analyse(subject)->spares.is_known);
    assert_int_equal(subject->analysis->site[0].spare.all, 0);
    end(subject);
}

static void what_is_larger_has_no_spare_where_its_step_is_not_known(void **state)
{
    (void)state;
    struct subject *subject = begin();
    add_classes(&subject->builder, 0);
    builder_alloc(&subject->builder, LANE, 0x10000, 257, 0, 0, 0);
    builder_alloc(&subject->builder, LANE, 0x20000, 255, 0, 0, 0);
    const struct spares *spares = &analyse(subject)->spares;
    assert_true(spares->is_known && !spares->is_all);
    assert_int_equal(spares->all.spare, 1);
    end(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_rounded_up_to_its_class),
        cmocka_unit_test(aligned_blocks_are_of_a_class_that_is_a_multiple),
        cmocka_unit_test(what_realloc_leaves_in_place_keeps_its_class),
        cmocka_unit_test(without_classes_nothing_is_known),
        cmocka_unit_test(what_is_larger_has_no_spare_where_its_step_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
