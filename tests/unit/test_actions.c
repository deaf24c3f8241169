/* test_actions.c - which actions a text allows, and what they are counted for. */
#include "preload/actions.h"
#include "tests/unit/unit.h"

enum {
    TRIM = 1 << ACTION_TRIM,
    COMPACT = 1 << ACTION_COMPACT,
    CALL = 1 << ACTION_CALL,
    REFUSE = 1 << ACTION_REFUSE,
};

static void expect(const char *text, uint32_t expected)
{
    uint32_t set = 0;
    assert_true(actions_parse(text, &set));
    assert_int_equal(set, expected);
}

static void a_text_names_them(void **state)
{
    (void)state;
    expect("all", ACTIONS_ALL);
    expect("none", 0);
    expect("trim", TRIM);
    expect("refuse,trim", TRIM | REFUSE);
}

static void or_those_that_are_left_out(void **state)
{
    (void)state;
    expect("-call", ACTIONS_ALL & ~(unsigned)CALL);
    expect("-call,-compact", ACTIONS_ALL & ~(unsigned)(CALL | COMPACT));
    expect("-call,compact", ACTIONS_ALL & ~(unsigned)(CALL | COMPACT));
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "-",        "trim,",      "trim,,call", "trims",
                                        "tri", "all,trim", "trim,-call", "--call"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint32_t set;
        assert_false(actions_parse(texts[i], &set));
    }
}

static void each_is_allowed_and_counted_by_itself(void **state)
{
    (void)state;
    struct action_counts counts;
    actions_allow(TRIM | REFUSE);
    assert_true(actions_may(ACTION_TRIM) && actions_may(ACTION_REFUSE));
    assert_false(actions_may(ACTION_COMPACT) || actions_may(ACTION_CALL));
    actions_note(ACTION_TRIM, 4096, 10);
    actions_note(ACTION_TRIM, 0, 5);
    actions_read(ACTION_TRIM, &counts);
    assert_int_equal(counts.runs, 2);
    assert_int_equal(counts.bytes, 4096);
    assert_int_equal(counts.ns, 15);
    actions_read(ACTION_COMPACT, &counts);
    assert_int_equal(counts.runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_names_them),
        cmocka_unit_test(or_those_that_are_left_out),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(each_is_allowed_and_counted_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
