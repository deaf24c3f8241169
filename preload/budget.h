/* budget.h - the page that a tool shares with a program whose memory it limits: the contract of the
 * two. The tool says how much the program may have; each process of it says what it has.
 *
 * The tool makes a file of sizeof(struct budget_page) bytes that read as zero, maps it shared,
 * fills in `magic`, `layout` and `settings`, and starts the program under the library with the
 * file's path in BUDGET_VARIABLE: "/proc/PID/fd/N" of a memfd that it holds (nothing is left of it
 * then, however the tool ends), or an ordinary one (no symbolic link, and the program's user may
 * write it). Every process that begins under the library maps it too and takes a slot; the child of
 * a fork takes one of its own, a process that executes another program keeps its slot. They are
 * taken from the first on, and the first free one ends them: no page behind it is touched, and none
 * counts as resident in the program. Nobody waits for anybody: every field has one writer, the tool
 * in `settings`, the process in its slot.
 *
 * For a process that cannot run under the library the tool takes a slot itself, and writes what it
 * sees of its memory from outside: the others of a family have so much less. Where none is free,
 * everybody takes that of a process which has ended.
 *
 * What counts (slot.used) is the heap, with what it keeps, without what is packed or swapped out,
 * and the anonymous private memory that the program maps to write to; or RssAnon, where that is
 * more (memory that libc or the kernel's own calls brought). Growth is seen where the heap or the
 * program takes memory of the system, and nowhere else: blocks that fit into what the heap has are
 * neither slowed down nor refused.
 *
 *     0            0.9 B                B                       129/128 B
 *     | as ever     | strategies first  | throttled, and refused | refused at once
 *     |             |                   | after the grace time   |
 *
 * In a family nobody sees what others took since they last told; so each may grow by its part of
 * what is left, and by no more than B/64, before it looks again. Once a request was refused, those
 * of up to 64 KiB have a reserve of max(256 KiB, 1 % of B) beyond what was reached then. Throttling
 * puts the thread to sleep at each growth, for 50 ms times the square of how far it is on the way
 * from B to 129/128 B; where nothing is refused, to 9/8 B.
 */
#ifndef MPRESS_BUDGET_H
#define MPRESS_BUDGET_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BUDGET_VARIABLE "MPRESS_BUDGET_FILE"
#define BUDGET_MAGIC "mpress budget\n"

enum {
    BUDGET_LAYOUT = 5, /* of this file; the library takes part in no other */
    BUDGET_SLOTS = 128,
    BUDGET_BUCKETS = 320,
    BUDGET_NAME_BYTES = 16,
};

/* settings.flags; without any the budget is only watched. */
enum budget_flag {
    BUDGET_THROTTLE = 1,
    BUDGET_REFUSE = 2,    /* NULL and ENOMEM after the grace time */
    BUDGET_HOLD = 4,      /* who would be refused waits instead, until the budget is raised */
    BUDGET_FAMILY = 8,    /* B is for all processes together; else for each */
    BUDGET_BACKSTOP = 32, /* the tool moves RLIMIT_DATA, too: no limit of the system's to go by */
    BUDGET_SWAP = 16, /* what is cold is taken away near B (BUDGET_COMPRESSION, or to swap space),
                       * also from a program that does not call for memory; set at its start */
};

/* What the library does to need less; settings.strategies has a bit for each that may be used. */
enum budget_strategy {
    BUDGET_LAZY,     /* memory takes pages when it is first touched, and loses those of free
                      * objects; zeroed blocks that are zero are not written to: runs and gained
                      * count these */
    BUDGET_EVICTION, /* free memory that the heap keeps goes back, near the budget: runs, the bytes
                      * that RssAnon fell by in them, and their time */
    BUDGET_POOLING,  /* magazines, depots, warm mappings keep freed blocks for the next taker: runs
                      * counts blocks above 256 KiB that took a whole one; the time of the others
                      * is in `slow` */
    BUDGET_COMPRESSION, /* memory that nobody touches is packed near the budget, where the option
                         * MPRESS_COMPRESSION wants it: runs counts units of 16 KiB, gained what is
                         * saved just now, and the time of both ways */
    BUDGET_STRATEGIES
};

struct budget_settings {
    _Atomic uint64_t bytes;      /* B; 0: none */
    _Atomic uint32_t flags;      /* enum budget_flag */
    _Atomic uint32_t strategies; /* 1 << enum budget_strategy: may be used */
    _Atomic uint32_t grace_ms;   /* over B for so long: refused */
    uint32_t reserved;
};

/* Log-linear counts of nanoseconds: 0 to 7 have buckets of their own, then there are 8 to a
 * doubling; the last one has all that are longer. */
struct budget_histogram {
    _Atomic uint64_t counts[BUDGET_BUCKETS];
};

static inline unsigned budget_bucket(uint64_t ns)
{
    if (ns < 8)
        return (unsigned)ns;
    unsigned log = 63 - (unsigned)__builtin_clzll(ns);
    unsigned bucket = (log - 2) * 8 + (unsigned)((ns >> (log - 3)) & 7);
    return bucket < BUDGET_BUCKETS ? bucket : BUDGET_BUCKETS - 1;
}

/* The least number of the bucket. */
static inline uint64_t budget_bucket_ns(unsigned bucket)
{
    return bucket < 8 ? bucket : (uint64_t)(8 + bucket % 8) << (bucket / 8 - 1);
}

