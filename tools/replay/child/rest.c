/* rest.c - the blocks that are left when all operations are done. Nobody else runs then. */
#include <stdlib.h>

#include "tools/replay/child/child.h"

static size_t count_slots(void)
{
    return (size_t)child.program->slots * child.copies;
}

/* With its transaction. */
static bool is_over(const struct slot *slot)
{
    return child.txns != NULL && (slot->size & SLOT_IN_TXN) != 0;
}

void rest_check(void)
{
    for (size_t i = 0; i < count_slots(); i++) {
        const struct slot *slot = &child.slots[i];
        const void *object = atomic_load_explicit(&slot->object, memory_order_relaxed);
        if (object != NULL && !is_over(slot))
            pattern_check(object, slot_size(slot), pattern_of(slot), "at the end");
    }
}

void rest_free(void)
{
    for (size_t i = 0; i < count_slots(); i++) {
        void *object = atomic_load_explicit(&child.slots[i].object, memory_order_relaxed);
        atomic_store_explicit(&child.slots[i].object, NULL, memory_order_relaxed);
        if (child.mode != PROGRAM_NULL && !is_over(&child.slots[i]))
            free(object);
    }
}
