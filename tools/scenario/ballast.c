/* ballast.c - a limit that is there already, of a control group around this program, and a helper
 * that holds so much of it that the budget is what is left. Needs no rights: so a container can be
 * made smaller from within.
 *
 *     |<------------------ limit of the group ------------------>|
 *     | others | this program's target: budget |     ballast     |
 *
 * The helper's memory cannot be taken from it: it is locked where that is allowed; where there is
 * no swap nobody could take it; else each page is touched again and again, for half a percent of a
 * processor. If the kernel has to kill, it is to kill the target (oom_score_adj): without ballast
 * nothing would be scarce. */
#define _GNU_SOURCE /* close_range, mlock2, MADV_POPULATE_WRITE */
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/scenario/groups.h"
#include "tools/scenario/leftovers.h"
#include "tools/scenario/pressure.h"
#include "tools/trace/memory.h"

enum {
    STEP_BYTES = 1 << 20, /* taken and touched at a time */
    LOOKS = 9,            /* at what others use: their median counts */
    TICKS_A_LOOK = 10,
    REST = 200, /* times as long as a touch took */
};

/* Of this program and the helper. */
struct shared {
    _Atomic uint64_t held;
    _Atomic uint32_t wanted_steps;
};

struct ballast {
    char group[GROUPS_PATH_BYTES];
    bool is_v2;
    uint64_t limit;
    uint64_t others[LOOKS]; /* bytes that neither the target nor the helper has */
    unsigned looks, ticks;
    pid_t helper;
    struct shared *shared;
};

static struct ballast *ballast_of(const struct pressure *pressure)
{
    return pressure->state;
}

/* -- the helper ------------------------------------------------------------------------------- */

static double used_processor(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Until something else is wanted. */
static void wait_for_wish(struct shared *shared, uint32_t wanted, double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    syscall(SYS_futex, &shared->wanted_steps, FUTEX_WAIT, wanted, &time, NULL, 0);
}

static bool lock(char *start, size_t bytes)
{
    return mlock2(start, bytes, MLOCK_ONFAULT) == 0;
}

static void give_back(char *start, size_t bytes, bool is_locked)
{
    if (is_locked)
        munlock(start, bytes);
    madvise(start, bytes, MADV_DONTNEED);
    if (is_locked)
        lock(start, bytes);
}

/* Seconds of rest that this deserves. */
static double touch(const char *start)
{
    double before = used_processor();
    for (size_t at = 0; at < STEP_BYTES; at += 4096)
        (void)*(const volatile char *)(start + at);
    return REST * (used_processor() - before);
}

static _Noreturn void hold(struct shared *shared, char *memory, size_t steps)
{
    bool is_locked = lock(memory, steps * STEP_BYTES);
    bool is_safe = is_locked || !groups_have_swap();
    size_t held = 0, touched = 0;
    for (;;) {
        uint32_t wanted = atomic_load(&shared->wanted_steps);
        char *end = memory + held * STEP_BYTES;
        if (held > wanted) {
            held = wanted;
            give_back(memory + held * STEP_BYTES, (size_t)(end - memory) - held * STEP_BYTES,
                      is_locked);
        } else if (held < wanted && held < steps &&
                   madvise(end, STEP_BYTES, MADV_POPULATE_WRITE) == 0) {
            held++;
        } else if (held == 0 || is_safe) {
            wait_for_wish(shared, wanted, 1);
        } else {
            touched = touched + 1 < held ? touched + 1 : 0;
            wait_for_wish(shared, wanted, touch(memory + touched * STEP_BYTES));
        }
        atomic_store(&shared->held, held * STEP_BYTES);
    }
}

/* It ends with this program, and not by a signal of the terminal; and keeps nothing open but the
 * standard streams: it may be started anew in the middle of an experiment. */
static _Noreturn void become_helper(struct ballast *ballast, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "mpress-ballast");
    close_range(STDERR_FILENO + 1, ~0U, 0);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    size_t steps = ballast->limit / STEP_BYTES + 1;
    void *memory = mmap(NULL, steps * STEP_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || getppid() != parent)
        _exit(1);
    madvise(memory, steps * STEP_BYTES, MADV_NOHUGEPAGE);
    hold(ballast->shared, memory, steps);
}

