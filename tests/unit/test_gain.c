/* test_gain.c - what is made of the times of pairs of replays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/propose/gain.h"

static void pairs_are_compared_without_the_replays_own_work(void **state)
{
    (void)state;
    double before[] = {30, 20, 40}, with[] = {25, 20, 30};
    struct gain gain = {.runs = 3};
    gain_compare(before, 10, with, 15, &gain);
    assert_true(gain.before.ns == 20 && gain.with.ns == 10);
    assert_true(gain.percent == 50 && gain.low == 50 && gain.high == 50);
}

/* Where there is hardly anything else, a run may take less than the replay itself once took. */
static void what_is_less_than_the_replays_own_work_is_nothing(void **state)
{
    (void)state;
    double before[] = {8, 9, 7}, with[] = {6, 9, 8};
    struct gain gain = {.runs = 3};
    gain_compare(before, 10, with, 10, &gain);
    assert_true(gain.before.ns == 0 && gain.with.ns == 0 && gain.percent == 0);
    double more[] = {20, 20, 20}, less[] = {8, 9, 7};
    gain_compare(more, 10, less, 10, &gain);
    assert_true(gain.before.ns == 10 && gain.with.ns == 0);
    assert_true(gain.percent == 100 && gain.high == 100); /* no more than all can be saved */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_compared_without_the_replays_own_work),
        cmocka_unit_test(what_is_less_than_the_replays_own_work_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
