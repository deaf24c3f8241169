/* forecast.c - a program asks where its use of memory is going. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

static void need_library(void)
{
    if (mpress_forecast_read == NULL)
        SKIP("the library's own call");
}

static void at_first_it_is_too_early(void)
{
    need_library();
    struct mpress_forecast forecast;
    CHECK(mpress_forecast_read(&forecast) == EAGAIN);
}

static void switched_off_it_says_so(void)
{
    need_library();
    if (getenv("MPRESS_FORECAST") == NULL) {
        setenv("MPRESS_FORECAST", "0", 1);
        execl("/proc/self/exe", "forecast", "switched_off_it_says_so", (char *)NULL);
        SKIP("/proc/self/exe cannot be executed");
    }
    struct mpress_forecast forecast;
    CHECK(mpress_forecast_read(&forecast) == ENOTSUP);
}

CHECK_MAIN(CASE(at_first_it_is_too_early), CASE(switched_off_it_says_so))
