/* arena_fill.c - which memory an arena fills: chunks, and in chunks that hold blocks already the
 * lines that are free. */
#include <string.h>

#include "allocators/arena_inside.h"
#include "allocators/base/check.h"
#include "allocators/cache_inside.h"
#include "allocators/unit.h"

enum {
    SPARSE_LINES = ARENA_LINES / 4, /* so many are free where a chunk is worth filling again, */
    LENT_LINES = ARENA_LINES / 2,   /* and where a zone is worth lending */
    SPARSE_SIZE_MAX = 512,          /* grains of a block that may find room there */
    LOOKS_MAX = 4,                  /* at older chunks, for one to fill again */
    EMPTY_MAX = 2,                  /* chunks that a thread keeps; */
    SPARSE_MAX = 2,                 /* one for each fill */
};

/* -- bits ------------------------------------------------------------------------------------- */

static void forget_bits(uint32_t first, uint32_t grains)
{
    size_t words = (grains + 63) / 64;
    for (size_t word = 0; word < words; word++) {
        __atomic_store_n(&space_grains_end(first)[word], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&space_grains_free(first)[word], 0, __ATOMIC_RELAXED);
    }
}

/* No block lies in the chunk any more, and no bit is set behind `grains`. */
static void reset_chunk(uint32_t first, uint32_t grains)
{
    struct arena_chunk *chunk = arena_chunk_at(first);
    forget_bits(first, grains);
    chunk->taken = 0;
    atomic_store_explicit(&chunk->given, 0, memory_order_relaxed);
    memset(chunk->own, 0xff, sizeof(chunk->own));
}

/* -- lines ------------------------------------------------------------------------------------ */

/* Bit i: all sixteen grains of line i of the word are set. */
static uint64_t whole_lines(uint64_t word)
{
    if (word == 0 || word == UINT64_MAX) /* most are */
        return word & WORD_LINES_MASK;
    word &= word >> 8;
    word &= word >> 4;
    word &= word >> 2;
    word &= word >> 1;
    return (word & UINT64_C(0x0001000100010001)) * UINT64_C(0x0001000200040008) >> 48 & 15;
}
_Static_assert((int)LINE_GRAINS == 16 && (int)WORD_LINES == 4, "whole_lines");

/* Lines of which every grain is free. How many. */
static size_t find_free_lines(uint32_t first, uint64_t *lines)
{
    const uint64_t *bits = space_grains_free(first);
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint64_t found = 0;
        for (uint32_t in = 0; in < 64; in += WORD_LINES) {
            /* acquire: what others did with the blocks that they freed there is done */
            found |= whole_lines(__atomic_load_n(bits++, __ATOMIC_ACQUIRE)) << in;
        }
        lines[i] = found;
    }
    return bits_count(lines, 0, ARENA_LINES);
}

/* Nobody's memory from here on but the filler's. Its last grain stays free, so that what lies
 * behind it is a block's beginning still. */
static void open_stretch(struct arena_fill *fill, const struct hole *lines)
{
    uint32_t from = lines->first * LINE_GRAINS, end = lines->end * LINE_GRAINS;
    end -= end < ARENA_GRAINS;
    for (uint32_t word = from / 64; word <= (end - 1) / 64; word++) {
        uint64_t mask = bits_mask(word, from, end - from), *ends = &fill->grains.end[word];
        __atomic_store_n(ends, *ends & ~mask, __ATOMIC_RELEASE); /* of blocks that were freed */
        __atomic_fetch_and(&fill->grains.free[word], ~mask, __ATOMIC_RELEASE);
    }
    bits_set(arena_chunk_at(fill->chunk)->own, lines->first, lines->end - lines->first);
    fill->from = fill->at = from;
    fill->limit = end;
}

/* The next stretch that has room for the block. */
static bool next_stretch(struct arena_fill *fill, uint32_t size, size_t alignment)
{
    const struct grains lines = {.free = arena_chunk_at(fill->chunk)->free, .count = ARENA_LINES};
    struct hole hole;
    while (grains_next_hole(&lines, fill->line, &hole)) {
        fill->line = hole.end;
        uint32_t at = arena_fill_align(fill, hole.first * LINE_GRAINS, alignment);
        if (at + size >= hole.end * LINE_GRAINS)
            continue;
        open_stretch(fill, &hole);
        return true;
    }
    return false;
}

