/* process.c - see process.h */
#define _GNU_SOURCE /* pipe2, environ, wait4 */
#include "tools/scenario/process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/scenario/complaint.h"
#include "tools/scenario/guard.h"
#include "tools/scenario/leftovers.h"
#include "tools/scenario/origin.h"
#include "tools/scenario/procfile.h"
#include "tools/scenario/victim.h"

enum {
    PIPE_BYTES = 1 << 20,  /* so that nobody waits until it is read; more is for root only */
    CHUNK_BYTES = 1 << 16, /* read at once */
    READ_BYTES = 1 << 18   /* and then other things are to be done: in lines of 2 bytes, 20 ms */
};

#define LAST_SECONDS 5.0 /* of one that was killed; the kernel may hold it for longer */

static double read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double process_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double process_used(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t process_own_peak(void)
{
    static struct procfile file;
    char text[4096];
    procfile_read(&file, "/proc/self/status", text, sizeof text);
    return victim_find_kib(text, "\nVmHWM:");
}

void process_forget_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "5", 1); /* proc(5): the peak is what is there now */
    close(fd);
}

/* -- start ------------------------------------------------------------------------------------ */

struct pipes {
    int out[2], error[2], exec[2];
};

static int open_pipes(struct pipes *pipes)
{
    if (pipe2(pipes->out, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(pipes->error, O_CLOEXEC) == 0) {
        if (pipe2(pipes->exec, O_CLOEXEC) == 0)
            return 0;
        close(pipes->error[0]);
        close(pipes->error[1]);
    }
    int error = errno;
    close(pipes->out[0]);
    close(pipes->out[1]);
    return error;
}

struct start {
    char **arguments;
    const struct process_hooks *hooks;
    struct pipes pipes;
    struct environment environment;
    char *number; /* of the process, in the environment */
    pid_t parent;
};

/* Its own session: the terminal's signals come to us, who then end it. */
static _Noreturn void become(const struct start *start)
{
    const struct process_hooks *hooks = start->hooks;
    const struct pipes *pipes = &start->pipes;
    sigset_t none;
    sigemptyset(&none);
    setsid();
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null_fd = open("/dev/null", O_RDWR);
    dup2(null_fd, STDIN_FILENO);
    dup2(pipes->out[1], STDOUT_FILENO);
    dup2(pipes->error[1], STDERR_FILENO);
    if (null_fd > STDERR_FILENO)
        close(null_fd);
    origin_number(start->number, getpid());
    if (hooks->prepare != NULL)
        hooks->prepare(hooks->context);
    if (getppid() == start->parent)
        execvp(start->arguments[0], start->arguments);
    int error = errno;
    ssize_t written = write(pipes->exec[1], &error, sizeof error);
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

static void close_pipes(const struct pipes *pipes)
{
    const int *const all[] = {pipes->out, pipes->error, pipes->exec};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        close(all[i][0]);
        close(all[i][1]);
    }
}

static int read_exec_error(int fd)
{
    int error = 0;
    ssize_t got;
    do
        got = read(fd, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

static void keep(struct process *process, const struct pipes *pipes)
{
    process->pid_fd = pidfd_open(process->pid, 0);
    process->out.fd = pipes->out[0];
    process->error.fd = pipes->error[0];
    fcntl(process->out.fd, F_SETPIPE_SZ, PIPE_BYTES);
    fcntl(process->error.fd, F_SETPIPE_SZ, PIPE_BYTES);
    fcntl(process->out.fd, F_SETFL, O_NONBLOCK);
    fcntl(process->error.fd, F_SETFL, O_NONBLOCK);
}

/* To copy the memory of this program took half of what a run of a millisecond cost it. (It waits
 * until the child executes the program, and could not be stopped with one that the terminal stops:
 * no signal comes to that before it has its own session.) */
static pid_t make_child(const struct start *start)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0)
        become(start);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

/* Where the program is looked for is told by its environment, not by ours. */
static pid_t make_adorned_child(const struct start *start)
{
    char **ours = environ;
    environ = start->environment.at;
    pid_t pid = make_child(start);
    environ = ours;
    return pid;
}

/* 0 or why there is no child. */
static int begin(struct process *process, struct start *start)
{
    environment_init(&start->environment);
    start->number = origin_mark(&start->environment);
    if (start->hooks->adorn != NULL)
        start->hooks->adorn(start->hooks->context, &start->environment);
    process->started = process_now();
    process->pid = make_adorned_child(start);
    int error = process->pid < 0 ? errno : 0;
    environment_fini(&start->environment);
    return error;
}

int process_start(struct process *process, char **arguments, const struct process_hooks *hooks)
{
    struct start start = {.arguments = arguments, .hooks = hooks, .parent = getpid()};
    struct pipes *pipes = &start.pipes;
    *process = (struct process){.pid_fd = -1, .out.fd = -1, .error.fd = -1};
    int error = open_pipes(pipes);
    if (error != 0)
        return error;
    error = begin(process, &start);
    if (error != 0) {
        close_pipes(pipes);
        process->pid = 0;
        return error;
    }
    guard_note(process->pid);
    leftovers_add_program(process->pid);
    close(pipes->out[1]);
    close(pipes->error[1]);
    close(pipes->exec[1]);
    keep(process, pipes);
    error = read_exec_error(pipes->exec[0]);
    close(pipes->exec[0]);
    if (error != 0) {
        process_stop(process, 0, hooks);
        process->pid = 0;
        process->ended = 0; /* it never was that program */
    }
    return error;
}

int process_start_shell(struct process *process, const char *command,
                        const struct process_hooks *hooks)
{
    char *arguments[] = {"/bin/sh", "-c", (char *)command, NULL};
    return process_start(process, arguments, hooks);
}

/* -- what it says ----------------------------------------------------------------------------- */

/* Its own words reach a terminal through us: without what moves the cursor or changes colours. */
static void keep_said(struct process *process, const char *line)
{
    snprintf(process->said, sizeof process->said, "%.*s", PROCESS_TAIL_BYTES - 1, line);
    for (char *at = process->said; *at != '\0'; at++) {
        if (*at == '\t')
            *at = ' ';
        else if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
}

/* A line, or as much of a long one as there is room for: what follows of that is looked at for
 * memory only. */
static void take_line(struct process *process, struct process_stream *stream, bool is_end,
                      const struct process_hooks *hooks)
{
    bool is_error = stream == &process->error, is_rest = stream->is_rest;
    bool is_kept = process->has_missed_memory;
    size_t length = stream->used;
    stream->line[length] = '\0';
    stream->used = 0;
    stream->is_rest = !is_end;
    process->has_complained |= is_error;
    process->has_missed_memory = is_kept || complaint_is(stream->line, length);
    bool is_last_word = !is_rest && (is_error || !process->has_complained);
    if (length > 0 && !is_kept && (is_last_word || process->has_missed_memory))
        keep_said(process, stream->line);
    if (hooks->line != NULL && !is_rest)
        hooks->line(stream->line, hooks->context);
}

/* Of a line, no end in it. */
static void add_text(struct process *process, struct process_stream *stream, const char *text,
                     size_t length, const struct process_hooks *hooks)
{
    const size_t most = sizeof stream->line - 1;
    while (length > 0) {
        size_t room = most - stream->used, part = length < room ? length : room;
        memcpy(stream->line + stream->used, text, part);
        stream->used += part;
        text += part;
        length -= part;
        if (stream->used == most)
            take_line(process, stream, false, hooks);
    }
}

static bool is_line_end(char byte)
{
    return byte == '\n' || byte == '\r';
}

static size_t find_line_end(const char *text, size_t length)
{
    const char *end = memchr(text, '\n', length);
    length = end == NULL ? length : (size_t)(end - text);
    end = memchr(text, '\r', length);
    return end == NULL ? length : (size_t)(end - text);
}

/* Where the last line begins that is not empty and has an end. */
static size_t find_last_line(const char *text, size_t length)
{
    size_t at = length;
    while (at > 0 && !is_line_end(text[at - 1]))
        at--;
    while (at > 0 && is_line_end(text[at - 1]))
        at--;
    while (at > 0 && !is_line_end(text[at - 1]))
        at--;
    return at;
}

/* Where nobody wants to see each line, and none is about memory, only the last one is looked at
 * (and the one that had begun): who says much is not to wait for that. */
static void take_text(struct process *process, struct process_stream *stream, const char *text,
                      size_t length, const struct process_hooks *hooks)
{
    bool is_each =
        hooks->line != NULL || (!process->has_missed_memory && complaint_may_be_in(text, length));
    for (size_t at = 0; at < length;) {
        size_t end = at + find_line_end(text + at, length - at);
        add_text(process, stream, text + at, end - at, hooks);
        if (end < length)
            take_line(process, stream, true, hooks);
        at = end + 1;
        if (!is_each && at < length)
            at += find_last_line(text + at, length - at);
    }
}

/* At most so many bytes, or a chunk more: who says more than is looked at meanwhile would keep us
 * for ever. Returns how many. */
static size_t read_stream(struct process *process, struct process_stream *stream, size_t most,
                          const struct process_hooks *hooks)
{
    char text[CHUNK_BYTES];
    size_t sum = 0;
    while (stream->fd >= 0 && sum < most) {
        ssize_t got = read(stream->fd, text, sizeof text);
        if (got > 0) {
            take_text(process, stream, text, (size_t)got, hooks);
            sum += (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            close(stream->fd);
            stream->fd = -1;
        } else {
            break;
        }
    }
    return sum;
}

/* Who says a little often does not wake us for each line; but who fills a pipe would stand still
 * until it is read. */
static double choose_pause(const struct process *process, size_t got, double quiet)
{
    const double least = 0.001;
    if (got >= CHUNK_BYTES)
        return 0;
    return quiet > 2 * PROCESS_PAUSE ? least : fmin(PROCESS_PAUSE, fmax(least, 2 * process->pause));
}

void process_read(struct process *process, const struct process_hooks *hooks)
{
    size_t got = read_stream(process, &process->error, READ_BYTES, hooks);
    got += read_stream(process, &process->out, READ_BYTES, hooks);
    if (got == 0)
        return;
    double now = process_now();
    process->pause = choose_pause(process, got, now - process->heard);
    process->heard = now;
}

double process_find_pause(const struct process *process)
{
    return process->pid <= 0 ? 0 : fmax(0, process->heard + process->pause - process_now());
}

/* -- its end ---------------------------------------------------------------------------------- */

static void close_stream(struct process *process, struct process_stream *stream,
                         const struct process_hooks *hooks)
{
    if (stream->used > 0)
        take_line(process, stream, true, hooks);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

/* Nothing is held of it any more. */
static void let_go(struct process *process, const struct process_hooks *hooks)
{
    close_stream(process, &process->error, hooks);
    close_stream(process, &process->out, hooks);
    close(process->pid_fd);
    process->pid = 0;
}

/* Its other threads may still be on their way out of /proc, and wait4 spins until they have had
 * their turn: on a busy machine for 2.5 ms, and for 0.3 after 5 ms of sleep, which was most of what
 * this program took. (Of one thread it takes 0.02 ms.) */
static void let_threads_go(const struct process *process)
{
    const double least = 0.001, most = 0.01, share = 1.0 / 16;
    double age = process->ended - process->started;
    if (process->has_threads)
        usleep((useconds_t)(1e6 * fmin(most, fmax(least, share * age))));
}

bool process_has_ended(struct process *process, const struct process_hooks *hooks)
{
    siginfo_t info = {0};
    if (process->pid <= 0)
        return true;
    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid != process->pid)
        return false;
    process->ended = fmax(process->started, process_now() - process->late);
    process->run_wait = victim_read_wait(process->pid);
    kill(-process->pid, SIGKILL); /* whoever is left of its session's first group */
    leftovers_end(process->pid);
    guard_forget(process->pid);
    let_threads_go(process);
    wait4(process->pid, &process->wait_status, 0, &process->usage);
    uint64_t most = (uint64_t)process->usage.ru_maxrss * 1024;
    process->resident_most = most > process_own_peak() ? most : 0;
    read_stream(process, &process->error, PIPE_BYTES, hooks);
    read_stream(process, &process->out, PIPE_BYTES, hooks);
    let_go(process, hooks);
    return true;
}

static bool wait_for_end(struct process *process, double patience,
                         const struct process_hooks *hooks)
{
    double until = process_now() + patience;
    while (!process_has_ended(process, hooks)) {
        if (process_now() > until)
            return false;
        struct pollfd fds[] = {{.fd = process->pid_fd, .events = POLLIN},
                               {.fd = process->out.fd, .events = POLLIN},
                               {.fd = process->error.fd, .events = POLLIN}};
        poll(fds, 3, 20);
        process_read(process, hooks);
    }
    return true;
}

void process_stop(struct process *process, double patience, const struct process_hooks *hooks)
{
    if (process->pid <= 0)
        return;
    if (patience > 0) {
        kill(-process->pid, SIGTERM);
        if (wait_for_end(process, patience, hooks))
            return;
    }
    kill(-process->pid, SIGKILL);
    if (wait_for_end(process, LAST_SECONDS, hooks))
        return;
    process->ended = process_now();
    process->wait_status = SIGKILL; /* that is how it will have ended */
    leftovers_give_up(process->pid);
    let_go(process, hooks);
}

bool process_was_killed(const struct process *process)
{
    return WIFSIGNALED(process->wait_status);
}

bool process_has_exited_with(const struct process *process, int status)
{
    return WIFEXITED(process->wait_status) && WEXITSTATUS(process->wait_status) == status;
}
