/* trace_check.h - what the tests of the tracer's files share: cmocka, and two questions that end a
 * test. */
#ifndef MPRESS_TESTS_TRACE_CHECK_H
#define MPRESS_TESTS_TRACE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/trace_run.h"

static const struct tracer_options plain = {.address_shift = 4, .ordered_by_caller = true};

static inline void read_right(struct decoded *decoded, const char *path)
{
    if (!decoder_read(decoded, path))
        fail_msg("%s: %s", path, decoded->error);
}

static inline void must_match(struct trace_run *run, const struct decoded *decoded,
                              enum run_end end)
{
    if (!run_matches(run, decoded, end))
        fail_msg("%s", run->error);
}

#endif
