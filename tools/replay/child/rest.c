/* rest.c - the blocks that are left when all operations are done. Nobody else runs then. */
#include <stdlib.h>

#include "tools/replay/child/child.h"

static size_t count_slots(void)
{
    return (size_t)child.program->slots * child.copies;
}

void rest_check(void)
{
    for (size_t i = 0; i < count_slots(); i++) {
        const struct slot *slot = &child.slots[i];
        const void *object = atomic_load_explicit(&slot->object, memory_order_relaxed);
        bool is_over = child.in_txn != NULL && child.in_txn[i] != 0; /* with its transaction */
        if (object != NULL && !is_over)
            pattern_check(object, slot->size, pattern_of(slot), "at the end");
    }
}

void rest_free(void)
{
    for (size_t i = 0; i < count_slots(); i++) {
        void *object = atomic_load_explicit(&child.slots[i].object, memory_order_relaxed);
        atomic_store_explicit(&child.slots[i].object, NULL, memory_order_relaxed);
        if (child.mode != PROGRAM_NULL && !txns_let_go(&child.slots[i]))
            free(object);
    }
}
