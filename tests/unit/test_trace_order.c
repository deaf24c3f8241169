/* test_trace_order.c - the events of several lanes can be put into an order that happened
 * (format.h, ORDER): no block dies that is not alive, or is born where one is. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 3, BLOCKS = 400, TURNS = 1500 / TEST_DIVISOR, TURN_CALLS = 12 };

static const uint64_t base = UINT64_C(0x7f0000100000);

/* What the threads hand on to each other, one after another: whose turn it is may free any block.
 */
static struct {
    sem_t turn[THREADS];
    struct {
        bool is_alive;
        unsigned given_by; /* the thread that freed it last */
    } block[BLOCKS];
} heap;

struct worker {
    struct shadow *shadow;
    unsigned number;
    uint64_t random;
    pthread_t thread;
};

static void call(struct worker *worker)
{
    size_t n = next_random(&worker->random) % BLOCKS;
    uint64_t address = base + 16 * n;
    if (heap.block[n].is_alive) {
        tell_free(worker->shadow, address);
        heap.block[n].given_by = worker->number;
    } else {
        if (heap.block[n].given_by != worker->number)
            tracer_sync();
        tell_alloc(worker->shadow, address, 16, 0, 0);
    }
    heap.block[n].is_alive = !heap.block[n].is_alive;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        while (sem_wait(&heap.turn[worker->number]) != 0)
            ;
        for (uint64_t calls = 1 + next_random(&worker->random) % TURN_CALLS; calls > 0; calls--)
            call(worker);
        sem_post(&heap.turn[(worker->number + 1) % THREADS]);
    }
    tracer_thread_exit();
    return NULL;
}

static void pass_blocks_around(struct trace_run *run)
{
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        sem_init(&heap.turn[i], 0, i == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){&run->shadows[i], i, run->random + i * 977 + 1, 0};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            _exit(4);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    tracer_stop(TRACE_END_EXIT);
}

/* -- the order -------------------------------------------------------------------------------- */

struct placed {
    uint64_t epoch;
    size_t lane, index;
    const struct decoded_event *event;
};

static int compare_places(const void *a, const void *b)
{
    const struct placed *one = a, *other = b;
    if (one->epoch != other->epoch)
        return one->epoch < other->epoch ? -1 : 1;
    if (one->lane != other->lane)
        return one->lane < other->lane ? -1 : 1;
    return one->index < other->index ? -1 : 1;
}

/* All events, segment by segment. */
static struct placed *place_events(const struct decoded *decoded, size_t *count)
{
    *count = 0;
    for (size_t l = 0; l < decoded->lane_count; l++)
        *count += decoded->lanes[l].count;
    struct placed *placed = test_calloc(*count, sizeof(*placed));
    struct placed *next = placed;
    for (size_t l = 0; l < decoded->lane_count; l++)
        for (size_t i = 0; i < decoded->lanes[l].count; i++)
            *next++ = (struct placed){decoded->lanes[l].events[i].epoch, l, i,
                                      &decoded->lanes[l].events[i]};
    qsort(placed, *count, sizeof(*placed), compare_places);
    return placed;
}

/* Returns how many deaths of another lane's blocks have no epoch of their own. */
static size_t check_history(const struct decoded *decoded)
{
    size_t count, undrawn = 0, born_in[BLOCKS] = {0}; /* the lane + 1; 0: not alive */
    struct placed *placed = place_events(decoded, &count);
    for (size_t i = 0; i < count; i++) {
        const struct decoded_event *event = placed[i].event;
        size_t n = (event->address - base) / 16;
        if (event->kind == DECODED_ALLOC) {
            assert_int_equal(born_in[n], 0);
            born_in[n] = placed[i].lane + 1;
        } else if (event->kind == DECODED_FREE) {
            assert_int_not_equal(born_in[n], 0);
            undrawn += born_in[n] != placed[i].lane + 1 && event[-1].kind != DECODED_SYNC;
            born_in[n] = 0;
        }
    }
    test_free(placed);
    return undrawn;
}

static void check_order(const struct tracer_options *options)
{
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 11);
    assert_true(run_wait(run_start(&run, options, pass_blocks_around)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    assert_int_equal(decoded.lane_count, THREADS);
    assert_true(check_history(&decoded) > TURNS);
    decoder_free(&decoded);
    run_fini(&run);
}

static void lives_that_pass_between_threads_are_told_in_order(void **state)
{
    (void)state;
    check_order(&plain);
}

static void the_same_where_nobody_tells_of_arrivals(void **state)
{
    (void)state;
    struct tracer_options options = plain;
    options.ordered_by_caller = false;
    check_order(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_that_pass_between_threads_are_told_in_order),
        cmocka_unit_test(the_same_where_nobody_tells_of_arrivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
