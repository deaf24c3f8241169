/* summary.h - what the heap holds, as text. */
#ifndef MPRESS_SUMMARY_H
#define MPRESS_SUMMARY_H

#include "allocators/heap.h"
#include "preload/mpress.h"

/* Reads heap and process into the public structure. */
void summary_read(struct mpress_stats *stats);

/* The same of its free spans and pages. */
void summary_read_spans(struct mpress_spans *spans);

/* The same for one size class. All leave zeros in a signal handler that interrupted the heap.
 */
void summary_read_class(unsigned class, struct heap_class_stats *stats);

/* What threads did with its objects, and one thread with all; false: there are not so many. */
void summary_read_counts(unsigned class, struct cache_counts *counts);
bool summary_read_thread(size_t number, struct mpress_thread *thread);

/* Keeps a way to today's stderr: many programs close theirs before they end. */
void summary_keep_stderr(void);

/* The summary of MPRESS_STATS=1 and malloc_stats(), on stderr, in one write. */
void summary_say(void);

#endif
