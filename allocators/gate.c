/* gate.c - see gate.h. The word for frees is the reservation's: it lies beside the others that the
 * hot path reads, and grows with them (space_extend). */
#include "allocators/gate.h"

struct gate gate;

static void set_allocs(bool open)
{
    size_t grains = sizeof(gate.class_of) / sizeof(gate.class_of[0]);
    for (size_t i = 0; i < grains; i++)
        atomic_store_explicit(&gate.class_of[i], open ? size_tables.of_grains[i] : 0,
                              memory_order_relaxed);
    atomic_store_explicit(&gate.medium_max, open ? SIZE_MEDIUM_MAX : 0, memory_order_relaxed);
}

void gate_init(void)
{
    set_allocs(true);
}

void gate_set(bool allocs_open, bool frees_open)
{
    set_allocs(allocs_open);
    space_set_open(frees_open);
}
