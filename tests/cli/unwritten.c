/* unwritten.c - callocs of which a part is written, each under a function of its own. */
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * KIB };

#define APART __attribute__((noinline))

static void *volatile seen;

/* So that the compiler leaves it there. */
static inline void *see(void *p)
{
    seen = p;
    return seen;
}

/* Never written, and alive at the end. */
APART static void table(void)
{
    (void)see(calloc(40, MIB));
}

APART static void half(void)
{
    void *blocks[4];
    for (int i = 0; i < 4; i++) {
        blocks[i] = see(calloc(1, MIB));
        memset(blocks[i], 1, 256 * KIB);
    }
    for (int i = 0; i < 4; i++)
        free(see(blocks[i]));
}

/* Each gets the memory that the one before left written. */
APART static void again(void)
{
    for (int i = 0; i < 3; i++) {
        char *used = see(malloc(900 * KIB));
        memset(used, 1, 900 * KIB);
        free(see(used));
        char *p = see(calloc(900, KIB));
        p[0] = p[900 * KIB - 1] = 1;
        free(see(p));
    }
}

APART static void full(void)
{
    char *p = see(calloc(1, MIB));
    memset(p, 1, MIB);
    free(see(p));
}

APART static void resized(void)
{
    char *p = see(calloc(1, MIB));
    free(realloc(p, 2 * MIB));
}

APART static void small(void)
{
    for (int i = 0; i < 100; i++)
        free(see(calloc(1, 200)));
}

int main(void)
{
    table();
    half();
    again();
    full();
    resized();
    small();
    return 0;
}
