/* cgroup.c - a control group of its own below the one this program is in.
 *
 * v2: memory.high = B slows down, memory.max = 1.1 B stops. v1: limit_in_bytes = B, with its killer
 * off: who hits the wall sleeps until there is room, and under_oom shows it. Where there is swap a
 * little is lent then for a moment, so that the program goes on at the speed of reclaim; without
 * swap nothing can give way but files, and the wall is where it would have been killed. Lowering
 * v1's limit below what is used fails with EBUSY until enough is reclaimed: it is tried again. */
#define _GNU_SOURCE
#include "tools/scenario/pressure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/scenario/groups.h"
#include "tools/scenario/guard.h"
#include "tools/scenario/process.h"
#include "tools/trace/memory.h"

enum { PATH_BYTES = GROUPS_PATH_BYTES, LEND_BYTES = 4 << 20 };
#define OVER_SECONDS 1.0

struct group {
    char path[PATH_BYTES]; /* of ours */
    char twin[PATH_BYTES]; /* v1: a v2 group beside it, for its pressure; "": none */
    bool is_v2, has_swap, is_lent;
    uint64_t set;      /* the limit that the kernel took; 0: none */
    double over_since; /* at the wall; 0: not */
};

static struct group *group_of(const struct pressure *pressure)
{
    return pressure->state;
}

static int make_group(bool is_v2, char *path)
{
    char own[GROUPS_PATH_BYTES];
    size_t root;
    if (!groups_find(is_v2, own, &root))
        return ENOENT;
    if (snprintf(path, PATH_BYTES, "%s/mpress-%d", own, (int)getpid()) >= PATH_BYTES)
        return ENAMETOOLONG;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return errno;
    guard_keep_folder(path);
    return 0;
}

/* -- its files -------------------------------------------------------------------------------- */

static int write_file(const char *group, const char *name, const char *text)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", group, name);
    return pressure_write(path, text);
}

static int write_number(const struct group *group, const char *name, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return write_file(group->path, name, text);
}

/* -- its life --------------------------------------------------------------------------------- */

static bool refuse(struct pressure *pressure, char *why, const char *what, int error)
{
    struct group *group = group_of(pressure);
    snprintf(why, PRESSURE_WHY_BYTES, "%s%s%s", what, error == 0 ? "" : ": ",
             error == 0 ? "" : strerror(error));
    if (group->path[0] != '\0')
        rmdir(group->path);
    free(group);
    pressure->state = NULL;
    return false;
}

static bool open_group(struct pressure *pressure, bool is_v2, char *why)
{
    struct group *group = memory_alloc(1, sizeof(*group));
    pressure->state = group;
    group->is_v2 = is_v2;
    group->has_swap = groups_have_swap();
    int error = make_group(is_v2, group->path);
    if (error != 0) {
        group->path[0] = '\0';
        return refuse(pressure, why, "no group can be made", error);
    }
    error = write_number(group, is_v2 ? "memory.high" : "memory.limit_in_bytes", INT64_MAX);
    if (error != 0)
        return refuse(pressure, why, "the memory controller does not serve groups here", error);
    return true;
}

static bool open_v2(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    return open_group(pressure, true, why);
}

static bool open_v1(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    if (!open_group(pressure, false, why))
        return false;
    struct group *group = group_of(pressure);
    int error = write_file(group->path, "memory.oom_control", "1");
    if (error != 0)
        return refuse(pressure, why, "its killer cannot be turned off", error);
    if (make_group(true, group->twin) != 0)
        group->twin[0] = '\0';
    return true;
}

static const char *object_to_v1(void)
{
    return groups_have_swap() ? NULL
                              : "no swap: anonymous memory cannot give way, its limit is a wall";
}

/* Those who were killed just now may still be on their way out. */
static void remove_folder(const char *path)
{
    for (unsigned i = 0; i < 100 && rmdir(path) != 0 && errno == EBUSY; i++)
        usleep(10000);
}

static void close_group(struct pressure *pressure)
{
    struct group *group = group_of(pressure);
    remove_folder(group->path);
    if (group->twin[0] != '\0')
        remove_folder(group->twin);
    free(group);
}

static void prepare_group(const struct pressure *pressure)
{
    struct group *group = group_of(pressure);
    write_file(group->path, "cgroup.procs", "0");
    if (group->twin[0] != '\0')
        write_file(group->twin, "cgroup.procs", "0");
}

/* -- the limit -------------------------------------------------------------------------------- */

static uint64_t get_used_v2(const struct pressure *pressure)
{
    return groups_read(group_of(pressure)->path, "memory.stat", "anon ");
}

