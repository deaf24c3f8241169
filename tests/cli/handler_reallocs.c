/* handler_reallocs.c - a timer's handler grows and frees blocks while the program is in malloc and
 * free most of the time. At the end all that it has is freed. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

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

static void set_timer(suseconds_t period)
{
    const struct itimerval timer = {{0, period}, {0, period}};
    if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
        abort();
}

int main(void)
{
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(70000);
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = grow_or_free;
    action.sa_flags = SA_RESTART;
    if (sigaction(SIGALRM, &action, NULL) != 0)
        return 1;
    set_timer(50);
    for (size_t i = 0; handled < SIGNALS; i++) {
        void *volatile block = malloc(50000 + i % 7 * 10000);
        free(block);
    }
    set_timer(0);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return 0;
}
