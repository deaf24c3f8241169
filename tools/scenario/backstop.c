/* backstop.c - see backstop.h */
#define _GNU_SOURCE /* prlimit */
#include "tools/scenario/backstop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/target.h"

enum { MIB = 1 << 20 };
/* A step of the frontier with its tables (allocators/space.h) and a stack; of a program that has
 * not our frontier, two stacks. */
static const uint64_t LEAST_BYTES = 1; /* nothing more; 0 would be any number, to the kernel */
static const uint64_t STACK_BYTES = 8 * MIB, INSIDE_BYTES = 80 * MIB, OUTSIDE_BYTES = 16 * MIB;

/* -- who -------------------------------------------------------------------------------------- */

enum { SECRET = 1 }; /* a file that may not be looked at: its process has other rights */

/* 0: it has ended. */
static uint64_t find_program(pid_t pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    if (stat(path, &status) == 0)
        return (uint64_t)status.st_ino ^ (uint64_t)status.st_dev << 32;
    return errno == EACCES ? SECRET : 0;
}

/* All symbols of the file are read for it: of node that takes 8 ms. */
static bool look_into(pid_t pid)
{
    char path[64], found[TARGET_PATH_BYTES], why[TARGET_WHY_BYTES];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return target_find(path, found, why) != TARGET_FINE;
}

/* (What was looked into may not have been there any more.) */
static bool is_outside(struct backstop *backstop, struct backstop_process *process)
{
    if (process->program == SECRET)
        return true;
    for (size_t i = 0; i < BACKSTOP_PROGRAMS; i++) {
        if (backstop->known[i].program == process->program)
            return backstop->known[i].is_outside;
    }
    bool is_outside = look_into(process->pid);
    if (find_program(process->pid) != process->program) {
        process->program = 0;
        return false;
    }
    backstop->known[backstop->looked_into++ % BACKSTOP_PROGRAMS] =
        (struct backstop_program){process->program, is_outside};
    return is_outside;
}

static void keep_name(struct backstop *backstop, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    victim_read_file(path, backstop->name, sizeof backstop->name);
    backstop->name[strcspn(backstop->name, "\n")] = '\0';
    for (char *at = backstop->name; *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
}

static const struct backstop_process *find_known(const struct backstop_process *known, size_t count,
                                                 pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (known[i].pid == pid)
            return &known[i];
    }
    return NULL;
}

/* Who executes another program is looked at again: to ask which it is takes as long as
 * all else that is done a hundred times a second, so that is asked with each look around, and in
 * between where as much code as before is not there. */
static bool may_be_another(struct backstop_process *process, unsigned finds, uint64_t code)
{
    bool is_same = process->program != 0 && process->finds == finds && process->code == code;
    process->finds = finds;
    process->code = code;
    return !is_same;
}

static void look_at(struct backstop *backstop, struct backstop_process *process)
{
    uint64_t program = find_program(process->pid);
    if (program == process->program || program == 0)
        return;
    bool was_outside = process->is_outside;
    process->program = program;
    process->is_outside = is_outside(backstop, process);
    if (!process->is_outside || was_outside)
        return;
    backstop->outside++;
    keep_name(backstop, process->pid);
}

void backstop_find(struct backstop *backstop, const struct victim *victim)
{
    struct backstop_process known[VICTIM_PROCESSES];
    size_t count = backstop->processes;
    memcpy(known, backstop->process, count * sizeof(*known));
    for (size_t i = 0; i < victim->pids; i++) {
        struct backstop_process *process = &backstop->process[i];
        const struct backstop_process *before = find_known(known, count, victim->pid[i]);
        const struct backstop_process young = {.pid = victim->pid[i], .is_limited = true};
        *process = before != NULL ? *before : young;
        if (may_be_another(process, victim->finds, victim->code[i]))
            look_at(backstop, process);
    }
    backstop->processes = victim->pids;
}

/* -- how much --------------------------------------------------------------------------------- */

/* As libc does it, where the program does not say otherwise. */
static uint64_t find_stack(void)
{
    struct rlimit limit;
    bool is_known = getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return is_known ? limit.rlim_cur : STACK_BYTES;
}

uint64_t backstop_head_room(uint64_t budget, bool is_outside, uint32_t threads)
{
    uint64_t least = is_outside ? OUTSIDE_BYTES : INSIDE_BYTES;
    return (budget / 8 > least ? budget / 8 : least) + threads * find_stack();
}

uint64_t backstop_limit(uint64_t data, uint64_t budget, uint64_t used, uint64_t head_room)
{
    uint64_t more = budget + head_room;
    return data + more > used ? data + more - used : LEAST_BYTES;
}

/* The program may have lowered its own hard limit. 0 or errno. */
static int move(pid_t pid, uint64_t soft)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_DATA, NULL, &limit) != 0)
        return errno;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    return prlimit(pid, RLIMIT_DATA, &limit, NULL) == 0 ? 0 : errno;
}

/* What this program has, as they had before. */
static uint64_t find_limit_without(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_DATA, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

static void set_one(struct backstop *backstop, struct backstop_process *process, uint64_t limit,
                    bool is_without)
{
    int error = move(process->pid, limit);
    if (error == 0)
        process->is_limited = !is_without;
    else if (error == EPERM && !process->is_beyond)
        backstop->unreached++;
    process->is_beyond |= error == EPERM;
}

static uint32_t missing_threads(const struct backstop *backstop,
                                const struct backstop_process *process)
{
    bool is_less = !process->is_outside && process->threads < backstop->threads;
    return is_less ? backstop->threads - process->threads : 0;
}

void backstop_note_room(struct backstop *backstop, uint64_t budget)
{
    uint64_t room = backstop_head_room(budget, false, backstop->threads);
    if (budget != 0 && room > backstop->head_room)
        backstop->head_room = room;
}

void backstop_prepare(const struct backstop *backstop, uint64_t budget)
{
    uint64_t room = backstop_head_room(budget, false, backstop->threads);
    if (budget != 0 && budget + room < find_limit_without())
        move(getpid(), budget + room);
}

void backstop_set(struct backstop *backstop, const struct victim *victim, uint64_t budget,
                  uint64_t used)
{
    uint64_t without = find_limit_without();
    for (size_t i = 0; i < backstop->processes && i < victim->pids; i++) {
        struct backstop_process *process = &backstop->process[i];
        bool is_due = budget != 0 ? victim->data[i] != 0 : process->is_limited;
        if (process->pid != victim->pid[i] || process->is_beyond || !is_due)
            continue;
        uint64_t room =
            backstop_head_room(budget, process->is_outside, missing_threads(backstop, process));
        uint64_t limit = backstop_limit(victim->data[i], budget, used, room);
        set_one(backstop, process, budget == 0 || limit > without ? without : limit, budget == 0);
    }
}
