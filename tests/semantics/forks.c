/* forks.c - fork, vfork, posix_spawn and clone in programs that allocate from several threads. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tests/semantics/check.h"

enum { STEPS_BETWEEN_FORKS = 20 };
static atomic_bool stop, has_child;
static atomic_ulong steps;                               /* of the other threads */
static pthread_mutex_t rest = PTHREAD_MUTEX_INITIALIZER; /* held while a child is waited for */

/* Waits for the child of a fork, while the others rest: they could change nothing for it. Then they
 * go on, so that the next fork meets them anywhere. */
static bool child_succeeded_alone(pid_t child)
{
    pthread_mutex_lock(&rest);
    atomic_store(&has_child, true);
    bool succeeded = child_succeeded(child);
    atomic_store(&has_child, false);
    pthread_mutex_unlock(&rest);
    for (unsigned long start = atomic_load(&steps);
         atomic_load(&steps) < start + STEPS_BETWEEN_FORKS;)
        sched_yield();
    return succeeded;
}

static bool goes_on(void)
{
    atomic_fetch_add(&steps, 1);
    if (atomic_load(&has_child)) {
        pthread_mutex_lock(&rest);
        pthread_mutex_unlock(&rest);
    }
    return !atomic_load(&stop);
}

/* Allocates and frees all kinds of sizes until told to stop. */
static void *churn(void *seed_of_thread)
{
    enum { KEPT = 64 };
    unsigned seed = (unsigned)(uintptr_t)seed_of_thread;
    char *kept[KEPT] = {NULL};
    while (goes_on()) {
        seed = seed * 1664525 + 1013904223;
        unsigned slot = seed >> 26;
        size_t bytes = seed % 97 == 0 ? 200000 : (seed >> 8) % 3000 + 1;
        free(kept[slot]);
        kept[slot] = malloc(bytes);
        kept[slot][0] = kept[slot][bytes - 1] = (char)slot;
    }
    for (int i = 0; i < KEPT; i++)
        free(kept[i]);
    return NULL;
}

/* Threads that open, flush and close streams hold the list lock of stdio while they allocate. */
static void *churn_streams(void *unused)
{
    (void)unused;
    while (goes_on()) {
        FILE *stream = fopen("/dev/null", "r+");
        if (stream != NULL) {
            fprintf(stream, "%d", 5);
            fflush(NULL);
            fclose(stream);
        }
    }
    return NULL;
}

enum { THREADS = 4 };
static pthread_t threads[THREADS];

static void start_threads(void *(*body)(void *))
{
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, body, (void *)(i + 1)) == 0);
}

static void join_threads(void)
{
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

enum { PARENTS = 300 };
static char *parents[PARENTS];

static void fill_parents_blocks(void)
{
    for (size_t i = 0; i < PARENTS; i++) {
        parents[i] = malloc(i * 211 % 40000 + 1);
        memset(parents[i], (int)i, i * 211 % 40000 + 1);
    }
}

/* In a child: what the parent allocated is there, can be freed, grown, and mixed with new blocks.
 */
static void use_heap_in_child(void)
{
    for (size_t i = 0; i < PARENTS; i++) {
        size_t bytes = i * 211 % 40000 + 1;
        CHECK(is_filled(parents[i], (int)i, bytes));
        if (i % 3 == 0) {
            parents[i] = realloc(parents[i], bytes * 2);
            CHECK(is_filled(parents[i], (int)i, bytes));
        }
        free(parents[i]);
        parents[i] = malloc(bytes);
        memset(parents[i], 1, bytes);
    }
    for (size_t i = 0; i < PARENTS; i++)
        free(parents[i]);
}

static void *use_heap_in_thread(void *unused)
{
    for (int i = 0; i < 1000; i++)
        free(malloc((size_t)i * 7));
    return unused;
}

static void a_child_uses_and_frees_its_parents_blocks(void)
{
    fill_parents_blocks();
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            use_heap_in_child();
            _exit(0);
        }
        CHECK(child_succeeded(child));
    }
}

