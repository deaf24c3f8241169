/* pressure_seen.c - what a program sees of memory that runs short: signals, and actions one by one.
 */
#include "preload/mpress.h"
#include "preload/mpress_pressure.h"
#include "tests/semantics/fill.h"

static void need_library(void)
{
    if (mpress_signals_read == NULL)
        SKIP("the library's own call");
}

/* -- actions, each by itself ------------------------------------------------------------------ */

static struct mpress_action read_action(const char *name)
{
    struct mpress_action action;
    for (size_t i = 0; mpress_action_read(i, &action) == 0; i++) {
        if (strcmp(action.name, name) == 0)
            return action;
    }
    CHECK(!"an action of that name");
    return action;
}

static void each_action_can_be_left_out(void)
{
    need_library();
    setenv("MPRESS_PRESSURE_ACTIONS", "-refuse", 1);
    CHECK(helper_succeeds(".is_refused_nothing"));
    setenv("MPRESS_PRESSURE_ACTIONS", "refuse", 1);
    CHECK(helper_succeeds(".is_only_refused"));
    setenv("MPRESS_PRESSURE_ACTIONS", "compact,refuse", 1);
    CHECK(helper_succeeds(".is_compacted_and_refused"));
}

static void is_refused_nothing(void)
{
    CHECK(mpress_limit_set(0, 32 * MIB) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) != NULL);
    CHECK(read_action("refuse").runs == 0 && !read_action("refuse").is_allowed);
    CHECK(read_action("compact").runs > 0 && read_action("compact").is_allowed);
}

/* What was freed is kept: half of the blocks, of sizes that others cannot use. */
static void keep_free_blocks(void)
{
    CHECK(mpress_limit_set(0, 32 * MIB) == 0);
    size_t count = fill(20 * KIB);
    for (size_t i = 0; i < count; i += 2)
        free(blocks[i]);
    (void)malloc(hidden_size(20 * MIB));
    CHECK(read_action("refuse").runs > 0 && read_action("refuse").bytes > 0);
}

static void is_only_refused(void)
{
    keep_free_blocks();
    CHECK(read_action("compact").runs == 0 && read_action("trim").runs == 0);
    CHECK(read_action("throttle").runs == 0);
}

static void is_compacted_and_refused(void)
{
    keep_free_blocks();
    CHECK(read_action("compact").runs > 0 && read_action("compact").ns > 0);
    CHECK(read_action("trim").runs == 0);
}

/* -- what is seen ----------------------------------------------------------------------------- */

static void the_program_can_look_at_all_of_it(void)
{
    need_library();
    struct mpress_signals signals;
    char *block = malloc(hidden_size(16 * MIB));
    memset(block, 1, 16 * MIB);
    CHECK(mpress_signals_read(&signals) == 0);
    CHECK(signals.level == MPRESS_CALM && signals.samples == 0);
    CHECK(signals.live >= 16 * MIB && signals.heap >= signals.live);
    CHECK(signals.rss_anon >= 12 * MIB); /* kernels count in batches, for each CPU */
    CHECK(signals.machine > signals.available);
    CHECK(signals.limit > 0 && signals.used > 0);
    CHECK(mpress_limit_set(0, 20 * MIB) == 0);
    CHECK(mpress_signals_read(&signals) == 0);
    CHECK(signals.limit == 20 * MIB && signals.used >= 16 * MIB);
    CHECK(signals.samples == 1 && signals.sample_ns > 0);
}

static void it_is_sampled_in_the_background(void)
{
    need_library();
    setenv("MPRESS_PRESSURE", "on", 1);
    CHECK(helper_succeeds(".is_sampled"));
}

/* Else it would never find that memory runs short. */
static void packing_by_need_alone_has_it_sampled_too(void)
{
    need_library();
    setenv("MPRESS_COMPRESSION", "on", 1);
    CHECK(helper_succeeds(".is_sampled"));
}

static void is_sampled(void)
{
    struct mpress_signals signals = {.samples = 0};
    for (int i = 0; i < 4000 && signals.samples < 3; i++) {
        for (size_t n = 0; n < 64; n++)
            free(malloc(hidden_size(300 * KIB + n * 16 * KIB)));
        CHECK(mpress_signals_read(&signals) == 0);
        usleep(1000);
    }
    CHECK(signals.samples >= 3);
}

CHECK_MAIN(CASE(each_action_can_be_left_out), CASE(the_program_can_look_at_all_of_it),
           CASE(it_is_sampled_in_the_background), CASE(packing_by_need_alone_has_it_sampled_too),
           HELPER(is_refused_nothing), HELPER(is_only_refused), HELPER(is_compacted_and_refused),
           HELPER(is_sampled))
