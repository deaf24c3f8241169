/* threads.c - threads that are born, cancelled, share blocks, and die. */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/semantics/check.h"
#include "tests/semantics/resident.h"

static void *live_shortly(void *argument)
{
    char *blocks[20];
    for (int i = 0; i < 20; i++) {
        blocks[i] = malloc((size_t)i * 100 + 1);
        memset(blocks[i], i, (size_t)i * 100 + 1);
    }
    for (int i = 0; i < 19; i++)
        free(blocks[i]);
    (void)argument;
    return blocks[19];
}

static void thousands_of_short_threads_come_and_go(void)
{
    size_t before = 0;
    for (int round = 0; round < 5000; round++) {
        pthread_t thread;
        void *left = NULL;
        CHECK(pthread_create(&thread, NULL, live_shortly, NULL) == 0);
        CHECK(pthread_join(thread, &left) == 0);
        CHECK(is_filled(left, 19, 1901));
        free(left);
        if (round == 500)
            before = mallinfo2().arena;
    }
    CHECK(mallinfo2().arena <= before + (32 << 20));
}

static void detached_threads_outlive_nothing(void)
{
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 65536) == 0);
    for (int i = 0; i < 1000; i++) {
        pthread_t thread;
        while (pthread_create(&thread, &attributes, live_shortly, NULL) == EAGAIN)
            sched_yield();
    }
    CHECK(pthread_attr_destroy(&attributes) == 0);
}

static atomic_bool stop;

static void *allocate_until_cancelled(void *unused)
{
    void *blocks[32] = {NULL};
    for (unsigned i = 0;; i++) {
        free(blocks[i % 32]);
        blocks[i % 32] = malloc(i * 37 % 5000);
        if (i % 64 == 0)
            pthread_testcancel();
    }
    return unused;
}

static void a_cancelled_thread_leaves_the_heap_usable(void)
{
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK(pthread_create(&thread, NULL, allocate_until_cancelled, NULL) == 0);
        for (int j = 0; j < 500; j++)
            free(malloc((size_t)j * 5));
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
}

/* Has a cancellation pending all the time: a cancellation point inside malloc would end it. */
static void *allocate_with_cancellation_pending(void *unused)
{
    while (!atomic_load(&stop))
        sched_yield();
    char *blocks[500];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 500; i++)
            blocks[i] = malloc(i * i);
        for (size_t i = 0; i < 500; i++)
            blocks[i] = realloc(blocks[i], i * 3 + 1);
        for (size_t i = 0; i < 500; i++)
            free(blocks[i]);
    }
    *(bool *)unused = true;
    return NULL;
}

static void allocating_is_no_cancellation_point(void)
{
    bool ended = false;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_with_cancellation_pending, &ended) == 0);
    CHECK(pthread_cancel(thread) == 0);
    atomic_store(&stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ended);
}

/* -- the end of a thread ---------------------------------------------------------------------- */

static pthread_key_t keys[100];

/* Comes back until libc gives up: destructors of keys run in PTHREAD_DESTRUCTOR_ITERATIONS rounds.
 */
static void free_and_come_back(void *block)
{
    free(block);
    void *next = malloc(500);
    memset(next, 3, 500);
    CHECK(pthread_setspecific(keys[0], next) == 0);
}

static void *set_keys(void *unused)
{
    for (size_t i = 1; i < 100; i++)
        CHECK(pthread_setspecific(keys[i], malloc(i * 50)) == 0);
    CHECK(pthread_setspecific(keys[0], malloc(10)) == 0);
    return unused;
}

static void key_destructors_may_free_and_allocate_to_the_last_round(void)
{
    CHECK(pthread_key_create(&keys[0], free_and_come_back) == 0);
    for (int i = 1; i < 100; i++)
        CHECK(pthread_key_create(&keys[i], free) == 0);
    for (int i = 0; i < 500; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, set_keys, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static pthread_key_t late_key;

/* Allocates for the first time in its thread's life, in the round its value counts down to. */
static void allocate_in_round(void *rounds)
{
    if ((uintptr_t)rounds > 1) {
        CHECK(pthread_setspecific(late_key, (char *)rounds - 1) == 0);
        return;
    }
    void *blocks[12];
    for (size_t i = 0; i < 12; i++) {
        blocks[i] = malloc((size_t)16 << i);
        CHECK(blocks[i] != NULL);
    }
    for (size_t i = 0; i < 12; i++)
        free(blocks[i]);
}

static void *begin_late(void *rounds)
{
    CHECK(pthread_setspecific(late_key, rounds) == 0);
    return NULL;
}

/* One after another, beginning in the first, the second... of so many rounds of destructors. */
static void run_late_beginners(size_t count, uintptr_t rounds_used, size_t stack_bytes)
{
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, stack_bytes) == 0);
    for (uintptr_t i = 0; i < count; i++) {
        pthread_t thread;
        void *rounds = (void *)(i % rounds_used + 1);
        CHECK(pthread_create(&thread, &attributes, begin_late, rounds) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(pthread_attr_destroy(&attributes) == 0);
}

/* Stacks too large for libc to keep: nothing of such a thread may be looked at afterwards. */
static void threads_that_first_allocate_in_a_key_destructor_leave_nothing_behind(void)
{
    CHECK(pthread_key_create(&late_key, allocate_in_round) == 0);
    run_late_beginners(8, PTHREAD_DESTRUCTOR_ITERATIONS, (size_t)64 << 20);
    (void)mallinfo2();
    pid_t child = fork();
    if (child == 0) {
        free(malloc(1000));
        (void)mallinfo2();
        _exit(0);
    }
    CHECK(child_succeeded(child));
}

/* Not in the last round: nobody is called after it, and what the thread took stays taken. */
static void threads_that_first_allocate_in_a_key_destructor_cost_nothing_for_good(void)
{
    CHECK(pthread_key_create(&late_key, allocate_in_round) == 0);
    run_late_beginners(200, PTHREAD_DESTRUCTOR_ITERATIONS - 1, (size_t)256 << 10);
    size_t before = anonymous_bytes();
    run_late_beginners(2000, PTHREAD_DESTRUCTOR_ITERATIONS - 1, (size_t)256 << 10);
    CHECK(anonymous_bytes() < before + ((size_t)3 << 20));
}

/* Blocks of a dead thread are freed by others, and reused. */
static void *hand_over(void *table)
{
    char **blocks = table;
    for (size_t i = 0; i < 3000; i++) {
        blocks[i] = malloc(i % 700 + 1);
        memset(blocks[i], (int)i, i % 700 + 1);
    }
    return NULL;
}

static void blocks_outlive_their_thread(void)
{
    static char *blocks[8][3000];
    pthread_t threads[8];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&threads[i], NULL, hand_over, blocks[i]) == 0);
        for (int i = 0; i < 8; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        for (int i = 0; i < 8; i++) {
            for (size_t j = 0; j < 3000; j++) {
                CHECK(is_filled(blocks[i][j], (int)j, j % 700 + 1));
                free(blocks[i][j]);
            }
        }
    }
}

