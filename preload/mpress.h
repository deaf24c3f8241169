/* mpress.h - what a program can ask of the heap it runs on.
 *
 * The functions are in libmpress.so. A program that is linked with nothing and runs with
 * LD_PRELOAD=libmpress.so finds them too: they are declared weak, so test one before its use:
 *
 *     if (mpress_mark)
 *         mpress_mark("loaded");
 *
 * A program that is linked with the library (pkg-config and the CMake target define MPRESS_LINKED)
 * gets ordinary declarations.
 *
 * Every function may be called from any thread at any time, except from a signal handler. Traces
 * can be started, marked and ended from outside as well: mpress attach, MPRESS_TRACE_SIGNAL. */
#ifndef MPRESS_H
#define MPRESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MPRESS_VERSION "0.1.0"
#ifdef MPRESS_LINKED
#define MPRESS_API __attribute__((visibility("default")))
#else
#define MPRESS_API __attribute__((visibility("default"), weak))
#endif

/* What the heap holds, in bytes unless named otherwise. resident heap = live + external + cached +
 * dirty + meta; "live" is asked + internal (rounding up to size classes).
 * Under MPRESS_HEAP=mimalloc or mixed the blocks of mimalloc are live as well; what it keeps beyond
 * them is in none of the parts. */
struct mpress_stats {
    uint64_t live;         /* usable bytes of the blocks the program holds */
    uint64_t live_objects; /* their count */
    uint64_t external;     /* free objects inside partly used slabs */
    uint64_t cached;       /* free objects in magazines and depots */
    uint64_t dirty;        /* free spans not yet given back to the system */
    uint64_t meta;         /* bookkeeping of the heap */
    uint64_t largest_free; /* the largest free span */
    uint64_t total_free;   /* all free spans */
    uint64_t mapped;       /* bytes in mappings of their own (blocks above 32 MiB) */
    uint64_t given;        /* given back to the system while the program went on, so far */
    uint64_t rss;          /* resident set of the process; 0: not known */
    uint64_t rss_anon;     /* its anonymous part; 0: not known */
};

/* Fills in *stats. The parts are read one after another while other threads go on. */
MPRESS_API void mpress_stats_read(struct mpress_stats *stats);

/* How free spans and pages serve large blocks; counts since the start, bytes as they are now. */
struct mpress_spans {
    uint64_t total_free;    /* bytes of all free spans */
    uint64_t largest_free;  /* of the largest one: X = 1 - largest_free / total_free */
    uint64_t freed;         /* spans freed, but for those that were parked; */
    uint64_t joined;        /* of these, joined with a free neighbour at once: coalescing */
    uint64_t parked_hits;   /* blocks above 256 KiB that took a parked span of their length, */
    uint64_t parked_misses; /* and that found none; approximately */
    uint64_t resident;      /* resident bytes of the mappings that hold the heap; 0: not known */
    uint64_t huge;          /* of these, in huge pages */
};

/* Fills in *spans. Slow: the system looks at every page of the process for the last two. */
MPRESS_API void mpress_spans_read(struct mpress_spans *spans);

/* Gives back to the system all memory that holds no block of the program, at once: what the calling
 * thread, the other threads (all but one object per size class) and the depots between them keep,
 * empty slabs, free pages inside partly used ones, free spans. malloc_trim does the same. Blocks do
 * not move. Takes about 1 ms per 4 MiB given back and a pass over the heap; later allocations pay
 * for their pages again. For the end of a phase, or before a long sleep.
 *
 * Returns bytes given back, those of pages that were never written included; 0: there was nothing,
 * or a signal handler called that interrupted the heap. */
MPRESS_API uint64_t mpress_compact(void);

/* Version of the library, for example "0.1.0". */
MPRESS_API const char *mpress_version(void);

/* Starts a trace of this process: of all threads, at once. `file`: its name, %p in it is the
 * process id, NULL: that of MPRESS_TRACE_FILE; an existing file is not overwritten, another name is
 * taken as for children. `mode`: "sample", "events", "full" or "flight", as MPRESS_TRACE. Blocks
 * allocated before are older than the trace. 0; EBUSY: a trace runs, or another thread is starting
 * or stopping one; EINVAL: no such mode; or why the file cannot be written, after a line on stderr.
 */
MPRESS_API int mpress_trace_start(const char *file, const char *mode);

/* Ends the trace that runs: its file is complete then. Each start writes a file of its own. 0;
 * ENOENT: none runs; EBUSY as above. */
MPRESS_API int mpress_trace_stop(void);

