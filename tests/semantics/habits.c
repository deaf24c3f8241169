/* habits.c - a level of pressure that is over is left, whoever passes by or not; and what the
 * strategies say of themselves. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "preload/mpress_strategy.h"
#include "tests/semantics/fill.h"

enum { SMALL = 20000 };

static void need_library(void)
{
    if (mpress_limit_set == NULL)
        SKIP("the library's own call");
}

static _Atomic int told = -1;

static void note_level(int level, void *context)
{
    (void)context;
    told = level;
}

static void reach_the_limit_and_free_all(void)
{
    CHECK(mpress_limit_set(0, 6 * MIB) == 0); /* which is reached before anything else happens */
    CHECK(mpress_pressure_subscribe(note_level, NULL) == 0);
    size_t count = fill(SMALL);
    CHECK(told == MPRESS_EMERGENCY);
    while (count > 0)
        free(blocks[--count]);
}

/* A cache that refills when it is told that there is room again waits for nothing else. */
static void a_level_is_left_though_the_hot_path_serves_all(void)
{
    need_library();
    reach_the_limit_and_free_all();
    while (told == MPRESS_EMERGENCY) { /* or this case takes too long */
        free(malloc(hidden_size(SMALL)));
    }
}

static void a_level_is_left_when_it_is_asked_for(void)
{
    need_library();
    reach_the_limit_and_free_all();
    while (mpress_pressure_level() == MPRESS_EMERGENCY)
        usleep(100000);
    CHECK(told != MPRESS_EMERGENCY);
}

/* -- strategies ------------------------------------------------------------------------------- */

static struct mpress_strategy find(const char *name)
{
    struct mpress_strategy strategy;
    for (size_t i = 0; mpress_strategy_read(i, &strategy) == 0; i++) {
        if (strcmp(strategy.name, name) == 0)
            return strategy;
    }
    CHECK(false);
}

static void use_all_of_them(void)
{
    CHECK(mpress_limit_set(0, 48 * MIB) == 0);
    free(calloc(1, hidden_size(8 * MIB)));
    size_t count = fill(MIB);
    while (count > 0)
        free(blocks[--count]);
}

static void strategies_count_what_they_do(void)
{
    need_library();
    struct mpress_strategy none;
    CHECK(mpress_strategy_read(4, &none) == ENOENT);
    use_all_of_them();
    CHECK(find("lazy").is_on && find("lazy").runs > 0 && find("lazy").saved >= 8 * MIB);
    CHECK(find("eviction").is_on && find("eviction").runs > 0 && find("eviction").ns > 0);
    CHECK(find("pooling").is_on && find("pooling").kept > 0);
    CHECK(!find("compression").is_on && find("compression").runs == 0);
}

static void they_do_nothing(void)
{
    use_all_of_them();
    CHECK(!find("lazy").is_on && find("lazy").runs == 0 && find("lazy").saved == 0);
    CHECK(!find("eviction").is_on && find("eviction").runs == 0 && find("eviction").saved == 0);
    CHECK(!find("pooling").is_on && find("pooling").runs == 0);
}

static void strategies_that_are_off_count_nothing(void)
{
    need_library();
    setenv("MPRESS_LAZY", "0", 1);
    setenv("MPRESS_EVICTION", "0", 1);
    setenv("MPRESS_POOLING", "0", 1);
    CHECK(helper_succeeds(".they_do_nothing"));
}

CHECK_MAIN(CASE(a_level_is_left_though_the_hot_path_serves_all),
           CASE(a_level_is_left_when_it_is_asked_for), CASE(strategies_count_what_they_do),
           CASE(strategies_that_are_off_count_nothing), HELPER(they_do_nothing))