/* -- storms ----------------------------------------------------------------------------------- */

struct slot {
    _Atomic(unsigned char *) block; /* bytes 0-7: its size; the rest: its lowest size byte */
};
static struct slot slots[256];

static unsigned char *make_block(size_t bytes)
{
    unsigned char *block = malloc(bytes);
    memset(block, (int)(bytes & 0xff), bytes);
    memcpy(block, &bytes, sizeof(bytes));
    return block;
}

static void check_block(unsigned char *block)
{
    size_t bytes = 0;
    memcpy(&bytes, block, sizeof(bytes));
    CHECK(malloc_usable_size(block) >= bytes);
    CHECK(is_filled(block + 8, (int)(bytes & 0xff), bytes - 8));
}

static unsigned char *resize_block(unsigned char *block, size_t bytes)
{
    size_t before = 0;
    memcpy(&before, block, sizeof(before));
    block = realloc(block, bytes);
    size_t kept = before < bytes ? before : bytes;
    CHECK(is_filled(block + 8, (int)(before & 0xff), kept - 8));
    memset(block, (int)(bytes & 0xff), bytes);
    memcpy(block, &bytes, sizeof(bytes));
    return block;
}

/* Takes a block out of a slot, whoever made it, and puts a new or resized one in. */
static void *exchange_blocks(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    for (int i = 0; i < 60000; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        unsigned random = (unsigned)(seed >> 33);
        size_t bytes = 8 + (random % 512 == 0 ? random % 300000 : random % 2000);
        unsigned char *mine = atomic_exchange(&slots[random >> 5 & 255].block, NULL);
        if (mine != NULL)
            check_block(mine);
        if (mine != NULL && random % 3 == 0) {
            free(mine);
            mine = NULL;
        }
        mine = mine == NULL ? make_block(bytes) : resize_block(mine, bytes);
        mine = atomic_exchange(&slots[random >> 13 & 255].block, mine);
        free(mine);
    }
    return NULL;
}

static void storms_of_realloc_and_free_across_threads_keep_contents(void)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, exchange_blocks, (void *)(i * 77 + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 256; i++) {
        if (slots[i].block != NULL)
            check_block(slots[i].block);
        free(slots[i].block);
    }
}

static void *allocate_until_exit(void *unused)
{
    for (size_t i = 0;; i++)
        free(malloc(i % 5000));
    return unused;
}

static void a_program_may_exit_while_threads_allocate(void)
{
    for (int i = 0; i < 20; i++)
        CHECK(helper_succeeds(".exit_while_threads_allocate"));
}

static void exit_while_threads_allocate(void)
{
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, allocate_until_exit, NULL) == 0);
        CHECK(pthread_detach(thread) == 0);
    }
    struct timespec shortly = {0, 3000000};
    nanosleep(&shortly, NULL);
    exit(0);
}

static void *allocate_late(void *unused)
{
    struct timespec shortly = {0, 20000000};
    nanosleep(&shortly, NULL);
    for (size_t i = 0; i < 10000; i++)
        free(malloc(i));
    exit(0);
    return unused;
}

static void leave_main_before_the_others(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_late, NULL) == 0);
    free(malloc(1000));
    pthread_exit(NULL);
}

static void the_first_thread_may_end_before_the_others(void)
{
    CHECK(helper_succeeds(".leave_main_before_the_others"));
}

CHECK_MAIN(CASE(thousands_of_short_threads_come_and_go), CASE(detached_threads_outlive_nothing),
           CASE(a_cancelled_thread_leaves_the_heap_usable),
           CASE(allocating_is_no_cancellation_point),
           CASE(key_destructors_may_free_and_allocate_to_the_last_round),
           CASE(threads_that_first_allocate_in_a_key_destructor_leave_nothing_behind),
           CASE(threads_that_first_allocate_in_a_key_destructor_cost_nothing_for_good),
           CASE(blocks_outlive_their_thread),
           CASE(storms_of_realloc_and_free_across_threads_keep_contents),
           CASE(a_program_may_exit_while_threads_allocate), HELPER(exit_while_threads_allocate),
           CASE(the_first_thread_may_end_before_the_others), HELPER(leave_main_before_the_others))
