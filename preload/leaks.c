/* leaks.c - see leaks.h. What counts as a root is what memcheck takes: all writable memory of the
 * process but the heap's own, from the stack pointer up where it is a stack, and the registers.
 *
 * While the others stand still no lock is taken and nothing allocated: they may hold any. */
#include "preload/leaks.h"

#include <stdbool.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "allocators/reach.h"
#include "allocators/scavenge.h"
#include "tracer/tracer.h"

enum {
    LEAKS_THREADS = 4096,
    LEAKS_RANGES = 4096,
    RED_ZONE_BYTES = 128, /* below the stack pointer, of x86-64; elsewhere it does no harm */
    CHUNK_BYTES = 16 * 1024,
    ENTRY_BYTES = 10,
};

struct range {
    uintptr_t from, to;
};

/* In memory of its own while a look lasts. */
struct look {
    struct trace_leaks sum;
    bool is_cut;  /* some memory was not looked at */
    uintptr_t sp; /* of the calling thread */
    uint32_t stopped_count;
    struct os_stopped stopped[LEAKS_THREADS];
    uint32_t ranges;
    struct range hidden[LEAKS_RANGES];
};

/* A block that was not found by its first byte. */
struct found {
    uint64_t units; /* address >> 4 */
    enum reach_kind kind;
};

struct list {
    struct found *found;
    size_t count, bytes;
};

_Static_assert((int)REACH_LOST == (int)TRACE_LEAK_LOST &&
                   (int)REACH_START == (int)TRACE_LEAK_REACHABLE &&
                   (int)REACH_INSIDE == (int)TRACE_LEAK_INSIDE &&
                   (int)REACH_BY_LOST == (int)TRACE_LEAK_BY_LOST,
               "the file has our numbers");

/* -- roots ------------------------------------------------------------------------------------ */

static void hide(uintptr_t from, uintptr_t to, void *look_)
{
    struct look *look = look_;
    if (look->ranges == LEAKS_RANGES)
        look->is_cut = true;
    else if (from < to)
        look->hidden[look->ranges++] = (struct range){from, to};
}

/* The library's own variables: where the heap begins is where a block begins. */
static bool hide_library(const struct os_module *module, uint64_t changes, void *look)
{
    (void)changes;
    uintptr_t here = (uintptr_t)&space;
    bool is_ours = module->start <= here && here < module->end;
    if (is_ours)
        hide(module->start, module->end, look);
    return !is_ours;
}

static void scan_root(uintptr_t from, uintptr_t to)
{
    reach_scan((const void *)from, (const void *)to);
}

/* [from, to) without what is hidden. */
static void scan_area(const struct look *look, uintptr_t from, uintptr_t to)
{
    for (uint32_t i = 0; i < look->ranges && from < to; i++) {
        struct range hidden = look->hidden[i];
        if (hidden.from >= to || hidden.to <= from)
            continue;
        if (hidden.from > from)
            scan_area(look, from, hidden.from);
        from = hidden.to;
    }
    if (from < to)
        os_visit_present(from, to, scan_root);
}

/* Where the used part of an area begins that holds stacks: at the lowest stack pointer. */
static uintptr_t find_used(const struct look *look, uintptr_t from, uintptr_t to)
{
    uintptr_t lowest = to;
    for (uint32_t i = 0; i <= look->stopped_count; i++) {
        uintptr_t sp = i == 0 ? look->sp : look->stopped[i - 1].sp - RED_ZONE_BYTES;
        if (sp >= from && sp < lowest)
            lowest = sp;
    }
    return lowest == to ? from : lowest;
}

static void take_area(const struct os_mapping *area, void *look_)
{
    struct look *look = look_;
    if (!area->is_writable || area->is_device)
        return;
    look->sum.root_bytes += area->end - area->start;
    scan_area(look, find_used(look, area->start, area->end), area->end);
}

static void forbid_area(const struct os_mapping *area, void *look_)
{
    struct look *look = look_;
    if (!area->is_readable && !reach_forbid(area->start, area->end))
        look->is_cut = true;
}

static bool scan_roots(struct look *look)
{
    reach_visit_hidden(hide, look);
    tracer_visit_memory(hide, look);
    hide((uintptr_t)look, (uintptr_t)(look + 1), look);
    if (!os_visit_areas(forbid_area, look) || look->is_cut)
        return false;
    for (uint32_t i = 0; i < look->stopped_count; i++)
        scan_root(look->stopped[i].from, look->stopped[i].to);
    return os_visit_areas(take_area, look);
}

