/* refused.c - what programs do when memory is refused, one way after another: give up, use NULL,
 * abort, try for ever, go on without. Reads a line and prints it. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APART __attribute__((noinline, noipa))

static APART char *gives_up(size_t bytes)
{
    char *p = malloc(bytes);
    if (p == NULL)
        exit(9);
    return p;
}

static APART char *crashes(size_t bytes)
{
    char *p = malloc(bytes);
    *(volatile char *)p = 'x';
    return p;
}

static APART char *aborts(size_t bytes)
{
    char *p = malloc(bytes);
    if (p == NULL)
        abort();
    return p;
}

static APART char *hangs(size_t bytes)
{
    char *p = malloc(bytes);
    while (p == NULL) {
        poll(NULL, 0, 1);
        p = malloc(bytes);
    }
    return p;
}

static APART char *goes_without(size_t bytes)
{
    char *p = malloc(bytes);
    if (p != NULL)
        write(STDOUT_FILENO, "had it\n", 7);
    return p;
}

int main(void)
{
    char line[64];
    ssize_t bytes = read(STDIN_FILENO, line, sizeof(line));
    if (bytes > 0)
        write(STDOUT_FILENO, line, (size_t)bytes);
    free(gives_up(10));
    free(crashes(20));
    free(aborts(30));
    free(hangs(40));
    free(goes_without(50));
    return 0;
}