static void children_of_a_storm_of_threads_can_allocate(void)
{
    fill_parents_blocks();
    start_threads(churn);
    for (int i = 0; i < 40; i++) {
        pid_t child = fork();
        if (child == 0) {
            use_heap_in_child();
            _exit(0);
        }
        CHECK(child_succeeded_alone(child));
    }
    join_threads();
}

static void children_can_start_threads_of_their_own(void)
{
    start_threads(churn);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, use_heap_in_thread, NULL) == 0);
            CHECK(pthread_join(thread, NULL) == 0);
            exit(0);
        }
        CHECK(child_succeeded_alone(child));
    }
    join_threads();
}

static void fork_while_streams_come_and_go_does_not_deadlock(void)
{
    start_threads(churn_streams);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            free(malloc(1000));
            fflush(NULL);
            _exit(0);
        }
        CHECK(child_succeeded_alone(child));
    }
    join_threads();
}

static void *fork_in_thread(void *unused)
{
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int j = 0; j < 100; j++)
                free(malloc((size_t)j * 100));
            _exit(0);
        }
        CHECK(child_succeeded(child));
    }
    return unused;
}

static void several_threads_may_fork_at_once(void)
{
    start_threads(fork_in_thread);
    for (int i = 0; i < 20000; i++)
        free(malloc((size_t)i));
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void grandchildren_allocate_too(void)
{
    fill_parents_blocks();
    for (int depth = 0; depth < 20; depth++) {
        pid_t child = fork();
        if (child != 0) {
            CHECK(child_succeeded(child));
            _exit(0);
        }
        char *block = malloc(5000);
        memset(block, depth, 5000);
    }
    use_heap_in_child();
    _exit(0);
}

static void *handler_block;

static void allocate_in_handler(void)
{
    free(handler_block);
    handler_block = malloc(3000);
}

static void fork_handlers_of_the_program_may_allocate(void)
{
    CHECK(pthread_atfork(allocate_in_handler, allocate_in_handler, allocate_in_handler) == 0);
    start_threads(churn);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        CHECK(child_succeeded_alone(child));
    }
    join_threads();
}

static void vfork_children_leave_the_parents_heap_intact(void)
{
    fill_parents_blocks();
    start_threads(churn);
    for (int i = 0; i < 100; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        CHECK(child_succeeded_alone(child));
    }
    join_threads();
    use_heap_in_child();
}

extern char **environ;

static void posix_spawn_and_system_work_beside_threads(void)
{
    start_threads(churn);
    for (int i = 0; i < 50; i++) {
        pid_t child = 0;
        char *arguments[] = {(char[]){"true"}, NULL};
        CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        CHECK(child_succeeded_alone(child));
        CHECK(system("exit 3") == 3 << 8);
        FILE *pipe = popen("echo hello", "r");
        char line[16];
        CHECK(pipe != NULL && fgets(line, sizeof(line), pipe) != NULL);
        CHECK(pclose(pipe) == 0);
    }
    join_threads();
}

/* A raw clone runs no fork handlers: the heap learns of its new process by itself or not at all. */
static void a_raw_clone_without_fork_handlers_can_allocate(void)
{
    fill_parents_blocks();
    for (int i = 0; i < 50; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0) {
            use_heap_in_child();
            _exit(0);
        }
        CHECK(child_succeeded(child));
    }
}

CHECK_MAIN(CASE(a_child_uses_and_frees_its_parents_blocks),
           CASE(children_of_a_storm_of_threads_can_allocate),
           CASE(children_can_start_threads_of_their_own),
           CASE(fork_while_streams_come_and_go_does_not_deadlock),
           CASE(several_threads_may_fork_at_once), CASE(grandchildren_allocate_too),
           CASE(fork_handlers_of_the_program_may_allocate),
           CASE(vfork_children_leave_the_parents_heap_intact),
           CASE(posix_spawn_and_system_work_beside_threads),
           CASE(a_raw_clone_without_fork_handlers_can_allocate))
