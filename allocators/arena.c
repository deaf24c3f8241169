/* arena.c - see arena.h. */
#include "allocators/arena.h"

#include <errno.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/cache_inside.h"
#include "allocators/unit.h"
#include "allocators/zone.h"

_Static_assert((int)ARENA_UNITS <= (int)ZONE_UNITS_MAX, "a chunk can become a zone");

enum { ARENA_GRAINS = ARENA_UNITS * ZONE_UNIT_GRAINS };

/* Chunks looked at for one without blocks, before another is taken. */
enum { LOOKS_MAX = 4 };

/* In the span of its first unit. */
struct arena_chunk {
    uint32_t next;          /* of the arena's older ones, or UNIT_NONE; the arena's thread's */
    uint32_t taken;         /* A1, once it is no more filled; the arena's thread's */
    _Atomic uint32_t given; /* A1: freed by others, or since; mixed.lock */
};

static struct arena_chunk *chunk_at(uint32_t first)
{
    return (struct arena_chunk *)space_span(first);
}

static struct grains grains_of(uint32_t first)
{
    return zone_grains_from(first, ARENA_UNITS);
}

static uint32_t given_of(uint32_t first)
{
    /* acquire: what the others did with their blocks is done */
    return atomic_load_explicit(&chunk_at(first)->given, memory_order_acquire);
}

/* -- bits ------------------------------------------------------------------------------------- */

/* One thread writes end bits; who looks a block up reads them. */
static void set_end(const struct grains *grains, uint32_t at, bool value)
{
    uint64_t *word = &grains->end[at / 64], bit = UINT64_C(1) << (at % 64);
    __atomic_store_n(word, value ? *word | bit : *word & ~bit, __ATOMIC_RELEASE);
}

/* The owner and others set free bits of one word. True: none of these was set. */
static inline bool set_free(const struct grains *grains, uint32_t first, uint32_t size)
{
    uint64_t found = 0;
    for (uint32_t word = first / 64; word <= (first + size - 1) / 64; word++) {
        uint64_t mask = bits_mask(word, first, size);
        found |= __atomic_fetch_or(&grains->free[word], mask, __ATOMIC_RELEASE) & mask;
    }
    return found == 0;
}

static void forget_bits(uint32_t first, uint32_t grains)
{
    size_t words = (grains + 63) / 64;
    for (size_t word = 0; word < words; word++) {
        __atomic_store_n(&space_grains_end(first)[word], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&space_grains_free(first)[word], 0, __ATOMIC_RELAXED);
    }
}

/* No block lies in the chunk any more, and none did behind `grains`. */
static void reset_chunk(uint32_t first, uint32_t grains)
{
    forget_bits(first, grains);
    chunk_at(first)->taken = 0;
    atomic_store_explicit(&chunk_at(first)->given, 0, memory_order_relaxed);
}

