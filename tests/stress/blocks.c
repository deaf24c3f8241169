/* blocks.c - patterns are a function of the block's number and the place of the byte. */
#include "tests/stress/blocks.h"

#include <string.h>

#include "tests/stress/shadow.h"

enum { WHOLE_BYTES = 2048, EDGE_BYTES = 256, PAGE_BYTES = 4096 };

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t random_bytes(uint64_t *state, size_t most_bytes)
{
    uint64_t random = random_next(state);
    unsigned kind = random % 1024;
    uint64_t value = random >> 10;
    size_t bound = kind < 700    ? 512
                   : kind < 930  ? 8192
                   : kind < 990  ? 65536
                   : kind < 1018 ? (size_t)1 << 20
                                 : most_bytes;
    return value % ((bound < most_bytes ? bound : most_bytes) + 1);
}

/* -- patterns --------------------------------------------------------------------------------- */

static unsigned char byte_of(const struct block *block, size_t place)
{
    return (unsigned char)((block->id * 167 + place * 13 + (place >> 8)) & 0xff);
}

/* What to do with one range of a block's bytes; false: a byte was wrong. */
typedef bool range_visitor(const struct block *block, size_t from, size_t end);

static bool fill_range(const struct block *block, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        block->at[i] = byte_of(block, i);
    return true;
}

static bool compare_range(const struct block *block, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        if (block->at[i] != byte_of(block, i))
            return false;
    }
    return true;
}

static bool compare_zeros(const struct block *block, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        if (block->at[i] != 0)
            return false;
    }
    return true;
}

/* Samples lie at the same places whatever the size is, so that they survive a resize; they get
 * sparse further out, because each touches a page. */
static size_t next_sample(size_t at)
{
    size_t step = at < 65536 ? 4096 : at < 1 << 20 ? 65536 : 1 << 20;
    return at + step;
}

static bool visit_ranges(const struct block *block, size_t bytes, range_visitor *visit)
{
    bool ok = visit(block, 0, bytes < WHOLE_BYTES ? bytes : WHOLE_BYTES);
    for (size_t at = 4096; at + 8 <= bytes; at = next_sample(at))
        ok = visit(block, at, at + 8) && ok;
    return ok;
}

static bool visit_end(const struct block *block, range_visitor *visit)
{
    size_t edge = block->bytes < EDGE_BYTES ? block->bytes : EDGE_BYTES;
    return visit(block, block->bytes - edge, block->bytes);
}

static void fill(const struct block *block)
{
    visit_ranges(block, block->bytes, fill_range);
    visit_end(block, fill_range);
}

/* -- life ------------------------------------------------------------------------------------- */

static void take(const struct stress_heap *heap, const struct block *block)
{
    if (block->at == NULL)
        stress_fail("there is no memory", block);
    if ((uintptr_t)block->at % block->alignment != 0)
        stress_fail("misaligned", block);
    if (heap->usable(block->at) < block->bytes)
        stress_fail("less usable than asked for", block);
    if (!shadow_take(block->at, block->bytes))
        stress_fail("overlaps a live block", block);
}

static void give(const struct block *block)
{
    if (!shadow_give(block->at, block->bytes))
        stress_fail("its granules were not marked", block);
}

struct block block_create(const struct stress_heap *heap, uint64_t *state, size_t most_bytes)
{
    struct block block = {NULL, random_bytes(state, most_bytes), 16, random_next(state)};
    unsigned way = random_next(state) % 16;
    bool zeroed = way < 3;
    if (way == 3) {
        block.alignment = (size_t)16 << random_next(state) % 14;
        block.at = heap->alloc_aligned(block.alignment, block.bytes);
    } else if (way == 4 && heap->alloc_pages != NULL) {
        block.alignment = PAGE_BYTES;
        block.bytes += PAGE_BYTES - block.bytes % PAGE_BYTES;
        block.at = heap->alloc_pages(block.bytes);
    } else if (zeroed) {
        block.at = heap->alloc_zeroed(block.bytes);
    } else {
        block.at = heap->alloc(block.bytes);
    }
    take(heap, &block);
    if (zeroed &&
        !(visit_ranges(&block, block.bytes, compare_zeros) && visit_end(&block, compare_zeros)))
        stress_fail("not zeroed", &block);
    fill(&block);
    return block;
}

void block_verify(const struct stress_heap *heap, const struct block *block)
{
    if (heap->usable(block->at) < block->bytes)
        stress_fail("less usable than before", block);
    if (!visit_ranges(block, block->bytes, compare_range) || !visit_end(block, compare_range))
        stress_fail("its bytes were changed", block);
}

void block_resize(const struct stress_heap *heap, struct block *block, uint64_t *state,
                  size_t most_bytes)
{
    block_verify(heap, block);
    size_t kept = block->bytes;
    give(block);
    block->bytes = random_bytes(state, most_bytes) + 1;
    block->alignment = 16;
    block->at = heap->resize(block->at, block->bytes);
    take(heap, block);
    kept = kept < block->bytes ? kept : block->bytes;
    if (!visit_ranges(block, kept, compare_range))
        stress_fail("its bytes were lost by a resize", block);
    fill(block);
}

void block_destroy(const struct stress_heap *heap, struct block *block)
{
    block_verify(heap, block);
    give(block);
    memset(block->at, 0xdd, block->bytes < 4096 ? block->bytes : 4096);
    if (heap->free_sized != NULL && block->id % 4 == 0)
        heap->free_sized(block->at, block->alignment, block->bytes);
    else
        heap->free(block->at);
    block->at = NULL;
}
