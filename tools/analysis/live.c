/* live.c - see live.h. */
#include "tools/analysis/live.h"

enum { FIRST_SEATS = 1 << 12 };

void live_init(struct live *live, struct store *store)
{
    *live = (struct live){.store = store, .seats = FIRST_SEATS};
    live->block = store_alloc(store, FIRST_SEATS, sizeof live->block[0]);
}

void live_grow(struct live *live, uint32_t seat)
{
    size_t seats = live->seats;
    while (seats <= seat)
        seats *= 2;
    live->block = store_grow(live->store, live->block, live->seats, seats, sizeof live->block[0]);
    live->seats = seats;
}

void live_visit(const struct live *live, void (*visit)(const struct block *block, void *context),
                void *context)
{
    for (size_t i = 0; i < live->seats; i++) {
        if (live->block[i].object != 0)
            visit(&live->block[i], context);
    }
}
