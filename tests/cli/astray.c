/* astray.c - what goes wrong between a program and a tool that has it forked (preload/branch.h).
 *   lost   leaves the tool a child that the tool does not know of, and its number in `lost`
 *   stop   the fork in which the allocation fails stops the program that it was forked from */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void leave_child(void)
{
    const char *tool = getenv("MPRESS_FAIL_TOOL");
    if (tool == NULL || strcmp(tool, "none") == 0)
        return;
    long child = syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0);
    if (child == 0) {
        setpgid(0, 0);
        alarm(100);
        for (;;)
            pause();
    }
    int fd = open("lost", O_WRONLY | O_CREAT | O_APPEND, 0600);
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld\n", child);
    write(fd, text, (size_t)length);
    close(fd);
}

int main(int argc, char **argv)
{
    pid_t self = getpid();
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "lost") == 0)
        leave_child();
    char *volatile p = malloc(10);
    if (p == NULL && strcmp(what, "stop") == 0 && getpid() != self)
        kill(self, SIGSTOP);
    free(p);
    return 0;
}
