/* control.h - how a tool of the same machine asks a process under the library for something. The
 * contract between the two; what serves it is in control.c, what asks in tools/remote.c.
 *
 * The library has one struct control_block in its data. The tool finds it in the memory of the
 * process, reads and writes it there as a debugger would; nobody listens meanwhile, and a program
 * that is never asked pays nothing:
 *
 *     tool                                          process
 *     1 fills in the request
 *     2 serial += 1; asked = serial; cancelled = 0
 *     3 stores zeros to all `shut` ranges  ------>  the next allocation of any thread comes to the
 *                                                   slow door
 *                                                   4 serving = asked; is it still asked for?
 *                                                   5 fills in the answer; answered = serving
 *     6 reads the answer                            7 undoes 3
 *
 *     cancels: cancelled = asked. As long as `serving` is the same, it may have come too late.
 *
 * Words that both sides look at are single bytes: no copy can tear them. One tool at a time. */
#ifndef MPRESS_CONTROL_H
#define MPRESS_CONTROL_H

#include <stdint.h>

#include "preload/mpress.h"
#include "preload/mpress_pressure.h"
#include "preload/mpress_strategy.h"

#define CONTROL_MAGIC "mpress control\n"
enum {
    CONTROL_LAYOUT = 3, /* of this file; a tool speaks with no other */
    CONTROL_RANGES = 3,
    CONTROL_TEXT_BYTES = 1024,
    CONTROL_PATH_BYTES = 2048,
};

enum control_operation {
    CONTROL_START = 1,
    CONTROL_STOP,
    CONTROL_MARK,
    CONTROL_STATS,
    CONTROL_DUMP,
    CONTROL_LEAKS
};

enum {
    CONTROL_THREADS = 1024,
    CONTROL_CLASSES = 128,
    CONTROL_STRATEGIES = 8,
    CONTROL_ACTIONS = 16,
    CONTROL_TXNS = 256,
    LEAKS_SIZES = 1024
};

/* Transactions of a name that ended, as struct mpress_txn_name; of these `blocks` with `used` bytes
 * in `reserved` ones. */
struct control_txn {
    char name[64];
    uint64_t committed, rolled_back, abandoned;
    uint64_t blocks, used, reserved;
    uint64_t malloced, escaped;
    uint64_t most_used, first_bytes;
};

struct control_txns {
    uint64_t open; /* now, with */
    uint64_t blocks, used, reserved;
    uint64_t names; /* as many of the next are filled in */
    struct control_txn name[CONTROL_TXNS];
};

/* What STATS fills in; valid until the next request. */
struct control_stats {
    struct mpress_stats heap;
    uint64_t has_signals;
    struct mpress_signals signals;
    uint64_t threads; /* as many of the next are filled in */
    uint64_t classes;
    uint64_t strategies;
    struct mpress_strategy strategy[CONTROL_STRATEGIES];
    uint64_t actions;
    struct mpress_thread thread[CONTROL_THREADS]; /* the first: those that ended */
    struct mpress_class size_class[CONTROL_CLASSES];
    struct mpress_action action[CONTROL_ACTIONS];
    struct control_txns txns;
};

/* Lost blocks by usable size: how many. */
struct leaks_size {
    uint64_t bytes;
    uint64_t lost;
    uint64_t by_lost; /* a lost one leads to them */
};

struct leaks_sizes {
    uint64_t count;
    uint64_t others;                     /* bytes of blocks of yet other sizes */
    struct leaks_size size[LEAKS_SIZES]; /* upwards */
};

/* What LEAKS fills in, as above. */
struct control_leaks {
    struct mpress_leaks sum;
    uint64_t is_traced; /* a trace has it all, too */
    struct leaks_sizes sizes;
};

/* Addresses of the process. */
struct control_range {
    uint64_t start;
    uint64_t bytes;
};

struct control_block {
    /* -- constant once `self` is not 0 -------------------------------------------------------- */
    char magic[16];
    uint32_t layout;  /* CONTROL_LAYOUT */
    uint32_t bytes;   /* of this struct */
    char version[16]; /* MPRESS_VERSION */
    uint64_t self;    /* its address; 0: the library serves nobody here, the program has a malloc of
                       * its own */
    struct control_range shut[CONTROL_RANGES]; /* in the order of storing */
    /* -- the request: the tool's -------------------------------------------------------------- */
    uint8_t serial; /* of the last request of any tool; 255 is followed by 1 */
    uint8_t asked;
    uint8_t cancelled;
    uint8_t operation;
    uint8_t mode;                  /* START: 0 sample, 1 events, 2 full, 3 flight; MARK: 1: look
                                    * for lost blocks before it */
    char text[CONTROL_TEXT_BYTES]; /* START: the file, "" for the option's; MARK: the label;
                                    * DUMP: the file */
    /* -- the answer: the library's ------------------------------------------------------------ */
    uint8_t serving;
    uint8_t answered;
    int32_t error;                 /* errno value; 0: done */
    uint64_t reply;                /* STATS, LEAKS: where that is */
    char path[CONTROL_PATH_BYTES]; /* the trace that runs, or ran last; absolute */
};

#endif
