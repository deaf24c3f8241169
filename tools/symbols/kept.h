/* kept.h - the names of a trace's call stacks, kept beside it for where the programs and their
 * debug information are not at hand: in TRACE.symbols, which `mpress symbols` writes and every
 * report reads.
 *
 * Text, compressed by gzip; numbers are decimal, addresses hexadecimal:
 *
 *     mpress-symbols 1 PID START_NS START_WALL_NS    of the trace's header: it is of that one
 *     A MODULE ADDRESS IP                            MODULE: number of its MODULE record, from 0
 *     F INLINED LINE FUNCTION <tab> FILE             one for each function there, innermost first;
 *                                                    an empty text: not known */
#ifndef MPRESS_TOOLS_SYMBOLS_KEPT_H
#define MPRESS_TOOLS_SYMBOLS_KEPT_H

#include "tools/symbols/symbols.h"

#define KEPT_SUFFIX ".symbols"

/* Names all code addresses of the trace, and writes them to stdout. The exit status. */
int kept_write(struct symbols *symbols, const struct trace *trace);

/* Takes what is kept beside the trace into `symbols`. Nothing there, or of another trace: nothing
 * happens. */
void kept_read(struct symbols *symbols, const struct trace *trace);

/* Keeps the names of that trace in `output`; NULL: beside it. The exit status; what failed
 * was said. command.c */
int symbols_keep(const char *path, const char *output);

/* `mpress symbols`. command.c */
int symbols_main(int argc, char **argv);

#endif
