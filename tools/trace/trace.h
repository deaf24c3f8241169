/* trace.h - reads trace files (tracer/format.h) for all tools.
 *
 *     struct trace_error error;
 *     struct trace *trace = trace_open("app.mpt", &error);
 *     if (trace == NULL)
 *         ... print error.text, exit 1
 *     ... trace_warning(trace, i): one line each; show them
 *     struct trace_visit *visit = trace_visit_create(trace);
 *     struct trace_event event;
 *     while (trace_visit_next(visit, &event))
 *         ...
 *     trace_visit_destroy(visit);
 *     trace_close(trace);
 *
 * Nothing in a file is believed: what is whole is read, what is not becomes a warning. Everything
 * a function returns a pointer to belongs to the trace and lives until trace_close. One trace may
 * be visited several times and by several threads at once, each with a visit of its own; every
 * visit yields the same events. Out of memory ends the process with one line. */
#ifndef MPRESS_TOOLS_TRACE_TRACE_H
#define MPRESS_TOOLS_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

struct trace;
struct trace_visit;

/* What is wrong with a file: one line without newline: what, where, what to do. */
struct trace_error {
    char text[512];
};

/* NULL: it cannot be opened or is not a trace. The text names the path. */
struct trace *trace_open(const char *path, struct trace_error *error);
void trace_close(struct trace *trace);

/* -- the process ------------------------------------------------------------------------------ */

struct trace_module {
    uint64_t loaded_ns;
    uint64_t unloaded_ns; /* UINT64_MAX: never */
    uint64_t first_node;  /* nodes [first_node, end_node) of the file, counted from the trace's */
    uint64_t end_node; /* beginning, were written while it was there; UINT64_MAX: all later ones */
    uint64_t bias;     /* load address - link address */
    uint64_t start;    /* mapped range [start, end) */
    uint64_t end;
    const uint8_t *build_id;
    size_t build_id_bytes; /* 0: none */
    const char *path;      /* NUL-terminated; may be empty */
    uint64_t identity;     /* a hash: of the same file at the same address it is the same */
};

struct trace_mark {
    uint64_t time_ns;
    const char *label;
};

/* A block of the process that nothing led to by its first byte when it was looked for. */
struct trace_lost {
    uint64_t address;
    enum trace_leak kind; /* not TRACE_LEAK_REACHABLE */
};

/* How far trace_lost_next has come; begins as zeros. */
struct trace_lost_place {
    size_t record;
    size_t byte;
    uint64_t units;
};

/* How long allocations took (format_heap.h). */
struct trace_latency {
    uint64_t time_ns;
    uint64_t timed;  /* calls that needed more than what their thread had at hand: each; */
    uint64_t passes; /* of the others, so many, */
    uint64_t one_in; /* one in so many */
    uint64_t most_ns;
    uint64_t calls[TRACE_LATENCY_BUCKETS]; /* all, as far as the timed ones tell */
};

/* Blocks of calloc of one size that were born under one stack and looked at (format.h, UNWRITTEN).
 */
struct trace_unwritten {
    uint32_t stack; /* node id; 0: none */
    uint64_t size;  /* asked for, of each */
    uint64_t blocks;
    uint64_t alive_blocks;    /* of these, when the trace ended */
    uint64_t bytes;           /* of all */
    uint64_t untouched_bytes; /* in pages that nobody ever touched */
    uint64_t zero_bytes;      /* in other pages that hold nothing but zeros */
};

/* What the file says about the process as a whole. Times are those of the events: CLOCK_MONOTONIC;
 * subtract header.start_ns for "since the start". */
