/* rlimit.c - RLIMIT_DATA, moved from outside: reaches every program of the same user, static ones
 * too. What is there stays; the next request of memory is refused (ENOMEM). Only the soft limit
 * moves, so that it can be raised again. */
#define _GNU_SOURCE /* prlimit */
#include "tools/scenario/pressure.h"

#include <stdio.h>
#include <sys/resource.h>

static bool open_rlimit(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    struct rlimit limit;
    pressure->library = NULL; /* its reservation of address space would count */
    if (getrlimit(RLIMIT_DATA, &limit) == 0)
        return true;
    snprintf(why, PRESSURE_WHY_BYTES, "the system has no RLIMIT_DATA");
    return false;
}

static void close_rlimit(struct pressure *pressure)
{
    (void)pressure;
}

static struct rlimit find_limit(const struct rlimit *old, uint64_t bytes)
{
    struct rlimit limit = *old;
    limit.rlim_cur = bytes == 0 || bytes > old->rlim_max ? old->rlim_max : bytes;
    return limit;
}

static void prepare_rlimit(const struct pressure *pressure)
{
    struct rlimit old;
    getrlimit(RLIMIT_DATA, &old);
    struct rlimit limit = find_limit(&old, pressure->budget);
    setrlimit(RLIMIT_DATA, &limit);
}

static void set_rlimit(struct pressure *pressure, uint64_t bytes)
{
    pressure->budget = bytes;
    for (size_t i = 0; pressure->victim != NULL && i < pressure->victim->pids; i++) {
        struct rlimit old;
        if (prlimit(pressure->victim->pid[i], RLIMIT_DATA, NULL, &old) != 0)
            continue; /* it has ended */
        struct rlimit limit = find_limit(&old, bytes);
        prlimit(pressure->victim->pid[i], RLIMIT_DATA, &limit, NULL);
    }
}

static uint64_t get_data(const struct pressure *pressure)
{
    return pressure->victim->now.data;
}

const struct pressure_mechanism pressure_rlimit = {
    .name = "rlimit",
    .enforces = "RLIMIT_DATA of each process, exact; what is over it is refused (ENOMEM)",
    .spares_what_is_there = true,
    .unit = "writable private memory of the largest process, touched or not",
    .open = open_rlimit,
    .close = close_rlimit,
    .prepare = prepare_rlimit,
    .set = set_rlimit,
    .used = get_data,
};
