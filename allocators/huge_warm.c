/* huge_warm.c - slots under a lock. The start of a mapping is written last and cleared first: so
 * wherever a fork cuts, a slot is empty or right, and a mapping on its way is lost, never there
 * twice. Sums are not kept. */
#include "allocators/huge_warm.h"

#include <stdatomic.h>

#include "allocators/base/lock.h"

struct slot {
    char *_Atomic start; /* NULL: empty */
    size_t bytes, room;
    uint64_t since_ns;
    uint64_t number; /* of its coming: the clock is coarse */
};

/* All under the lock. */
static struct {
    struct lock lock;
    struct slot slots[HUGE_WARM_SLOTS];
    uint64_t numbers;
} warm = {.lock = LOCK_INIT(LOCK_RANK_HUGE)};

#define EACH(slot) (struct slot *slot = warm.slots; slot < warm.slots + HUGE_WARM_SLOTS; slot++)

static char *start_of(const struct slot *slot)
{
    return atomic_load_explicit(&slot->start, memory_order_relaxed);
}

/* Release: a child that sees the start sees the rest. */
static void set_start(struct slot *slot, char *start)
{
    atomic_store_explicit(&slot->start, start, memory_order_release);
}

static size_t sum(void)
{
    size_t bytes = 0;
    for
        EACH(slot)
    bytes += start_of(slot) != NULL ? slot->bytes : 0;
    return bytes;
}

static struct slot *empty_slot(void)
{
    for
        EACH(slot)
        {
            if (start_of(slot) == NULL)
                return slot;
        }
    return NULL;
}

bool huge_warm_put(const struct huge_mapping *mapping, uint64_t now_ns)
{
    lock_take(&warm.lock);
    struct slot *slot = empty_slot();
    bool is_kept = slot != NULL && mapping->bytes <= HUGE_WARM_BYTES - sum();
    if (is_kept) {
        slot->bytes = mapping->bytes;
        slot->room = mapping->room;
        slot->since_ns = now_ns;
        slot->number = warm.numbers++;
        set_start(slot, mapping->start);
    }
    lock_drop(&warm.lock);
    return is_kept;
}

static bool fits(const struct slot *slot, size_t bytes, size_t alignment)
{
    uintptr_t start = (uintptr_t)start_of(slot);
    return start != 0 && (start & (alignment - 1)) == 0 && slot->room >= bytes &&
           slot->bytes / 2 <= bytes;
}

/* NULL: false. */
static bool take(struct slot *slot, struct huge_mapping *mapping)
{
    if (slot == NULL)
        return false;
    *mapping = (struct huge_mapping){start_of(slot), slot->bytes, slot->room};
    set_start(slot, NULL);
    return true;
}

bool huge_warm_take(size_t bytes, size_t alignment, struct huge_mapping *mapping)
{
    struct slot *best = NULL;
    lock_take(&warm.lock);
    for
        EACH(slot)
        {
            if (fits(slot, bytes, alignment) && (best == NULL || slot->room < best->room))
                best = slot;
        }
    bool is_taken = take(best, mapping);
    lock_drop(&warm.lock);
    return is_taken;
}

bool huge_warm_take_older(uint64_t before_ns, struct huge_mapping *mapping)
{
    struct slot *oldest = NULL;
    lock_take(&warm.lock);
    for
        EACH(slot)
        {
            if (start_of(slot) != NULL && slot->since_ns <= before_ns &&
                (oldest == NULL || slot->number < oldest->number))
                oldest = slot;
        }
    bool is_taken = take(oldest, mapping);
    lock_drop(&warm.lock);
    return is_taken;
}

bool huge_warm_contains(const void *p)
{
    bool found = false;
    lock_take(&warm.lock);
    for
        EACH(slot)
    found |= start_of(slot) != NULL && (uintptr_t)p - (uintptr_t)start_of(slot) < slot->room;
    lock_drop(&warm.lock);
    return found;
}

bool huge_warm_any_within(uintptr_t start, uintptr_t end)
{
    bool found = false;
    lock_take(&warm.lock);
    for
        EACH(slot)
        {
            uintptr_t at = (uintptr_t)start_of(slot);
            found |= at != 0 && at >= start && at < end;
        }
    lock_drop(&warm.lock);
    return found;
}

size_t huge_warm_bytes(void)
{
    lock_take(&warm.lock);
    size_t bytes = sum();
    lock_drop(&warm.lock);
    return bytes;
}

void huge_warm_visit(void (*visit)(void *p, size_t bytes, void *context), void *context)
{
    for
        EACH(slot)
        {
            if (start_of(slot) != NULL)
                visit(start_of(slot), slot->bytes, context);
        }
}

void huge_warm_fork_child(void)
{
    lock_reset(&warm.lock);
}
