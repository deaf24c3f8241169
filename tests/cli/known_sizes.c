/* known_sizes.c - allocates what record.sh knows: 20,000,000 bytes kept by keep(), 20,000,000 more
 * that are freed, by two threads. Says what it wants to hear of afterwards. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 100000, BYTES = 100 };

static __attribute__((noinline)) void *keep(void *unused)
{
    char **last = unused;
    for (int i = 0; i < BLOCKS; i++) {
        char *kept = malloc(BYTES);
        memcpy(kept, last, sizeof *last);
        memcpy(last, &kept, sizeof kept);
        char *volatile passing = calloc(1, BYTES);
        free(passing);
    }
    return NULL;
}

int main(void)
{
    static char *chain[2];
    pthread_t other;
    if (pthread_create(&other, NULL, keep, &chain[0]) != 0)
        return 1;
    keep(&chain[1]);
    pthread_join(other, NULL);
    chain[0] = realloc(chain[0], 300000);
    chain[0] = realloc(chain[0], 50);
    puts("done");
    return chain[0] == NULL;
}