/* Copies what the running trace holds, to look at while it goes on; for a flight recorder
 * (MPRESS_TRACE=flight) the newest of every thread. `file`: its name, as for a trace; NULL: that of
 * the trace with ".dump" before its ending. Threads go on; one that needs more of the trace's file
 * waits until the copy is done. 0; ENOENT: no trace runs; EBUSY: not just now; or why the file
 * cannot be written, and there is none then. */
MPRESS_API int mpress_trace_dump(const char *file);

/* Puts a label into the running trace's timeline; nothing without one. At most 200 bytes count. */
MPRESS_API void mpress_mark(const char *label);

/* What a look through all memory of the program found: its blocks by who still points to them, in
 * usable bytes. The classes are those of Valgrind's memcheck; LeakSanitizer's names stand beside.
 */
struct mpress_leaks {
    uint64_t lost; /* nothing points to them any more: definitely lost, a direct leak */
    uint64_t lost_blocks;
    uint64_t by_lost; /* only a lost block leads to them: indirectly lost, an indirect leak */
    uint64_t by_lost_blocks;
    uint64_t inside; /* somewhere on the way only a pointer into the middle of a block: possibly
                      * lost; to LeakSanitizer they are reachable */
    uint64_t inside_blocks;
    uint64_t reachable;
    uint64_t reachable_blocks;
    uint64_t pause_ns; /* the other threads stood still for that */
    uint64_t threads_stopped;
    uint64_t threads_missed; /* they could not be stopped: what only their registers hold is lost */
};

/* Stops the other threads by a signal, looks through everything the program can reach, lets them go
 * on, and fills in *leaks; about a second for each gigabyte in use. If a trace runs it gets a mark
 * of that label (NULL: none) and all that was found: the report tells then what was lost by which
 * call stack, and in which stage. Sleeping system calls of other threads may end with EINTR. 0;
 * EBUSY: another thread is at it; ENOMEM; ENOTSUP: /proc is missing or no signal is left. */
MPRESS_API int mpress_leaks_read(const char *label, struct mpress_leaks *leaks);

/* A size class: requests of at most so many bytes, and of more than the next smaller class, get an
 * object of it. Above the largest class blocks are made to measure. */
struct mpress_class {
    uint64_t bytes;        /* of one object */
    uint64_t live_objects; /* held by the program */
    uint64_t cached_objects;
    uint64_t external;     /* bytes of free objects in its partly used slabs */
    uint32_t first_rounds; /* objects that a thread's first magazine has room for, */
    uint32_t most_rounds;  /* and its largest */
    uint64_t taken;        /* as in struct mpress_thread, of all threads together */
    uint64_t given;
    uint64_t refills;
    uint64_t flushes;
    int is_exact; /* a profile (MPRESS_PROFILE) added it */
};

/* Size class number `index`, from 0, by size; returns 0, or ENOENT behind the last one. */
MPRESS_API int mpress_class_read(size_t index, struct mpress_class *size_class);

/* What a thread did with blocks of up to 256 KiB, which it keeps in magazines when they are freed.
 * It counts in its slow calls only, those that its magazines cannot serve. Between two slow calls
 * in a size class it sees what was taken and given there as one difference. So `taken` and `given`
 * are least numbers; `taken - given`, blocks that the thread took more than it gave, is exact for
 * those of up to 32 KiB (without the samples of a trace), and negative for a thread that frees what
 * others allocate. A thread's first call, and those after its last destructor, are counted with the
 * threads that ended. */
struct mpress_thread {
    uint64_t id;             /* the system's (gettid); 0: the sum of threads that ended */
    char name[16];           /* as the system has it now; "": not known */
    uint64_t threads;        /* 1; or how many ended */
    uint64_t slow_calls;     /* malloc, free and their like that came to the heap's slow paths */
    uint64_t taken;          /* blocks it got, at least */
    uint64_t given;          /* blocks it freed, at least */
    uint64_t refills;        /* allocations that found their magazine empty */
    uint64_t flushes;        /* frees that found it full */
    uint64_t cached_objects; /* free blocks in its magazines now, approximately */
    uint64_t cached;         /* their bytes */
};

/* Thread number `index`; 0: the sum of those that ended; 1..: those that run and have allocated,
 * the oldest first. 0, or ENOENT behind the last one. Threads that begin or end meanwhile may be
 * missed or met twice. */
MPRESS_API int mpress_thread_read(size_t index, struct mpress_thread *thread);

