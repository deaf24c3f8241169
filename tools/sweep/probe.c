/* probe.c - one run of the program: its input from the beginning, its output hashed, its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/branch.h"
#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/sweep/sweep.h"

enum { TICK_MS = 50, NS_PER_MS = 1000000 };
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

volatile int probe_stop;

static void on_signal(int number)
{
    probe_stop = number;
}

void probe_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGCHLD, SIG_DFL);
}

/* -- input ------------------------------------------------------------------------------------ */

static int copy_all(int from, int to)
{
    char buffer[65536];
    for (;;) {
        ssize_t got = read(from, buffer, sizeof(buffer));
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0 && write(to, buffer, (size_t)got) != got)
            return ENOSPC;
    }
}

int probe_keep_input(void)
{
    if (isatty(STDIN_FILENO) != 0)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fd = memfd_create("mpress-input", MFD_CLOEXEC);
    int error = fd < 0 ? errno : copy_all(STDIN_FILENO, fd);
    if (error == EBADF) /* there is none */
        error = 0;
    if (error != 0)
        cli_say("the program's input cannot be kept: %s", strerror(error));
    return error == 0 ? fd : -1;
}

/* A description of its own, so that every run begins at the beginning. */
static void give_input(int fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open(path, O_RDONLY);
    dup2(own >= 0 ? own : fd, STDIN_FILENO);
    close(own);
}

/* -- the child -------------------------------------------------------------------------------- */

static void set_number(const char *name, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    setenv(name, text, 1);
}

static void set_environment(const struct sweep *sweep, const struct probe_start *start)
{
    setenv("MPRESS_TRACE", "full", 1);
    setenv("MPRESS_TRACE_FILE", start->trace, 1);
    set_number("MPRESS_TRACE_PID", (uint64_t)getpid());
    set_number("MPRESS_FAIL_PID", (uint64_t)getpid());
    set_number("MPRESS_FAIL_NTH", start->nth);
    setenv("MPRESS_FAIL_MODE", start->mode == SWEEP_PERSISTENT ? "persistent" : "transient", 1);
    setenv(BRANCH_VARIABLE, start->tool != NULL ? start->tool : "none", 1);
    setenv("MPRESS_BG", "0", 1); /* a second thread could not branch */
    unsetenv("MPRESS_LIBRARY");
    place_preload(sweep->library);
}

static _Noreturn void become(const struct sweep *sweep, const struct probe_start *start, int out)
{
    const struct rlimit no_core = {0, 0};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    personality(ADDR_NO_RANDOMIZE);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    give_input(sweep->input_fd);
    dup2(out, STDOUT_FILENO);
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    set_environment(sweep, start);
    execv(sweep->program, sweep->options->arguments);
    _exit(127);
}

/* -- the parent ------------------------------------------------------------------------------- */

uint64_t probe_hash_nothing(void)
{
    return FNV_START;
}

bool probe_hash(int fd, uint64_t *hash)
{
    unsigned char buffer[65536];
    ssize_t got = read(fd, buffer, sizeof(buffer));
    for (ssize_t i = 0; i < got; i++)
        *hash = (*hash ^ buffer[i]) * FNV_PRIME;
    return got > 0;
}

/* Until it has ended, or for that long. */
static bool wait_for_end(pid_t pid, int out, uint64_t timeout_ns, struct probe *probe)
{
    uint64_t begun = progress_now_ns();
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ready[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    bool has_ended = false;
    while (!has_ended && probe_stop == 0 && progress_now_ns() - begun < timeout_ns) {
        int events = poll(ready, 2, TICK_MS);
        if (events > 0 && ready[1].revents != 0 && !probe_hash(out, &probe->output))
            ready[1].fd = -1; /* closed */
        has_ended = events > 0 && ready[0].revents != 0;
    }
    close(pidfd);
    return has_ended;
}

void probe_bury(pid_t pid, int *wait_status)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, wait_status, 0) < 0 && errno == EINTR)
        ;
    kill(-pid, SIGKILL);
}

/* We may have been somebody else's parent before we became this program. */
static bool has_our_folder(int pid, const struct sweep *sweep)
{
    char path[64];
    char *text = NULL;
    size_t bytes = 0, folder_bytes = strlen(sweep->folder);
    bool is_found = false;
    static const char name[] = "MPRESS_TRACE_FILE=";
    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !is_found && getdelim(&text, &bytes, '\0', file) > 0)
        is_found = strncmp(text, name, sizeof(name) - 1) == 0 &&
                   strncmp(text + sizeof(name) - 1, sweep->folder, folder_bytes) == 0;
    if (file != NULL)
        fclose(file);
    free(text);
    return is_found;
}

/* False: there were none. */
static bool bury_children(const struct sweep *sweep)
{
    char path[64];
    int pid, unused;
    bool is_any = false;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        /* (One that has ended has no environment any more; nobody else waits for it.) */
        if (waitpid(pid, &unused, WNOHANG) == pid)
            is_any = true;
        else if (has_our_folder(pid, sweep)) {
            probe_bury(pid, &unused);
            is_any = true;
        }
    }
    if (file != NULL)
        fclose(file);
    return is_any;
}

/* The children of one that was killed become ours, too. */
void probe_bury_lost(const struct sweep *sweep)
{
    while (bury_children(sweep))
        ;
}

uint64_t probe_timeout_ns(const struct sweep *sweep)
{
    if (sweep->options->timeout_ns != 0)
        return sweep->options->timeout_ns;
    return sweep->wall_ns == 0 ? UINT64_MAX : 10 * sweep->wall_ns + UINT64_C(5000) * NS_PER_MS;
}

int probe_begin(const struct sweep *sweep, const struct probe_start *start, int *pid, int *out)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    unlink(start->trace);
    *pid = fork();
    if (*pid == 0)
        become(sweep, start, ends[1]);
    int error = *pid < 0 ? errno : 0;
    close(ends[1]);
    if (error != 0)
        close(ends[0]);
    *out = ends[0];
    return error;
}

int probe_run(const struct sweep *sweep, const struct probe_start *start, struct probe *probe)
{
    int pid;
    int out;
    *probe = (struct probe){.output = FNV_START};
    int error = probe_begin(sweep, start, &pid, &out);
    if (error != 0)
        return error;
    uint64_t begun = progress_now_ns();
    probe->is_hung = !wait_for_end(pid, out, probe_timeout_ns(sweep), probe);
    probe->wall_ns = progress_now_ns() - begun;
    probe_bury(pid, &probe->wait_status);
    while (probe_hash(out, &probe->output))
        ;
    close(out);
    probe_bury_lost(sweep);
    return 0;
}