/* As the limit counts: also what the kernel itself needs for them, and pages of files that are in
 * use, of a small program a tenth of all. Other pages of files give way. */
static uint64_t read_in_use(const struct pressure *pressure, const char *name)
{
    const char *path = group_of(pressure)->path;
    uint64_t all = groups_read(path, name, "");
    uint64_t idle = groups_read(path, "memory.stat", "total_inactive_file ");
    return all > idle ? all - idle : 0;
}

static uint64_t get_used_v1(const struct pressure *pressure)
{
    return read_in_use(pressure, "memory.usage_in_bytes");
}

/* Since the budget was set, also of what ended between two looks. */
static uint64_t get_most_v1(const struct pressure *pressure)
{
    return read_in_use(pressure, "memory.max_usage_in_bytes");
}

static void set_v2(struct pressure *pressure, uint64_t bytes)
{
    struct group *group = group_of(pressure);
    pressure->budget = bytes;
    uint64_t high = bytes == 0 ? INT64_MAX : bytes;
    uint64_t most = bytes == 0 ? INT64_MAX : bytes + bytes / 10;
    write_number(group, "memory.max", most);
    write_number(group, "memory.high", high);
    group->set = bytes;
}

/* As low as it goes just now. */
static void lower_v1(struct group *group, uint64_t bytes)
{
    if (write_number(group, "memory.limit_in_bytes", bytes) == 0)
        group->set = bytes;
}

static void set_v1(struct pressure *pressure, uint64_t bytes)
{
    struct group *group = group_of(pressure);
    pressure->budget = bytes;
    group->over_since = 0;
    group->is_lent = false;
    if (bytes != 0)
        lower_v1(group, bytes);
    else if (write_number(group, "memory.limit_in_bytes", INT64_MAX) == 0)
        group->set = 0;
    write_number(group, "memory.max_usage_in_bytes", 0);
    write_number(group, "memory.failcnt", 0);
}

static void lend(struct pressure *pressure, struct group *group)
{
    if (write_number(group, "memory.limit_in_bytes", group->set + LEND_BYTES) != 0)
        return;
    group->is_lent = true;
    pressure->lends++;
}

static void tick_v1(struct pressure *pressure)
{
    struct group *group = group_of(pressure);
    if (pressure->budget == 0)
        return;
    if (group->is_lent || group->set != pressure->budget) {
        group->is_lent = false;
        lower_v1(group, pressure->budget);
    }
    bool is_over = groups_read(group->path, "memory.oom_control", "under_oom ") != 0;
    bool is_refused = group->set != pressure->budget && !group->has_swap;
    if (!is_over && !is_refused)
        group->over_since = 0;
    else if (group->over_since == 0)
        group->over_since = process_now();
    if (is_over && group->has_swap)
        lend(pressure, group);
}

static bool is_over_v1(const struct pressure *pressure)
{
    const struct group *group = group_of(pressure);
    return !group->has_swap && group->over_since > 0 &&
           process_now() - group->over_since > OVER_SECONDS;
}

/* (Also where there was room after reclaim.) */
static bool has_refused_v1(const struct pressure *pressure)
{
    return groups_read(group_of(pressure)->path, "memory.failcnt", "") != 0;
}

static bool find_stalls(const struct pressure *pressure, char path[PRESSURE_PATH_BYTES])
{
    const struct group *group = group_of(pressure);
    const char *folder = group->is_v2 ? group->path : group->twin;
    snprintf(path, PRESSURE_PATH_BYTES, "%s/memory.pressure", folder);
    return folder[0] != '\0';
}

const struct pressure_mechanism pressure_cgroup2 = {
    .name = "cgroup2",
    .enforces = "memory.high: slowed down above it; memory.max at 110 %: killed above that",
    .unit = "anonymous memory of all its processes",
    .open = open_v2,
    .close = close_group,
    .prepare = prepare_group,
    .set = set_v2,
    .used = get_used_v2,
    .stalls = find_stalls,
};

const struct pressure_mechanism pressure_cgroup1 = {
    .name = "cgroup1",
    .enforces = "memory.limit_in_bytes, its killer off: at the limit all wait until there is room",
    .unit = "memory of all its processes, and the kernel's for them; idle files give way",
    .objection = object_to_v1,
    .open = open_v1,
    .close = close_group,
    .prepare = prepare_group,
    .set = set_v1,
    .used = get_used_v1,
    .most = get_most_v1,
    .tick = tick_v1,
    .stalls = find_stalls,
    .is_over = is_over_v1,
    .has_refused = has_refused_v1,
};