/* Blocks in a chunk that is filled no more. */
static size_t blocks_in(uint32_t first)
{
    return chunk_at(first)->taken - given_of(first);
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

static void start_counts(struct arena *arena)
{
    arena->blocks += arena->taken;
    arena->at = arena->taken = arena->given = 0;
}

/* All blocks of the chunk that is filled are freed: begin again. */
static void rewind_chunk(struct arena *arena)
{
    reset_chunk(arena->chunk, arena->at);
    start_counts(arena);
    cache_transfer(); /* what others freed comes back here */
}

static bool is_done(const struct arena *arena)
{
    return arena->taken == arena->given + given_of(arena->chunk);
}

/* The chunk that is filled joins the older ones. */
static void retire(struct arena *arena)
{
    struct arena_chunk *chunk = chunk_at(arena->chunk);
    chunk->taken = arena->taken - arena->given;
    chunk->next = arena->older;
    arena->older = arena->chunk;
    arena->chunk = UNIT_NONE;
    start_counts(arena);
}

/* An older chunk whose blocks were all freed meanwhile; UNIT_NONE: there is none at hand. */
static uint32_t take_older(struct arena *arena)
{
    uint32_t *link = &arena->older;
    for (int looks = 0; *link != UNIT_NONE && looks < LOOKS_MAX; looks++) {
        uint32_t first = *link;
        if (blocks_in(first) == 0) {
            *link = chunk_at(first)->next;
            reset_chunk(first, ARENA_GRAINS);
            cache_transfer();
            return first;
        }
        link = &chunk_at(first)->next;
    }
    return UNIT_NONE;
}

/* Room in the chunk that is filled, in another one if need be. */
static bool make_room(struct arena *arena)
{
    if (arena->chunk != UNIT_NONE && is_done(arena)) {
        rewind_chunk(arena);
        return true;
    }
    if (arena->chunk != UNIT_NONE)
        retire(arena);
    uint32_t first = take_older(arena);
    if (first == UNIT_NONE) {
        first = *arena->spare != UNIT_NONE ? *arena->spare : take_units();
        *arena->spare = UNIT_NONE;
        arena->chunks += first != UNIT_NONE;
    }
    if (first == UNIT_NONE)
        return false;
    arena->chunk = first;
    arena->grains = grains_of(first);
    arena->base = space_address(first);
    return true;
}

/* -- blocks ----------------------------------------------------------------------------------- */

void *arena_alloc(unsigned class, size_t alignment)
{
    struct arena *arena = hand.arena;
    uint32_t size = zone_grains_of_class(class), at = arena->at;
    if (MP_UNLIKELY(alignment > GRAIN_BYTES))
        at = (uint32_t)round_up(at, alignment / GRAIN_BYTES);
    if (MP_UNLIKELY(arena->chunk == UNIT_NONE) || MP_UNLIKELY(at + size > ARENA_GRAINS)) {
        if (!make_room(arena))
            return NULL;
        at = 0; /* of a unit */
    }
    if (MP_UNLIKELY(at > arena->at))
        set_free(&arena->grains, arena->at, at - arena->at);
    arena->taken++;
    cache_count_taken(class, 1);
    set_end(&arena->grains, at + size - 1, true);
    arena->at = at + size;
    return arena->base + at * (size_t)GRAIN_BYTES;
}

/* Where no block begins that is not free: was there one, or does one lie around? */
static _Noreturn void refuse(const struct grains *grains, uint32_t at, const void *p)
{
    bool is_free = bit_is_set(grains->free, at) || grains_size_from(grains, at) > ZONE_OBJECT_MAX;
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
    if (MP_UNLIKELY(size == 0 || size > ZONE_OBJECT_MAX))
        refuse(grains, *at, p);
    return size;
}

bool arena_free_own(void *p)
{
    struct arena *arena = hand.arena;
    uint32_t first = arena != NULL ? arena->chunk : UNIT_NONE;
    if (first == UNIT_NONE || space_unit_of(p) - first >= ARENA_UNITS)
        return false;
    uint32_t at;
    uint32_t size = size_of(&arena->grains, arena->base, p, &at);
    cache_count_given(size_class_of(size * (size_t)GRAIN_BYTES));
    arena->given++;
    if (at + size == arena->at) { /* the last one */
        set_end(&arena->grains, at + size - 1, false);
        arena->at = at;
    } else {
        MP_CHECK(set_free(&arena->grains, at, size), FAULT_DOUBLE_FREE, p);
    }
    if (arena->at == 0) /* no bit is set */
        start_counts(arena);
    else if (arena->taken == arena->given)
        rewind_chunk(arena);
    return true;
}

bool arena_free(void *p)
{
    if (arena_free_own(p))
        return true;
    cache_transfer();
    lock_take(&mixed.lock);
    size_t unit = space_unit_of(p);
    bool is_arena = *space_ctl(unit) == CTL_ARENA;
    if (is_arena) {
        uint32_t first = *space_head(unit), at;
        const struct grains grains = grains_of(first);
        uint32_t size = size_of(&grains, space_address(first), p, &at);
        MP_CHECK(set_free(&grains, at, size), FAULT_DOUBLE_FREE, p);
        cache_count_given(size_class_of(size * (size_t)GRAIN_BYTES));
        atomic_fetch_add_explicit(&chunk_at(first)->given, 1, memory_order_release);
    }
    lock_drop(&mixed.lock);
    return is_arena;
}

unsigned arena_class_of(const void *p)
{
    uint32_t first = *space_head(space_unit_of(p));
    size_t offset = (size_t)((const char *)p - (char *)space_address(first));
    const struct grains grains = grains_of(first);
    uint32_t size = grains_peek(&grains, (uint32_t)(offset / GRAIN_BYTES));
    bool is_block = offset % GRAIN_BYTES == 0 && size != 0 && size <= ZONE_OBJECT_MAX;
    return is_block ? size_class_of(size * (size_t)GRAIN_BYTES) : 0;
}

/* -- in and out ------------------------------------------------------------------------------- */

int arena_enter(struct arena *arena, uint32_t *spare)
{
    struct hand *nobody = NULL;
    if (!atomic_compare_exchange_strong_explicit(&arena->owner, &nobody, &hand,
                                                 memory_order_relaxed, memory_order_relaxed))
        return EBUSY;
    if (hand.arena == NULL)
        cache_shut_hand();
    arena->outer = hand.arena;
    arena->spare = spare;
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

static void keep_spare(uint32_t first, uint32_t *spare)
{
    if (*spare != UNIT_NONE) {
        free_units(first);
        return;
    }
    reset_chunk(first, ARENA_GRAINS);
    *spare = first;
}

/* Blocks that stay in it, which is a zone then. */
static size_t settle_chunk(uint32_t first, uint32_t *spare)
{
    lock_take(&mixed.lock);
    size_t blocks = blocks_in(first);
    if (blocks != 0)
        zone_adopt_arena(first, ARENA_UNITS);
    lock_drop(&mixed.lock);
    if (blocks == 0)
        keep_spare(first, spare);
    return blocks;
}

size_t arena_end(struct arena *arena, uint32_t *spare)
{
    leave_if_entered(arena);
    size_t blocks = 0;
    if (arena->chunk != UNIT_NONE)
        retire(arena);
    cache_transfer();
    while (arena->older != UNIT_NONE) {
        uint32_t first = arena->older;
        arena->older = chunk_at(first)->next;
        blocks += settle_chunk(first, spare);
    }
    arena->blocks = arena->chunks = 0;
    return blocks;
}

void arena_free_spare(uint32_t *spare)
{
    uint32_t first = *spare;
    *spare = UNIT_NONE;
    if (first != UNIT_NONE)
        free_units(first);
}

/* -- numbers ---------------------------------------------------------------------------------- */

enum { CHUNK_WORDS = ARENA_GRAINS / 64 };

static void copy_words(uint64_t *to, const uint64_t *from)
{
    for (int word = 0; word < CHUNK_WORDS; word++)
        to[word] = __atomic_load_n(&from[word], __ATOMIC_RELAXED);
}

/* The bits change meanwhile: a block that moves just now counts or not. The unit does not change
 * hands, as its chunk would first be labelled for that, and then wait for unit_visit. */
static void add_chunk(size_t unit, void *stats_)
{
    struct arena_stats *stats = stats_;
    uint32_t object = 0, size = 0, end = 0;
    uint64_t free_bits[CHUNK_WORDS], ends[CHUNK_WORDS];
    /* acquire: pairs with the release in space_label */
    if (atomic_load_explicit(space_ctl(unit), memory_order_acquire) != CTL_ARENA ||
        *space_head(unit) != unit)
        return;
    copy_words(free_bits, space_grains_free(unit));
    copy_words(ends, space_grains_end(unit));
    const struct grains grains = {free_bits, ends, ARENA_GRAINS};
    stats->chunks++;
    while (grains_next_object(&grains, object + size, &object, &size)) {
        if (!bit_is_set(grains.end, object + size - 1))
            break;
        stats->blocks++;
        stats->bytes += size * (size_t)GRAIN_BYTES;
        stats->free_bytes += (object - end) * (size_t)GRAIN_BYTES;
        end = object + size;
    }
}

MP_RARE void arena_read_stats(struct arena_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    unit_visit(CTL_ARENA, add_chunk, stats);
}

size_t arena_live(const struct arena *arena)
{
    size_t blocks = arena->taken - arena->given;
    if (arena->chunk != UNIT_NONE)
        blocks -= given_of(arena->chunk);
    for (uint32_t first = arena->older; first != UNIT_NONE; first = chunk_at(first)->next)
        blocks += blocks_in(first);
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

MP_RARE size_t arena_audit(const struct arena *arena)
{
    size_t chunks = 0;
    if (arena->chunk != UNIT_NONE) {
        audit_chunk(arena->chunk, arena->taken - arena->given - given_of(arena->chunk));
        chunks++;
    }
    for (uint32_t first = arena->older; first != UNIT_NONE; first = chunk_at(first)->next) {
        audit_chunk(first, blocks_in(first));
        chunks++;
    }
    MP_AUDIT(chunks == arena->chunks);
    return chunks;
}
