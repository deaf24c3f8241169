/* live.c - see live.h. */
#include "tools/analysis/live.h"

#include "tools/trace/memory.h"

enum { FIRST_SEATS = 1 << 12 };

void live_init(struct live *live)
{
    *live = (struct live){.seats = FIRST_SEATS};
    live->block = memory_map(FIRST_SEATS * sizeof live->block[0]);
}

void live_fini(struct live *live)
{
    memory_unmap(live->block, live->seats * sizeof live->block[0]);
    *live = (struct live){0};
}

void live_grow(struct live *live, uint32_t seat)
{
    while (live->seats <= seat) {
        live->block = memory_map_more(live->block, live->seats * sizeof live->block[0]);
        live->seats *= 2;
    }
}

void live_visit(const struct live *live, void (*visit)(const struct block *block, void *context),
                void *context)
{
    for (size_t i = 0; i < live->seats; i++) {
        if (live->block[i].object != 0)
            visit(&live->block[i], context);
    }
}
