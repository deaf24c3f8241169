/* compile.h - makes a program (program.h) of a trace. */
#ifndef MPRESS_TOOLS_REPLAY_COMPILE_H
#define MPRESS_TOOLS_REPLAY_COMPILE_H

#include <stdbool.h>

#include "tools/replay/program.h"
#include "tools/trace/trace.h"

struct compiled {
    int fd; /* the memory file */
    const struct program_header *program;
    struct trace_totals totals; /* of the trace */
    bool is_complete;
    struct trace_error why; /* it is not */
};

/* Two visits of the trace. `is_one_thread`: everything in one thread, in the global order.
 * `show` is called now and then with the share that is done; NULL: nobody looks. 0, or an errno
 * value: no memory file could be made or grown. */
int compile_trace(const struct trace *trace, bool is_one_thread, void (*show)(double share),
                  struct compiled *compiled);
void compile_free(struct compiled *compiled);

#endif
