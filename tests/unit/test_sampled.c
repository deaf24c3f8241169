/* test_sampled.c - which allocations become samples, when most take the hot path: as many as the
 * format says, of each size, whatever else its class is asked for.
 *
 * The points come from a seed of the test's. */
#include <math.h>

#include "allocators/batch.h"
#include "preload/door.h"
#include "preload/door_way.h"
#include "preload/sampled.h"
#include "tests/unit/unit.h"
#include "tracer/sampler.h"

enum { PERIOD = 4096 };

static uint64_t random_state, own_left, period;

uint64_t __wrap_tracer_sample_period(void);
uint64_t __wrap_tracer_sample_period(void)
{
    return period;
}

uint64_t __wrap_tracer_draw(uint64_t of);
uint64_t __wrap_tracer_draw(uint64_t of)
{
    return sampler_draw(&random_state, of);
}

bool __wrap_tracer_takes_of(uint64_t *left, size_t bytes, size_t asked);
bool __wrap_tracer_takes_of(uint64_t *left, size_t bytes, size_t asked)
{
    return sampler_takes(&random_state, period, left, bytes, asked);
}

bool __wrap_tracer_takes(size_t bytes);
bool __wrap_tracer_takes(size_t bytes)
{
    return __wrap_tracer_takes_of(&own_left, bytes + (bytes == 0), bytes);
}

/* Nobody asks for anything. */
static struct init_mark mark = {true, true};
struct init_mark *init_mark = &mark;
static unsigned noticed;
void init_notice(uintptr_t caller)
{
    (void)caller;
    noticed++;
}

void door_go_out(void)
{
    hand.inside = 0;
}

void door_free(void *p)
{
    heap_free(p);
}

/* -- a program -------------------------------------------------------------------------------- */

struct kind {
    size_t bytes, alignment;
    unsigned calls, samples;
    bool is_moved; /* out of a small object, by realloc */
};

/* As realloc does where the hot path has nothing. */
static void *obtain_by_move(struct kind *kind)
{
    static const struct tracer_caller caller;
    void *p = heap_alloc(16), *moved = sampled_move(p, kind->bytes);
    if (moved != NULL)
        return moved;
    bool is_sample = sampled_takes(kind->bytes, 0);
    kind->samples += is_sample;
    return sampled_realloc(p, kind->bytes, is_sample, &caller);
}

/* As malloc and its family do. */
static void *obtain(struct kind *kind)
{
    kind->calls++;
    void *p = NULL;
    if (kind->is_moved)
        return obtain_by_move(kind);
    if (kind->alignment != 0)
        p = heap_alloc_aligned_fast(kind->alignment, kind->bytes);
    else if (kind->bytes <= SIZE_SLAB_MAX)
        p = heap_alloc_fast(kind->bytes);
    if (p == NULL && kind->alignment == 0)
        p = sampled_pass(kind->bytes, false);
    if (p != NULL)
        return p;
    kind->samples += sampled_takes(kind->bytes, kind->alignment);
    return kind->alignment == 0 ? heap_alloc(kind->bytes)
                                : heap_alloc_aligned(kind->alignment, kind->bytes);
}

static void release(void *p)
{
    if (!heap_free_fast(p))
        heap_free(p);
}

/* Blocks come and go at random; each is freed at once as often as not. */
static void run(struct kind *kinds, unsigned count, unsigned calls)
{
    void *held[64] = {NULL};
    for (unsigned i = 0; i < calls; i++) {
        uint64_t random = random_next(&random_state);
        void **at = &held[random % 64];
        if (*at != NULL)
            release(*at);
        *at = obtain(&kinds[(random >> 8) % count]);
        if ((random & 1 << 20) != 0) {
            release(*at);
            *at = NULL;
        }
    }
    for (unsigned i = 0; i < 64; i++) {
        if (held[i] != NULL)
            release(held[i]);
    }
}

/* Five standard errors. */
static void check(const struct kind *kind)
{
    double bytes = (double)(kind->bytes + (kind->bytes == 0));
    double chance = -expm1(-bytes / (double)period);
    double expected = chance * kind->calls, error = sqrt(expected * (1 - chance)) + 0.2;
    if (fabs(kind->samples - expected) > 5 * error)
        fail_msg("%zu bytes: %u samples of %u, not %.0f +- %.0f", kind->bytes, kind->samples,
                 kind->calls, expected, error);
}

