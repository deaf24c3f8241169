/* engine.c - generations of threads, each with a table of blocks and a mailbox. */
#include "tests/stress/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/stress/blocks.h"

enum { THREADS_MAX = 64, KEPT = 400, MAILBOX = 128, STEPS_BETWEEN_FORKS = 20 };

/* Blocks on their way to another thread. */
struct mailbox {
    pthread_mutex_t lock;
    struct block blocks[MAILBOX];
    unsigned count;
};

struct worker {
    unsigned number;
    uint64_t random;
    struct block kept[KEPT];
    unsigned forks; /* left to do */
    pthread_t thread;
};

static struct {
    const struct stress_heap *heap;
    struct stress_options options;
    struct mailbox mailboxes[THREADS_MAX];
    struct worker workers[THREADS_MAX];
    atomic_bool is_forking; /* the first worker has forks left to do: the others go on meanwhile */
    atomic_ullong steps;    /* operations of the others */
    pthread_mutex_t child;  /* held by the first worker while it waits for a child */
    atomic_bool has_child;
} stress;

static void say_line(const char *line)
{
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        _exit(3);
}

void stress_fail(const char *what, const struct block *block)
{
    char line[256];
    snprintf(line, sizeof(line), "stress on %s: block %p of %zu bytes: %s (--seed %llu)\n",
             stress.heap->name, (void *)block->at, block->bytes, what,
             (unsigned long long)stress.options.seed);
    say_line(line);
    abort();
}

/* -- mail ------------------------------------------------------------------------------------- */

static bool send_block(struct mailbox *mailbox, const struct block *block)
{
    pthread_mutex_lock(&mailbox->lock);
    bool has_room = mailbox->count < MAILBOX;
    if (has_room)
        mailbox->blocks[mailbox->count++] = *block;
    pthread_mutex_unlock(&mailbox->lock);
    return has_room;
}

static struct block receive_block(struct mailbox *mailbox)
{
    struct block block = {NULL, 0, 16, 0};
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->count > 0)
        block = mailbox->blocks[--mailbox->count];
    pthread_mutex_unlock(&mailbox->lock);
    return block;
}

/* -- forks ------------------------------------------------------------------------------------ */

/* The child has only this thread, and knows nothing certain but this thread's blocks. */
static void use_heap_in_child(struct worker *worker)
{
    const struct stress_heap *heap = stress.heap;
    if (heap->fork_child != NULL)
        heap->fork_child();
    if (heap->audit != NULL)
        heap->audit(false);
    for (unsigned i = 0; i < KEPT; i++) {
        if (worker->kept[i].at == NULL)
            worker->kept[i] = block_create(heap, &worker->random, stress.options.most_bytes);
        else if (i % 3 == 0)
            block_resize(heap, &worker->kept[i], &worker->random, 10000);
    }
    for (unsigned i = 0; i < KEPT; i++)
        block_destroy(heap, &worker->kept[i]);
    if (heap->ask != NULL)
        heap->ask(0);
    if (heap->audit != NULL)
        heap->audit(false);
}

/* Forks while the others are at whatever they are at, and lets them rest as long as the child takes
 * to look at what it got: they could change nothing for it. */
static void fork_once(struct worker *worker)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(100);
        use_heap_in_child(worker);
        _exit(0);
    }
    int status = 0;
    pthread_mutex_lock(&stress.child);
    atomic_store(&stress.has_child, true);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    atomic_store(&stress.has_child, false);
    pthread_mutex_unlock(&stress.child);
    if (child < 0 || status != 0)
        stress_fail("the child of a fork failed", &worker->kept[0]);
}

/* After each operation of a thread that does not fork. */
static void note_step(void)
{
    atomic_fetch_add_explicit(&stress.steps, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&stress.has_child, memory_order_relaxed))
        return;
    pthread_mutex_lock(&stress.child);
    pthread_mutex_unlock(&stress.child);
}

/* -- threads ---------------------------------------------------------------------------------- */

static void operate(struct worker *worker)
{
    const struct stress_heap *heap = stress.heap;
    const size_t most_bytes = stress.options.most_bytes;
    uint64_t random = random_next(&worker->random);
    struct block *block = &worker->kept[random % KEPT];
    unsigned action = (random >> 32) % 16;
    if (block->at == NULL)
        *block = action < 4 ? receive_block(&stress.mailboxes[worker->number])
                            : block_create(heap, &worker->random, most_bytes);
    else if (action < 3)
        block_resize(heap, block, &worker->random, most_bytes);
    else if (action < 7 &&
             send_block(&stress.mailboxes[(random >> 40) % stress.options.threads], block))
        block->at = NULL;
    else
        block_destroy(heap, block);
}

/* Leaves a part of its blocks to threads that are not born yet, and frees the rest. */
static void settle(struct worker *worker)
{
    for (unsigned i = 0; i < KEPT; i++) {
        struct block *block = &worker->kept[i];
        if (block->at == NULL)
            continue;
        if (i % 4 == 0 && send_block(&stress.mailboxes[i % stress.options.threads], block))
            block->at = NULL;
        else if (i % 4 != 1) /* every fourth lies in the table until the next owner of it comes */
            block_destroy(stress.heap, block);
    }
}

