/* run.c - see run.h */
#define _GNU_SOURCE
#include "tools/replay/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/trace/memory.h"

extern char **environ;

enum { SHOW_MS = 100, EXEC_FAILED = 127 };

static void fail(struct result *result, const char *what, int error)
{
    snprintf(result->error, sizeof(result->error), "%s: %s", what, strerror(error));
}

/* -- the program of the child ----------------------------------------------------------------- */

/* Beside this one in the build tree and for tests, in libexec when installed. */
bool run_find_child(char *path, size_t capacity)
{
    static const char *const places[] = {"", ("/" MPRESS_BIN_TO_LIBEXEC), "/../tools"};
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int bytes = snprintf(path, capacity, "%s%s/mpress-replay-child", self, places[i]);
        if (bytes > 0 && (size_t)bytes < capacity && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static bool is_kept(const char *assignment)
{
    static const char *const dropped[] = {
        "LD_PRELOAD=", "MPRESS_TRACE", "MPRESS_STATS=", "MPRESS_LIBRARY=", "MPRESS_PROFILE=",
    };
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (strncmp(assignment, dropped[i], strlen(dropped[i])) == 0)
            return false;
    }
    return true;
}

static bool is_set(const struct allocator *allocator, const char *assignment)
{
    size_t name = strcspn(assignment, "=") + 1;
    for (size_t i = 0; i < allocator->variables; i++) {
        if (strncmp(assignment, allocator->variable[i], name) == 0)
            return true;
    }
    return false;
}

/* "NAME=value", to be freed. */
static char *make_assignment(const char *name, const char *value)
{
    size_t bytes = strlen(name) + strlen(value) + 2;
    char *assignment = memory_alloc(bytes, 1);
    snprintf(assignment, bytes, "%s=%s", name, value);
    return assignment;
}

/* The environment of the child: ours, with the allocator, without recording. What is made for it
 * stands in front. */
static char **make_environment(const struct allocator *allocator, size_t *made)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **result = memory_alloc(count + 3 + allocator->variables, sizeof(*result));
    char **at = result;
    if (allocator->library[0] != '\0')
        *at++ = make_assignment("LD_PRELOAD", allocator->library);
    if (allocator->profile[0] != '\0')
        *at++ = make_assignment("MPRESS_PROFILE", allocator->profile);
    for (size_t i = 0; i < allocator->variables; i++)
        *at++ = strdup(allocator->variable[i]);
    *made = (size_t)(at - result);
    for (size_t i = 0; i < count; i++) {
        if (is_kept(environ[i]) && !is_set(allocator, environ[i]))
            *at++ = environ[i];
    }
    return result;
}

static void free_environment(char **environment, size_t made)
{
    for (size_t i = 0; i < made; i++)
        free(environment[i]);
    free(environment);
}

/* -- one child -------------------------------------------------------------------------------- */

static void keep_open(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

/* Dies with its parent, so that an interrupted replay leaves nothing behind. */
static _Noreturn void become_child(const char *path, char **arguments, char **environment,
                                   pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXEC_FAILED);
    keep_open(atoi(arguments[1]));
    keep_open(atoi(arguments[2]));
    execve(path, arguments, environment);
    _exit(EXEC_FAILED);
}

static pid_t start_child(const struct run_plan *plan, const struct allocator *allocator,
                         int result_fd, struct result *result)
{
    char path[PATH_MAX];
    if (!run_find_child(path, sizeof(path))) {
        snprintf(result->error, sizeof(result->error),
                 "mpress-replay-child is not there; build or install it again");
        return -1;
    }
    char numbers[2][16];
    snprintf(numbers[0], sizeof(numbers[0]), "%d", plan->compiled->fd);
    snprintf(numbers[1], sizeof(numbers[1]), "%d", result_fd);
    char *arguments[] = {"mpress-replay-child", numbers[0], numbers[1], NULL};
    size_t made;
    char **environment = make_environment(allocator, &made);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_child(path, arguments, environment, parent);
    if (pid < 0)
        fail(result, "no process can be started", errno);
    free_environment(environment, made);
    return pid;
}

static void show(const struct run_plan *plan, const struct result *shared)
{
    uint64_t done = *(const volatile uint64_t *)&shared->windows_done;
    if (plan->show != NULL)
        plan->show(plan, (double)done / plan->compiled->program->windows / plan->orders.rounds);
}

static int wait_for_child(const struct run_plan *plan, pid_t pid, const struct result *shared)
{
    int status = 0;
    int fd = plan->show == NULL ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (fd >= 0 && poll(&ready, 1, SHOW_MS) <= 0)
        show(plan, shared);
    if (fd >= 0)
        close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void judge(const struct allocator *allocator, int status, struct result *result)
{
    if (WIFSIGNALED(status)) {
        snprintf(result->error, sizeof(result->error), "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        result->is_done = 0;
    } else if (!result->is_done && result->error[0] == '\0') {
        snprintf(result->error, sizeof(result->error), "ended with status %d before it was done",
                 WEXITSTATUS(status));
    } else if (allocator->library[0] != '\0' && strstr(result->owner, "/libc.so") != NULL) {
        snprintf(result->error, sizeof(result->error), "%.200s does not replace malloc",
                 allocator->library);
        result->is_done = 0;
    }
}

void run_once(const struct run_plan *plan, const struct allocator *allocator,
              enum program_mode mode, struct result *result)
{
    memset(result, 0, sizeof(*result));
    int fd = memfd_create("mpress-replay-result", MFD_CLOEXEC);
    struct result *shared = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof(*shared)) == 0)
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        fail(result, "no shared memory", errno);
    } else {
        shared->orders = plan->orders;
        shared->orders.mode = mode;
        pid_t pid = start_child(plan, allocator, fd, result);
        if (pid > 0) {
            int status = wait_for_child(plan, pid, shared);
            *result = *shared;
            result->error[RESULT_TEXT_BYTES - 1] = '\0';
            result->owner[RESULT_TEXT_BYTES - 1] = '\0';
            result->overlap[RESULT_TEXT_BYTES - 1] = '\0';
            judge(allocator, status, result);
        }
        munmap(shared, sizeof(*shared));
    }
    if (fd >= 0)
        close(fd);
}
