/* gate.c - see gate.h. The word for frees is the reservation's: it lies beside the others that the
 * hot path reads, and grows with them (space_extend). */
#include "allocators/gate.h"

#include <string.h>

#include "allocators/base/lock.h"

struct gate gate;

static void set_medium(bool open)
{
    atomic_store_explicit(&gate.medium_max, open ? SIZE_MEDIUM_MAX : 0, memory_order_relaxed);
}

/* Cut in the middle, by a fork, it is seen to be shut. */
static void set_allocs(bool open)
{
    if (!open)
        set_medium(false);
    lock_fence_stores();
    for (size_t i = 0; i < SIZE_GRAINS / 8; i++) {
        uint64_t classes = 0;
        if (open)
            memcpy(&classes, size_tables.of_grains + 8 * i, sizeof(classes));
        atomic_store_explicit(&gate.words[i], classes, memory_order_relaxed);
    }
    lock_fence_stores();
    if (open)
        set_medium(true);
}

void gate_init(void)
{
    set_allocs(true);
}

void gate_shut_allocs(void)
{
    set_allocs(false);
}

void gate_set(bool allocs_open, bool frees_open)
{
    set_allocs(allocs_open);
    space_set_open(frees_open);
}
