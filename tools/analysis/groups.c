/* groups.c - a hash table of stacks by their visible frames. */
#define _GNU_SOURCE /* qsort_r */
#include "tools/analysis/groups.h"

#include <stdlib.h>
#include <string.h>

enum { STACK_MAX = 512 }; /* twice the deepest stack that is recorded */

#define LIBRARY_PREFIX "libmpress.so"

/* -- frames ----------------------------------------------------------------------------------- */

/* operator new and its like: entry points of the library that are not the program's doing. */
static bool is_in_library(const struct analysis *analysis, const struct trace_node *frame)
{
    const struct trace_module *module = trace_node_module(analysis->trace, frame);
    if (module == NULL)
        return false;
    const char *slash = strrchr(module->path, '/');
    const char *name = slash == NULL ? module->path : slash + 1;
    return strncmp(name, LIBRARY_PREFIX, strlen(LIBRARY_PREFIX)) == 0;
}

size_t groups_read_stack(const struct analysis *analysis, uint32_t node, struct trace_node *frames,
                         size_t max)
{
    size_t used = 0;
    while (node != 0 && used < max) {
        struct trace_node frame = trace_node(analysis->trace, node);
        if (used > 0 || frame.parent == 0 || !is_in_library(analysis, &frame))
            frames[used++] = frame;
        node = frame.parent;
    }
    return used;
}

/* -- grouping --------------------------------------------------------------------------------- */

/* The table maps stacks to groups while they are made; the frames of its last probe are kept. */
struct table {
    struct groups *groups;
    uint32_t *slot; /* group number + 1; 0: free */
    size_t slots;   /* a power of two, more than twice the sites */
};

/* Two libraries may have lain at an address one after the other, and one several times. */
static uint64_t make_key(const struct analysis *analysis, const struct trace_node *frame)
{
    if (!analysis->facts->has_unloaded)
        return frame->ip;
    const struct trace_module *module = trace_node_module(analysis->trace, frame);
    return module == NULL ? frame->ip : frame->ip ^ module->identity;
}

static size_t read_key(const struct groups *groups, uint32_t node, uint64_t key[STACK_MAX])
{
    struct trace_node frames[STACK_MAX];
    size_t max = groups->depth == 0 || groups->depth > STACK_MAX ? STACK_MAX : groups->depth;
    size_t count = groups_read_stack(groups->analysis, node, frames, max);
    for (size_t i = 0; i < count; i++)
        key[i] = make_key(groups->analysis, &frames[i]);
    return count;
}

static uint64_t hash_key(const uint64_t *key, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ key[i]) * UINT64_C(0x9E3779B97F4A7C15) + (hash >> 29);
    return hash ^ hash >> 32;
}

static bool has_key(const struct groups *groups, const struct group *group, const uint64_t *key,
                    size_t count)
{
    uint64_t other[STACK_MAX];
    return read_key(groups, group->node, other) == count &&
           memcmp(other, key, count * sizeof key[0]) == 0;
}

static struct group *find_group(struct table *table, uint32_t node)
{
    struct groups *groups = table->groups;
    uint64_t key[STACK_MAX];
    size_t count = read_key(groups, node, key);
    size_t at = hash_key(key, count) & (table->slots - 1);
    for (; table->slot[at] != 0; at = (at + 1) & (table->slots - 1)) {
        struct group *group = &groups->group[table->slot[at] - 1];
        if (has_key(groups, group, key, count))
            return group;
    }
    struct group *group = &groups->group[groups->groups++];
    table->slot[at] = (uint32_t)groups->groups;
    group->node = node;
    return group;
}

static void add_site(struct group *group, const struct site *site, uint64_t peak_serial)
{
    struct amount peak = held_get_at_peak(&site->held, peak_serial);
    group->stacks++;
    amount_add(&group->end, &site->held.now);
    amount_add(&group->peak, &peak);
    amount_add(&group->all, &site->all);
    group->temporary += site->temporary;
    group->moved += site->moved;
    group->copied += site->copied;
    for (size_t i = 0; i < LIFE_CLASSES; i++)
        group->life[i] += site->life[i];
    amount_add(&group->leak.lost, &site->leak.lost);
    amount_add(&group->leak.by_lost, &site->leak.by_lost);
    amount_add(&group->leak.inside, &site->leak.inside);
    if (site->oldest_ns != 0 && (group->oldest_ns == 0 || site->oldest_ns < group->oldest_ns))
        group->oldest_ns = site->oldest_ns;
    if (site->newest_ns > group->newest_ns)
        group->newest_ns = site->newest_ns;
}

void groups_init(struct groups *groups, struct analysis *analysis, size_t depth)
{
    *groups = (struct groups){.analysis = analysis, .depth = depth};
    groups->group = store_alloc(analysis->store, analysis->sites + 1, sizeof groups->group[0]);
    groups->next_site =
        store_alloc(analysis->store, analysis->sites + 1, sizeof groups->next_site[0]);
    struct table table = {.groups = groups, .slots = 16};
    while (table.slots <= 2 * analysis->sites)
        table.slots *= 2;
    table.slot = store_alloc(analysis->store, table.slots, sizeof table.slot[0]);
    for (size_t i = 0; i < analysis->sites; i++) {
        const struct site *site = &analysis->site[i];
        struct group *group = find_group(&table, site->node);
        groups->next_site[i] = group->site;
        group->site = (uint32_t)i + 1;
        add_site(group, site, analysis->peak_serial);
    }
    store_free(table.slot);
}

void groups_read_course(const struct groups *groups, const struct group *group, int64_t *bytes)
{
    const struct analysis *analysis = groups->analysis;
    memset(bytes, 0, (analysis->course.moments + 1) * sizeof bytes[0]);
    for (uint32_t site = group->site; site != 0; site = groups->next_site[site - 1])
        course_add_site(&analysis->course, &analysis->site[site - 1].course, bytes);
}

/* -- order ------------------------------------------------------------------------------------ */

uint64_t groups_get_weight(const struct group *group, enum groups_order order)
{
    switch (order) {
    case GROUPS_BY_END:
        return group->end.bytes;
    case GROUPS_BY_LOST:
        return group->leak.lost.bytes + group->leak.by_lost.bytes;
    case GROUPS_BY_PEAK:
        return group->peak.bytes;
    case GROUPS_BY_ALLOCATIONS:
        return group->all.blocks;
    case GROUPS_BY_COPIED:
        return group->copied;
    default:
        return group->temporary;
    }
}

static int compare(const void *a, const void *b, void *context)
{
    const struct group *one = a, *other = b;
    enum groups_order order = *(const enum groups_order *)context;
    uint64_t weight = groups_get_weight(one, order);
    uint64_t other_weight = groups_get_weight(other, order);
    if (weight != other_weight)
        return weight < other_weight ? 1 : -1;
    return (one->node > other->node) - (one->node < other->node);
}

void groups_sort(struct groups *groups, enum groups_order order)
{
    qsort_r(groups->group, groups->groups, sizeof groups->group[0], compare, &order);
}
