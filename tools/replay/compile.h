/* compile.h - makes a program (program.h) of a trace or a workload. */
#ifndef MPRESS_TOOLS_REPLAY_COMPILE_H
#define MPRESS_TOOLS_REPLAY_COMPILE_H

#include <stdbool.h>

#include "tools/replay/program.h"
#include "tools/replay/source.h"

struct compiled {
    int fd;                         /* the file (program.h) */
    struct program_header *program; /* its header; NULL: there is none */
    struct trace_totals totals;     /* of the source */
    bool is_complete;
    struct trace_error why; /* it is not */
};

struct compile_options {
    bool is_one_thread;         /* everything in one thread, in the global order */
    bool is_paced;              /* with the times at which operations were recorded */
    void (*show)(double share); /* called now and then with the share that is done; or NULL */
};

/* Two visits. 0, or an errno value: a file could not be made in scratch_folder(), or written. */
int compile_source(struct source *source, const struct compile_options *options,
                   struct compiled *compiled);
void compile_free(struct compiled *compiled);

#endif