struct trace_facts {
    const char *path; /* the file's, as opened */
    uint64_t file_bytes;
    uint64_t trace_bytes; /* as it was recorded: more than file_bytes if it is packed */
    struct trace_header header;
    size_t arguments; /* of the command line */
    const char *const *argument;
    const char *exe; /* "" if the file does not say */
    const char *cwd;
    size_t modules; /* in order of loading */
    const struct trace_module *module;
    bool has_unloaded; /* of these, some: an address may have been of several */
    size_t samples;    /* in file order */
    const struct trace_sample *sample;
    size_t marks;
    const struct trace_mark *mark;
    const struct trace_leaks *leaks; /* the last look for lost blocks; NULL: there was none */
    size_t leak_looks;               /* all of them */
    const struct trace_leaks *leak_look;
    const struct trace_costs *costs; /* NULL: the trace does not say */
    const struct trace_end *end;     /* NULL: no end record; the process was killed or still runs */
    size_t pressures;                /* what was done about memory that ran short, in order */
    const struct trace_pressure *pressure;
    const struct trace_signal *signal; /* that ended it; NULL: none, or not known */
    bool signal_is_within;             /* the recorder; its stack is the last that was collected */
    const struct trace_latency *latency; /* NULL: the trace does not tell */
    size_t classes;                      /* of sizes, of the heap; 0: it does not tell */
    const uint32_t *class_bytes;         /* ascending */
    uint64_t class_step;                 /* of what is larger (format_heap.h); 0: not known */
    size_t unwrittens;                   /* in no order */
    const struct trace_unwritten *unwritten;
    size_t event_lanes;
    uint64_t older_events;      /* written over: the trace begins behind them (format.h, RING) */
    uint64_t whole_since_ns;    /* from then on no event was; 0: none was at all */
    uint64_t timeline_since_ns; /* from then on no sample, mark, mapping, table or look was; 0: */
    size_t nodes;               /* of the stack tree, node 0 included: ids are 0..nodes-1 */
};

const struct trace_facts *trace_facts(const struct trace *trace);

/* The blocks that the last look found in their order; false: there are no more. */
bool trace_lost_next(const struct trace *trace, struct trace_lost_place *place,
                     struct trace_lost *lost);

/* True when it holds samples only (format.h): enough to estimate, not to do the same again. *error:
 * one line that says so. */
bool trace_is_sampled(const struct trace *trace, struct trace_error *error);

/* Warning number `index` from 0, one line without newline; NULL behind the last. Those of a visit
 * (frees of unknown blocks, lost events) are in struct trace_totals. */
const char *trace_warning(const struct trace *trace, size_t index);

/* -- stacks ----------------------------------------------------------------------------------- */

struct trace_node {
    uint64_t ip;     /* a return address: look up ip - 1 unless it is exact */
    uint32_t parent; /* the caller; 0: this is the outermost frame. Always smaller than the id */
    uint32_t id;     /* its own; 0: an address that no trace has, now */
    bool is_exact;   /* interrupted by a signal here: look up ip itself */
};

/* Node `id`; id 0 (no stack) and ids out of range are a node with ip 0 and parent 0. The innermost
 * frame is the node itself, then its parent, and so on up to 0. */
struct trace_node trace_node(const struct trace *trace, uint32_t id);

/* The address of the call, not the one that it returns to, which may be of another line. */
static inline uint64_t trace_node_address(const struct trace_node *node)
{
    return node->is_exact || node->ip == 0 ? node->ip : node->ip - 1;
}

/* The module that the node's code lay in when it was met, or NULL. */
const struct trace_module *trace_node_module(const struct trace *trace,
                                             const struct trace_node *node);

/* The module that was mapped at `address` at that time, or NULL. */
const struct trace_module *trace_module_find(const struct trace *trace, uint64_t address,
                                             uint64_t time_ns);

/* -- mappings --------------------------------------------------------------------------------- */

enum trace_mapping_what {
    TRACE_MAPPING_MAPPED,   /* the program mapped a range, over what was there */
    TRACE_MAPPING_UNMAPPED, /* nothing is there any more */
    TRACE_MAPPING_TABLE,    /* a table of all areas begins; it is of time_ns */
    TRACE_MAPPING_AREA,     /* one of its areas */
    TRACE_MAPPING_END,      /* the table is whole; one that never is was cut with the file */
};

/* Addresses and lengths are in bytes, whole pages, and do not run over 2^64. Fields without meaning
 * for its kind are 0. */
struct trace_mapping {
    uint8_t what;     /* enum trace_mapping_what */
    uint8_t kind;     /* AREA: enum trace_area_kind, known or of a later library */
    uint8_t bits;     /* MAPPED: enum trace_mapped_bits */
    uint8_t reason;   /* TABLE: enum trace_areas_reason */
    uint32_t stack;   /* MAPPED: node id; 0: none */
    uint64_t time_ns; /* MAPPED, UNMAPPED, TABLE */
    uint64_t start;   /* MAPPED, UNMAPPED, AREA */
    uint64_t bytes;
    int protection; /* MAPPED: as mmap takes them */
    int flags;
    bool is_counted;    /* AREA of kind OWN: `resident` is known */
    uint64_t resident;  /* AREA: at most `bytes`, as the other two */
    uint64_t anonymous; /* the part of it that is in no file */
    uint64_t swapped;
    char name[256]; /* AREA: of a file, or ""; control characters became '?' */
};

