/* run.c - signals are blocked and fetched one by one: no handler, hence nothing to interrupt. */
#define _GNU_SOURCE /* pipe2 */
#include "tools/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "tools/progress.h"

enum { TICK_NS = 250 * 1000 * 1000 };

/* What must not end us before the program has ended. */
static const int signals[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(set, signals[i]);
}

/* Says through the pipe why exec failed; the pipe closes by itself when it does not. */
static _Noreturn void become(const char *path, char **arguments, int pipe_fd)
{
    execv(path, arguments);
    int error = errno;
    ssize_t written = write(pipe_fd, &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

/* errno of the child's exec; 0: it succeeded. */
static int read_exec_error(int pipe_fd)
{
    int error = 0;
    ssize_t got;
    do
        got = read(pipe_fd, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

int run_start(struct run *run, const char *path, char **arguments, run_prepare *prepare,
              void *context)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return errno;
    sigset_t ours, before;
    fill_signals(&ours);
    signal(SIGCHLD, SIG_DFL); /* who started us may have ignored it: waitpid would find nobody */
    sigprocmask(SIG_BLOCK, &ours, &before);
    run->started_ns = progress_now_ns();
    run->pid = fork();
    if (run->pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        prepare(getpid(), context);
        become(path, arguments, pipe_fds[1]);
    }
    int error = run->pid < 0 ? errno : 0;
    close(pipe_fds[1]);
    if (error == 0)
        error = read_exec_error(pipe_fds[0]);
    close(pipe_fds[0]);
    if (error != 0) {
        if (run->pid > 0)
            waitpid(run->pid, NULL, 0);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    return error;
}

static bool has_ended(struct run *run)
{
    if (waitpid(run->pid, &run->wait_status, WNOHANG) != run->pid)
        return false;
    run->ended_ns = progress_now_ns();
    return true;
}

/* A terminal signals its whole foreground group (si_code SI_KERNEL); a kill(2) means us alone. */
static void hand_on(const struct run *run, const siginfo_t *info)
{
    if (info->si_signo != SIGCHLD && info->si_signo != SIGPIPE && info->si_code <= 0)
        kill(run->pid, info->si_signo);
}

void run_wait(struct run *run, run_tick *tick, void *context)
{
    sigset_t ours;
    fill_signals(&ours);
    const struct timespec period = {.tv_nsec = TICK_NS};
    while (!has_ended(run)) {
        siginfo_t info;
        if (sigtimedwait(&ours, &info, &period) > 0)
            hand_on(run, &info);
        else
            tick(run, context);
    }
}

void run_forget_signals(void)
{
    sigset_t ours;
    fill_signals(&ours);
    const struct timespec at_once = {0};
    while (sigtimedwait(&ours, NULL, &at_once) > 0)
        ;
}

bool run_is_interrupted(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGHUP) == 1;
}

int run_get_exit_status(const struct run *run)
{
    if (WIFSIGNALED(run->wait_status))
        return 128 + WTERMSIG(run->wait_status);
    return WEXITSTATUS(run->wait_status);
}
