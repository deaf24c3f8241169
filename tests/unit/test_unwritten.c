/* test_unwritten.c - what nobody writes of what calloc handed out: how the report sums up the looks
 * of traces built for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/subject.h"
#include "tools/analysis/unwritten.h"

enum { LANE = 2, MIB = 1024 * 1024, PAGE = 4096 };

static struct unwritten read_all(struct analysis *analysis, size_t depth)
{
    static struct groups groups;
    struct unwritten unwritten;
    groups_init(&groups, analysis, depth);
    unwritten_read(&unwritten, &groups);
    return unwritten;
}

static void looks_are_summed_up_by_stack_most_first(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t one = builder_node(builder, 0, 0x1000), other = builder_node(builder, 0, 0x2000);
    builder_alloc(builder, LANE, 0x1000000, MIB, one, 0, TRACE_ZEROED);
    builder_alloc(builder, LANE, 0x2000000, MIB, one, 0, TRACE_ZEROED);
    builder_alloc(builder, LANE, 0x3000000, 3 * MIB, other, 0, TRACE_ZEROED);
    builder_unwritten(builder, 0, one, MIB, MIB / 2, PAGE);
    builder_free(builder, LANE, 0x1000000);
    builder_unwritten(builder, 0, one, MIB, MIB, 0);
    builder_unwritten(builder, TRACE_UNWRITTEN_ALIVE, other, 3 * MIB, 0, 2 * MIB);
    struct analysis *analysis = analyse(subject);
    struct unwritten unwritten = read_all(analysis, 8);
    assert_int_equal(analysis->callocs.blocks, 3);
    assert_int_equal(analysis->callocs.bytes, 5 * MIB);
    assert_int_equal(unwritten.all.looked.blocks, 3);
    assert_int_equal(unwritten.all.looked.bytes, 5 * MIB);
    assert_int_equal(unwritten.all.untouched.bytes, MIB + MIB / 2);
    assert_int_equal(unwritten.all.zero.bytes, 2 * MIB + PAGE);
    assert_int_equal(unwritten.alive_blocks, 1);
    assert_int_equal(unwritten.groups, 2);
    assert_int_equal(unwritten.group[0].group->node, one);
    assert_int_equal(unwritten.group[0].sum.untouched.bytes, MIB + MIB / 2);
    assert_int_equal(unwritten.group[0].sum.zero.bytes, PAGE);
    assert_int_equal(unwritten.group[0].sum.looked.blocks, 2);
    assert_int_equal(unwritten.group[1].sum.zero.bytes, 2 * MIB);
    end(subject);
}

static void stacks_that_agree_are_one_and_those_that_write_all_are_none(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t roots[] = {builder_node(builder, 0, 0x1000), builder_node(builder, 0, 0x2000)};
    for (size_t i = 0; i < 2; i++) {
        uint32_t leaf = builder_node(builder, roots[i], 0x3000);
        builder_alloc(builder, LANE, 0x1000000 * (i + 1), MIB, leaf, 0, TRACE_ZEROED);
        builder_unwritten(builder, 0, leaf, MIB, 0, MIB / 4);
    }
    builder_alloc(builder, LANE, 0x4000000, MIB, roots[0], 0, TRACE_ZEROED);
    builder_unwritten(builder, 0, roots[0], MIB, 0, 0);
    struct unwritten unwritten = read_all(analyse(subject), 1);
    assert_int_equal(unwritten.groups, 1);
    assert_int_equal(unwritten.group[0].sum.zero.bytes, MIB / 2);
    assert_int_equal(unwritten.all.looked.blocks, 3);
    end(subject);
}

/* Neither malloc's, nor calloc's small ones; a look of a stack that is gone is in the sum alone. */
static void only_what_can_be_looked_at_is_counted(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    uint32_t gone = builder_node(builder, 0, 0x1000);
    builder_alloc(builder, LANE, 0x1000000, MIB, 0, 0, 0);
    builder_alloc(builder, LANE, 0x2000000, TRACE_UNWRITTEN_ABOVE, 0, 0, TRACE_ZEROED);
    builder_alloc(builder, LANE, 0x3000000, TRACE_UNWRITTEN_ABOVE + 1, 0, 0, TRACE_ZEROED);
    builder_unwritten(builder, 0, gone, MIB, MIB, 0);
    struct analysis *analysis = analyse(subject);
    struct unwritten unwritten = read_all(analysis, 8);
    assert_int_equal(analysis->callocs.blocks, 1);
    assert_int_equal(unwritten.groups, 0);
    assert_int_equal(unwritten.all.untouched.bytes, MIB);
    end(subject);
}

/* Blocks of a period are recorded with the chance 1 - 1/e. */
static void of_samples_looks_stand_for_others(void **state)
{
    (void)state;
    enum { PERIOD = 1 << 16, LOOKS = 1000 };
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_header(builder)->sample_period = PERIOD;
    uint32_t stack = builder_node(builder, 0, 0x1000);
    for (uint64_t i = 0; i < LOOKS; i++) {
        builder_alloc(builder, LANE, 0x1000000 + PERIOD * i, PERIOD, stack, 0, TRACE_ZEROED);
        builder_unwritten(builder, 0, stack, PERIOD, PERIOD / 2, 0);
    }
    struct analysis *analysis = analyse(subject);
    struct unwritten unwritten = read_all(analysis, 8);
    double expected = LOOKS * (double)PERIOD / 0.632121;
    assert_true((double)unwritten.all.looked.bytes > 0.99 * expected);
    assert_true((double)unwritten.all.looked.bytes < 1.01 * expected);
    assert_true((double)unwritten.all.untouched.bytes > 0.49 * expected);
    assert_true((double)unwritten.all.untouched.bytes < 0.51 * expected);
    const struct interval interval = analysis_interval(analysis, &unwritten.all.untouched);
    assert_true(interval.low < unwritten.all.untouched.bytes &&
                interval.high > unwritten.all.untouched.bytes);
    end(subject);
}

static void a_look_that_cannot_be_is_damage(void **state)
{
    (void)state;
    struct subject *subject = begin();
    struct builder *builder = &subject->builder;
    builder_unwritten(builder, 0, 1, MIB, MIB, 1);
    struct analysis *analysis = analyse(subject);
    assert_int_equal(trace_facts(subject->trace)->unwrittens, 0);
    assert_non_null(trace_warning(subject->trace, 0));
    assert_false(analysis->is_complete);
    end(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_are_summed_up_by_stack_most_first),
        cmocka_unit_test(stacks_that_agree_are_one_and_those_that_write_all_are_none),
        cmocka_unit_test(only_what_can_be_looked_at_is_counted),
        cmocka_unit_test(of_samples_looks_stand_for_others),
        cmocka_unit_test(a_look_that_cannot_be_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