static void begin(uint64_t of)
{
    random_state = 20261122;
    period = of;
    own_left = __wrap_tracer_draw(of);
    gate_set(GATE_BATCHES, true);
    batch_flush(); /* what is left of another period is handed out first */
}

static int open_again(void **state)
{
    (void)state;
    gate_set(GATE_OPEN, true);
    heap_audit();
    return 0;
}

static void each_size_has_its_share(void **state)
{
    (void)state;
    struct kind kinds[] = {
        {.bytes = 0},
        {.bytes = 1},
        {.bytes = 16},
        {.bytes = 17},
        {.bytes = 24},
        {.bytes = 97},
        {.bytes = 112},
        {.bytes = 1000},
        {.bytes = 1024},
        {.bytes = 3000},
        {.bytes = SIZE_SLAB_MAX},
        {.bytes = 40000},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    begin(PERIOD);
    run(kinds, KINDS, 400000 / TEST_DIVISOR);
    for (unsigned i = 0; i < KINDS; i++)
        check(&kinds[i]);
}

static void aligned_ones_have_theirs(void **state)
{
    (void)state;
    struct kind kinds[] = {
        {.bytes = 100},
        {.bytes = 100, .alignment = 64},
        {.bytes = 128, .alignment = 128},
        {.bytes = 300, .alignment = 1024},
        {.bytes = 5000, .alignment = 64},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    begin(PERIOD);
    run(kinds, KINDS, 200000 / TEST_DIVISOR);
    for (unsigned i = 0; i < KINDS; i++)
        check(&kinds[i]);
}

static void moved_ones_have_theirs(void **state)
{
    (void)state;
    struct kind kinds[] = {
        {.bytes = 100},
        {.bytes = 100, .is_moved = true},
        {.bytes = 3000, .is_moved = true},
        {.bytes = 40000, .is_moved = true},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    begin(PERIOD);
    run(kinds, KINDS, 100000 / TEST_DIVISOR);
    for (unsigned i = 0; i < KINDS; i++)
        check(&kinds[i]);
}

static void another_trace_has_its_own_period(void **state)
{
    (void)state;
    static const uint64_t periods[] = {1 << 20, 1, 300, 1 << 16};
    for (unsigned i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        struct kind kinds[] = {{.bytes = 48}, {.bytes = 2000}};
        begin(periods[i]);
        run(kinds, 2, 60000 / TEST_DIVISOR);
        check(&kinds[0]);
        check(&kinds[1]);
    }
}

static void nothing_is_in_a_batch_before_the_period_is_known(void **state)
{
    (void)state;
    begin(0);
    assert_null(sampled_pass(48, false));
    assert_null(heap_alloc_fast(48));
}

static void a_handler_inside_the_heap_gets_none(void **state)
{
    (void)state;
    begin(1 << 20);
    (void)sampled_takes(48, 0);
    hand.inside = 1;
    assert_null(sampled_pass(48, false));
    hand.inside = 0;
    void *p = sampled_pass(48, false);
    assert_non_null(p);
    release(p);
}

/* The child of a fork that ran no handlers is told of by the same mark. */
static void what_is_to_be_noticed_is_so_before_the_heap_is_touched(void **state)
{
    (void)state;
    begin(1 << 20);
    (void)sampled_takes(48, 0);
    atomic_store(&mark.is_quiet, false);
    void *p = sampled_pass(48, false);
    assert_int_equal(noticed, 1);
    atomic_store(&mark.is_quiet, true);
    release(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_size_has_its_share, open_again),
        cmocka_unit_test_teardown(aligned_ones_have_theirs, open_again),
        cmocka_unit_test_teardown(moved_ones_have_theirs, open_again),
        cmocka_unit_test_teardown(another_trace_has_its_own_period, open_again),
        cmocka_unit_test_teardown(nothing_is_in_a_batch_before_the_period_is_known, open_again),
        cmocka_unit_test_teardown(a_handler_inside_the_heap_gets_none, open_again),
        cmocka_unit_test_teardown(what_is_to_be_noticed_is_so_before_the_heap_is_touched,
                                  open_again),
    };
    return cmocka_run_group_tests(tests, setup_small_heap, NULL);
}