/* A process. Numbers of memory are as of `updated_ns`: some ten times a second, more often at
 * first, while the program calls for memory in ways that the heap's fast path cannot serve, and at
 * once when it is refused. Counts begin with the process, also with that of a fork. */
struct budget_slot {
    _Atomic uint32_t process_id; /* 0: the slot is free */
    _Atomic uint32_t has_ended;  /* said by itself at its exit; or another process found it gone */
    _Atomic uint64_t start;      /* in ticks since the system's start: with the id, which process */
    char name[BUDGET_NAME_BYTES]; /* of its first thread */
    _Atomic uint32_t parent_id;
    _Atomic uint32_t level;      /* enum mpress_pressure (mpress.h) */
    _Atomic uint64_t updated_ns; /* CLOCK_MONOTONIC */
    _Atomic uint64_t used;       /* what counts against the budget */
    _Atomic uint64_t inherited;  /* of it, what a fork left it with: not counted in a family */
    _Atomic uint64_t peak;       /* of used - inherited */
    _Atomic uint64_t heap;       /* resident heap: live + external + cached + dirty + meta */
    _Atomic uint64_t live;       /* usable bytes of the blocks the program holds */
    _Atomic uint64_t asked;      /* what it asked for of that, estimated (allocators/heap.h) */
    _Atomic uint64_t objects;    /* these blocks */
    _Atomic uint64_t mapped;     /* by the program */
    _Atomic uint64_t rss_anon;
    _Atomic uint64_t heap_resident;   /* pages of the heap that are there, of `mapped` that are, */
    _Atomic uint64_t mapped_resident; /* and RssAnon at the same moment: now and then */
    _Atomic uint64_t resident_anon;
    _Atomic uint64_t progress;   /* bytes allocated since the start, at least: between two slow
                                  * calls of a thread in a class only the difference is seen */
    _Atomic uint64_t slow_calls; /* allocations that the fast path did not serve */
    _Atomic uint64_t slow_bytes; /* that they asked for */
    _Atomic uint64_t throttles;  /* sleeps, and how long they were */
    _Atomic uint64_t throttled_ns;
    _Atomic uint64_t holds; /* the same for waits (BUDGET_HOLD) */
    _Atomic uint64_t held_ns;
    _Atomic uint32_t holding; /* threads that wait just now */
    _Atomic uint32_t threads; /* besides the first, that called for memory: now, and at most */
    _Atomic uint32_t threads_most;
    _Atomic uint32_t unused;
    _Atomic uint64_t refused; /* requests, and the largest of them */
    _Atomic uint64_t largest_refused;
    _Atomic uint64_t denied; /* requests that the system refused, though the budget allowed them */
    _Atomic uint64_t reserve_used;            /* bytes of requests that only the reserve allowed */
    _Atomic uint64_t runs[BUDGET_STRATEGIES]; /* see enum budget_strategy; bytes: */
    _Atomic uint64_t gained[BUDGET_STRATEGIES];
    _Atomic uint64_t strategy_ns[BUDGET_STRATEGIES];
    _Atomic uint64_t returns; /* of packed and staged memory that was touched, and its time */
    _Atomic uint64_t return_ns;
    struct budget_histogram slow;     /* slow calls, without what is injected here: */
    struct budget_histogram injected; /* sleeps, waits and strategies within a call */
    struct budget_histogram fast;     /* calls that the fast path served, one in 64, and */
    struct budget_histogram freed;    /* frees, the same; under libmpress-timed.so (timed.h) */
};

struct budget_page {
    char magic[16]; /* BUDGET_MAGIC; written last */
    uint32_t layout;
    uint32_t bytes; /* of this struct */
    struct budget_settings settings;
    char pad[4096 - 24 -
             sizeof(struct budget_settings)]; /* what the tool writes: a page of its own */
    _Atomic uint32_t
        recycled; /* slots of ended processes that others took, for want of free ones */
    uint32_t unused;
    struct budget_slot slots[BUDGET_SLOTS];
};
static_assert(sizeof(struct budget_settings) == 24, "no holes");
static_assert(sizeof(struct budget_page) % 8 == 0, "no holes");

/* That of a process which is gone; what it counted is lost. */
static inline struct budget_slot *budget_claim_ended(struct budget_page *page, uint32_t process,
                                                     bool (*is_there)(int process))
{
    for (unsigned i = 0; i < BUDGET_SLOTS; i++) {
        struct budget_slot *slot = &page->slots[i];
        uint32_t other = atomic_load_explicit(&slot->process_id, memory_order_acquire);
        bool has_ended = atomic_load_explicit(&slot->has_ended, memory_order_relaxed) != 0;
        if (!has_ended && is_there((int)other))
            continue;
        if (!atomic_compare_exchange_strong(&slot->process_id, &other, process))
            continue;
        size_t behind = offsetof(struct budget_slot, has_ended);
        memset((char *)slot + behind, 0, sizeof(*slot) - behind);
        atomic_fetch_add(&page->recycled, 1);
        return slot;
    }
    return NULL;
}

/* A slot for this process, the first free one; NULL: 128 others are there. `is_there`: whether a
 * process with this id is. */
static inline struct budget_slot *budget_claim(struct budget_page *page, uint32_t process,
                                               bool (*is_there)(int process))
{
    for (unsigned i = 0; i < BUDGET_SLOTS; i++) {
        uint32_t nobody = 0;
        if (atomic_compare_exchange_strong(&page->slots[i].process_id, &nobody, process))
            return &page->slots[i];
    }
    return budget_claim_ended(page, process, is_there);
}

#endif
