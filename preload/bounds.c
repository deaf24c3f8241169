/* bounds.c - see bounds.h. */
#include "preload/bounds.h"

#include <stddef.h>

#include "allocators/space.h"
#include "allocators/unit.h"
#include "preload/budget_slot.h"

enum { GROUPS = 4 };
static const uint64_t LIMITS_NS = UINT64_C(2000000000), GROUPS_NS = UINT64_C(16000000000);
/* What a group uses: beyond half of its limit, and up to there. */
static const uint64_t USED_NS = UINT64_C(500000000), FAR_NS = UINT64_C(1000000000);

struct group {
    struct os_kept used_file, max_file, high_file, stat_file;
    bool is_unified, swaps;
    uint64_t used, max, high; /* max, high 0: none */
    uint64_t files;           /* the part of `used` that gives way */
    uint64_t read_ns;         /* `used`, last */
    uint64_t due_ns;          /* when it is read at the latest */
    uint64_t taken;           /* by this process, when it was read */
};

static struct {
    uint64_t limits_due_ns, groups_due_ns;
    uint64_t address_limit, data_limit; /* UINT64_MAX: none */
    unsigned groups;
    struct group group[GROUPS];
    struct os_kept stalls_file; /* of the innermost */
    struct os_sizes sizes;
} bounds = {.address_limit = UINT64_MAX, .data_limit = UINT64_MAX};

/* -- which there are -------------------------------------------------------------------------- */

static void close_group(struct group *group)
{
    os_kept_close(&group->used_file);
    os_kept_close(&group->max_file);
    os_kept_close(&group->high_file);
    os_kept_close(&group->stat_file);
}

static void forget_groups(void)
{
    for (unsigned i = 0; i < bounds.groups; i++)
        close_group(&bounds.group[i]);
    os_kept_close(&bounds.stalls_file);
    bounds.groups = 0;
}

static void add_group(const struct os_group *found, uint64_t max, uint64_t high)
{
    struct group *group = &bounds.group[bounds.groups];
    if (bounds.groups++ == 0)
        os_group_keep(found, OS_GROUP_PRESSURE, &bounds.stalls_file);
    os_group_keep(found, OS_GROUP_USED, &group->used_file);
    os_group_keep(found, OS_GROUP_MAX, &group->max_file);
    os_group_keep(found, OS_GROUP_HIGH, &group->high_file);
    os_group_keep(found, OS_GROUP_STAT, &group->stat_file);
    group->is_unified = found->is_unified;
    group->swaps = os_group_swaps(found);
    group->max = max;
    group->high = high;
    group->files = 0;
    group->due_ns = group->read_ns = 0;
}

/* The root has no limit, and says a number that no machine has, or nothing. */
static void look_up_groups(void)
{
    struct os_group group;
    forget_groups();
    os_group_find(&group);
    for (bool is_there = group.folder[0] != '\0'; is_there && bounds.groups < GROUPS;
         is_there = os_group_climb(&group)) {
        uint64_t used, max, high = os_group_high(&group);
        if (os_group_read(&group, &used, &max) && (max != 0 || high != 0))
            add_group(&group, max, high);
    }
}

/* -- sampling --------------------------------------------------------------------------------- */

/* The lower one of the two that it may have; 0: none. */
static uint64_t limit_of(const struct group *group)
{
    bool is_high = group->high != 0 && (group->max == 0 || group->high < group->max);
    return is_high ? group->high : group->max;
}

static bool is_beyond(const struct group *group, uint64_t tenths)
{
    return group->used / 10 >= limit_of(group) / 100 * tenths;
}

static void read_limit(struct os_kept *file, uint64_t *limit)
{
    uint64_t number;
    if (os_kept_number(file, &number))
        *limit = number > UINT64_MAX / 4 ? 0 : number;
}

static uint64_t room_of(const struct group *group)
{
    uint64_t limit = limit_of(group);
    return limit > group->used ? limit - group->used : 0;
}

/* Neither this process nor, by the pace of last time, others can have taken much of what is left.
 */
static bool may_wait(const struct group *group, uint64_t now_ns, uint64_t taken)
{
    return now_ns < group->due_ns && taken <= group->taken + room_of(group) / 32 &&
           !is_beyond(group, 9);
}

/* As long as an eighth of what is left lasts. `ns` 0: who read last had a clock that is ahead. */
static uint64_t pause_of(const struct group *group, uint64_t used_before, uint64_t ns)
{
    uint64_t longest = is_beyond(group, 5) ? USED_NS : FAR_NS;
    if (group->used <= used_before)
        return longest;
    double pause = (double)room_of(group) / 8 * (double)ns / (double)(group->used - used_before);
    return pause < (double)longest ? (uint64_t)pause : longest;
}