/* -- what was found --------------------------------------------------------------------------- */

static void count_block(void *p, size_t bytes, enum reach_kind kind, void *look_)
{
    (void)p;
    struct look *look = look_;
    look->sum.blocks[kind]++;
    look->sum.bytes[kind] += bytes;
}

static void list_block(void *p, size_t bytes, enum reach_kind kind, void *list_)
{
    (void)bytes;
    struct list *list = list_;
    if (kind != REACH_START)
        list->found[list->count++] = (struct found){(uintptr_t)p >> 4, kind};
}

/* Own memory: the others may hold any lock. */
static bool list_blocks(const struct look *look, struct list *list)
{
    size_t count = 0;
    for (unsigned kind = 0; kind < REACH_KINDS; kind++)
        count += kind == REACH_START ? 0 : look->sum.blocks[kind];
    list->bytes = round_up((count + 1) * sizeof(struct found), os_page_bytes());
    list->found = os_map(list->bytes);
    if (list->found != NULL)
        reach_visit(list_block, list);
    return list->found != NULL;
}

static bool classify(struct look *look, struct list *list)
{
    if (reach_begin() != 0)
        return false;
    bool is_whole = scan_roots(look);
    if (is_whole) {
        reach_finish();
        reach_visit(count_block, look);
        is_whole = list_blocks(look, list);
    }
    reach_end();
    return is_whole;
}

/* The registers of the calling thread are in the frame of its caller, above sp. */
__attribute__((noinline)) static bool look_around(struct look *look, struct list *list)
{
    uint32_t missed = 0;
    look->sp = (uintptr_t)__builtin_frame_address(0);
    uint64_t start_ns = os_time_ns();
    if (!os_stop_others(look->stopped, LEAKS_THREADS, &look->stopped_count, &missed))
        return false;
    bool is_whole = classify(look, list);
    os_resume_others();
    look->sum.time_ns = os_time_ns();
    look->sum.pause_ns = look->sum.time_ns - start_ns;
    look->sum.threads_stopped = look->stopped_count;
    look->sum.threads_missed = missed;
    return is_whole;
}

/* -- telling ---------------------------------------------------------------------------------- */

/* Chunks of (difference of the addresses in units, kind), as format.h has them. */
static void write_list(const struct list *list)
{
    unsigned char chunk[CHUNK_BYTES];
    unsigned char *at = chunk;
    uint64_t last = 0;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t difference = trace_zigzag((int64_t)(list->found[i].units - last));
        at = trace_put_uvarint(at, difference << 2 | (uint64_t)list->found[i].kind);
        last = list->found[i].units;
        if (chunk + CHUNK_BYTES - at < ENTRY_BYTES || i + 1 == list->count) {
            tracer_write_lost(chunk, (size_t)(at - chunk));
            at = chunk;
            last = 0;
        }
    }
}

static void say_sum(const struct trace_leaks *sum)
{
    say("%lu bytes in %lu blocks are lost: nothing points to them any more", sum->bytes[REACH_LOST],
        sum->blocks[REACH_LOST]);
    if (sum->blocks[REACH_BY_LOST] != 0)
        say("%lu bytes in %lu more are lost with these", sum->bytes[REACH_BY_LOST],
            sum->blocks[REACH_BY_LOST]);
}

static void tell(const struct look *look, const struct list *list)
{
    if (!tracer_is_on()) {
        say_sum(&look->sum);
        return;
    }
    write_list(list);
    tracer_write_leaks(&look->sum);
}

void leaks_look(void)
{
    struct list list = {0};
    size_t bytes = round_up(sizeof(struct look), os_page_bytes());
    struct look *look = os_map(bytes);
    if (look == NULL)
        return;
    scavenge_forbid_helper();
    os_visit_modules(hide_library, look); /* now: it takes the loader's lock */
    __builtin_unwind_init();              /* all registers that outlive a call are in this frame */
    if (look_around(look, &list))
        tell(look, &list);
    else
        say("could not look for lost blocks: /proc or memory is missing");
    scavenge_allow_helper();
    os_unmap(look, bytes);
    if (list.found != NULL)
        os_unmap(list.found, list.bytes);
}