/* Limits the process itself: to `hard` bytes of heap and of private memory that it maps to write to
 * (or of RssAnon, where that is more). Above `soft` (0: nine tenths of `hard`) the heap gives back
 * what it keeps before it grows. Beyond `hard` it does not grow: malloc returns NULL with ENOMEM,
 * new throws, mmap fails. Once a request has failed so, others of up to 64 KiB may use a reserve of
 * 1 % (256 KiB at least), those of up to 4 KiB of half as much again: the program can say what
 * happened and tidy up. Large requests are put to sleep for up to 50 ms when they come within 5 %
 * of it. hard 0: no limit. MPRESS_LIMIT sets one from the start. 0; EINVAL: soft is above hard. */
MPRESS_API int mpress_limit_set(uint64_t soft, uint64_t hard);

/* How near the process is to its limit: that of mpress_limit_set or MPRESS_LIMIT, and with
 * MPRESS_PRESSURE the nearest of the system's (control groups, RLIMIT_AS, RLIMIT_DATA). Entered at
 * 70, 80, 90 and 95 % (MPRESS_PRESSURE_LEVELS), left 3 points lower after 5 s at least. */
enum mpress_pressure {
    MPRESS_CALM,
    MPRESS_MONITOR,
    MPRESS_GENTLE,     /* idle magazines and dirty spans are being given back */
    MPRESS_AGGRESSIVE, /* all that holds no block is */
    MPRESS_EMERGENCY,  /* drop what can be dropped */
};
/* The level just now. When nobody looked for a second it looks: that may give memory back and call
 * subscribers, so not with a lock held that one of them takes, and not from a signal handler. */
MPRESS_API int mpress_pressure_level(void);

/* Has `function` called at every change of the level, and again and again in an emergency: by the
 * thread that notices, in the midst of one of its allocations, with no lock of the heap held. It
 * may allocate and free; it is not called within itself. What it waits for must not need memory:
 * other threads that do wait for it, 64 ms at most, and fail then. At most 16 pairs of function and
 * context. 0; ENOSPC; EINVAL: NULL; EBUSY: called by a signal handler that interrupted the heap. */
MPRESS_API int mpress_pressure_subscribe(void (*function)(int level, void *context), void *context);

/* No call begins any more; one that another thread is in may go on. 0, or ENOENT. */
MPRESS_API int mpress_pressure_unsubscribe(void (*function)(int level, void *context),
                                           void *context);

/* Where the use of memory is going, by the size of the heap in the last minutes. */
struct mpress_forecast {
    uint64_t limit; /* the nearest: the process's own (mpress_limit_set), of its control groups, */
    uint64_t used;  /* RLIMIT_AS, RLIMIT_DATA, or else the machine's memory; used of that */
    uint64_t heap;  /* the part of it that is the heap's pages */
    int64_t growth; /* of the heap, bytes a second, in the last one */
    int trend;      /* -1 decreasing, 0 stable (less than 0.5 % of the limit a second, or in
                       doubt), 1 increasing, 2 critical (more than 2 % a second) */
    int action;     /* to do: 0 nothing, 1 watch, 2 give back what is idle, 3 all that can be, 4
                       drop caches. A forecast alone never says more than 2 */
    uint32_t samples; /* seconds that it rests on, 10 to 240 */
    struct {
        uint32_t seconds;           /* ahead: 30, 60, 120 */
        uint64_t used, least, most; /* expected; eight times of ten it is within these */
        double chance[4];           /* to reach 70, 80, 90, 95 % of the limit by then; 1: it has */
    } in[3];
    double soonest[4]; /* seconds until 70, 80, 90, 95 % are reached; 0: they are; */
    double latest[4];  /* -1: not in sight */
};

/* Fills in *forecast. The chances come true as often as they say, on recorded programs (mpress
 * forecast --compare); jumps cannot be foreseen. 0; EAGAIN: it is too early, the heap has always
 * been below 4 MiB, or another thread is at it; ENOENT: there is no limit; ENOTSUP: MPRESS_FORECAST
 * is 0. Looks at files of /proc: some 50 us. */
MPRESS_API int mpress_forecast_read(struct mpress_forecast *forecast);

/* An option of the library (an MPRESS_ variable of the environment) and its value in effect. */
struct mpress_option {
    const char *variable;
    const char *values;
    const char *help;
    char value[64]; /* cut to fit */
    int is_default;
};

/* Option number `index`, from 0; returns 0, or ENOENT behind the last one. */
MPRESS_API int mpress_option_read(size_t index, struct mpress_option *option);

#ifdef __cplusplus
}
#endif
#endif
