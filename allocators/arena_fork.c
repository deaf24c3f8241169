/* arena_fork.c - what the child of a fork has of arenas: its thread's as they are. Those of threads
 * that vanished are dissolved, with what was on its way between owners: nothing is lost. */
#include "allocators/arena_inside.h"
#include "allocators/base/check.h"
#include "allocators/unit.h"

static void keep_not(size_t unit, void *unused)
{
    if (*space_head(unit) == unit)
        arena_chunk_at((uint32_t)unit)->is_kept = false;
    (void)unused;
}

/* A span may hold what is left of a zone that was just being lent. */
MP_RARE void arena_keep_none(void)
{
    unit_visit(CTL_ARENA, keep_not, NULL);
}

static void keep_list(uint32_t first)
{
    for (; first != UNIT_NONE; first = arena_chunk_at(first)->next)
        arena_chunk_at(first)->is_kept = true;
}

MP_RARE void arena_keep(const struct arena *arena)
{
    for (int i = 0; i < 2; i++) {
        if (arena->fills[i].chunk != UNIT_NONE)
            arena_chunk_at(arena->fills[i].chunk)->is_kept = true;
    }
    keep_list(arena->older);
}

MP_RARE void arena_keep_spares(const struct arena_spares *spares)
{
    keep_list(spares->empty.first);
    keep_list(spares->sparse.first);
}

/* Chains those that nobody keeps: their own links are nobody's either. */
static void find_lost(size_t unit, void *lost_)
{
    uint32_t *lost = lost_;
    struct arena_chunk *chunk = arena_chunk_at((uint32_t)unit);
    if (*space_head(unit) != unit)
        return;
    if (!chunk->is_kept) {
        chunk->next = *lost;
        *lost = (uint32_t)unit;
    }
}

static void dissolve(uint32_t first)
{
    lock_take(&mixed.lock);
    zone_adopt_arena(first, ARENA_UNITS);
    bool is_empty = zone_at(first)->free == ARENA_GRAINS;
    if (is_empty)
        zone_retire(zone_at(first));
    lock_drop(&mixed.lock);
    if (is_empty)
        unit_free(first, ARENA_UNITS);
}

MP_RARE void arena_fork_child(void)
{
    uint32_t lost = UNIT_NONE;
    unit_visit(CTL_ARENA, find_lost, &lost);
    while (lost != UNIT_NONE) {
        uint32_t first = lost;
        lost = arena_chunk_at(first)->next;
        dissolve(first);
    }
}
