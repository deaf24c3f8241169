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

/* One of its warnings has that part. */
static inline bool has_warning(const struct trace *trace, const char *part)
{
    const char *line;
    for (size_t i = 0; (line = trace_warning(trace, i)) != NULL; i++) {
        assert_null(strchr(line, '\n'));
        if (strstr(line, part) != NULL)
            return true;
    }
    return false;
}

/* Its totals; *is_complete may be NULL. */
static inline struct trace_totals visit_all(const struct trace *trace, bool *is_complete)
{
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        assert_true(event.stack < trace_facts(trace)->nodes);
    struct trace_totals totals = *trace_visit_totals(visit);
    struct trace_error why;
    bool complete = trace_visit_is_complete(visit, &why);
    assert_int_equal(complete, why.text[0] == '\0');
    if (is_complete != NULL)
        *is_complete = complete;
    trace_visit_destroy(visit);
    return totals;
}

/* A thread that allocates so many objects, moves some and frees all but the last 50. */
static inline void build_one_thread(unsigned count)
{
    builder_thread(&builder, 2, TRACE_THREAD_START, 100, NULL);
    for (uint64_t i = 0; i < count; i++) {
        unsigned kind = i % 7 == 0 ? TRACE_ZEROED : 0;
        builder_alloc(&builder, 2, 0x10000 + i * 64, i % 100, 0, i % 11 == 0 ? 8 : 0, kind);
        if (i % 5 == 0)
            builder_realloc(&builder, 2, 0x10000 + i * 64, 0x10000 + i * 64, i % 1000, 0);
        if (i >= 50)
            builder_free(&builder, 2, 0x10000 + (i - 50) * 64);
    }
    builder_end(&builder, TRACE_END_EXIT);
}

#endif