/* What was not handed out of it is free. */
static void leave_stretch(struct arena_fill *fill)
{
    if (fill->at < fill->limit)
        arena_set_free(&fill->grains, fill->at, fill->limit - fill->at);
    fill->limit = fill->at;
}

/* -- chunks ----------------------------------------------------------------------------------- */

static uint32_t take_units(void)
{
    uint32_t first = unit_alloc(ARENA_UNITS, 1, NULL);
    if (first == UNIT_NONE)
        return UNIT_NONE;
    space_touch_grains(first, ARENA_UNITS);
    reset_chunk(first, ARENA_GRAINS);
    for (uint32_t unit = first; unit < first + ARENA_UNITS; unit++)
        *space_head(unit) = first;
    lock_fence_stores(); /* a fork that cuts here loses it */
    space_label(first, ARENA_UNITS, CTL_ARENA);
    return first;
}

static void free_units(uint32_t first)
{
    space_label(first, ARENA_UNITS, CTL_TAKEN);
    unit_free(first, ARENA_UNITS);
}

static bool is_sparse(uint32_t first)
{
    return find_free_lines(first, arena_chunk_at(first)->free) >= SPARSE_LINES;
}

static bool is_empty(uint32_t first)
{
    return arena_blocks_in(first) == 0;
}

static uint32_t pop(struct arena_list *list)
{
    uint32_t first = list->first;
    if (first != UNIT_NONE) {
        list->first = arena_chunk_at(first)->next;
        list->count--;
    }
    return first;
}

static void push(struct arena_list *list, uint32_t first)
{
    arena_chunk_at(first)->next = list->first;
    lock_fence_stores(); /* a fork that cuts here loses it */
    list->first = first;
    list->count++;
}

void arena_keep_empty(uint32_t first, struct arena_spares *spares)
{
    if (spares->empty.count == EMPTY_MAX) {
        free_units(first);
        return;
    }
    reset_chunk(first, ARENA_GRAINS);
    push(&spares->empty, first);
}

bool arena_keep_sparse(uint32_t first, struct arena_spares *spares)
{
    if (spares->sparse.count == SPARSE_MAX || !is_sparse(first))
        return false;
    memset(arena_chunk_at(first)->own, 0, sizeof(arena_chunk_at(first)->own));
    push(&spares->sparse, first);
    return true;
}

void arena_free_spares(struct arena_spares *spares)
{
    uint32_t first;
    while ((first = pop(&spares->empty)) != UNIT_NONE)
        free_units(first);
    while ((first = pop(&spares->sparse)) != UNIT_NONE) {
        lock_take(&mixed.lock);
        bool is_zone = !is_empty(first);
        if (is_zone)
            zone_adopt_arena(first, ARENA_UNITS);
        lock_drop(&mixed.lock);
        if (!is_zone)
            free_units(first);
    }
}

static void start_counts(struct arena *arena, struct arena_fill *fill)
{
    arena->blocks += fill->taken - fill->found;
    fill->taken = fill->given = fill->found = 0;
}

/* All of it is one stretch. */
static void start_empty(struct arena_fill *fill)
{
    fill->from = fill->at = 0;
    fill->limit = ARENA_GRAINS;
    fill->line = ARENA_LINES;
}

/* No block is left in the chunk that is filled: begin again. */
void arena_fill_rewind(struct arena *arena, struct arena_fill *fill)
{
    bool is_last_stretch = fill->limit == ARENA_GRAINS;
    reset_chunk(fill->chunk, is_last_stretch ? fill->at : ARENA_GRAINS);
    start_counts(arena, fill);
    start_empty(fill);
    cache_transfer(); /* what others freed comes back here */
}

static bool is_done(const struct arena_fill *fill)
{
    return fill->taken == fill->given + arena_given_of(fill->chunk);
}

