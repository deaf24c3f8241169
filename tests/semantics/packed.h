/* packed.h - what a program can know of the memory that is packed behind its back. */
#ifndef MPRESS_TESTS_SEMANTICS_PACKED_H
#define MPRESS_TESTS_SEMANTICS_PACKED_H

#include <stdint.h>
#include <time.h>

#include "preload/mpress_pressure.h"
#include "preload/mpress_strategy.h"
#include "tests/semantics/check.h"

static inline void need_compression(void)
{
    struct mpress_compression now;
    if (mpress_compression_read == NULL)
        SKIP("the library's own call");
    if (mpress_compression_read(&now) != 0)
        SKIP("it was refused here");
}

static inline uint64_t packed_bytes(void)
{
    struct mpress_compression now = {0};
    CHECK(mpress_compression_read(&now) == 0);
    return now.packed;
}

static inline void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* What the process uses, as a limit counts it. */
static inline uint64_t used_bytes(void)
{
    struct mpress_signals now;
    CHECK(mpress_signals_read(&now) == 0);
    return now.heap > now.rss_anon ? now.heap : now.rss_anon;
}

#endif