static void sample_group(struct group *group, uint64_t now_ns, uint64_t taken, bool is_due)
{
    if (is_due) {
        read_limit(&group->max_file, &group->max);
        read_limit(&group->high_file, &group->high);
    }
    if (limit_of(group) != 0 && may_wait(group, now_ns, taken))
        return;
    uint64_t before = group->used;
    group->taken = taken == UINT64_MAX ? group->taken : taken;
    if (limit_of(group) == 0 || !os_kept_number(&group->used_file, &group->used)) {
        group->used = group->max = group->high = 0;
        return;
    }
    uint64_t ns = now_ns > group->read_ns ? now_ns - group->read_ns : 0;
    group->due_ns = now_ns + pause_of(group, before, ns);
    group->read_ns += ns;
    if (is_beyond(group, 9) || (is_due && is_beyond(group, 7)))
        (void)os_kept_files(&group->stat_file, group->is_unified, &group->files);
    else if (!is_beyond(group, 7))
        group->files = 0;
}

static bool is_due(uint64_t *due_ns, uint64_t now_ns, uint64_t pause_ns)
{
    if (now_ns < *due_ns)
        return false;
    *due_ns = now_ns + pause_ns;
    return true;
}

void bounds_sample(uint64_t now_ns, const struct os_sizes *sizes, uint64_t taken)
{
    bool looks_up = is_due(&bounds.limits_due_ns, now_ns, LIMITS_NS);
    if (is_due(&bounds.groups_due_ns, now_ns, GROUPS_NS))
        look_up_groups();
    if (looks_up) {
        bounds.address_limit = os_address_limit();
        bounds.data_limit = os_data_limit();
    }
    for (unsigned i = 0; i < bounds.groups; i++)
        sample_group(&bounds.group[i], now_ns, taken, looks_up);
    bounds.sizes = *sizes;
}

/* -- reading ---------------------------------------------------------------------------------- */

static struct bounds_reading reading_of(const struct group *group, uint64_t limit)
{
    uint64_t used = group->used > group->files ? group->used - group->files : 0;
    return (struct bounds_reading){used, limit};
}

static void consider(struct bounds_reading *nearest, struct bounds_reading reading)
{
    if (reading.limit != 0 && reading.limit != UINT64_MAX && bounds_is_nearer(&reading, nearest))
        *nearest = reading;
}

/* What of the address space only the heap's reservation takes is not used. */
static uint64_t used_space(void)
{
    size_t reserved;
    (void)space_memory(&reserved);
    uint64_t taken = unit_resident_bytes();
    uint64_t idle = reserved > taken ? reserved - taken : 0;
    return bounds.sizes.space > idle ? bounds.sizes.space - idle : 0;
}

bool bounds_read(struct bounds_reading *nearest)
{
    *nearest = (struct bounds_reading){0};
    for (unsigned i = 0; i < bounds.groups; i++)
        consider(nearest, reading_of(&bounds.group[i], limit_of(&bounds.group[i])));
    if (bounds.address_limit != UINT64_MAX)
        consider(nearest, (struct bounds_reading){used_space(), bounds.address_limit});
    if (!budget_moves_limits())
        consider(nearest, (struct bounds_reading){bounds.sizes.data, bounds.data_limit});
    return nearest->limit != 0;
}

static uint64_t left_of(const struct bounds_reading *reading)
{
    return reading->limit > reading->used ? reading->limit - reading->used : 0;
}

bool bounds_read_group(struct bounds_reading *nearest, bool machine_swaps)
{
    *nearest = (struct bounds_reading){0};
    for (unsigned i = 0; i < bounds.groups; i++) {
        struct bounds_reading reading = reading_of(&bounds.group[i], bounds.group[i].max);
        bool is_less = nearest->limit == 0 || left_of(&reading) < left_of(nearest);
        bool has_swap = machine_swaps && bounds.group[i].swaps;
        if (reading.limit != 0 && is_less && !has_swap)
            *nearest = reading;
    }
    return nearest->limit != 0;
}

bool bounds_read_stalls(struct os_pressure *stalls)
{
    return bounds.groups > 0 && os_kept_stalls(&bounds.stalls_file, stalls);
}

uint64_t bounds_total(void)
{
    uint64_t total = 0;
    (void)os_total_read(&total);
    look_up_groups();
    for (unsigned i = 0; i < bounds.groups; i++) {
        uint64_t limit = limit_of(&bounds.group[i]);
        total = limit < total ? limit : total;
    }
    return total;
}

void bounds_close(void)
{
    forget_groups();
    bounds.limits_due_ns = bounds.groups_due_ns = 0;
}