/* What the program mapped, and what the whole process had mapped now and then, in one order that
 * can have happened. */
struct trace_mappings;
struct trace_mappings *trace_mappings_create(const struct trace *trace);
bool trace_mappings_next(struct trace_mappings *mappings, struct trace_mapping *mapping);
void trace_mappings_destroy(struct trace_mappings *mappings);

/* -- events ----------------------------------------------------------------------------------- */

enum trace_event_kind {
    TRACE_EVENT_ALLOC,
    TRACE_EVENT_FREE,
    TRACE_EVENT_REALLOC, /* old object dies, new one is born, in one step */
    TRACE_EVENT_FAILED,  /* an allocation of `size` that returned NULL */
    TRACE_EVENT_DROPPED, /* `size` events (0: not known how many) are missing here in this thread */
    TRACE_EVENT_THREAD_START,
    TRACE_EVENT_THREAD_END,
    TRACE_EVENT_THREAD_NAME, /* trace_thread_name() has it now */
    TRACE_EVENT_TXN_BEGIN,   /* a transaction; see `begun` */
    TRACE_EVENT_TXN_SAVE,    /* a mark is set in it */
    TRACE_EVENT_TXN_BACK,  /* rolled back to a mark; what that ended has ended. size: its blocks */
    TRACE_EVENT_TXN_END,   /* what that ended has ended before; see `ended` */
    TRACE_EVENT_TXN_ENTER, /* txn: what this thread's malloc serves up to `size` from; 0: nothing */
    TRACE_EVENT_TXN_ADOPT, /* this thread has it now */
};

enum trace_event_bits {
    TRACE_EVENT_ZEROED = 1,   /* calloc */
    TRACE_EVENT_CPP = 2,      /* operator new */
    TRACE_EVENT_IN_PLACE = 4, /* realloc that did not move */
    TRACE_EVENT_UNKNOWN = 8,  /* FREE, REALLOC: the old block is older than the trace or its birth
                               * was lost; old_object is 0 then */
    TRACE_EVENT_STALE = 16,   /* ALLOC, REALLOC: a block was still alive at this address: its free
                               * was lost. stale_object tells which; it ends here */
    TRACE_EVENT_IN_TXN = 32,  /* ALLOC, FREE: a block of transaction `txn`. It has no address, and
                               * ends with it; each that ends so has a FREE of its own. ALLOC:
                               * alignment_log2 is whatever was asked for */
    TRACE_EVENT_OLD_ODD = 64, /* what dies is_odd, see struct trace_object */
};

/* Transactions are numbered as in the file. */
struct trace_txn_begun {
    uint64_t parent;   /* 0: none that the trace knows */
    uint64_t name;     /* trace_txn_name has it */
    uint64_t expected; /* bytes */
};

struct trace_txn_ended {
    uint64_t how;                                       /* enum trace_txn_end */
    uint64_t blocks, used, reserved, malloced, escaped; /* as in the file */
};

/* One event, fields without meaning for its kind are 0. Objects are numbered 1, 2, 3... by birth;
 * number 0 is none. An object dies by the FREE or REALLOC that has it as old_object, or by the
 * STALE event that has it as stale_object, or lives to the end. While it lives it has a seat, 1, 2,
 * 3..., that nobody else alive has: what is kept of objects can be an array by seats. */
struct trace_event {
    uint8_t kind;           /* enum trace_event_kind */
    uint8_t bits;           /* enum trace_event_bits */
    uint8_t alignment_log2; /* asked for, when above 16; else 0 */
    uint32_t thread;        /* threads are numbered 0, 1, 2... in order of their first event */
    uint64_t time_ns;       /* interpolated; never runs backwards within a thread */
    uint64_t size;          /* bytes asked */
    uint64_t old_size;      /* bytes asked for the one that dies; 0 if unknown */
    uint64_t old_born_ns;   /* its birth; after reallocs that of the first one */
    uint32_t stack;         /* ALLOC, REALLOC, FAILED: node id; 0: none */
    uint32_t seat;          /* of the object born */
    uint32_t old_stack;     /* of the ALLOC or REALLOC that the one that dies is from */
    uint32_t old_thread;
    uint32_t old_seat;
    uint32_t txn; /* TXN_*, IN_TXN: which one. Any other ALLOC or REALLOC: malloc got it there */

