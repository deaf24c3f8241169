/* subject.h - a trace that a test builds, and what the analysis finds in it. */
#ifndef MPRESS_TESTS_SUBJECT_H
#define MPRESS_TESTS_SUBJECT_H

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/trace_builder.h"
#include "tools/analysis/analysis.h"

struct subject {
    struct builder builder;
    struct trace *trace;
    struct analysis *analysis;
};

static inline struct subject *begin(void)
{
    struct subject *subject = calloc(1, sizeof *subject);
    assert_non_null(subject);
    builder_init(&subject->builder);
    return subject;
}

static inline struct analysis *analyse(struct subject *subject)
{
    builder_end(&subject->builder, TRACE_END_EXIT);
    char *path = builder_write(&subject->builder);
    struct trace_error error;
    subject->trace = trace_open(path, &error);
    assert_non_null(subject->trace);
    unlink(path);
    free(path);
    subject->analysis = analysis_run(subject->trace, NULL);
    return subject->analysis;
}

static inline void end(struct subject *subject)
{
    analysis_destroy(subject->analysis);
    trace_close(subject->trace);
    builder_fini(&subject->builder);
    free(subject);
}

#endif
