/* pressure.c - which mechanism it is to be (pressure.h). */
#define _GNU_SOURCE
#include "tools/scenario/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/scenario/groups.h"

static const struct pressure_mechanism *const mechanisms[] = {
    &pressure_cgroup2,  &pressure_cgroup1, &pressure_budget,
    &pressure_throttle, &pressure_swap,    &pressure_rlimit,
    &pressure_ballast,  &pressure_signal,  NULL,
};

const struct pressure_mechanism *pressure_mechanism(size_t index)
{
    return mechanisms[index];
}

int pressure_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t written = write(fd, text, strlen(text));
    int error = written < 0 ? errno : 0;
    close(fd);
    return error;
}

static struct pressure_choice *note(struct pressure *pressure,
                                    const struct pressure_mechanism *mechanism)
{
    struct pressure_choice *choice = &pressure->choice[pressure->choices++];
    *choice = (struct pressure_choice){.mechanism = mechanism};
    return choice;
}

static bool try(struct pressure *pressure, const struct pressure_mechanism *mechanism,
                const struct pressure_target *target)
{
    struct pressure_choice *choice = note(pressure, mechanism);
    if (mechanism->needs_preload && pressure->library == NULL) {
        snprintf(choice->why, sizeof choice->why, "%s", target->library_why);
        return false;
    }
    pressure->mechanism = mechanism;
    choice->is_taken = mechanism->open(pressure, choice->why);
    return choice->is_taken;
}

/* "": there is none. To look for it each time is to read all mounts of the machine. */
static void find_own_group(char path[PRESSURE_PATH_BYTES])
{
    char group[GROUPS_PATH_BYTES];
    size_t root;
    *path = '\0';
    if (groups_find(true, group, &root))
        snprintf(path, PRESSURE_PATH_BYTES, "%s/memory.pressure", group);
}

void pressure_read_stalls(const struct pressure *pressure, struct pressure_stalls *stalls)
{
    const struct pressure_mechanism *mechanism = pressure->mechanism;
    char own[PRESSURE_PATH_BYTES];
    bool has_own = mechanism->stalls != NULL && mechanism->stalls(pressure, own);
    const char *path = has_own ? own : pressure->around;
    stalls->is_of_group = *path != '\0';
    stalls->seconds = stalls->is_of_group ? victim_read_stall(path) : (struct victim_stall){-1, -1};
    if (stalls->seconds.some >= 0)
        return;
    stalls->is_of_group = false;
    stalls->seconds = victim_read_stall(VICTIM_SYSTEM_PRESSURE);
}

const char *pressure_object(const struct pressure_mechanism *mechanism)
{
    return mechanism->objection == NULL ? NULL : mechanism->objection();
}

/* The strongest one that can be had; why those before it were not is kept. */
static bool choose(struct pressure *pressure, const struct pressure_target *target)
{
    for (size_t i = 0; mechanisms[i] != NULL; i++) {
        const char *objection = pressure_object(mechanisms[i]);
        if (objection != NULL)
            snprintf(note(pressure, mechanisms[i])->why, PRESSURE_WHY_BYTES, "%s", objection);
        else if (try(pressure, mechanisms[i], target))
            return true;
    }
    return false;
}

/* Each has its own name, and those of control groups one together. */
static bool is_named(const struct pressure_mechanism *mechanism, const char *name)
{
    bool is_group = strcmp(name, "cgroup") == 0;
    return is_group ? strncmp(mechanism->name, name, strlen(name)) == 0
                    : strcmp(mechanism->name, name) == 0;
}

/* Those that were tried, each with its why; there is one at least. */
static void explain(const struct pressure *pressure, const char *name, char *why)
{
    size_t used = (size_t)snprintf(why, PRESSURE_WHY_BYTES, "--pressure %s: ", name);
    for (size_t i = 0; i < pressure->choices && used < PRESSURE_WHY_BYTES; i++) {
        const struct pressure_choice *choice = &pressure->choice[i];
        bool is_other = strcmp(choice->mechanism->name, name) != 0;
        used += (size_t)snprintf(why + used, PRESSURE_WHY_BYTES - used, "%s%s%s%s",
                                 i == 0 ? "" : "; ", is_other ? choice->mechanism->name : "",
                                 is_other ? ": " : "", choice->why);
    }
}

bool pressure_open(struct pressure *pressure, const char *name,
                   const struct pressure_target *target, char why[PRESSURE_WHY_BYTES])
{
    *pressure = (struct pressure){.library = target->library, .is_replay = target->is_replay};
    find_own_group(pressure->around);
    if (strcmp(name, "auto") == 0) {
        snprintf(why, PRESSURE_WHY_BYTES, "no way to limit memory works here");
        return choose(pressure, target);
    }
    for (size_t i = 0; mechanisms[i] != NULL; i++) {
        if (is_named(mechanisms[i], name) && try(pressure, mechanisms[i], target))
            return true;
    }
    if (pressure->choices > 0) {
        explain(pressure, name, why);
        return false;
    }
    snprintf(why, PRESSURE_WHY_BYTES, "--pressure %.100s: there is none of that name (see --list)",
             name);
    return false;
}

struct pressure_backstop pressure_read_backstop(const struct pressure *pressure)
{
    struct pressure_backstop told = {0};
    if (pressure->mechanism->backstop != NULL)
        pressure->mechanism->backstop(pressure, &told);
    return told;
}

const struct pressure_mechanism *pressure_find_taken(const struct pressure *pressure)
{
    for (size_t i = 0; i < pressure->choices; i++) {
        if (pressure->choice[i].is_taken)
            return pressure->choice[i].mechanism;
    }
    return pressure->mechanism;
}

void pressure_close(struct pressure *pressure)
{
    if (pressure->mechanism != NULL)
        pressure->mechanism->close(pressure);
    pressure->mechanism = NULL;
}
