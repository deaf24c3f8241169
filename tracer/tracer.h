/* tracer.h - records what a heap does, cheaply, losslessly, and so that it survives SIGKILL.
 *
 * preload/ calls these from its slow door; the tracer never calls the heap. One trace per process.
 * Where "recording" is said below: the calling thread holds a lane of the file (see format.h), gets
 * one at its first event, and gives it back in tracer_thread_exit. No function here allocates,
 * takes a lock of the allocator, touches errno, or is a cancellation point.
 *
 * A trace that cannot go on (disk full, limits) says so in one line, closes itself, and the program
 * goes on: the functions then do nothing. */
#ifndef MPRESS_TRACER_TRACER_H
#define MPRESS_TRACER_TRACER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

/* Where the program stood when it called: the return address into its code, and the stack and frame
 * pointers it will have on return. Taken by the entry point from its own frame. */
struct tracer_caller {
    uintptr_t ip;
    uintptr_t sp;
    uintptr_t bp;
};

struct tracer_options {
    const char *path;       /* %p: process id; copied. Not overwritten: see tracer_start */
    unsigned address_shift; /* 4: every address is a multiple of 16; 3: of 8 */
    unsigned depth;         /* frames, 1..256; 0: no stacks */
    uintptr_t near_from;    /* where nearly all blocks lie, within 16 TiB: plain.h can record them;
                             * 0: it is not known */
    uint64_t sample_period; /* bytes between samples (tracer_takes); 0: all events are recorded */
    uint64_t lane_bytes;    /* each thread's newest so many are kept; 0: all */
    uint64_t most_bytes;    /* the file never has more, the newest are kept; 0: any number */
    bool drops;             /* false: a full disk ends the trace; true: until there is room again
                             * events are dropped, and counted */
    bool ordered_by_caller; /* false: tracer_sync is never called; the tracer draws an epoch for
                             * every birth by itself (heaps that do not tell when objects move) */
    bool looks_at_pages;    /* of blocks of calloc, as they end (format.h, UNWRITTEN); false where a
                             * page that is not there may hold something all the same */
    const unsigned char *classes; /* as TRACE_INFO_CLASSES has them; not copied: they stay */
    size_t classes_bytes;         /* 0: the heap does not tell */
    /* Fills in the heap's part of a sample (not time_ns, tracer, rss); may be NULL. Called from
     * any thread that records, with no lock of the tracer held. False: the thread is inside the
     * heap; what is due waits for another one, or for tracer_sample_late. */
    bool (*sample_heap)(struct trace_sample *sample);
    /* Behind each sample, in the same way: may call tracer_write_latency. `is_last`: no other
     * sample follows. NULL: it is not known. */
    void (*write_latency)(bool is_last);
};

/* Starts recording into a new file. The name taken is `path` with %p replaced; if that exists,
 * ".PID" is put before its ".mpt" ending (or appended), then ".PID.2" and so on: the first process
 * of a family gets the plain name. 0, or an errno value after one line on stderr; EBUSY, without
 * one, while a trace runs. One caller at a time, but again and again. Loads libunwind when depth is
 * not 0: call it from a constructor or later, never from within an allocation. */
int tracer_start(const struct tracer_options *options);

/* Writes the end record, closes every block, and cuts the file to its used part. Events of threads
 * that still run are not recorded any more. */
void tracer_stop(enum trace_end_reason reason);

/* True between a successful tracer_start and the end of the trace. */
bool tracer_is_on(void);

/* The calling thread is in the middle of one of these functions: a signal handler, or libunwind's
 * constructor. */
bool tracer_is_inside(void);

/* The absolute path of the trace that runs or ran last; "" before the first. */
const char *tracer_path(void);

/* -- sampling: which allocations of the calling thread are recorded (format.h, SAMPLES) ------- */

/* Bytes between two points of the trace that runs or ran last; 0: all events are recorded. */
uint64_t tracer_sample_period(void);

/* Bytes before the first point of a stream with so many between two. */
uint64_t tracer_draw(uint64_t period);

/* Moves a stream, with *left bytes before its next point, on by an allocation that takes `bytes` of
 * it; true: a point lies in the first `asked` of these (0 are 1), record it. */
bool tracer_takes_of(uint64_t *left, size_t bytes, size_t asked);

/* The same in the thread's own stream, of bytes as asked for. */
bool tracer_takes(size_t bytes);

/* -- events ----------------------------------------------------------------------------------- */

/* `p` is what the program got or gives; record an allocation after it was made and a free
 * before it is done; a realloc once, after the new block is there and before the old one is freed.
 * `bits`: TRACE_ZEROED, TRACE_CPP. `alignment`: asked for, or 0. */
void tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                  const struct tracer_caller *caller);
void tracer_free(const void *p);
void tracer_realloc(const void *old, const void *new, size_t asked,
                    const struct tracer_caller *caller);
void tracer_failed(size_t asked, const struct tracer_caller *caller);

