/* arena.c - see arena.h. */
#include "allocators/arena.h"

#include <errno.h>
#include <string.h>

#include "allocators/arena_inside.h"
#include "allocators/base/check.h"
#include "allocators/cache_inside.h"
#include "allocators/unit.h"

/* -- blocks ----------------------------------------------------------------------------------- */

void *arena_alloc(unsigned class, size_t alignment)
{
    struct arena *arena = hand.arena;
    uint32_t size = zone_grains_of_class(class);
    struct arena_fill *fill = &arena->fills[size > ZONE_SERVED_MAX];
    uint32_t at = fill->at;
    if (MP_UNLIKELY(alignment > GRAIN_BYTES))
        at = arena_fill_align(fill, at, alignment);
    if (MP_UNLIKELY(at + size > fill->limit)) {
        if (!arena_fill_make_room(arena, fill, size, alignment))
            return NULL;
        at = arena_fill_align(fill, fill->at, alignment);
    }
    if (MP_UNLIKELY(at > fill->at))
        arena_set_free(&fill->grains, fill->at, at - fill->at);
    fill->taken++;
    cache_count_taken(class, 1);
    arena_set_end(&fill->grains, at + size - 1, true);
    fill->at = at + size;
    return fill->base + at * (size_t)GRAIN_BYTES;
}

/* Where no block begins that is not free: was there one, or does one lie around? */
static _Noreturn void refuse(const struct grains *grains, uint32_t at, const void *p)
{
    uint32_t size;
    bool is_free = bit_is_set(grains->free, at);
    if (!is_free) { /* nor was the end of a stretch handed out */
        grains_next_object(grains, grains_first_of(grains, at), &at, &size);
        is_free = !bit_is_set(grains->end, at + size - 1);
    }
    fault(is_free ? FAULT_DOUBLE_FREE : FAULT_INTERIOR_FREE, p);
}

/* Grains of the block that begins at p, in a chunk that begins at `base`. */
static inline uint32_t size_of(const struct grains *grains, const char *base, const void *p,
                               uint32_t *at)
{
    size_t offset = (size_t)((const char *)p - base);
    *at = (uint32_t)(offset / GRAIN_BYTES);
    MP_CHECK(offset % GRAIN_BYTES == 0, FAULT_INTERIOR_FREE, p);
    uint32_t size = grains_peek(grains, *at);
    if (MP_UNLIKELY(size == 0))
        refuse(grains, *at, p);
    return size;
}

/* That the unit lies in; NULL: none. */
static inline struct arena_fill *find_fill(struct arena *arena, size_t unit)
{
    for (int i = 0; arena != NULL && i < 2; i++) {
        struct arena_fill *fill = &arena->fills[i];
        if (unit - fill->chunk < ARENA_UNITS && fill->chunk != UNIT_NONE)
            return fill;
    }
    return NULL;
}

bool arena_free_own(void *p)
{
    struct arena *arena = hand.arena;
    struct arena_fill *fill = find_fill(arena, space_unit_of(p));
    if (fill == NULL)
        return false;
    uint32_t at;
    uint32_t size = size_of(&fill->grains, fill->base, p, &at);
    cache_count_given(size_class_of(size * (size_t)GRAIN_BYTES));
    fill->given++;
    if (at + size == fill->at && at >= fill->from) { /* the last one */
        arena_set_end(&fill->grains, at + size - 1, false);
        fill->at = at;
    } else {
        MP_CHECK(arena_set_free(&fill->grains, at, size), FAULT_DOUBLE_FREE, p);
    }
    if (fill->taken == fill->given)
        arena_fill_rewind(arena, fill);
    return true;
}

/* Of a chunk that others may fill just now. */
static void free_of_chunk(void *p)
{
    uint32_t first = *space_head(space_unit_of(p)), at;
    const struct grains grains = arena_grains_of(first);
    uint32_t size = size_of(&grains, space_address(first), p, &at);
    MP_CHECK(arena_set_free(&grains, at, size), FAULT_DOUBLE_FREE, p);
    atomic_fetch_add_explicit(&arena_chunk_at(first)->given, 1, memory_order_release);
}