/* A burst of one size, freed in another order: fills and empties whatever caches there are. */
static void burst(struct worker *worker)
{
    void *blocks[300];
    size_t bytes = random_bytes(&worker->random, 40000);
    for (size_t i = 0; i < 300; i++)
        blocks[i] = stress.heap->alloc(bytes);
    for (size_t i = 0; i < 300; i++)
        stress.heap->free(blocks[i * 7 % 300]);
}

/* Between two rare things; however short its life is, a thread does each at least twice. */
static unsigned rare_period(void)
{
    const unsigned operations = stress.options.operations;
    return operations < 3 * 1024 ? operations / 3 + 1 : 1024;
}

static void *live_briefly(void *argument)
{
    for (unsigned i = 0; i < rare_period() / 5 + 1; i++)
        operate(argument);
    if (stress.heap->thread_exit != NULL)
        stress.heap->thread_exit();
    return NULL;
}

/* A thread is born, does a little of this one's work, and dies while all others go on. */
static void delegate(struct worker *worker)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, live_briefly, worker) != 0)
        stress_fail("no thread could be created", &worker->kept[0]);
    pthread_join(thread, NULL);
}

static void do_something_rare(struct worker *worker, unsigned step)
{
    const unsigned period = rare_period();
    if (step % period == 0)
        burst(worker);
    if (step % period == period / 2)
        delegate(worker);
    if (step % (period / 4 + 1) == 0 && stress.heap->ask != NULL)
        stress.heap->ask((unsigned)random_next(&worker->random));
}

/* Until the others are in the middle of everything again. */
static void operate_among_others(struct worker *worker)
{
    const unsigned long long until =
        atomic_load(&stress.steps) + (stress.options.threads - 1) * STEPS_BETWEEN_FORKS;
    while (atomic_load(&stress.steps) < until)
        operate(worker);
}

static void *live(void *argument)
{
    struct worker *worker = argument;
    const unsigned operations = stress.options.operations;
    unsigned until_fork = operations / (worker->forks + 1);
    for (unsigned i = 1; i <= operations || (worker->forks == 0 && atomic_load(&stress.is_forking));
         i++) {
        operate(worker);
        do_something_rare(worker, i);
        if (worker->forks == 0)
            note_step();
        if (worker->forks > 0 && i % until_fork == 0) {
            operate_among_others(worker);
            fork_once(worker);
        }
    }
    if (worker->forks > 0)
        atomic_store(&stress.is_forking, false);
    settle(worker);
    if (stress.heap->thread_exit != NULL)
        stress.heap->thread_exit();
    burst(worker);
    return NULL;
}

static void run_generation(unsigned generation)
{
    const struct stress_options *options = &stress.options;
    atomic_store(&stress.is_forking, options->forks > 0);
    for (unsigned i = 0; i < options->threads; i++) {
        struct worker *worker = &stress.workers[i];
        worker->number = i;
        worker->random = options->seed * 1000003 + generation * 1009 + i;
        worker->forks = i == 0 ? options->forks : 0;
        if (pthread_create(&worker->thread, NULL, live, worker) != 0)
            stress_fail("no thread could be created", &worker->kept[0]);
    }
    for (unsigned i = 0; i < options->threads; i++)
        pthread_join(stress.workers[i].thread, NULL);
}

static void destroy_what_is_left(void)
{
    for (unsigned i = 0; i < stress.options.threads; i++) {
        struct mailbox *mailbox = &stress.mailboxes[i];
        while (mailbox->count > 0)
            block_destroy(stress.heap, &mailbox->blocks[--mailbox->count]);
        for (unsigned j = 0; j < KEPT; j++) {
            if (stress.workers[i].kept[j].at != NULL)
                block_destroy(stress.heap, &stress.workers[i].kept[j]);
        }
    }
}

void stress_run(const struct stress_heap *heap, const struct stress_options *options)
{
    char line[200];
    stress.heap = heap;
    stress.options = *options;
    snprintf(line, sizeof(line),
             "stress on %s: --seed %llu --threads %u --generations %u --operations %u --forks %u\n",
             heap->name, (unsigned long long)options->seed, options->threads, options->generations,
             options->operations, options->forks);
    say_line(line);
    /* The few bytes that are written to would cost a huge page each; the heap asks for these. */
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    pthread_mutex_init(&stress.child, NULL);
    for (unsigned i = 0; i < THREADS_MAX; i++)
        pthread_mutex_init(&stress.mailboxes[i].lock, NULL);
    for (unsigned i = 0; i < options->generations; i++) {
        run_generation(i);
        if (heap->audit != NULL)
            heap->audit(false);
    }
    destroy_what_is_left();
    if (heap->audit != NULL)
        heap->audit(true);
}
