/* trace_sum.h - all that a trace says in one number, and whole files, for tests of what must say
 * the same. */
#ifndef MPRESS_TESTS_UNIT_TRACE_SUM_H
#define MPRESS_TESTS_UNIT_TRACE_SUM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/built_trace.h"
#include "tools/trace/mapping.h"

/* -- files ------------------------------------------------------------------------------------ */

struct bytes {
    unsigned char *at;
    size_t count;
};

static inline struct bytes read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    struct bytes bytes = {.count = (size_t)ftell(file)};
    bytes.at = malloc(bytes.count + 1);
    rewind(file);
    assert_int_equal(fread(bytes.at, 1, bytes.count, file), bytes.count);
    fclose(file);
    return bytes;
}

static inline void write_file(const char *path, const unsigned char *at, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static inline bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline void remove_trace(char *path)
{
    char *packing = mapping_name_packing(path);
    unlink(path);
    unlink(packing);
    free(packing);
    free(path);
}

/* -- what a trace says ------------------------------------------------------------------------ */

static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(0x9E3779B97F4A7C15) + (sum >> 29);
}

static inline uint64_t mix_text(uint64_t sum, const char *text)
{
    while (*text != '\0')
        sum = mix(sum, (unsigned char)*text++);
    return sum;
}

static inline uint64_t mix_facts(const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    uint64_t sum = mix(facts->trace_bytes, facts->nodes);
    for (size_t i = 0; i < facts->arguments; i++)
        sum = mix_text(sum, facts->argument[i]);
    for (size_t i = 0; i < facts->modules; i++)
        sum = mix(mix_text(sum, facts->module[i].path), facts->module[i].start);
    for (uint32_t i = 0; i < facts->nodes; i++)
        sum = mix(sum, trace_node(trace, i).ip);
    return sum;
}

/* Everything: facts, events, warnings. 0: it cannot be opened. */
static inline uint64_t read_all(const char *path, bool *is_complete, uint64_t *events)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    *is_complete = false;
    *events = 0;
    if (trace == NULL)
        return 0;
    uint64_t sum = mix_facts(trace);
    for (size_t i = 0; trace_warning(trace, i) != NULL; i++)
        sum = mix_text(sum, trace_warning(trace, i) + strlen(path));
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        sum = mix(mix(mix(sum, event.address), event.time_ns), event.old_object);
        sum = mix(mix(mix(sum, event.size), event.kind), event.thread);
        if (event.kind == TRACE_EVENT_THREAD_NAME)
            sum = mix_text(sum, trace_thread_name(visit, event.thread));
    }
    *events = trace_visit_totals(visit)->events;
    *is_complete = trace_visit_is_complete(visit, NULL);
    trace_visit_destroy(visit);
    trace_close(trace);
    return sum;
}

static inline uint64_t read_sum(const char *path)
{
    bool is_complete;
    uint64_t events;
    return read_all(path, &is_complete, &events);
}

#endif
