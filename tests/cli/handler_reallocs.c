/* handler_reallocs.c - a timer's handler grows and frees blocks while the program is in malloc and
 * free most of the time. At the end all that it has is freed.
 *
 *     handler_reallocs           as said
 *     handler_reallocs pairs N   it allocates and frees at once instead, N times; how many calls of
 *                                malloc and free that made with those of the program is printed */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { BLOCKS = 64, SIGNALS = 2000 };

static char *blocks[BLOCKS];
static volatile sig_atomic_t handled;

static void grow_or_free(int signal_number)
{
    (void)signal_number;
    int slot = handled % BLOCKS;
    if (handled % 5 == 4) {
        free(blocks[slot]);
        blocks[slot] = NULL;
    } else {
        char *grown = realloc(blocks[slot], 100000);
        if (grown != NULL)
            blocks[slot] = grown;
    }
    handled++;
}

static void allocate_and_free(int signal_number)
{
    (void)signal_number;
    void *volatile block = malloc(100000);
    free(block);
    handled++;
}

static void set_timer(suseconds_t period)
{
    const struct itimerval timer = {{0, period}, {0, period}};
    if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
        abort();
}

static void handle_with(void (*handler)(int), suseconds_t period)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    if (sigaction(SIGALRM, &action, NULL) != 0)
        abort();
    set_timer(period);
}

/* Sizes that malloc and free take a lock for. */
static size_t work_until(int signals)
{
    size_t blocks = 0;
    for (; handled < signals; blocks++) {
        void *volatile block = malloc(50000 + blocks % 7 * 10000);
        free(block);
    }
    set_timer(0);
    return blocks;
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        handle_with(allocate_and_free, 50);
        size_t blocks = work_until(atoi(argv[2])) + (size_t)handled;
        char text[32];
        int length = snprintf(text, sizeof(text), "%zu\n", 2 * blocks);
        return write(1, text, (size_t)length) == length ? 0 : 1;
    }
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(70000);
    handle_with(grow_or_free, 50);
    (void)work_until(SIGNALS);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return 0;
}