/* Which lines are free, and how many blocks there are, is known already. */
static void start_filling(struct arena_fill *fill, uint32_t first)
{
    cache_transfer(); /* what others freed in it until then comes back here */
    fill->chunk = first;
    fill->grains = arena_grains_of(first);
    fill->base = space_address(first);
    fill->taken = fill->found = arena_chunk_at(first)->taken;
    fill->given = fill->line = 0;
    fill->from = fill->at = fill->limit = 0;
}

/* The chunk that is filled joins the older ones. One without blocks begins anew, whatever its bits
 * say: setting them takes longer than all the rest. */
void arena_fill_retire(struct arena *arena, struct arena_fill *fill)
{
    uint32_t first = fill->chunk;
    struct arena_chunk *chunk = arena_chunk_at(first);
    if (!is_done(fill))
        leave_stretch(fill);
    chunk->taken = fill->taken - fill->given;
    fill->chunk = UNIT_NONE;
    fill->at = fill->limit = 0;
    start_counts(arena, fill);
    lock_fence_stores(); /* a fork that cuts here loses it; in both places it would be in a circle
                          */
    chunk->next = arena->older;
    arena->older = first;
}

/* An older chunk that can be filled again; UNIT_NONE: there is none at hand. */
static uint32_t take_older(struct arena *arena, bool (*suits)(uint32_t first))
{
    uint32_t *link = &arena->older;
    for (int looks = 0; *link != UNIT_NONE && looks < LOOKS_MAX; looks++) {
        uint32_t first = *link;
        if (suits(first)) {
            *link = arena_chunk_at(first)->next;
            return first;
        }
        link = &arena_chunk_at(first)->next;
    }
    return UNIT_NONE;
}

static uint32_t find_empty(struct arena *arena)
{
    uint32_t first = take_older(arena, is_empty);
    if (first != UNIT_NONE) {
        reset_chunk(first, ARENA_GRAINS);
        return first;
    }
    first = pop(&arena->spares->empty);
    if (first == UNIT_NONE)
        first = take_units();
    arena->chunks += first != UNIT_NONE;
    return first;
}

static bool is_worth_lending(uint32_t first)
{
    uint64_t lines[LINE_WORDS];
    return find_free_lines(first, lines) >= LENT_LINES;
}

/* What others left in the zone was counted under its lock. */
static uint32_t borrow_zone(struct arena *arena)
{
    size_t objects;
    uint32_t first = zone_lend(ARENA_UNITS, is_worth_lending, &objects);
    if (first == UNIT_NONE)
        return UNIT_NONE;
    struct arena_chunk *chunk = arena_chunk_at(first);
    memset(chunk->own, 0, sizeof(chunk->own));
    chunk->taken = (uint32_t)objects;
    find_free_lines(first, chunk->free);
    arena->chunks++;
    return first;
}

static uint32_t find_sparse(struct arena *arena)
{
    uint32_t first = take_older(arena, is_sparse);
    if (first != UNIT_NONE)
        return first;
    first = pop(&arena->spares->sparse);
    if (first == UNIT_NONE)
        return borrow_zone(arena);
    arena->chunks++;
    return first;
}

/* Larger blocks have chunks of their own: where they end they would leave much to smaller ones. The
 * largest find no room in a chunk that holds others. */
bool arena_fill_make_room(struct arena *arena, struct arena_fill *fill, uint32_t size,
                          size_t alignment)
{
    if (fill->chunk != UNIT_NONE && is_done(fill)) {
        arena_fill_rewind(arena, fill);
        return true;
    }
    if (fill->chunk != UNIT_NONE) {
        leave_stretch(fill);
        if (next_stretch(fill, size, alignment))
            return true;
        arena_fill_retire(arena, fill);
    }
    uint32_t first = size <= SPARSE_SIZE_MAX ? find_sparse(arena) : UNIT_NONE;
    if (first != UNIT_NONE) {
        start_filling(fill, first);
        if (next_stretch(fill, size, alignment))
            return true;
        arena_fill_retire(arena, fill);
    }
    first = find_empty(arena);
    if (first == UNIT_NONE)
        return false;
    start_filling(fill, first);
    start_empty(fill);
    return true;
}
