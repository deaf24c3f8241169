/* bounds.c - see bounds.h. */
#include "preload/bounds.h"

#include <stddef.h>

#include "allocators/base/os.h"
#include "allocators/space.h"
#include "allocators/unit.h"

enum { GROUPS = 4 }; /* that have a limit; the innermost ones */
static const uint64_t RENEW_NS = UINT64_C(1000000000);

static struct {
    uint64_t due_ns;
    uint64_t address_limit, data_limit;
    unsigned groups;
    struct os_group group[GROUPS];
    uint64_t group_limit[GROUPS];
} bounds;

/* The root has none, and says a number that no machine has, or nothing. */
static void look_up_groups(void)
{
    struct os_group group;
    bounds.groups = 0;
    os_group_find(&group);
    for (bool is_there = group.folder[0] != '\0'; is_there && bounds.groups < GROUPS;
         is_there = os_group_climb(&group)) {
        uint64_t used, max;
        if (!os_group_read(&group, &used, &max) || max == 0)
            continue;
        bounds.group[bounds.groups] = group;
        bounds.group_limit[bounds.groups++] = max;
    }
}

static void look_up(void)
{
    bounds.address_limit = os_address_limit();
    bounds.data_limit = os_data_limit();
    look_up_groups();
}

static void consider(struct bounds_reading *nearest, uint64_t used, uint64_t limit)
{
    struct bounds_reading reading = {used, limit};
    if (limit != 0 && limit != UINT64_MAX && bounds_is_nearer(&reading, nearest))
        *nearest = reading;
}

static void consider_group(struct bounds_reading *nearest, unsigned index)
{
    uint64_t used, max, files;
    if (!os_group_read(&bounds.group[index], &used, &max))
        return;
    (void)os_group_files_read(&bounds.group[index], &files);
    consider(nearest, used > files ? used - files : 0, bounds.group_limit[index]);
}

static void consider_own(struct bounds_reading *nearest)
{
    uint64_t mapped, data;
    size_t reserved;
    if ((bounds.address_limit == UINT64_MAX && bounds.data_limit == UINT64_MAX) ||
        !os_space_read(&mapped, &data))
        return;
    (void)space_memory(&reserved);
    uint64_t taken = unit_resident_bytes();
    uint64_t idle = reserved > taken ? reserved - taken : 0;
    consider(nearest, mapped > idle ? mapped - idle : 0, bounds.address_limit);
    consider(nearest, data, bounds.data_limit);
}

bool bounds_read(struct bounds_reading *reading, uint64_t now_ns)
{
    if (now_ns >= bounds.due_ns) {
        bounds.due_ns = now_ns + RENEW_NS;
        look_up();
    }
    *reading = (struct bounds_reading){0};
    for (unsigned i = 0; i < bounds.groups; i++)
        consider_group(reading, i);
    consider_own(reading);
    return reading->limit != 0;
}

uint64_t bounds_total(void)
{
    uint64_t total = 0;
    (void)os_total_read(&total);
    look_up_groups();
    for (unsigned i = 0; i < bounds.groups; i++)
        total = bounds.group_limit[i] < total ? bounds.group_limit[i] : total;
    return total;
}