    /* Behind the first line of the CPU's cache: what a brief visit leaves out, see there. */
    uint32_t tid; /* of the thread; 0: not known */
    uint32_t lane;
    union {
        struct {
            uint64_t object;     /* born here: ALLOC, REALLOC */
            uint64_t address;    /* of the object born */
            uint64_t old_object; /* dies here: FREE, REALLOC; 0: unknown */
            uint64_t old_address;
            uint64_t stale_object; /* see TRACE_EVENT_STALE */
            uint64_t stale_size;
        };
        struct trace_txn_begun begun; /* TXN_BEGIN */
        struct trace_txn_ended ended; /* TXN_END */
    };
    uint32_t stale_stack;
    uint32_t stale_thread;
    uint32_t stale_seat;
} __attribute__((aligned(64)));

/* Totals of what a visit has yielded so far. */
struct trace_totals {
    uint64_t events; /* ALLOC, FREE, REALLOC, FAILED */
    uint64_t ended;  /* of these, FREEs of blocks that ended with their transaction: no records */
    uint64_t txns;   /* begun */
    uint64_t allocs;
    uint64_t frees;
    uint64_t reallocs;
    uint64_t failed;
    uint64_t dropped;       /* events known to be missing */
    uint64_t unknown_frees; /* of blocks never seen (with reallocs of such) */
    uint64_t stale;         /* blocks whose free was lost */
    uint64_t objects;       /* born */
    uint64_t threads;
    uint64_t live_objects;
    uint64_t live_bytes; /* asked, now */
    uint64_t peak_bytes; /* the most live_bytes ever was */
    uint64_t peak_event; /* `events` when that was first reached */
    uint64_t peak_time_ns;
    uint64_t resolution_ns; /* nine in ten events lie between two readings of the clock that are at
                             * most so far apart; their times are interpolated. Of a visit that is
                             * over */
};

/* All events of all threads in one order that can have happened (format.h, ORDER): each free
 * follows its allocation, and lives of one address do not overlap. */
struct trace_visit *trace_visit_create(const struct trace *trace);
bool trace_visit_next(struct trace_visit *visit, struct trace_event *event);
const struct trace_totals *trace_visit_totals(const struct trace_visit *visit);
void trace_visit_destroy(struct trace_visit *visit);

/* Right after it was created. Of ALLOC, FREE and REALLOC its events tell the first line only, but
 * for the fields of STALE ones: the rest of them is as it was. Numbers of objects are not kept at
 * all, which saves 8 bytes for each that lives. */
void trace_visit_be_brief(struct trace_visit *visit);

/* The kernel's number of a thread that there was; 0: not known. */
uint32_t trace_thread_tid(const struct trace_visit *visit, uint32_t thread);

/* An object that is alive as far as the visit has come. */
struct trace_object {
    uint64_t address; /* 0: a transaction has it, and it has none */
    uint64_t number;  /* 0: the visit is brief */
    uint64_t size;    /* bytes asked */
    uint64_t born_ns; /* when it was allocated, whatever realloc made of it since */
    uint32_t stack;   /* of the ALLOC or REALLOC that it is from */
    uint32_t thread;
    uint32_t seat;
    bool is_odd; /* aligned to more than 16, or realloc left it where it was: what it can hold does
                  * not follow from its size */
};

/* Who lives at this address; false: nobody. */
bool trace_visit_find(const struct trace_visit *visit, uint64_t address,
                      struct trace_object *object);

/* Shows each object, in no order. */
typedef void trace_show(const struct trace_object *object, void *context);
void trace_visit_live(const struct trace_visit *visit, trace_show *show, void *context);

/* Name of a thread as far as the visit has come; "" if it has none. */
const char *trace_thread_name(const struct trace_visit *visit, uint32_t thread);

/* What a transaction is for: `begun.name` of any event so far. */
const char *trace_txn_name(const struct trace_visit *visit, uint64_t name);

/* Share of the file's events that the visit has yielded, 0..1, for a progress display. */
double trace_visit_progress(const struct trace_visit *visit);

/* After the last event: whether it is proven that nothing is missing (the end record's counts
 * equal ours, no drops, no damage). If not, `why` (may be NULL) says so in one line. */
bool trace_visit_is_complete(const struct trace_visit *visit, struct trace_error *why);

#endif