/* -- blocks that nobody writes (format.h, UNWRITTEN) ------------------------------------------ */

enum { TRACER_WATCHED_STEP = 4096 };    /* such a block begins at a multiple of it */
extern _Atomic uint32_t tracer_watched; /* how many are known */

static inline bool tracer_may_watch(const void *p)
{
    return atomic_load_explicit(&tracer_watched, memory_order_relaxed) != 0 &&
           ((uintptr_t)p & (TRACER_WATCHED_STEP - 1)) == 0;
}

/* The block is about to be given back; or, unwatch, it will not be what calloc made of it. Only
 * where tracer_may_watch. tracer_free does the former by itself. */
void tracer_look(const void *p);
void tracer_unwatch(const void *p);

/* -- transactions (format.h): what a trace of all events has of them -------------------------- */

/* Kept with each transaction by who has it; zeros: no trace knows it. */
struct tracer_txn {
    uint64_t number; /* of all traces of the process; 0: none */
    uint64_t lane;   /* that its last record is in */
};

/* Each of these is told when it has happened, but for the end: before its memory is another's. They
 * say nothing of a transaction that the trace that runs does not know. */
void tracer_txn_begin(struct tracer_txn *txn, struct tracer_txn *parent, const char *name,
                      size_t expected, const struct tracer_caller *caller);
void tracer_txn_alloc(struct tracer_txn *txn, size_t bytes, size_t alignment,
                      const struct tracer_caller *caller);
void tracer_txn_save(struct tracer_txn *txn);
void tracer_txn_back(struct tracer_txn *txn, uint64_t blocks);
void tracer_txn_adopt(struct tracer_txn *txn);

/* This thread's malloc serves up to `bytes` out of it; NULL: of none that the trace knows. */
void tracer_txn_enter(struct tracer_txn *txn, size_t bytes);

struct tracer_txn_ended {
    enum trace_txn_end how;
    uint64_t blocks, used, reserved, malloced, escaped;
};
void tracer_txn_end(struct tracer_txn *txn, struct tracer_txn *parent,
                    const struct tracer_txn_ended *ended);

/* The program mapped or unmaps a range: recorded after the one and before the other, as blocks are.
 * Not recorded: what a handler does that interrupted the tracer, and what the tracer does itself.
 */
struct tracer_mapping {
    uintptr_t start;
    size_t bytes;
    int protection; /* as mmap takes them */
    int flags;
    unsigned bits; /* enum trace_mapped_bits */
};
void tracer_mapped(const struct tracer_mapping *mapping, const struct tracer_caller *caller);
void tracer_unmapped(uintptr_t start, size_t bytes);

/* An event that cannot be recorded where it happens (a signal handler inside the heap): counted. */
void tracer_dropped(void);

/* This thread has just taken objects from structures that other threads give to (format.h, ORDER,
 * S1); that it is about to give some need not be said, but may. */
void tracer_sync(void);

/* A label in the timeline; any thread. */
void tracer_mark(const char *label);

/* Memory of the tracer's in which old words of the program's stacks and registers lie: no place to
 * look for its pointers. Without locks: the other threads stand still. */
void tracer_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context);

/* A block of the program's heap that only the tracer points to; NULL: none. */
const void *tracer_block(void);

/* What a look for lost blocks found: entries as TRACE_INFO_LOST has them (at most 32 KiB a call),
 * then the sum. Nothing without a trace. */
void tracer_write_lost(const unsigned char *entries, size_t bytes);
void tracer_write_leaks(const struct trace_leaks *leaks);

/* Memory runs short, or something was done about it. */
void tracer_pressure(const struct trace_pressure *pressure);

/* How long allocations took: a payload as TRACE_INFO_LATENCY has it. Only for write_latency. */
void tracer_write_latency(const unsigned char *payload, size_t bytes);

/* The calling thread has got a signal that ends the process once its handler returns; `caller`: who
 * called that. Records it with its call stack. For handlers: nothing is done inside the tracer. */
void tracer_signal(int number, int code, const void *address, const struct tracer_caller *caller);

/* Copies the running trace to a file of its own; `name` NULL: made from the trace's. 0; ENOENT:
 * none runs; EBUSY: not now (a handler inside the tracer, a child that has not recorded yet); or
 * why it cannot be written, and there is no file then. */
int tracer_dump(const char *name);

/* Takes a sample of the heap now (they are also taken by themselves as blocks fill). */
void tracer_sample(void);

/* For who records inside the heap, behind it: takes the sample that was due there. */
void tracer_sample_late(void);

/* The calling thread ends: its lane is free for another. Later events of it get a lane again. */
void tracer_thread_exit(void);

/* In the child of a fork, before anything else of the tracer: lets go of the parent's file. With
 * `follow` the child records into a file of its own, made at its first event. */
void tracer_fork_child(bool follow);

/* A shared object was unloaded: addresses learned so far may mean something else now. */
void tracer_module_unloaded(void);

#endif
