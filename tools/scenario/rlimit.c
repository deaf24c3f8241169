/* rlimit.c - RLIMIT_DATA, moved from outside: reaches every program of the same user, static ones
 * too. What is there stays; the next request of memory is refused (ENOMEM). Only the soft limit
 * moves, so that it can be raised again. */
#define _GNU_SOURCE /* prlimit */
#include "tools/scenario/pressure.h"

#include <signal.h>
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

static void prepare_rlimit(struct pressure *pressure)
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
    .unit = "writable private memory of the largest process, touched or not",
    .open = open_rlimit,
    .close = close_rlimit,
    .prepare = prepare_rlimit,
    .set = set_rlimit,
    .used = get_data,
};

/* -- signal: the level is only told ----------------------------------------------------------- */

static bool open_signal(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    (void)pressure;
    *why = '\0';
    return true;
}

/* As the signal's value: the budget in MiB, 0 for none. */
static void set_signal(struct pressure *pressure, uint64_t bytes)
{
    pressure->budget = bytes;
    union sigval value = {.sival_int = (int)(bytes >> 20)};
    if (pressure->victim != NULL && pressure->victim->root > 0)
        sigqueue(pressure->victim->root, SIGUSR1, value);
}

static const char *object_to_signal(void)
{
    return "it limits nothing";
}

static void prepare_nothing(struct pressure *pressure)
{
    (void)pressure;
}

static uint64_t get_resident(const struct pressure *pressure)
{
    return pressure->victim->now.resident;
}

const struct pressure_mechanism pressure_signal = {
    .name = "signal",
    .enforces = "nothing: SIGUSR1 tells the program the budget (its value, in MiB; 0: none)",
    .unit = "resident memory of all its processes",
    .objection = object_to_signal,
    .open = open_signal,
    .close = close_rlimit,
    .prepare = prepare_nothing,
    .set = set_signal,
    .used = get_resident,
};
