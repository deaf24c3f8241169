/* replay.h - `mpress replay T` and mpress-replay: runs a trace's allocations again, under one
 * allocator after another. */
#ifndef MPRESS_TOOLS_REPLAY_REPLAY_H
#define MPRESS_TOOLS_REPLAY_REPLAY_H

#include "tools/replay/allocators.h"
#include "tools/replay/options.h"
#include "tools/replay/table.h"

/* The whole command; argv[0] is its name for messages. The result is the exit status: 0, 1 (the
 * trace, an allocator or a run failed) or 2 (bad usage). */
int replay_main(int argc, char **argv);

/* scales.c: the workload of the options at each scale, one table each and how memory grows. */
int replay_scales(const struct options *options, const struct allocators *allocators);

/* Says what failed; the exit status that means. */
int replay_say_failures(const struct table *table);

/* What becomes of the results; returns the exit status. */
typedef int replay_print(const struct table *table, void *context);

/* Runs a source under all of them and prints; the exit status. */
int replay_source(const struct options *options, struct source *source,
                  const struct allocators *allocators, replay_print *print, void *context);

/* The same of a trace. */
int replay_trace(const struct options *options, const struct trace *trace,
                 const struct allocators *allocators, replay_print *print, void *context);

#endif
