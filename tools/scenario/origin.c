/* origin.c - see origin.h */
#define _GNU_SOURCE /* memmem */
#include "tools/scenario/origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/scenario/victim.h"

/* (None of libmpress.so's names, which would say that it does not know it.) */
#define VARIABLE "UNDER_MPRESS"
enum {
    ENVIRONMENT_BYTES = 1 << 18, /* that are looked at */
    NUMBER_DIGITS = 10           /* of any process */
};

static struct {
    char mark[64]; /* "@PID.SECONDS.NANOSECONDS.", before the program's number */
    char text[ENVIRONMENT_BYTES];
} origin;

void origin_begin(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(origin.mark, sizeof origin.mark, "@%d.%lld.%ld.", (int)getpid(), (long long)now.tv_sec,
             now.tv_nsec);
}

/* An experiment inside of another one is marked as of both. */
char *origin_mark(struct environment *environment)
{
    char value[1024];
    const char *outer = environment_find(environment, VARIABLE);
    snprintf(value, sizeof value, "%s%0*d%.900s", origin.mark, NUMBER_DIGITS, 0,
             outer == NULL ? "" : outer);
    return environment_set(environment, VARIABLE, value) + strlen(origin.mark);
}

void origin_number(char *at, pid_t pid)
{
    for (unsigned i = NUMBER_DIGITS; i-- > 0; pid /= 10)
        at[i] = (char)('0' + pid % 10);
}

pid_t origin_find_marked(pid_t pid)
{
    char path[64];
    size_t used = 0, length = strlen(origin.mark);
    ssize_t got;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while ((got = read(fd, origin.text + used, sizeof origin.text - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    origin.text[used] = '\0';
    const char *at = memmem(origin.text, used, origin.mark, length);
    return at == NULL ? 0 : (pid_t)atoi(at + length);
}

pid_t origin_find_session(pid_t pid)
{
    char text[1024], state;
    int session;
    const char *behind = victim_read_stat(pid, text, sizeof text);
    if (behind == NULL || sscanf(behind, " %c %*d %*d %d", &state, &session) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : session;
}
