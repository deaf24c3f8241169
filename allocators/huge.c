/* huge.c - blocks above 32 MiB are mappings of their own, known by a table of addresses. A few
 * freed ones are kept warm, with their pages, for the decay time (huge_warm.c). */
#include "allocators/huge.h"

#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/block_table.h"
#include "allocators/huge_warm.h"
#include "allocators/space.h"

static struct {
    struct block_table table;
    uint64_t decay_ns; /* 0: nothing is kept warm */
} huge = {.table = BLOCK_TABLE_INIT};

/* Maps `bytes` at a multiple of `alignment`: maps more and cuts off both ends. */
static void *map_aligned(size_t bytes, size_t alignment)
{
    size_t page = os_page_bytes();
    if (alignment <= page)
        return os_map(bytes);
    size_t total = bytes + alignment - page;
    char *start = total < bytes ? NULL : os_map(total);
    if (start == NULL)
        return NULL;
    char *p = (char *)round_up((uintptr_t)start, alignment);
    size_t before = (size_t)(p - start);
    if (before > 0)
        os_unmap(start, before);
    if (total - before > bytes)
        os_unmap(p + bytes, total - before - bytes);
    return p;
}

static void unmap(const struct huge_mapping *mapping)
{
    if (os_unmap(mapping->start, mapping->room) != 0) /* too many mappings to split one: */
        os_purge(mapping->start, mapping->room);      /* its pages go, its addresses stay */
}

/* -- kept for the next one -------------------------------------------------------------------- */

/* A warm mapping for a block of `bytes`: what it does not need is given back (H1). */
static bool take_warm(size_t bytes, size_t alignment, struct huge_mapping *mapping)
{
    if (!huge_warm_take(bytes, alignment, mapping))
        return false;
    if (mapping->bytes > bytes)
        os_purge(mapping->start + bytes, mapping->bytes - bytes);
    mapping->bytes = bytes;
    return true;
}

/* False: it is not worth it, or somebody else may need the addresses. */
static bool is_kept_warm(const struct huge_mapping *mapping)
{
    return huge.decay_ns != 0 && !space_is_scarce() && mapping->bytes >= HUGE_WARM_BYTES_MIN &&
           mapping->bytes <= HUGE_WARM_BYTES;
}

/* The oldest ones make room. */
static void keep_warm(const struct huge_mapping *mapping)
{
    struct huge_mapping oldest;
    uint64_t now = os_time_coarse_ns();
    while (!huge_warm_put(mapping, now)) {
        if (huge_warm_take_older(UINT64_MAX, &oldest))
            unmap(&oldest);
    }
}

static size_t unmap_older(uint64_t before_ns, size_t most_bytes)
{
    size_t bytes = 0;
    struct huge_mapping oldest;
    while (bytes < most_bytes && huge_warm_take_older(before_ns, &oldest)) {
        bytes += oldest.bytes;
        unmap(&oldest);
    }
    return bytes;
}

size_t huge_tick(uint64_t now_ns, size_t most_bytes)
{
    return now_ns <= huge.decay_ns ? 0 : unmap_older(now_ns - huge.decay_ns, most_bytes);
}

size_t huge_purge(void)
{
    return unmap_older(UINT64_MAX, SIZE_MAX);
}

/* -- blocks ----------------------------------------------------------------------------------- */

void huge_init(uint64_t decay_ns)
{
    huge.decay_ns = decay_ns;
}

/* Zeroed ones are new: most of a large zeroed block is often never touched, and clearing a warm one
 * would cost its memory. The warm one that would have done goes, as it would have before. */
static bool take_mapping(size_t bytes, size_t alignment, bool zeroed, struct huge_mapping *mapping)
{
    if (take_warm(bytes, alignment, mapping)) {
        if (!zeroed)
            return true;
        unmap(mapping);
    }
    *mapping = (struct huge_mapping){map_aligned(bytes, alignment), bytes, bytes};
    return mapping->start != NULL;
}

void *huge_alloc(size_t bytes, size_t alignment, bool zeroed)
{
    struct huge_mapping mapping;
    bytes = round_up(bytes, os_page_bytes());
    bool is_taken = take_mapping(bytes, alignment, zeroed, &mapping);
    if (!is_taken && huge_purge() > 0)
        is_taken = take_mapping(bytes, alignment, zeroed, &mapping);
    if (!is_taken)
        return NULL;
    if (block_table_insert(&huge.table, mapping.start, bytes, mapping.room))
        return mapping.start;
    unmap(&mapping);
    return NULL;
}

size_t huge_usable(const void *p)
{
    return block_table_find(&huge.table, p);
}

bool huge_free(void *p)
{
    struct huge_mapping mapping = {.start = p};
    mapping.bytes = block_table_remove(&huge.table, p, &mapping.room);
    if (mapping.bytes == 0)
        return false;
    if (is_kept_warm(&mapping))
        keep_warm(&mapping);
    else
        unmap(&mapping);
    return true;
}

void *huge_realloc(void *p, size_t bytes)
{
    size_t room;
    bytes = round_up(bytes, os_page_bytes());
    size_t old_bytes = block_table_remove(&huge.table, p, &room);
    if (old_bytes == 0)
        return NULL;
    void *moved = os_remap(p, room, bytes);
    if (moved == NULL && huge_purge() > 0)
        moved = os_remap(p, room, bytes);
    bool is_known = moved != NULL ? block_table_insert(&huge.table, moved, bytes, bytes)
                                  : block_table_insert(&huge.table, p, old_bytes, room);
    MP_ASSERT(is_known); /* a slot was just emptied */
    (void)is_known;
    return moved;
}

bool huge_is_free(const void *p)
{
    return huge_warm_contains(p);
}

bool huge_contains(const void *p)
{
    return block_table_contains(&huge.table, p);
}

bool huge_any_within(uintptr_t start, uintptr_t end)
{
    return block_table_any_within(&huge.table, start, end) || huge_warm_any_within(start, end);
}

void huge_read_stats(struct huge_stats *stats)
{
    block_table_read_totals(&huge.table, &stats->blocks, &stats->bytes);
    stats->warm_bytes = huge_warm_bytes();
}

void huge_fork_child(void)
{
    block_table_fork_child(&huge.table);
    huge_warm_fork_child();
}
