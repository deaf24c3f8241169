/* leftovers.c - see leftovers.h */
#define _GNU_SOURCE
#include "tools/scenario/leftovers.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/scenario/guard.h"
#include "tools/scenario/origin.h"
#include "tools/scenario/procfile.h"
#include "tools/trace/memory.h"

enum kind { OWN, PROGRAM, STUCK, STRANGER };
enum {
    CHILDREN_BYTES = 1 << 13, /* the kernel gives a page at once; the rest comes with the next */
    ROUNDS = 300,             /* of these pauses: what the kernel holds must not hold us for ever */
    PAUSE_NS = 10000000,
    FIRST_PAUSE_NS = 200000,
};

static struct {
    struct {
        pid_t pid;
        enum kind kind;
    } * known;
    size_t count, capacity;
    size_t programs, strangers; /* of them */
    pid_t ended;                /* the program whose leftovers are looked for */
    struct procfile children;   /* of this program */
    char text[CHILDREN_BYTES];
} leftovers;

/* -- who is known ----------------------------------------------------------------------------- */

static size_t find(pid_t pid)
{
    size_t i = 0;
    while (i < leftovers.count && leftovers.known[i].pid != pid)
        i++;
    return i;
}

static bool is_known(pid_t pid)
{
    return find(pid) < leftovers.count;
}

static void add(pid_t pid, enum kind kind)
{
    leftovers.known = memory_grow(leftovers.known, leftovers.count, &leftovers.capacity,
                                  sizeof(*leftovers.known));
    leftovers.known[leftovers.count].pid = pid;
    leftovers.known[leftovers.count++].kind = kind;
    leftovers.programs += kind == PROGRAM;
    leftovers.strangers += kind == STRANGER;
}

static void remove_known(pid_t pid)
{
    size_t i = find(pid);
    if (i == leftovers.count)
        return;
    leftovers.programs -= leftovers.known[i].kind == PROGRAM;
    leftovers.known[i] = leftovers.known[--leftovers.count];
}

void leftovers_add_own(pid_t pid)
{
    add(pid, OWN);
}

void leftovers_add_program(pid_t pid)
{
    add(pid, PROGRAM);
}

void leftovers_give_up(pid_t program)
{
    remove_known(program);
    add(program, STUCK);
}

void leftovers_remove_own(pid_t pid)
{
    remove_known(pid);
}

/* Calls `take` for each child that is not known; how many times it answered with true. */
static size_t visit(bool (*take)(pid_t pid))
{
    char path[64], *at = leftovers.text, *end;
    size_t taken = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    procfile_read(&leftovers.children, path, leftovers.text, sizeof leftovers.text);
    for (long child; (child = strtol(at, &end, 10)) > 0 && *end != '\0'; at = end) {
        if (!is_known((pid_t)child))
            taken += take((pid_t)child);
    }
    return taken;
}

static bool take_stranger(pid_t pid)
{
    add(pid, STRANGER);
    return true;
}

void leftovers_begin(void)
{
    visit(take_stranger);
}

/* -- their end -------------------------------------------------------------------------------- */

/* As the first process of a container this one inherits from everybody. */
static bool has_strangers(void)
{
    return leftovers.strangers > 0 || getpid() == 1;
}

/* Nobody can tell where one comes from that is in a session of its own and has no mark: of the
 * program that has ended, if there is no other. */
static bool is_of_another(pid_t pid)
{
    pid_t marked = origin_find_marked(pid), session = origin_find_session(pid);
    if (marked == leftovers.ended || session == leftovers.ended)
        return false;
    if (marked == 0)
        return is_known(session) || leftovers.programs > 1 || has_strangers();
    return is_known(marked);
}

/* True: there may be others now, whose parent it was. */
static bool take_leftover(pid_t pid)
{
    if (waitpid(pid, NULL, WNOHANG) == pid)
        return true;
    return !is_of_another(pid) && kill(pid, SIGKILL) == 0;
}

void leftovers_end(pid_t program)
{
    struct timespec pause = {0, FIRST_PAUSE_NS};
    leftovers.ended = program;
    for (unsigned i = 0; i < ROUNDS && visit(take_leftover) > 0; i++) {
        nanosleep(&pause, NULL);
        pause.tv_nsec = 2 * pause.tv_nsec < PAUSE_NS ? 2 * pause.tv_nsec : PAUSE_NS;
    }
    remove_known(program);
}

static void reap_stuck(void)
{
    for (size_t i = leftovers.count; i-- > 0;) {
        pid_t pid = leftovers.known[i].pid;
        if (leftovers.known[i].kind != STUCK || waitpid(pid, NULL, WNOHANG) != pid)
            continue;
        guard_forget(pid);
        remove_known(pid);
    }
}

void leftovers_reap(void)
{
    siginfo_t info;
    reap_stuck();
    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
            is_known(info.si_pid) || waitpid(info.si_pid, NULL, WNOHANG) != info.si_pid)
            return;
    }
}