static int start_helper(struct ballast *ballast)
{
    pid_t parent = getpid();
    atomic_store(&ballast->shared->held, 0);
    ballast->helper = fork();
    if (ballast->helper == 0)
        become_helper(ballast, parent);
    if (ballast->helper < 0)
        return errno;
    leftovers_add_own(ballast->helper);
    return 0;
}

static void stop_helper(struct ballast *ballast)
{
    if (ballast->helper <= 0)
        return;
    kill(ballast->helper, SIGKILL);
    while (waitpid(ballast->helper, NULL, 0) < 0 && errno == EINTR)
        ;
    leftovers_remove_own(ballast->helper);
    ballast->helper = 0;
}

/* -- the group -------------------------------------------------------------------------------- */

static uint64_t read_limit(const char *group, bool is_v2)
{
    uint64_t limit = groups_read(group, is_v2 ? "memory.max" : "memory.limit_in_bytes", "");
    return limit < groups_machine_bytes() ? limit : 0; /* ("max" reads as 0) */
}

/* Pages of files give way. */
static uint64_t read_used(const char *group, bool is_v2)
{
    uint64_t used = groups_read(group, is_v2 ? "memory.current" : "memory.usage_in_bytes", "");
    uint64_t files =
        groups_read(group, "memory.stat", is_v2 ? "\ninactive_file " : "\ntotal_inactive_file ") +
        groups_read(group, "memory.stat", is_v2 ? "\nactive_file " : "\ntotal_active_file ");
    return used > files ? used - files : 0;
}

/* The limit that leaves least, of the own group and those around it. */
static bool find_limit(struct ballast *ballast, bool is_v2)
{
    char path[GROUPS_PATH_BYTES];
    size_t root;
    uint64_t least = UINT64_MAX;
    if (!groups_find(is_v2, path, &root))
        return false;
    for (char *end = path + strlen(path); end != NULL && end >= path + root;
         end = strrchr(path, '/')) {
        *end = '\0';
        uint64_t limit = read_limit(path, is_v2), used = read_used(path, is_v2);
        uint64_t left = limit > used ? limit - used : 0;
        if (limit == 0 || left >= least)
            continue;
        least = left;
        strcpy(ballast->group, path);
        ballast->limit = limit;
        ballast->is_v2 = is_v2;
    }
    return least != UINT64_MAX;
}

/* -- its life --------------------------------------------------------------------------------- */

static bool refuse(struct ballast *ballast, char *why, const char *what)
{
    snprintf(why, PRESSURE_WHY_BYTES, "%s", what);
    free(ballast);
    return false;
}

