/* leaks.c - see leaks.h. What counts as a root is what memcheck takes: all writable memory of the
 * process but the heap's own, from the stack pointer up where it is a stack, and the registers.
 *
 * While the others stand still no lock is taken and nothing allocated: they may hold any. */
#include "preload/leaks.h"

#include <errno.h>
#include <stdatomic.h>
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
    uint64_t bytes;
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

static _Atomic bool is_looking;

/* Where the library lies, from its headers to its last variable: the linker says. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* -- roots ------------------------------------------------------------------------------------ */

static void hide(uintptr_t from, uintptr_t to, void *look_)
{
    struct look *look = look_;
    if (look->ranges == LEAKS_RANGES)
        look->is_cut = true;
    else if (from < to)
        look->hidden[look->ranges++] = (struct range){from, to};
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
    if (reach_is_empty()) /* of a program with another malloc, whose roots may be terabytes */
        return true;
    /* The library's own variables: where the heap begins is where a block begins. */
    hide((uintptr_t)__ehdr_start, (uintptr_t)_end, look);
    reach_visit_hidden(hide, look);
    tracer_visit_memory(hide, look);
    hide((uintptr_t)look, (uintptr_t)(look + 1), look);
    if (!os_visit_areas(forbid_area, look) || look->is_cut)
        return false;
    const void *block = tracer_block();
    reach_scan(&block, &block + 1);
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
    struct list *list = list_;
    if (kind != REACH_START)
        list->found[list->count++] = (struct found){(uintptr_t)p >> 4, bytes, kind};
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

/* The first size that is not smaller. */
static size_t find_size(const struct leaks_sizes *sizes, uint64_t bytes)
{
    size_t low = 0, high = sizes->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sizes->size[middle].bytes < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void count_size(struct leaks_sizes *sizes, const struct found *found)
{
    size_t at = find_size(sizes, found->bytes);
    bool is_known = at < sizes->count && sizes->size[at].bytes == found->bytes;
    if (!is_known && sizes->count == LEAKS_SIZES) {
        sizes->others += found->bytes;
        return;
    }
    if (!is_known) {
        memmove(&sizes->size[at + 1], &sizes->size[at],
                (sizes->count - at) * sizeof(sizes->size[0]));
        sizes->size[at] = (struct leaks_size){.bytes = found->bytes};
        sizes->count++;
    }
    if (found->kind == REACH_LOST)
        sizes->size[at].lost++;
    else
        sizes->size[at].by_lost++;
}

static void list_sizes(const struct list *list, struct leaks_sizes *sizes)
{
    sizes->count = 0;
    sizes->others = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->found[i].kind != REACH_INSIDE)
            count_size(sizes, &list->found[i]);
    }
}

static void tell(const struct trace_leaks *sum, struct mpress_leaks *leaks)
{
    *leaks = (struct mpress_leaks){.lost = sum->bytes[REACH_LOST],
                                   .lost_blocks = sum->blocks[REACH_LOST],
                                   .by_lost = sum->bytes[REACH_BY_LOST],
                                   .by_lost_blocks = sum->blocks[REACH_BY_LOST],
                                   .inside = sum->bytes[REACH_INSIDE],
                                   .inside_blocks = sum->blocks[REACH_INSIDE],
                                   .reachable = sum->bytes[REACH_START],
                                   .reachable_blocks = sum->blocks[REACH_START],
                                   .pause_ns = sum->pause_ns,
                                   .threads_stopped = sum->threads_stopped,
                                   .threads_missed = sum->threads_missed};
}

/* -- looking ---------------------------------------------------------------------------------- */

static int look_and_tell(struct mpress_leaks *leaks, struct leaks_sizes *sizes)
{
    struct list list = {0};
    size_t bytes = round_up(sizeof(struct look), os_page_bytes());
    struct look *look = os_map(bytes);
    if (look == NULL)
        return ENOMEM;
    bool is_whole = look_around(look, &list);
    if (is_whole) {
        write_list(&list);
        tracer_write_leaks(&look->sum);
        tell(&look->sum, leaks);
        if (sizes != NULL)
            list_sizes(&list, sizes);
    }
    os_unmap(look, bytes);
    if (list.found != NULL)
        os_unmap(list.found, list.bytes);
    return is_whole ? 0 : ENOTSUP;
}

int leaks_look(struct mpress_leaks *leaks, struct leaks_sizes *sizes)
{
    /* acquire: pairs with the release below */
    if (atomic_exchange_explicit(&is_looking, true, memory_order_acquire))
        return EBUSY;
    scavenge_forbid_helper();
    __builtin_unwind_init(); /* all registers that outlive a call are in this frame */
    int error = look_and_tell(leaks, sizes);
    scavenge_allow_helper();
    atomic_store_explicit(&is_looking, false, memory_order_release);
    return error;
}

void leaks_fork_child(void)
{
    atomic_store_explicit(&is_looking, false, memory_order_relaxed);
}

void leaks_look_at_exit(void)
{
    struct mpress_leaks leaks;
    if (leaks_look(&leaks, NULL) != 0) {
        say("could not look for lost blocks: /proc or memory is missing");
        return;
    }
    if (tracer_is_on())
        return;
    say("%lu bytes in %lu blocks are lost: nothing points to them any more", leaks.lost,
        leaks.lost_blocks);
    if (leaks.by_lost_blocks != 0)
        say("%lu bytes in %lu more are lost with these", leaks.by_lost, leaks.by_lost_blocks);
}
