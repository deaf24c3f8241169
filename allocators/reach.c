/* reach.c - see reach.h.
 *
 * A list of blocks still to be read (each enters it once in each phase) takes the place of
 * recursion.
 *
 *  1  from the roots: pointers to a first byte are followed; a pointer into a block marks it INSIDE
 *  2  from the blocks marked INSIDE: all pointers are followed
 *  3  from each block that is LOST, by address: what it leads to is BY_LOST. So of blocks that lead
 *     to each other in a circle one stays LOST. */
#include "allocators/reach.h"

#include <errno.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/huge.h"
#include "allocators/huge_warm.h"
#include "allocators/meta.h"
#include "allocators/reach_blocks.h"
#include "allocators/txn.h"

enum {
    REACH_FORBIDDEN_MOST = 64,
    /* Of longer ranges only the pages that hold something are read. */
    REACH_SPARSE_BYTES = 128 * 1024,
};

enum phase { FROM_ROOTS, FROM_INSIDE, FROM_LOST };

static struct {
    uintptr_t *list; /* first bytes of blocks to be read */
    size_t listed, list_bytes;
    enum phase phase;
    uintptr_t leader; /* FROM_LOST: where it began */

    struct {
        uintptr_t from, to;
    } forbidden[REACH_FORBIDDEN_MOST];
    size_t forbidden_count;
} reach;

int reach_begin(void)
{
    memset(&reach, 0, sizeof(reach));
    int error = reach_blocks_init();
    if (error == 0) {
        reach.list_bytes = round_up((reach_blocks.count + 1) * sizeof(uintptr_t), os_page_bytes());
        reach.list = os_map_unpromised(reach.list_bytes);
        error = reach.list != NULL ? 0 : ENOMEM;
    }
    if (error != 0)
        reach_end();
    return error;
}

bool reach_is_empty(void)
{
    return reach_blocks.count == 0;
}

void reach_end(void)
{
    reach_blocks_fini();
    if (reach.list != NULL)
        os_unmap(reach.list, reach.list_bytes);
    memset(&reach, 0, sizeof(reach));
}

/* -- marking ---------------------------------------------------------------------------------- */

static void mark(uintptr_t start, enum reach_kind kind)
{
    MP_ASSERT((reach.listed + 1) * sizeof(uintptr_t) <= reach.list_bytes);
    reach_blocks_set_kind(start, kind);
    reach.list[reach.listed++] = start;
}

static void follow(uintptr_t p)
{
    struct block block;
    if (!reach_blocks_find(p, &block))
        return;
    enum reach_kind kind = reach_blocks_kind(block.start);
    bool is_start = p == block.start;
    switch (reach.phase) {
    case FROM_ROOTS:
        if (is_start && kind != REACH_START)
            mark(block.start, REACH_START);
        else if (!is_start && kind == REACH_LOST)
            reach_blocks_set_kind(block.start, REACH_INSIDE);
        break;
    case FROM_INSIDE:
        if (kind == REACH_LOST)
            mark(block.start, REACH_INSIDE);
        break;
    case FROM_LOST:
        if (kind == REACH_LOST && block.start != reach.leader)
            mark(block.start, REACH_BY_LOST);
    }
}

/* Reads the program's memory, whatever it holds. */
#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
REACH_UNLOCKED static void
scan_words(uintptr_t from, uintptr_t to)
{
    const uintptr_t *end = (const uintptr_t *)(to & ~(sizeof(uintptr_t) - 1));
    for (const uintptr_t *word = (const uintptr_t *)round_up(from, sizeof(uintptr_t)); word < end;
         word++) {
        if (reach_blocks_may_hold(*word))
            follow(*word);
    }
}

/* Leaves out what cannot be read. */
static void scan(uintptr_t from, uintptr_t to)
{
    for (size_t i = 0; i < reach.forbidden_count; i++) {
        if (from >= reach.forbidden[i].to || to <= reach.forbidden[i].from)
            continue;
        if (from < reach.forbidden[i].from)
            scan(from, reach.forbidden[i].from);
        from = reach.forbidden[i].to;
        if (from >= to)
            return;
    }
    scan_words(from, to);
}

bool reach_forbid(uintptr_t from, uintptr_t to)
{
    if (!reach_blocks_touch(from, to))
        return true;
    if (reach.forbidden_count == REACH_FORBIDDEN_MOST)
        return false;
    reach.forbidden[reach.forbidden_count].from = from;
    reach.forbidden[reach.forbidden_count++].to = to;
    return true;
}

static void scan_range(uintptr_t from, uintptr_t to)
{
    if (to - from < REACH_SPARSE_BYTES)
        scan(from, to);
    else
        os_visit_present(from, to, scan);
}

/* Reads the blocks in the list until it is empty. */
static void drain(void)
{
    while (reach.listed > 0) {
        struct block block;
        if (reach_blocks_find(reach.list[--reach.listed], &block))
            scan_range(block.start, block.start + block.bytes);
    }
}

void reach_scan(const void *from, const void *to)
{
    reach.phase = FROM_ROOTS;
    scan_range((uintptr_t)from, (uintptr_t)to);
    drain();
}

struct range_visit {
    void (*visit)(uintptr_t from, uintptr_t to, void *context);
    void *context;
};

static void show_range(const void *start, size_t bytes, void *visit_)
{
    const struct range_visit *visit = visit_;
    if (start != NULL)
        visit->visit((uintptr_t)start, (uintptr_t)start + bytes, visit->context);
}

static void show_block(void *p, size_t bytes, void *visit)
{
    show_range(p, bytes, visit);
}

void reach_visit_hidden(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    struct range_visit all = {visit, context};
    size_t bytes;
    const void *start = space_memory(&bytes);
    show_range(start, bytes, &all);
    start = huge_table(&bytes);
    show_range(start, bytes, &all);
    huge_visit(show_block, &all);
    huge_warm_visit(show_block, &all);
    meta_visit(show_range, &all);
    show_range(reach_blocks.live, reach_blocks.map_bytes, &all);
    show_range(reach_blocks.huge, reach_blocks.huge_bytes, &all);
    show_range(reach.list, reach.list_bytes, &all);
}

static void start_from_inside(void *p, size_t bytes, enum reach_kind kind, void *context)
{
    (void)bytes, (void)context;
    if (kind != REACH_INSIDE)
        return;
    reach.list[reach.listed++] = (uintptr_t)p;
    drain();
}

static void start_from_lost(void *p, size_t bytes, enum reach_kind kind, void *context)
{
    (void)bytes, (void)context;
    if (kind != REACH_LOST)
        return;
    reach.leader = (uintptr_t)p;
    reach.list[reach.listed++] = (uintptr_t)p;
    drain();
}

/* As if the program pointed to it: it does so through its transaction, which is ours. */
static void scan_chunk(const struct txn_chunk *chunk, void *context)
{
    (void)context;
    reach_scan(&chunk->start, &chunk->start + 1);
    reach_scan((const void *)chunk->start, (const void *)txn_chunk_end(chunk));
}

void reach_finish(void)
{
    txn_visit_chunks(scan_chunk, NULL);
    reach.phase = FROM_INSIDE;
    reach_visit(start_from_inside, NULL);
    reach.phase = FROM_LOST;
    reach_visit(start_from_lost, NULL);
}