static bool open_ballast(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    struct ballast *ballast = memory_alloc(1, sizeof(*ballast));
    if (!find_limit(ballast, true) && !find_limit(ballast, false))
        return refuse(ballast, why,
                      "no control group with a memory limit surrounds the program and its ballast");
    void *map = mmap(NULL, sizeof(*ballast->shared), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return refuse(ballast, why, strerror(errno));
    ballast->shared = map;
    int error = start_helper(ballast);
    if (error != 0) {
        munmap(map, sizeof(*ballast->shared));
        return refuse(ballast, why, strerror(error));
    }
    pressure->state = ballast;
    return true;
}

static void close_ballast(struct pressure *pressure)
{
    struct ballast *ballast = ballast_of(pressure);
    stop_helper(ballast);
    munmap(ballast->shared, sizeof(*ballast->shared));
    free(ballast);
}

static void prepare_target(const struct pressure *pressure)
{
    (void)pressure;
    pressure_write("/proc/self/oom_score_adj", "1000");
}

/* -- the budget ------------------------------------------------------------------------------- */

static uint64_t get_used(const struct pressure *pressure)
{
    const struct victim *victim = pressure->victim;
    return victim == NULL || victim->pids == 0 ? 0 : victim->now.rss_anon;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static uint64_t find_median(const struct ballast *ballast)
{
    uint64_t sorted[LOOKS];
    unsigned count = ballast->looks < LOOKS ? ballast->looks : LOOKS;
    memcpy(sorted, ballast->others, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    return sorted[count / 2];
}

/* The target grows and shrinks while it is looked at: one look alone would be wrong by that. */
static void look_at_others(const struct pressure *pressure, struct ballast *ballast)
{
    uint64_t known = get_used(pressure) + atomic_load(&ballast->shared->held);
    uint64_t used = read_used(ballast->group, ballast->is_v2);
    ballast->others[ballast->looks++ % LOOKS] = used > known ? used - known : 0;
}

static void wish(const struct pressure *pressure, struct ballast *ballast)
{
    uint64_t taken = find_median(ballast) + pressure->budget;
    bool is_pressed = pressure->budget != 0 && taken < ballast->limit;
    uint32_t steps = is_pressed ? (uint32_t)((ballast->limit - taken) / STEP_BYTES) : 0;
    if (atomic_exchange(&ballast->shared->wanted_steps, steps) != steps)
        syscall(SYS_futex, &ballast->shared->wanted_steps, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A program is not to be over before there is any pressure. What the helper cannot get in that time
 * others have. */
static void wait_for_helper(const struct shared *shared)
{
    enum { LONGEST_MS = 2000 };
    uint64_t wanted = (uint64_t)atomic_load(&shared->wanted_steps) * STEP_BYTES;
    for (int i = 0; i < LONGEST_MS && atomic_load(&shared->held) < wanted; i++)
        usleep(1000);
}

static void set_ballast(struct pressure *pressure, uint64_t bytes)
{
    struct ballast *ballast = ballast_of(pressure);
    pressure->budget = bytes;
    look_at_others(pressure, ballast);
    wish(pressure, ballast);
    if (pressure->victim == NULL || pressure->victim->pids == 0)
        wait_for_helper(ballast->shared);
}

/* The kernel may have killed it all the same: for a moment there was more. */
static void revive_helper(struct pressure *pressure, struct ballast *ballast)
{
    if (ballast->helper > 0) {
        if (waitpid(ballast->helper, NULL, WNOHANG) != ballast->helper)
            return;
        leftovers_remove_own(ballast->helper);
    }
    if (start_helper(ballast) == 0)
        pressure->lends++;
}

static void tick(struct pressure *pressure)
{
    struct ballast *ballast = ballast_of(pressure);
    if (++ballast->ticks % TICKS_A_LOOK != 0)
        return;
    revive_helper(pressure, ballast);
    look_at_others(pressure, ballast);
    wish(pressure, ballast);
}

static bool find_stalls(const struct pressure *pressure, char path[PRESSURE_PATH_BYTES])
{
    const struct ballast *ballast = ballast_of(pressure);
    snprintf(path, PRESSURE_PATH_BYTES, "%s/memory.pressure", ballast->group);
    return ballast->is_v2;
}

static const char *object_to_ballast(void)
{
    return "whoever shares the limit is pressed too";
}

const struct pressure_mechanism pressure_ballast = {
    .name = "ballast",
    .enforces =
        "a helper (mpress-ballast) keeps the rest of the group's limit; the kernel's reclaim",
    .unit = "anonymous memory of all its processes",
    .objection = object_to_ballast,
    .open = open_ballast,
    .close = close_ballast,
    .prepare = prepare_target,
    .set = set_ballast,
    .used = get_used,
    .tick = tick,
    .stalls = find_stalls,
};
