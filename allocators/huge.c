/* huge.c - blocks above 32 MiB are mappings of their own, known by a table of addresses. A few
 * freed ones are kept warm, with their pages, for the decay time (huge_warm.c).
 *
 *     | bytes: the block's            | never touched |
 *     ^ p                                             ^ p + room
 *
 * A block that grows has room for as much once more: growing is then a change of a number, and once
 * in a while mremap. That room is address space only.
 *
 * Pages of the pools (MPRESS_HUGETLB) are mapped without MAP_NORESERVE: the system sets them aside
 * for the mapping at once, or refuses it, and then ordinary pages serve. So what a program writes
 * finds its page, and no SIGBUS ends it. Two things the system does not promise: where a control
 * group limits the pages used (not the ones reserved), and to a child of fork, for which no pages
 * are set aside: it is ended when it needs one of an empty pool. Hence an option, and off. */
#include "allocators/huge.h"

#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/block_table.h"
#include "allocators/growth.h"
#include "allocators/huge_warm.h"
#include "allocators/space.h"
#include "allocators/strategy.h"

enum { HUGE_PAGE = 2 * 1024 * 1024, POOL_WASTE_SHARE = 8 };

static struct {
    struct block_table table;
    uint64_t decay_ns; /* 0: nothing is kept warm */
    enum conf_thp thp;
    size_t pool_page; /* bytes; 0: no pool */
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

/* Bytes in which the pages of a mapping come and go: a pool's when they can be (an ordinary mapping
 * may look like one, which costs it nothing). */
static size_t granule_of(const void *start, size_t room)
{
    size_t page = huge.pool_page;
    bool is_of_pool = page != 0 && (((uintptr_t)start | room) & (page - 1)) == 0;
    return is_of_pool ? page : os_page_bytes();
}

/* -- kept for the next one -------------------------------------------------------------------- */

/* A warm mapping for a block of `bytes`: what it does not need is given back (H1). */
static bool take_warm(size_t bytes, size_t alignment, struct huge_mapping *mapping)
{
    if (!huge_warm_take(bytes, alignment, mapping))
        return false;
    size_t granule = granule_of(mapping->start, mapping->room);
    size_t kept = round_up(bytes, granule), held = round_up(mapping->bytes, granule);
    if (held > kept)
        os_purge(mapping->start + kept, held - kept);
    mapping->bytes = bytes;
    return true;
}

/* False: it is not worth it, or somebody else may need the addresses. */
static bool is_kept_warm(const struct huge_mapping *mapping)
{
    return strategy_pools() && huge.decay_ns != 0 && !space_is_scarce() &&
           mapping->bytes >= HUGE_WARM_BYTES_MIN && mapping->bytes <= HUGE_WARM_BYTES;
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

/* A huge page that the end of a block lies in holds memory behind it, too (H1 is of what was
 * touched). Explicit ones go as wholes only. */
static void purge_slack(char *end, size_t behind, void *bytes)
{
    size_t slack = round_up((uintptr_t)end, HUGE_PAGE) - (uintptr_t)end;
    size_t purged = slack < behind ? slack : behind;
    uint64_t resident = purged == 0 ? 0 : os_count_resident((uintptr_t)end, purged);
    if (resident != 0 && huge.pool_page == 0 && os_purge(end, purged) == 0)
        *(size_t *)bytes += resident;
}

size_t huge_purge_slack(void)
{
    size_t bytes = 0;
    block_table_visit_rooms(&huge.table, purge_slack, &bytes);
    return bytes;
}

/* -- blocks ----------------------------------------------------------------------------------- */

void huge_init(uint64_t decay_ns, enum conf_thp thp, enum conf_hugetlb hugetlb)
{
    static const size_t pool_pages[] = {0, HUGE_PAGE, (size_t)1 << 30};
    huge.decay_ns = decay_ns;
    huge.thp = thp;
    huge.pool_page = pool_pages[hugetlb];
}

/* What malloc returns has to be written before it can be read, from one end to the other mostly; so
 * huge pages cost no memory there. A large zeroed block is often a table of which little is used.
 */
static void choose_pages(const struct huge_mapping *mapping, bool zeroed)
{
    if (huge.thp == CONF_THP_OFF)
        os_set_huge(mapping->start, mapping->room, false);
    else if (huge.thp == CONF_THP_ON || !zeroed)
        os_set_huge(mapping->start, mapping->room, true);
}

/* Where little of the last page is wasted. */
static bool map_from_pool(size_t bytes, size_t alignment, struct huge_mapping *mapping)
{
    size_t page = huge.pool_page;
    size_t room = page == 0 ? 0 : round_up(bytes, page);
    if (room < bytes || alignment > page || room - bytes > bytes / POOL_WASTE_SHARE)
        return false;
    *mapping = (struct huge_mapping){os_map_pool(room, page), bytes, room};
    return mapping->start != NULL;
}

static bool map_new(size_t bytes, size_t alignment, bool zeroed, struct huge_mapping *mapping)
{
    if (!growth_take(bytes))
        return false;
    if (map_from_pool(bytes, alignment, mapping))
        return true;
    *mapping = (struct huge_mapping){map_aligned(bytes, alignment), bytes, bytes};
    if (mapping->start == NULL) {
        growth_give(bytes);
        return false;
    }
    choose_pages(mapping, zeroed);
    strategy_take_pages(mapping->start, bytes);
    return true;
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
    return map_new(bytes, alignment, zeroed, mapping);
}

static void *enter(const struct huge_mapping *mapping)
{
    if (block_table_insert(&huge.table, mapping->start, mapping->bytes, mapping->room))
        return mapping->start;
    unmap(mapping);
    return NULL;
}

void *huge_alloc(size_t bytes, size_t alignment, bool zeroed)
{
    struct huge_mapping mapping;
    bytes = round_up(bytes, os_page_bytes());
    bool is_taken = take_mapping(bytes, alignment, zeroed, &mapping);
    if (!is_taken && huge_purge() > 0)
        is_taken = take_mapping(bytes, alignment, zeroed, &mapping);
    return is_taken ? enter(&mapping) : NULL;
}

/* Of a mapping whose block grows. Whole huge pages, which the system then aligns. */
static size_t room_for(size_t bytes)
{
    return space_is_scarce() || bytes > PTRDIFF_MAX / 2 ? bytes : round_up(2 * bytes, HUGE_PAGE);
}

void *huge_alloc_growing(size_t bytes)
{
    bytes = round_up(bytes, os_page_bytes());
    struct huge_mapping mapping = {.bytes = bytes, .room = room_for(bytes)};
    if (!growth_take(bytes))
        return NULL;
    mapping.start = os_map(mapping.room);
    if (mapping.start == NULL) {
        growth_give(bytes);
        return NULL;
    }
    choose_pages(&mapping, false);
    strategy_take_pages(mapping.start, bytes);
    return enter(&mapping);
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

/* Whether the block may grow to `bytes`; *more: what it took of what is left for that. */
static bool may_grow(void *p, size_t bytes, size_t *more)
{
    size_t usable = block_table_find(&huge.table, p);
    *more = bytes > usable ? bytes - usable : 0;
    return growth_take(*more);
}

bool huge_grow(void *p, size_t bytes)
{
    size_t more;
    bytes = round_up(bytes, os_page_bytes());
    if (!may_grow(p, bytes, &more))
        return false;
    if (block_table_grow(&huge.table, p, bytes))
        return true;
    growth_give(more);
    return false;
}

/* Room for `bytes`, and for more to come; else just as much. */
static char *remap(const struct huge_mapping *old, size_t bytes, size_t *room)
{
    *room =
        bytes > old->bytes ? room_for(bytes) : round_up(bytes, granule_of(old->start, old->room));
    char *moved = os_remap(old->start, old->room, *room);
    if (moved == NULL && *room > bytes) {
        *room = bytes;
        moved = os_remap(old->start, old->room, bytes);
    }
    return moved;
}

void *huge_realloc(void *p, size_t bytes)
{
    size_t room, more;
    struct huge_mapping old = {.start = p};
    bytes = round_up(bytes, os_page_bytes());
    if (!may_grow(p, bytes, &more))
        return NULL;
    if (block_table_grow(&huge.table, p, bytes))
        return p;
    old.bytes = block_table_remove(&huge.table, p, &old.room);
    if (old.bytes == 0) {
        growth_give(more);
        return NULL;
    }
    char *moved = remap(&old, bytes, &room);
    if (moved == NULL && huge_purge() > 0)
        moved = remap(&old, bytes, &room);
    bool is_known = moved != NULL ? block_table_insert(&huge.table, moved, bytes, room)
                                  : block_table_insert(&huge.table, p, old.bytes, old.room);
    MP_ASSERT(is_known); /* a slot was just emptied */
    (void)is_known;
    if (moved == NULL)
        growth_give(more);
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

void huge_visit(void (*visit)(void *p, size_t bytes, void *context), void *context)
{
    block_table_visit(&huge.table, visit, context);
}

const void *huge_table(size_t *bytes)
{
    return block_table_memory(&huge.table, bytes);
}

void huge_fork_child(void)
{
    block_table_fork_child(&huge.table);
    huge_warm_fork_child();
}
