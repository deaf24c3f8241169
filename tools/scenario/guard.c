/* guard.c - see guard.h */
#define _GNU_SOURCE /* close_range, pidfd_open */
#include "tools/scenario/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/scenario/leftovers.h"
#include "tools/scenario/origin.h"

enum {
    SESSIONS = 16, /* at the same time */
    ROUNDS = 50,   /* who forks meanwhile is found in the next one */
    FOLDERS = 4,
    FOLDER_BYTES = 1024,
};

/* What the guard is told, in memory that both have: so nobody is woken for a run that begins or
 * ends. It is read once this program is gone. */
struct told {
    _Atomic pid_t session[SESSIONS]; /* 0: free */
    _Atomic bool is_closed;          /* this program itself sees to the folders */
};

static struct {
    char folder[FOLDERS][FOLDER_BYTES];
    unsigned folders;
    int fd; /* to the guard: it ends with this program, however that ends */
    pid_t pid;
    struct told *told;
} guard = {.fd = -1};

/* -- in the guard ----------------------------------------------------------------------------- */

static bool is_guarded(pid_t pid)
{
    pid_t session = origin_find_session(pid);
    for (unsigned i = 0; session != 0 && i < SESSIONS; i++) {
        if (guard.told->session[i] == session)
            return true;
    }
    return session != 0 && origin_find_marked(pid) != 0;
}

/* Who it is, is asked of one that cannot be replaced by another of the same number meanwhile. */
static bool end(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    bool is_killed = fd >= 0 && is_guarded(pid) && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0;
    if (fd >= 0)
        close(fd);
    return is_killed;
}

/* False: nobody is left. */
static bool end_all(void)
{
    bool is_somebody = false;
    DIR *folder = opendir("/proc");
    if (folder == NULL)
        return false;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int pid = atoi(entry->d_name);
        if (pid > 1 && pid != getpid())
            is_somebody |= end(pid);
    }
    closedir(folder);
    return is_somebody;
}

/* Who was killed may still be on his way out. */
static void remove_folders(void)
{
    const struct timespec pause = {0, 10000000};
    for (unsigned i = 0; i < guard.folders; i++) {
        for (unsigned tries = 0; tries < 100 && rmdir(guard.folder[i]) != 0 && errno == EBUSY;
             tries++)
            nanosleep(&pause, NULL);
    }
}

/* Nothing of the program's is kept open, no signal of the terminal's comes. */
static _Noreturn void watch_over(int fd)
{
    const struct timespec pause = {0, 4000000};
    sigset_t all;
    char word;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    prctl(PR_SET_NAME, "mpress-guard");
    dup2(fd, STDIN_FILENO);
    close_range(STDIN_FILENO + 1, ~0U, 0);
    while (read(STDIN_FILENO, &word, sizeof word) > 0)
        ;
    for (unsigned i = 0; i < ROUNDS && end_all(); i++)
        nanosleep(&pause, NULL);
    if (!guard.told->is_closed)
        remove_folders();
    _exit(0);
}

/* -- in the program --------------------------------------------------------------------------- */

void guard_keep_folder(const char *path)
{
    if (guard.folders < FOLDERS && strlen(path) < FOLDER_BYTES)
        strcpy(guard.folder[guard.folders++], path);
}

void guard_open(void)
{
    int ends[2];
    void *told =
        mmap(NULL, sizeof(*guard.told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return;
    guard.told = told;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        guard_close();
        return;
    }
    guard.pid = fork();
    if (guard.pid == 0) {
        close(ends[1]);
        watch_over(ends[0]);
    }
    close(ends[0]);
    guard.fd = ends[1];
    if (guard.pid > 0)
        leftovers_add_own(guard.pid);
    else
        guard_close();
}

static void replace(pid_t old, pid_t new)
{
    for (unsigned i = 0; guard.told != NULL && i < SESSIONS; i++) {
        if (guard.told->session[i] == old) {
            guard.told->session[i] = new;
            return;
        }
    }
}

void guard_note(pid_t session)
{
    replace(0, session);
}

void guard_forget(pid_t session)
{
    replace(session, 0);
}

void guard_close(void)
{
    if (guard.told == NULL)
        return;
    guard.told->is_closed = true;
    if (guard.fd >= 0) {
        shutdown(guard.fd, SHUT_RDWR); /* a child that never executed a program has a copy of it */
        close(guard.fd);
    }
    guard.fd = -1;
    guard.folders = 0;
    if (guard.pid > 0) {
        waitpid(guard.pid, NULL, 0);
        leftovers_remove_own(guard.pid);
    }
    guard.pid = 0;
    munmap(guard.told, sizeof(*guard.told));
    guard.told = NULL;
}
