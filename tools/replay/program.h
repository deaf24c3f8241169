/* program.h - a trace made ready to be run: what `mpress replay` hands to its child processes.
 *
 * One file without a name, read by every child:
 *
 *     struct program_header | windows | struct program_thread[] | struct program_window[]
 *
 * Objects live in slots; who frees an object takes it out of its slot and waits if it is not there
 * yet: so the order of each object's life is kept at any number of cores. Slots are used again, so
 * that there are hardly more than live objects.
 *
 * The global order of the trace is cut into windows. No thread begins a window before all are done
 * with the one before: threads drift apart by no more than a window, and at each window's end the
 * bytes asked for are known exactly. One window ends at the recorded peak. Nobody has more than one
 * window in memory: it is written when it is over and read when it begins, however long the trace.
 *
 *     operations of the window, a part for each thread, in chunks | struct program_part[]
 *
 * P1  Within a window a slot changes its object only by operations of one thread, except that an
 *     object flagged HANDED may be taken out by another: its slot was empty when the window began.
 * P2  The slot of an object that has died is empty.
 *
 * An operation is a 64-bit word: op in bits 0..3, HANDED in bit 4, size in bits 5..31, slot in bits
 * 32..63. A size that does not fit stands in a word of its own behind it (PROGRAM_SIZE_FOLLOWS),
 * then come further operands, a word each. */
#ifndef MPRESS_TOOLS_REPLAY_PROGRAM_H
#define MPRESS_TOOLS_REPLAY_PROGRAM_H

#include <stdint.h>

#include "tracer/format.h"

#define PROGRAM_MAGIC UINT64_C(0x3150525352504d01)
#define PROGRAM_NO_THREAD UINT32_MAX

enum program_op {
    PROGRAM_CONTROL = 0, /* size: enum program_control; an operand */
    PROGRAM_MALLOC = 1,
    PROGRAM_CALLOC = 2,
    PROGRAM_ALIGNED = 3, /* operand: log2 of the alignment */
    PROGRAM_FREE = 4,
    PROGRAM_REALLOC = 5,    /* the slot stays */
    PROGRAM_REALLOC_TO = 6, /* operand: the slot of the new object */
    PROGRAM_COPY = 7,       /* operand: the slot of an object whose bytes it has too, from now on */
    /* Of a transaction; where the allocator has none, as MALLOC or ALIGNED, CALLOC and FREE. */
    PROGRAM_TXN_ALLOC = 8,  /* of the one that TXN_USE names: a word like malloc's, so that the */
    PROGRAM_TXN_CALLOC = 9, /* replay's own work is the same */
    PROGRAM_TXN_FREE = 10,  /* given up here, or with the transaction */
};

enum program_control {
    PROGRAM_END = 0,    /* of the thread */
    PROGRAM_WINDOW = 1, /* its part of this window is over */
    PROGRAM_JUMP = 2,   /* operand: index in the window of the word to go on with */
    PROGRAM_PACE = 3,   /* operand: ns from the first operation to the next, as recorded */
    /* Transactions, where the allocator has such; each of them one thread's. The word's slot is
     * that of the transaction. */
    PROGRAM_TXN_BEGIN = 4, /* operands: its parent's slot + 1 or 0; bytes expected, less than 2^48,
                            * with a number that stands for its name << 48 */
    PROGRAM_TXN_END = 5,   /* operand: 1: commit */
    PROGRAM_TXN_SAVE = 6,  /* operand: number of the mark */
    PROGRAM_TXN_BACK = 7,  /* the same */
    PROGRAM_TXN_ENTER = 8, /* operand: 0: whatever is entered is left */
    PROGRAM_TXN_USE = 9,   /* operand: log2 of the alignment of the thread's next TXN_ALLOCs */
};

enum {
    PROGRAM_TXN_MARKS = 64, /* of each transaction */
    PROGRAM_OP_MASK = 15,
    PROGRAM_HANDED = 16,
    PROGRAM_SIZE_SHIFT = 5,
    PROGRAM_SLOT_SHIFT = 32,
    PROGRAM_SIZE_FOLLOWS = (1 << 27) - 1,
    PROGRAM_WINDOW_EVENTS_MOST = 1 << 16,
    PROGRAM_WINDOW_EVENTS_LEAST = 1 << 10,
    PROGRAM_WINDOW_WORDS = 1 << 19, /* one that has so many ends with the next event */
    PROGRAM_PACE_STEP_NS = 20000,   /* a thread's times are told in steps of so much, at least */
};

