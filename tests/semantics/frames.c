/* frames.c - stacks that are left, switched, and deeper than usual, by programs that allocate. */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "tests/semantics/check.h"

/* -- longjmp ---------------------------------------------------------------------------------- */

enum { JUMPS = 3000, DEPTH = 40 };

static jmp_buf landing;
static void *left_behind[DEPTH + 1];

/* Allocates on the way down; at the end it jumps over all of these frames. */
static __attribute__((noinline)) int descend(unsigned depth)
{
    free(left_behind[depth]);
    left_behind[depth] = malloc(depth * 100 + 1);
    CHECK(left_behind[depth] != NULL);
    if (hidden_size(depth) == 0)
        longjmp(landing, 1);
    return depth == 0 ? 0 : descend(depth - 1) + (left_behind[depth] == NULL);
}

static void longjmp_over_frames_that_allocate_does_no_harm(void)
{
    for (volatile unsigned i = 0; i < JUMPS; i++) {
        if (setjmp(landing) == 0)
            descend(i % DEPTH);
        free(malloc(i));
    }
    for (unsigned i = 0; i <= DEPTH; i++)
        free(left_behind[i]);
}

/* -- coroutines ------------------------------------------------------------------------------- */

enum { COROUTINES = 20, TURNS = 200, COROUTINE_STACK = 128 << 10 };

struct coroutine {
    ucontext_t context;
    ucontext_t *home;
    void *stack;
    unsigned char *block; /* allocated by one, freed by its neighbour */
    struct coroutine *neighbour;
    unsigned number;
};

/* Rows of frames that differ from coroutine to coroutine and from turn to turn. */
static __attribute__((noinline)) unsigned char *allocate_below(unsigned depth, size_t bytes)
{
    unsigned char *block = depth == 0 ? malloc(bytes) : allocate_below(depth - 1, bytes);
    return hidden_pointer(block);
}

static void run_coroutine(unsigned high, unsigned low)
{
    struct coroutine *self = (struct coroutine *)((uintptr_t)high << 32 | low);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        size_t bytes = 1 + (self->number * 131 + turn * 17) % 3000;
        unsigned char *old = self->neighbour->block;
        CHECK(old == NULL || *old == (unsigned char)self->neighbour->number);
        free(old);
        self->neighbour->block = NULL;
        free(self->block);
        self->block = allocate_below((turn + self->number) % 30, bytes);
        *self->block = (unsigned char)self->number;
        swapcontext(&self->context, self->home);
    }
}

static void create_coroutine(struct coroutine *one, ucontext_t *home)
{
    one->stack = malloc(COROUTINE_STACK);
    one->home = home;
    CHECK(getcontext(&one->context) == 0);
    one->context.uc_stack.ss_sp = one->stack;
    one->context.uc_stack.ss_size = COROUTINE_STACK;
    one->context.uc_link = home;
    makecontext(&one->context, (void (*)(void))run_coroutine, 2, (unsigned)((uintptr_t)one >> 32),
                (unsigned)(uintptr_t)one);
}

static void *run_coroutines(void *unused)
{
    ucontext_t home;
    struct coroutine *all = calloc(COROUTINES, sizeof(*all));
    for (unsigned i = 0; i < COROUTINES; i++) {
        all[i].number = i;
        all[i].neighbour = &all[(i + 7) % COROUTINES];
        create_coroutine(&all[i], &home);
    }
    for (unsigned i = 0; i < (TURNS + 1) * COROUTINES; i++)
        swapcontext(&home, &all[i * 3 % COROUTINES].context);
    for (unsigned i = 0; i < COROUTINES; i++) {
        free(all[i].block);
        free(all[i].stack);
    }
    free(all);
    return unused;
}

static void coroutines_of_several_threads_allocate_and_free(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, run_coroutines, NULL) == 0);
    run_coroutines(NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* -- deep recursion --------------------------------------------------------------------------- */

enum { DEEP = 100000, DEEP_STACK = 256 << 20 };

static __attribute__((noinline)) size_t recurse(unsigned depth)
{
    char *block = depth % 100 == 0 ? malloc(depth % 1000 + 1) : NULL;
    size_t below = depth == 0 ? 0 : recurse(depth - 1);
    CHECK(depth % 100 != 0 || block != NULL);
    free(block);
    return below + 1;
}

static void *recurse_deeply(void *unused)
{
    for (int i = 0; i < 2; i++)
        CHECK(recurse(DEEP) == DEEP + 1);
    return unused;
}

static void frames_a_hundred_thousand_deep_allocate(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, DEEP_STACK) == 0);
    CHECK(pthread_create(&thread, &attributes, recurse_deeply, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

CHECK_MAIN(CASE(longjmp_over_frames_that_allocate_does_no_harm),
           CASE(coroutines_of_several_threads_allocate_and_free),
           CASE(frames_a_hundred_thousand_deep_allocate))
