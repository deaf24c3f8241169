/* pending.h - what the lanes' current segments still hold for an address.
 *
 * One entry for each address that a lane's current segment has births or deaths of, as long as
 * these are not yet executed. Within a segment births and deaths of one address take turns (who
 * frees it has it in his own magazine), so that the first and the last tell the whole entry. */
#ifndef MPRESS_TOOLS_TRACE_PENDING_H
#define MPRESS_TOOLS_TRACE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_entry {
    uint64_t units;
    uint32_t lane;
    uint32_t next;      /* entry of the same hash chain, or of the free list; 0: the last */
    uint32_t remaining; /* births and deaths; 0: the entry is free */
    bool next_is_death;
    bool last_is_death;
};

struct pending {
    struct pending_entry *entries; /* entry 0 is not used */
    size_t entry_count;
    size_t entry_capacity;
    uint32_t free;   /* head of the free list */
    uint32_t *heads; /* hash chains */
    unsigned shift;  /* 64 - log2 of their number */
    size_t used;
    uint64_t seed;
};

void pending_init(struct pending *pending);
void pending_fini(struct pending *pending);

/* A birth or death of `units` lies ahead in that lane's segment, behind those added before. */
void pending_add(struct pending *pending, uint64_t units, uint32_t lane, bool is_death);

/* The next one was executed. */
void pending_take(struct pending *pending, uint64_t units, uint32_t lane, bool is_death);

/* That lane's entry, or NULL. */
const struct pending_entry *pending_find(const struct pending *pending, uint64_t units,
                                         uint32_t lane);

/* The entries of `units` of all lanes: the first one behind `entry` (NULL: of all), or NULL. */
const struct pending_entry *pending_visit(const struct pending *pending, uint64_t units,
                                          const struct pending_entry *entry);

#endif
