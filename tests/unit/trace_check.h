/* trace_check.h - what the tests of the tracer's files share: cmocka, and questions that end a
 * test.
 */
#ifndef MPRESS_TESTS_TRACE_CHECK_H
#define MPRESS_TESTS_TRACE_CHECK_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/trace_run.h"
#include "tools/trace/trace.h"

static const struct tracer_options plain = {
    .address_shift = 4, .ordered_by_caller = true, .near_from = 0x7f0000000000};

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

/* In a child: what it says is for check_stderr. */
static inline void send_stderr_to(struct trace_run *run)
{
    char path[200];
    snprintf(path, sizeof(path), "/tmp/%s.err", strrchr(run->folder, '/') + 1);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, 2) < 0)
        _exit(6);
}

/* What the child said, in `text`; how many bytes. */
static inline size_t read_stderr(struct trace_run *run, char text[1000])
{
    char path[200];
    snprintf(path, sizeof(path), "/tmp/%s.err", strrchr(run->folder, '/') + 1);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(text, 1, 999, file);
    text[bytes] = '\0';
    fclose(file);
    unlink(path);
    return bytes;
}

/* One line, and what it says. */
static inline void check_stderr(struct trace_run *run, const char *part)
{
    char text[1000];
    size_t bytes = read_stderr(run, text);
    assert_int_equal(bytes, strcspn(text, "\n") + 1);
    assert_non_null(strstr(text, part));
}

static inline void check_silence(struct trace_run *run)
{
    char text[1000];
    if (read_stderr(run, text) != 0)
        fail_msg("%s", text);
}

/* Records that, which must go well, and opens it with the reader, which must not warn. */
static inline struct trace *run_and_open(struct trace_run *run,
                                         const struct tracer_options *options,
                                         void (*body)(struct trace_run *run))
{
    run_init(run, 1);
    assert_true(run_wait(run_start(run, options, body)));
    struct decoded decoded;
    read_right(&decoded, run->path);
    decoder_free(&decoded);
    struct trace_error error;
    struct trace *trace = trace_open(run->path, &error);
    if (trace == NULL)
        fail_msg("%s", error.text);
    assert_null(trace_warning(trace, 0));
    return trace;
}

#endif
