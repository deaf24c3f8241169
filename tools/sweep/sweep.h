/* sweep.h - `mpress-replay --fail-nth`: lets a program's allocations fail one after another, each
 * in a run of its own, and tells what became of it.
 *
 * All runs are traced and have no address randomisation: so allocation number n is the same one in
 * all of them, and its call stack has the same addresses. */
#ifndef MPRESS_TOOLS_SWEEP_SWEEP_H
#define MPRESS_TOOLS_SWEEP_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/place.h"
#include "tools/target.h"
#include "tools/trace/trace.h"

enum { SWEEP_FRAMES_MOST = 64 };

enum sweep_mode { SWEEP_TRANSIENT, SWEEP_PERSISTENT, SWEEP_MODES };

/* What became of a run; the first three are clean. */
enum sweep_outcome {
    SWEEP_SAME,    /* ended as without failure, with the same output */
    SWEEP_GAVE_UP, /* ended by itself with another exit status */
    SWEEP_SILENT,  /* with the same exit status, and another output */
    SWEEP_ABORTED, /* by abort() */
    SWEEP_CRASHED, /* by another signal */
    SWEEP_HUNG,    /* it had to be killed */
    SWEEP_OUTCOMES
};

struct sweep_options {
    char **arguments;
    const char *state; /* results are kept there, and taken up from there; NULL */
    bool modes[SWEEP_MODES];
    bool is_every; /* all allocations, not the first of each call stack only */
    bool is_json;
    bool is_quiet;
    unsigned runs_most; /* 0: any number */
    unsigned top;
    uint64_t budget_ns;  /* 0: any time */
    uint64_t timeout_ns; /* of a run; 0: by the first one's time */
};

struct sweep_stack {
    size_t frames;
    uint64_t ip[SWEEP_FRAMES_MOST]; /* innermost first */
};

struct sweep_result {
    uint64_t nth;
    enum sweep_mode mode;
    enum sweep_outcome outcome;
    int code;                 /* exit status or signal */
    uint64_t bytes;           /* that were asked for */
    struct sweep_stack stack; /* of what failed; no frames: nothing did */
};

/* One call stack that allocates. */
struct census_site {
    uint64_t nth; /* its first allocation */
    uint32_t node;
};

/* What the program allocates when nothing fails. */
struct census {
    struct trace *trace;
    uint64_t calls;
    size_t count;
    struct census_site *sites; /* those whose caller is new first; each group by number */
};

struct sweep {
    const struct sweep_options *options;
    char program[TARGET_PATH_BYTES];
    char library[PLACE_BYTES];
    char folder[64];
    int input_fd; /* what the program reads, from its beginning in every run */
    int code;     /* of the run without failure */
    uint64_t output;
    uint64_t wall_ns;
    bool is_reproducible; /* a second run without failure was the same */
    struct census census;
    size_t count;
    size_t capacity;
    struct sweep_result *results;
    size_t taken_up; /* results out of the state file */
    size_t planned;
    uint64_t spent_ns;
};

int sweep_main(int argc, char **argv);

/* options.c: CLI_GO_ON, or the exit status. */
int sweep_parse(int argc, char **argv, struct sweep_options *options);

/* census.c: 0, or a line on stderr was written. */
int census_read(const char *trace, struct census *census);
void census_fini(struct census *census);
size_t census_read_stack(const struct trace *trace, uint32_t node, struct sweep_stack *stack);

/* probe.c: one run. */
struct probe {
    bool is_hung;
    int wait_status;
    uint64_t output; /* a hash of what it printed */
    uint64_t wall_ns;
};
/* `nth` 0: nothing fails. The trace is written to `trace`. 0 or an errno value. */
int probe_run(const struct sweep *sweep, uint64_t nth, enum sweep_mode mode, const char *trace,
              struct probe *probe);
extern volatile int probe_stop; /* a signal wants us to end */
void probe_catch_signals(void);
int probe_keep_input(void); /* a descriptor, or -1 after a line */

/* state.c */
int state_load(struct sweep *sweep); /* CLI_OK, or CLI_USAGE after a line */
void state_add(const struct sweep *sweep, const struct sweep_result *result);

/* print.c, json.c: the exit status. */
bool sweep_is_bad(enum sweep_outcome outcome);
const char *sweep_outcome_name(enum sweep_outcome outcome);
void sweep_print(const struct sweep *sweep);
int sweep_print_json(const struct sweep *sweep);

struct sweep_result *sweep_add(struct sweep *sweep);

#endif
