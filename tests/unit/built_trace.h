/* built_trace.h - what tests that build a trace, and open it, share: cmocka, and one builder. */
#ifndef MPRESS_TESTS_BUILT_TRACE_H
#define MPRESS_TESTS_BUILT_TRACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/trace_builder.h"
#include "tools/trace/trace.h"

static struct builder builder;

static inline int begin(void **state)
{
    (void)state;
    builder_init(&builder);
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    builder_fini(&builder);
    return 0;
}

/* NULL: refused, and the error says why. */
static inline struct trace *open_image(struct trace_error *error)
{
    char *path = builder_write(&builder);
    error->text[0] = '\0';
    struct trace *trace = trace_open(path, error);
    unlink(path);
    free(path);
    return trace;
}

static inline struct trace *open_good(void)
{
    struct trace_error error;
    struct trace *trace = open_image(&error);
    if (trace == NULL)
        print_error("%s\n", error.text);
    assert_non_null(trace);
    return trace;
}

#endif