struct program_header {
    uint64_t magic;
    uint64_t bytes;      /* of the whole file */
    uint64_t operations; /* mallocs, callocs, aligned, frees, reallocs */
    uint64_t slots;      /* slots are 0..slots-1 */
    uint64_t threads_at; /* byte offset of struct program_thread[threads] */
    uint64_t windows_at; /* byte offset of struct program_window[windows] */
    uint32_t threads;    /* thread 0 runs in the child's first thread */
    uint32_t windows;
    uint64_t peak_bytes;   /* asked, at the end of window `peak_window` */
    uint64_t end_bytes;    /* asked, at the end */
    uint64_t skipped;      /* frees of blocks older than the trace, failed allocations */
    uint64_t peak_objects; /* alive at the same time */
    uint32_t peak_window;
    uint32_t handed_threads; /* 1: some object is flagged HANDED */
    uint64_t txn_slots;      /* transactions open at a time; slots are below */
    uint64_t txns;           /* begun; */
    uint64_t txns_whole;     /* of these, replayed as what they are */
    uint64_t window_bytes;   /* of the largest window, with its parts */
};

struct program_thread {
    uint32_t successor;    /* the thread that starts when this one ends; PROGRAM_NO_THREAD */
    uint32_t next_spawned; /* the next one of those that start with the same window */
    uint32_t tid;          /* as recorded */
};

struct program_window {
    uint64_t live_bytes;   /* asked, at its end */
    uint64_t at;           /* byte offset of its operations */
    uint32_t words;        /* of operations */
    uint32_t participants; /* threads that have operations in it: its parts */
    uint32_t spawned;      /* the first thread that starts with it; PROGRAM_NO_THREAD */
    uint32_t unused;
};

/* What a thread does in a window. */
struct program_part {
    uint32_t thread;
    uint32_t first_word; /* index in the window */
};

/* How a child runs. */
enum program_mode {
    PROGRAM_PLAIN,   /* at full speed */
    PROGRAM_TIMED,   /* every call measured */
    PROGRAM_CHECKED, /* patterns written and checked */
    PROGRAM_NULL,    /* calls that do nothing: what the replay itself costs */
};

/* What is written of each block: nothing, its first byte, a byte of every page, all. */
enum program_touch {
    PROGRAM_TOUCH_NONE,
    PROGRAM_TOUCH_FIRST,
    PROGRAM_TOUCH_PAGES,
    PROGRAM_TOUCH_ALL
};

/* What the parent wants of a child. */
struct program_orders {
    uint32_t mode;   /* enum program_mode */
    uint32_t touch;  /* enum program_touch */
    uint32_t copies; /* of the program, side by side: each with slots and threads of its own */
    uint32_t rounds; /* one after another; what is left of a round is freed behind it */
    uint32_t says;   /* 1: why it fails, on stderr too */
    uint32_t unused;
    double speed; /* PROGRAM_PACE is obeyed, so many times as fast; 0: it is not */
};

/* What a child reports, in a memory file that it and its parent map. */
enum { RESULT_TEXT_BYTES = 256 };

struct result {
    struct program_orders orders; /* of the parent, before the child starts */
    uint64_t is_done;             /* 1: everything below holds */
    uint64_t windows_done;        /* of all rounds */
    uint64_t wall_ns;      /* from the first operation to the last, without looks at our own size */
    uint64_t cpu_ns;       /* the same in processor time, of all threads */
    uint64_t cpu_least_ns; /* the same of one round: each window as in its fastest round */
    uint64_t behind_ns;    /* at most so much later than the pace asked for */
    uint64_t resident_before;
    uint64_t resident_peak;  /* bytes above resident_before */
    uint64_t resident_mean;  /* over the ends of all windows, above resident_before */
    uint64_t resident_first; /* the same behind the first round, everything freed; */
    uint64_t resident_last;  /* and behind the last; 0 if there is one round only */
    uint64_t knows_internal; /* 1: the heap is mpress's, which tells what rounding up takes */
    uint64_t internal_peak;  /* bytes more than asked for, at the end of the peak's window */
    uint64_t internal_mean;  /* over the ends of all windows */
    uint64_t minor_faults;
    uint64_t major_faults;
    uint64_t waits; /* for objects of other threads that were not there yet */
    uint64_t latency[TRACE_LATENCY_BUCKETS]; /* calls by duration: see trace_latency_bucket */
    uint64_t latency_max_ns;
    uint64_t clock_ns;               /* what measuring a call adds; already taken off */
    uint64_t call_ns;                /* all measured calls together */
    uint64_t overlaps;               /* blocks found with other contents than their owner wrote */
    char overlap[RESULT_TEXT_BYTES]; /* the first of them */
    char error[RESULT_TEXT_BYTES];
    char owner[RESULT_TEXT_BYTES]; /* the library that malloc came from */
};

#endif
