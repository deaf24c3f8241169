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
static void set_allocs(enum gate_allocs allocs)
{
    static const uint64_t OF_BATCHES = SIZE_BATCH * UINT64_C(0x0101010101010101);
    if (allocs != GATE_OPEN)
        set_medium(false);
    if (allocs == GATE_BATCHES)
        size_class_add_batches();
    lock_fence_stores();
    for (size_t i = 0; i < SIZE_GRAINS / 8; i++) {
        uint64_t classes = 0;
        if (allocs != GATE_SHUT)
            memcpy(&classes, size_tables.of_grains + 8 * i, sizeof(classes));
        if (allocs == GATE_BATCHES)
            classes += OF_BATCHES; /* no byte carries */
        atomic_store_explicit(&gate.words[i], classes, memory_order_relaxed);
    }
    lock_fence_stores();
    if (allocs == GATE_OPEN)
        set_medium(true);
}

void gate_init(void)
{
    set_allocs(GATE_OPEN);
}

void gate_shut_allocs(void)
{
    set_allocs(GATE_SHUT);
}

void gate_set(enum gate_allocs allocs, bool frees_open)
{
    set_allocs(allocs);
    space_set_open(frees_open);
}
