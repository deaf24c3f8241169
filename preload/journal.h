/* journal.h - what is put down of memory that runs short: a record where a trace runs, and a line
 * on stderr where MPRESS_PRESSURE=verbose asks for that. One caller at a time (watch.h), outside
 * the door, but for journal_note_refused. */
#ifndef MPRESS_JOURNAL_H
#define MPRESS_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "preload/actions.h"
#include "preload/bounds.h"
#include "preload/foresee.h"
#include "preload/respond.h"

void journal_set_verbose(void);

/* The level is another one now. */
void journal_level(enum pressure_level level, const struct pressure_sample *sample);

void journal_action(enum action action, const struct respond_reason *reason, uint64_t gained,
                    uint64_t ns);

/* What a compaction came to, in parts. */
struct heap_squeezed;
void journal_squeezed(const struct heap_squeezed *squeezed);

/* A request was refused, by any thread; written down at the next journal_write_refused: a program
 * that goes on asking would fill a trace with that. */
void journal_note_refused(size_t bytes);
void journal_write_refused(void);

/* Begins and ends with the forecaster's. */
void journal_warning(const struct foresee *foreseen, const struct bounds_reading *nearest);

#endif
