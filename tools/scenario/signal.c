/* signal.c - the budget is only told: SIGUSR1 with the budget as its value, to each process of the
 * program that takes this signal, as soon as it does so (a handler is there, or it is blocked and
 * waited for), and once for each budget. Whoever does not take it would be ended by it. */
#define _GNU_SOURCE
#include "tools/scenario/pressure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "tools/scenario/origin.h"
#include "tools/trace/memory.h"

enum {
    LOOKS_AT_FIRST = 100, /* at a process that does not take it: a second long with each tick, */
    LOOKS_REST = 16,      /* then with one of so many */
    BLOCKED_LOOKS = 3,    /* at all signals blocked: so they are for a moment as threads begin */
};

struct listener {
    pid_t pid;
    int told; /* MiB; 0: none */
    unsigned looks, blocked;
};

struct signal_state {
    struct listener at[VICTIM_PROCESSES]; /* in the victim's order */
    bool is_heard;                        /* some process takes it */
};

static struct signal_state *state_of(const struct pressure *pressure)
{
    return pressure->state;
}

static bool open_signal(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    *why = '\0';
    pressure->state = memory_alloc(1, sizeof(struct signal_state));
    return true;
}

static void close_signal(struct pressure *pressure)
{
    free(pressure->state);
}

/* -- who takes it ----------------------------------------------------------------------------- */

static bool has_signal(const char *status, const char *field, int number)
{
    const char *at = strstr(status, field);
    return at != NULL && (strtoull(at + strlen(field), NULL, 16) >> (number - 1) & 1) != 0;
}

/* (Whoever is inside of sigwait does not show it as blocked meanwhile, other threads do.) */
static bool takes_signal(struct listener *listener)
{
    char path[64], status[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)listener->pid);
    victim_read_file(path, status, sizeof status);
    listener->looks++;
    bool is_blocked = has_signal(status, "\nSigBlk:", SIGUSR1);
    bool is_meant = is_blocked && !has_signal(status, "\nSigBlk:", SIGTRAP);
    listener->blocked = is_blocked ? listener->blocked + 1 : 0;
    return has_signal(status, "\nSigCgt:", SIGUSR1) || is_meant ||
           listener->blocked >= BLOCKED_LOOKS;
}

/* Nobody else who has got its number meanwhile. */
static bool is_of_program(pid_t pid, pid_t program)
{
    return pid == program || origin_find_session(pid) == program ||
           origin_find_marked(pid) == program;
}

static void tell(struct signal_state *state, struct listener *listener, pid_t program, int budget)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    int fd = pidfd_open(listener->pid, 0);
    if (fd < 0)
        return;
    if (is_of_program(listener->pid, program) && takes_signal(listener)) {
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = budget;
        state->is_heard = true;
        if (budget == listener->told || pidfd_send_signal(fd, SIGUSR1, &info, 0) == 0)
            listener->told = budget;
    }
    close(fd);
}

static bool is_due(const struct listener *listener)
{
    return listener->looks < LOOKS_AT_FIRST || listener->looks % LOOKS_REST == 0;
}

/* -- the budget ------------------------------------------------------------------------------- */

static int find_mib(uint64_t bytes)
{
    uint64_t mib = bytes >> 20;
    return bytes != 0 && mib == 0 ? 1 : (int)mib;
}

static void tell_all(struct pressure *pressure, bool is_at_once)
{
    struct signal_state *state = state_of(pressure);
    const struct victim *victim = pressure->victim;
    int budget = find_mib(pressure->budget);
    for (size_t i = 0; victim != NULL && victim->root > 0 && i < victim->pids; i++) {
        struct listener *listener = &state->at[i];
        if (listener->pid != victim->pid[i])
            *listener = (struct listener){.pid = victim->pid[i]};
        if (budget == listener->told && state->is_heard)
            continue;
        if (is_at_once || is_due(listener))
            tell(state, listener, victim->root, budget);
        else
            listener->looks++;
    }
}

static void set_signal(struct pressure *pressure, uint64_t bytes)
{
    pressure->budget = bytes;
    tell_all(pressure, true);
}

static void tick_signal(struct pressure *pressure)
{
    tell_all(pressure, false);
}

static const char *object_to_signal(void)
{
    return "it limits nothing";
}

static const char *object_to_program(const struct pressure *pressure)
{
    return state_of(pressure)->is_heard
               ? NULL
               : "none of its processes takes SIGUSR1, which would only end it";
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
    .objection_to_program = object_to_program,
    .open = open_signal,
    .close = close_signal,
    .set = set_signal,
    .used = get_resident,
    .tick = tick_signal,
};
