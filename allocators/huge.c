/* huge.c - blocks above 32 MiB are mappings of their own, known by a table of addresses. */
#include "allocators/huge.h"

#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/block_table.h"

static struct block_table huge = BLOCK_TABLE_INIT;

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

void *huge_alloc(size_t bytes, size_t alignment)
{
    bytes = round_up(bytes, os_page_bytes());
    void *p = map_aligned(bytes, alignment);
    if (p == NULL)
        return NULL;
    if (block_table_insert(&huge, p, bytes))
        return p;
    os_unmap(p, bytes);
    return NULL;
}

size_t huge_usable(const void *p)
{
    return block_table_find(&huge, p);
}

bool huge_free(void *p)
{
    size_t bytes = block_table_remove(&huge, p);
    if (bytes == 0)
        return false;
    if (os_unmap(p, bytes) != 0)
        os_purge(p, bytes); /* too many mappings to split one: its pages go, its addresses stay */
    return true;
}

void *huge_realloc(void *p, size_t bytes)
{
    bytes = round_up(bytes, os_page_bytes());
    size_t old_bytes = block_table_remove(&huge, p);
    if (old_bytes == 0)
        return NULL;
    void *moved = os_remap(p, old_bytes, bytes);
    bool is_known = moved != NULL ? block_table_insert(&huge, moved, bytes)
                                  : block_table_insert(&huge, p, old_bytes);
    MP_ASSERT(is_known); /* a slot was just emptied */
    (void)is_known;
    return moved;
}

bool huge_contains(const void *p)
{
    return block_table_contains(&huge, p);
}

bool huge_any_within(uintptr_t start, uintptr_t end)
{
    return block_table_any_within(&huge, start, end);
}

void huge_read_stats(struct huge_stats *stats)
{
    block_table_read_totals(&huge, &stats->blocks, &stats->bytes);
}

void huge_fork_child(void)
{
    block_table_fork_child(&huge);
}
