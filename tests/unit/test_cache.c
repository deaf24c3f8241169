/* test_cache.c - magazines: sentinels, growth, the closed hand, threads that end, forks. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/base/os.h"
#include "allocators/cache_inside.h"
#include "allocators/cache_inside.h"
#include "allocators/depot.h"
#include "allocators/slab.h"

static _Atomic unsigned transfers;

static void count_transfer(void)
{
    transfers++;
}

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    cache_on_transfer(count_transfer);
    heap_free(heap_alloc(1));
    cache_adapt(os_time_coarse_ns() + UINT64_C(3600000000000)); /* no looks but the tests' own */
    return 0;
}

static size_t taken(unsigned class)
{
    struct slab_stats stats;
    slab_read_stats(class, &stats);
    return stats.taken_objects;
}

static void the_hot_path_serves_what_was_just_freed(void **state)
{
    (void)state;
    void *p = heap_alloc(64);
    assert_true(heap_free_fast(p));
    assert_ptr_equal(heap_alloc_fast(64), p);
    heap_free(p);
}

static void an_empty_magazine_and_a_full_one_take_the_slow_door(void **state)
{
    (void)state;
    cache_flush();
    assert_null(heap_alloc_fast(64));
    void *p = heap_alloc(64);
    unsigned fast = 0;
    static void *objects[1024];
    while (fast < 1024 && (objects[fast] = heap_alloc_fast(64)) != NULL)
        fast++;
    assert_true(fast > 0 && fast < 1024);
    heap_free(p);
    for (unsigned i = 0; i < fast; i++)
        heap_free(objects[i]);
}

static void magazines_grow_with_use_up_to_their_class_limit(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    static void *objects[COUNT];
    unsigned class = size_class_of(128);
    for (int i = 0; i < COUNT; i++)
        objects[i] = heap_alloc(128);
    for (int i = 0; i < COUNT; i++)
        heap_free(objects[i]);
    unsigned run = 0;
    while (run < COUNT && (objects[run] = heap_alloc_fast(128)) != NULL)
        run++;
    assert_true(run <= size_tables.classes[class].rounds_max);
    for (unsigned i = 0; i < run; i++)
        heap_free(objects[i]);
    assert_true(cache_rounds(class) <= 2 * size_tables.classes[class].rounds_max);
}

/* The next look of cache_adapt. */
static void look(void)
{
    cache_adapt(hand.cache->adapt_ns + 1);
}

/* Allocates so many, and frees them: the class turns often. */
static void use(size_t bytes, unsigned count)
{
    static void *objects[4096];
    for (unsigned i = 0; i < count; i++)
        objects[i] = heap_alloc(bytes);
    for (unsigned i = 0; i < count; i++)
        heap_free(objects[i]);
}

static void what_a_thread_uses_no_more_leaves_its_magazines(void **state)
{
    (void)state;
    unsigned class = size_class_of(96);
    use(96, 4096);
    look();
    size_t kept = cache_rounds(class);
    assert_true(kept > 0); /* it was used since the look before */
    use(500, 4096);
    look();
    assert_int_equal(cache_rounds(class), MAGAZINE_FIRST_ROUNDS);
    depot_drain();
    assert_int_equal(taken(class), MAGAZINE_FIRST_ROUNDS);
    assert_true(cache_rounds(size_class_of(500)) > 0);
    heap_audit();
}

static void magazines_that_seldom_turn_keep_their_newer_half(void **state)
{
    (void)state;
    unsigned class = size_class_of(64);
    use(64, 4096);
    const struct magazine *loaded = hand.cache->loaded[class];
    assert_int_equal(loaded->capacity, size_tables.classes[class].rounds_max);
    look();
    size_t rounds = magazine_rounds_below(loaded, hand.top[class]);
    assert_true(cache_rounds(class) > rounds); /* it turned often: both stay */
    void *held = heap_alloc_fast(64);
    look();
    assert_int_equal(cache_rounds(class), rounds / 2);
    look();
    assert_int_equal(cache_rounds(class), MAGAZINE_FIRST_ROUNDS); /* not used at all meanwhile */
    heap_free(held);
    cache_flush();
    depot_drain();
    assert_int_equal(taken(class), 0);
    heap_audit();
}

