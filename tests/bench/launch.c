/* launch.c - bench_launch REPORT LIBRARY COMMAND...: runs COMMAND with LIBRARY preloaded ("" for
 * none) and writes what it took into REPORT, as JSON.
 *
 * A program of its own because the peak that the kernel reports for a child is at least that of
 * the process it was forked from: Python's 10 MiB would hide every small program. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static void become(const char *library, char **command)
{
    if (library[0] != '\0')
        setenv("LD_PRELOAD", library, 1);
    else
        unsetenv("LD_PRELOAD");
    execvp(command[0], command);
    _exit(127);
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_die("usage: bench_launch REPORT LIBRARY COMMAND...");
    FILE *report = fopen(argv[1], "we");
    if (report == NULL)
        bench_die("%s cannot be written", argv[1]);
    double start = bench_now_ns();
    pid_t child = fork();
    if (child == 0)
        become(argv[2], argv + 3);
    int status = 0;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        bench_die("%s could not be started", argv[3]);
    fprintf(report, "{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_mib\": %.3f}\n",
            (bench_now_ns() - start) / 1e9, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
            (double)usage.ru_maxrss / 1024);
    fclose(report);
    return exit_status(status);
}
