/* info.h - the info lane: what the process is, its modules, samples, marks, the end record; and the
 * timeline, where a ring has those of them that recur (format.h, RING).
 *
 * Each function writes one record under the lock of both. False: the disk is full (file_error()).
 * The last bytes of a block are kept for the end record, so that a full disk cannot prevent it. */
#ifndef MPRESS_TRACER_INFO_H
#define MPRESS_TRACER_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

struct lane;

/* A new lane, with command line, executable and working directory; called before other lanes are
 * made. False: no memory or no disk. */
bool info_create(void);

bool info_write_sample(const struct trace_sample *sample);
bool info_write_mark(const char *label, uint64_t time_ns);
bool info_write_leaks(const struct trace_leaks *leaks);
bool info_write_lost(const unsigned char *entries, size_t bytes);
bool info_write_signal(const struct trace_signal *signal);

/* The same in a handler that interrupted the recorder, in a thread that will not go on: takes no
 * room and waits for nobody, so it may not be written. */
void info_write_signal_within(const struct trace_signal *signal);
bool info_write_pressure(const struct trace_pressure *pressure);
bool info_write_unmodule(uintptr_t start, uint32_t last_node);

/* By which stack; `mapping` is tracer.h's. */
struct tracer_mapping;
bool info_write_mapped(const struct tracer_mapping *mapping, uint32_t stack);
bool info_write_unmapped(uintptr_t start, size_t bytes);

/* Payloads that were made elsewhere (areas.c, tracer.h). */
bool info_write_areas(const unsigned char *payload, size_t bytes);
bool info_write_classes(const unsigned char *payload, size_t bytes);
bool info_write_latency(const unsigned char *payload, size_t bytes);
bool info_write_unwritten(const unsigned char *payload, size_t bytes);

struct info_module {
    uint64_t bias;
    uint64_t start;
    uint64_t end;
    const unsigned char *build_id;
    size_t build_id_bytes;
    const char *path;
    uint64_t seen_ns;   /* when it was first, */
    uint32_t seen_node; /* and the last stack node of that moment */
};
bool info_write_module(const struct info_module *module);

/* True once in each half of the timeline: what is loaded is to be written again. */
bool info_modules_are_due(void);

/* Nothing follows. When the lock is not to be had (its holder may be the thread that asks, in a
 * signal handler) nothing is written and the lane stays open. */
bool info_finish(const struct trace_costs *costs, const struct trace_end *end);

/* In a forked child: there is no info lane. */
void info_abandon(void);

#endif