/* A signal handler may look while the call that it interrupted has its top, and the newest round.
 */
static void a_look_leaves_what_an_interrupted_call_has_loaded(void **state)
{
    (void)state;
    unsigned class = size_class_of(112);
    use(112, 4096);
    for (int looks = 0; looks < 4; looks++) {
        const struct magazine *loaded = hand.cache->loaded[class];
        void **top = hand.top[class];
        void *newest = top[-1];
        look();
        assert_ptr_equal(hand.cache->loaded[class], loaded);
        assert_ptr_equal(hand.top[class], top);
        assert_ptr_equal(top[-1], newest);
    }
    void *objects[MAGAZINE_FIRST_ROUNDS + 1];
    for (int i = 0; i <= MAGAZINE_FIRST_ROUNDS; i++) /* the last one lies behind the holes */
        assert_non_null(objects[i] = heap_alloc(112));
    for (int i = 0; i <= MAGAZINE_FIRST_ROUNDS; i++)
        heap_free(objects[i]);
    cache_flush();
    depot_drain();
    assert_int_equal(taken(class), 0);
    heap_audit();
}

static size_t room_of_all_magazines(void)
{
    size_t bytes = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        const struct magazine *loaded = hand.cache->loaded[class];
        const struct magazine *previous = hand.cache->previous[class];
        bytes += loaded != NULL ? magazine_room_bytes(loaded) : 0;
        bytes += previous != NULL ? magazine_room_bytes(previous) : 0;
    }
    return bytes;
}

/* All classes, from the largest down: the small ones find no room to grow any more. */
static void magazines_of_one_thread_have_room_for_a_few_mebibytes(void **state)
{
    (void)state;
    enum { COUNT = 1024 };
    static void *objects[COUNT];
    size_t first_bytes = 0;
    cache_flush();
    assert_int_equal(hand.cache->room_bytes, 0);
    for (unsigned class = SIZE_CLASS_EXACT - 1; class >= SIZE_CLASS_FIRST; class --) {
        size_t bytes = size_tables.classes[class].bytes;
        uint32_t most = size_tables.classes[class].rounds_max;
        first_bytes += 2 * bytes * (most < MAGAZINE_FIRST_ROUNDS ? most : MAGAZINE_FIRST_ROUNDS);
        for (int i = 0; i < COUNT; i++)
            objects[i] = heap_alloc(bytes);
        for (int i = 0; i < COUNT; i++)
            heap_free(objects[i]);
        assert_int_equal(hand.cache->room_bytes, room_of_all_magazines());
    }
    assert_true(hand.cache->room_bytes > CACHE_ROOM_BYTES);
    assert_true(hand.cache->room_bytes < CACHE_ROOM_BYTES + first_bytes / 2);
    assert_int_equal(hand.cache->loaded[size_class_of(16)]->step, 0);
    heap_audit();
    cache_flush();
    assert_int_equal(hand.cache->room_bytes, 0);
    depot_drain();
}

static void every_exchange_with_others_is_announced(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static void *objects[COUNT];
    transfers = 0;
    for (int i = 0; i < COUNT; i++)
        objects[i] = heap_alloc(80);
    unsigned taking = transfers;
    for (int i = 0; i < COUNT; i++)
        heap_free(objects[i]);
    assert_true(taking >= COUNT / 256);
    assert_true(transfers - taking >= (COUNT - 2 * 256) / 256);
    void *large = heap_alloc(300000);
    unsigned before = transfers;
    heap_free(large);
    assert_true(transfers > before);
}

static void *use_and_end(void *count)
{
    for (uintptr_t i = 0; i < (uintptr_t)count; i++)
        heap_free(heap_alloc(16 + i % 2000));
    heap_thread_exit();
    assert_null(heap_alloc_fast(64)); /* dead: the hand is closed */
    void *late = heap_alloc(64);
    assert_non_null(late);
    heap_free(late);
    return NULL;
}