bool arena_free(void *p)
{
    if (arena_free_own(p))
        return true;
    cache_transfer();
    lock_take(&mixed.lock);
    bool is_arena = *space_ctl(space_unit_of(p)) == CTL_ARENA;
    if (is_arena) {
        cache_count_given(arena_class_of(p));
        free_of_chunk(p);
    }
    lock_drop(&mixed.lock);
    return is_arena;
}

bool arena_give(void *p, unsigned class, bool leftovers)
{
    unsigned found = arena_class_of(p);
    if (leftovers && (found == 0 || (class != 0 && class != found)))
        return false;
    MP_CHECK(class == 0 || found == 0 || class == found, FAULT_DOUBLE_FREE, p);
    free_of_chunk(p);
    return true;
}

unsigned arena_class_of(const void *p)
{
    uint32_t first = *space_head(space_unit_of(p));
    size_t offset = (size_t)((const char *)p - (char *)space_address(first));
    const struct grains grains = arena_grains_of(first);
    uint32_t size = grains_peek(&grains, (uint32_t)(offset / GRAIN_BYTES));
    bool is_block = offset % GRAIN_BYTES == 0 && size != 0;
    return is_block ? size_class_of(size * (size_t)GRAIN_BYTES) : 0;
}

/* -- in and out ------------------------------------------------------------------------------- */

int arena_enter(struct arena *arena, struct arena_spares *spares)
{
    struct hand *nobody = NULL;
    if (!atomic_compare_exchange_strong_explicit(&arena->owner, &nobody, &hand,
                                                 memory_order_relaxed, memory_order_relaxed))
        return EBUSY;
    if (hand.arena == NULL)
        cache_shut_hand();
    arena->outer = hand.arena;
    arena->spares = spares;
    hand.arena = arena;
    return 0;
}

int arena_leave(struct arena *arena)
{
    if (hand.arena != arena)
        return EINVAL;
    hand.arena = arena->outer;
    if (hand.arena == NULL)
        cache_open_hand();
    atomic_store_explicit(&arena->owner, NULL, memory_order_relaxed);
    return 0;
}

void arena_leave_all(void)
{
    while (hand.arena != NULL)
        arena_leave(hand.arena);
}

static void leave_if_entered(struct arena *arena)
{
    const struct hand *owner = atomic_load_explicit(&arena->owner, memory_order_relaxed);
    if (owner == NULL)
        return;
    MP_ASSERT(owner == &hand);
    bool is_out = false;
    while (!is_out) {
        is_out = hand.arena == arena;
        arena_leave(hand.arena);
    }
}

/* -- the end ---------------------------------------------------------------------------------- */

/* Of every line that is set all grains. */
static uint64_t grains_of_lines(uint64_t lines)
{
    uint64_t grains = 0;
    for (uint32_t line = 0; line < WORD_LINES; line++)
        grains |= -(lines >> line & 1) >> (64 - LINE_GRAINS) << (line * LINE_GRAINS);
    return grains;
}

/* Blocks of the arena that has it, without those that were there before: ends that are not free. */
static size_t own_blocks_in(uint32_t first)
{
    const struct arena_chunk *chunk = arena_chunk_at(first);
    const uint64_t *free_bits = space_grains_free(first), *ends = space_grains_end(first);
    size_t blocks = 0;
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        for (uint64_t own = chunk->own[i], lines; own != 0; own -= lines) {
            uint32_t in = (uint32_t)__builtin_ctzll(own) / WORD_LINES * WORD_LINES;
            uint32_t word = (i * 64 + in) / WORD_LINES;
            lines = own & (uint64_t)WORD_LINES_MASK << in;
            uint64_t taken = __atomic_load_n(&ends[word], __ATOMIC_RELAXED) &
                             ~__atomic_load_n(&free_bits[word], __ATOMIC_RELAXED);
            if (taken != 0)
                blocks += bits_of(taken & grains_of_lines(lines >> in));
        }
    }
    return blocks;
}

/* Its blocks stay where they are. How many of them are the arena's own. */
static size_t settle_chunk(uint32_t first, struct arena_spares *spares)
{
    size_t blocks = own_blocks_in(first);
    if (arena_blocks_in(first) != 0 && arena_keep_sparse(first, spares))
        return blocks;
    lock_take(&mixed.lock);
    bool is_zone = arena_blocks_in(first) != 0;
    if (is_zone)
        zone_adopt_arena(first, ARENA_UNITS);
    lock_drop(&mixed.lock);
    if (!is_zone)
        arena_keep_empty(first, spares);
    return blocks;
}