static void a_thread_that_ends_leaves_nothing_behind(void **state)
{
    (void)state;
    cache_flush();
    depot_drain();
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_and_end, (void *)3000), 0);
        pthread_join(thread, NULL);
    }
    depot_drain();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++)
        assert_int_equal(taken(class), 0);
    heap_audit();
}

static void *allocate(void *bytes)
{
    return heap_alloc((size_t)bytes);
}

static void what_another_thread_allocated_can_be_freed_here(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        void *p;
        assert_int_equal(pthread_create(&thread, NULL, allocate, (void *)500), 0);
        pthread_join(thread, &p);
        assert_non_null(p);
        heap_free(p);
    }
    heap_audit();
}

static _Atomic bool stop;

static void *churn(void *seed_)
{
    uint64_t seed = (uintptr_t)seed_;
    void *live[256] = {0};
    while (!atomic_load(&stop)) {
        unsigned slot = (unsigned)(random_next(&seed) % 256);
        if (live[slot] != NULL)
            heap_free(live[slot]);
        live[slot] = heap_alloc(1 + random_next(&seed) % (slot == 7 ? 200000 : 3000));
    }
    for (int i = 0; i < 256; i++) {
        if (live[i] != NULL)
            heap_free(live[i]);
    }
    heap_thread_exit();
    return NULL;
}

/* In the child: whatever the fork cut, the heap is whole and no block is handed out twice. */
static void check_child(void)
{
    enum { COUNT = 3000 };
    static void *objects[COUNT];
    heap_fork_child();
    for (int i = 0; i < COUNT; i++) {
        size_t bytes = 16 + (size_t)i % 3000;
        objects[i] = heap_alloc(bytes);
        if (objects[i] == NULL)
            _exit(2);
        memset(objects[i], i, bytes);
    }
    for (int i = 0; i < COUNT; i++) {
        const unsigned char *bytes = objects[i];
        if (bytes[0] != (unsigned char)i || bytes[15 + i % 3000] != (unsigned char)i)
            _exit(3);
        heap_free(objects[i]);
    }
    heap_audit();
    _exit(0);
}

static void a_child_forked_in_the_middle_of_everything_has_a_whole_heap(void **state)
{
    (void)state;
    enum { THREADS = 3, FORKS = 300 / TEST_DIVISOR };
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0)
            check_child();
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    heap_audit();
}

static void a_closed_hand_sends_every_call_through_the_slow_door(void **state)
{
    (void)state;
    void *before = heap_alloc(64);
    cache_close_hands();
    assert_null(heap_alloc_fast(64));
    assert_false(heap_free_fast(before));
    heap_free(before);
    assert_ptr_equal(heap_alloc(64), before); /* the magazines serve all the same */
    heap_free(before);
    heap_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hot_path_serves_what_was_just_freed),
        cmocka_unit_test(an_empty_magazine_and_a_full_one_take_the_slow_door),
        cmocka_unit_test(magazines_grow_with_use_up_to_their_class_limit),
        cmocka_unit_test(what_a_thread_uses_no_more_leaves_its_magazines),
        cmocka_unit_test(magazines_that_seldom_turn_keep_their_newer_half),
        cmocka_unit_test(a_look_leaves_what_an_interrupted_call_has_loaded),
        cmocka_unit_test(magazines_of_one_thread_have_room_for_a_few_mebibytes),
        cmocka_unit_test(every_exchange_with_others_is_announced),
        cmocka_unit_test(a_thread_that_ends_leaves_nothing_behind),
        cmocka_unit_test(what_another_thread_allocated_can_be_freed_here),
        cmocka_unit_test(a_child_forked_in_the_middle_of_everything_has_a_whole_heap),
        cmocka_unit_test(a_closed_hand_sends_every_call_through_the_slow_door), /* last: it stays */
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