size_t arena_end(struct arena *arena, struct arena_spares *spares)
{
    leave_if_entered(arena);
    size_t blocks = 0;
    for (int i = 0; i < 2; i++) {
        if (arena->fills[i].chunk != UNIT_NONE)
            arena_fill_retire(arena, &arena->fills[i]);
    }
    cache_transfer();
    while (arena->older != UNIT_NONE) {
        uint32_t first = arena->older;
        arena->older = arena_chunk_at(first)->next;
        blocks += settle_chunk(first, spares);
    }
    arena->blocks = arena->chunks = 0;
    return blocks;
}

/* -- numbers ---------------------------------------------------------------------------------- */

/* The words of a chunk, which others free blocks of meanwhile. */
static void copy_words(uint64_t *to, const uint64_t *from)
{
    for (int word = 0; word < ARENA_GRAINS / 64; word++)
        to[word] = __atomic_load_n(&from[word], __ATOMIC_RELAXED);
}

/* The bits change meanwhile: a block that moves just now counts or not. The unit does not change
 * hands, as its chunk would first be labelled for that, and then wait for unit_visit. */
static void add_chunk(size_t unit, void *stats_)
{
    struct arena_stats *stats = stats_;
    uint32_t object = 0, size = 0;
    uint64_t free_bits[ARENA_GRAINS / 64], ends[ARENA_GRAINS / 64];
    /* acquire: pairs with the release in space_label */
    if (atomic_load_explicit(space_ctl(unit), memory_order_acquire) != CTL_ARENA ||
        *space_head(unit) != unit)
        return;
    copy_words(free_bits, space_grains_free(unit));
    copy_words(ends, space_grains_end(unit));
    const struct grains grains = {free_bits, ends, ARENA_GRAINS};
    stats->chunks++;
    stats->free_bytes += bits_count(free_bits, 0, ARENA_GRAINS) * GRAIN_BYTES;
    while (grains_next_object(&grains, object + size, &object, &size)) {
        if (!bit_is_set(grains.end, object + size - 1))
            continue; /* not handed out yet */
        stats->blocks++;
        stats->bytes += size * (size_t)GRAIN_BYTES;
    }
}

MP_RARE void arena_read_stats(struct arena_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    unit_visit(CTL_ARENA, add_chunk, stats);
}

size_t arena_live(const struct arena *arena)
{
    size_t blocks = 0;
    for (int i = 0; i < 2; i++) {
        if (arena->fills[i].chunk != UNIT_NONE)
            blocks += own_blocks_in(arena->fills[i].chunk);
    }
    for (uint32_t first = arena->older; first != UNIT_NONE; first = arena_chunk_at(first)->next)
        blocks += own_blocks_in(first);
    return blocks;
}

/* -- audit ------------------------------------------------------------------------------------ */

static void audit_chunk(uint32_t first, size_t blocks)
{
    struct arena_stats stats = {0, 0, 0, 0};
    MP_AUDIT(*space_ctl(first) == CTL_ARENA && *space_head(first) == first);
    add_chunk(first, &stats);
    MP_AUDIT(stats.blocks == blocks); /* A1 */
}

static void audit_fill(const struct arena_fill *fill)
{
    uint32_t count = fill->limit - fill->at;
    audit_chunk(fill->chunk, fill->taken - fill->given - arena_given_of(fill->chunk));
    MP_AUDIT(fill->from <= fill->at && fill->at <= fill->limit && fill->limit <= ARENA_GRAINS);
    MP_AUDIT(bits_count(fill->grains.free, fill->at, count) == 0); /* A3 */
    MP_AUDIT(bits_count(fill->grains.end, fill->at, count) == 0);
}

MP_RARE size_t arena_audit(const struct arena *arena)
{
    size_t chunks = 0;
    for (int i = 0; i < 2; i++) {
        if (arena->fills[i].chunk == UNIT_NONE)
            continue;
        audit_fill(&arena->fills[i]);
        chunks++;
    }
    for (uint32_t first = arena->older; first != UNIT_NONE; first = arena_chunk_at(first)->next) {
        audit_chunk(first, arena_blocks_in(first));
        chunks++;
    }
    MP_AUDIT(chunks == arena->chunks);
    return chunks;
}
