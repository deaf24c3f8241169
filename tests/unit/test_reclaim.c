/* test_reclaim.c - objects are taken out of idle threads' magazines, and none is had twice,
 * wherever in its hot path the owner was stopped.
 *
 * The reclaimer is part of this file, with a barrier of ours: what the owner does at that moment is
 * what it would do on another processor. Its hot path is taken apart into loads and stores, so that
 * it can stand still between any two of them. */
#define _GNU_SOURCE
#include "allocators/base/os.h"

static bool barrier_with_steps(void);
static volatile char single_thread_mark;
static const volatile char *mark_of_ours(void)
{
    return &single_thread_mark;
}
#define os_barrier barrier_with_steps
#define os_single_thread_mark mark_of_ours
#include "allocators/reclaim.c" // NOLINT
#undef os_barrier
#undef os_single_thread_mark

#include "allocators/depot.h"
#include "allocators/slab.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { BYTES = 64, MEDIUM_BYTES = 40000, ROUNDS = 6, STEPS_MAX = 32 };

static unsigned class; /* of BYTES, or that of medium blocks */

static bool is_medium(void)
{
    return class == SIZE_CLASS_MEDIUM;
}

/* -- an owner whose hot path is taken apart --------------------------------------------------- */

static struct {
    struct hand *hand;
    sem_t ready, end;
    void **top; /* what its hot path loaded */
    void *round;
    bool is_stopped;       /* it found NULL: it waits where its slow path begins */
    void *held[STEPS_MAX]; /* what it allocated */
    unsigned count;
} owner;

/* m: load top; l: load the round below; s: store top: together heap_pop; between i and o, which
 * mark the hand, heap_alloc_medium. f: load top; w: store the round; u: store top: together
 * heap_free_fast. */
static void take_step(char step)
{
    void ***top = &owner.hand->top[class];
    if (owner.is_stopped)
        return;
    if (step == 'i' || step == 'o')
        owner.hand->inside = step == 'i';
    if (step == 'm' || step == 'f')
        owner.top = *top;
    if (step == 'l')
        owner.round = owner.top[-1];
    if (step == 's' && owner.round == NULL) {
        owner.is_stopped = true;
        owner.hand->inside = 0;
    }
    if (step == 's' && owner.round != NULL) {
        *top = owner.top - 1;
        owner.held[owner.count++] = owner.round;
    }
    if (step == 'w')
        *owner.top = owner.held[--owner.count];
    if (step == 'u')
        *top = owner.top + 1;
}

static void take_steps(const char *steps)
{
    for (; *steps != '\0'; steps++)
        take_step(*steps);
}

static void *owner_body(void *unused)
{
    void *first[ROUNDS];
    owner.hand = &hand;
    for (int i = 0; i < ROUNDS; i++)
        first[i] = heap_alloc(is_medium() ? MEDIUM_BYTES : BYTES);
    cache_flush(); /* the magazine holds what is freed now */
    for (int i = 0; i < ROUNDS; i++)
        heap_free(first[i]);
    sem_post(&owner.ready);
    sem_wait(&owner.end);
    heap_thread_exit();
    return unused;
}

static const char *at_barrier[3]; /* the owner's steps at each barrier of one reclaim */
static unsigned barriers;

static bool barrier_with_steps(void)
{
    if (owner.hand != NULL && barriers < 3)
        take_steps(at_barrier[barriers]);
    barriers++;
    return os_barrier();
}

/* -- what nobody may have twice --------------------------------------------------------------- */

static void *seen[4096];
static unsigned seen_count;

static void see(void *p)
{
    for (unsigned i = 0; i < seen_count; i++)
        assert_ptr_not_equal(seen[i], p);
    seen[seen_count++] = p;
}

static size_t taken(void)
{
    struct slab_stats stats;
    struct large_stats blocks;
    large_read_stats(&blocks);
    if (is_medium())
        return blocks.blocks;
    slab_read_stats(class, &stats);
    return stats.taken_objects;
}

static void start_owner(pthread_t *thread)
{
    memset(&owner, 0, sizeof(owner));
    sem_init(&owner.ready, 0, 0);
    sem_init(&owner.end, 0, 0);
    assert_int_equal(taken(), 0);
    assert_int_equal(pthread_create(thread, NULL, owner_body, NULL), 0);
    sem_wait(&owner.ready);
    assert_int_equal(taken(), ROUNDS);
}

static void end_owner(pthread_t thread)
{
    magazine_give(class, owner.held, owner.count, false);
    sem_post(&owner.end);
    pthread_join(thread, NULL);
    depot_drain();
    assert_int_equal(taken(), 0);
}

/* What the owner holds, what lies in its magazine and what the slabs give: no object is in two of
 * them, and none is lost. */
static void count_all(void)
{
    void *rest[512];
    const struct magazine *loaded = owner.hand->cache->loaded[class];
    uint32_t rounds = magazine_rounds_below(loaded, owner.hand->top[class]);
    seen_count = 0;
    for (unsigned i = 0; i < owner.count; i++)
        see(owner.held[i]);
    for (uint32_t slot = 1; slot <= rounds; slot++) {
        if (loaded->slot[slot] != NULL)
            see(loaded->slot[slot]);
    }
    assert_int_equal(taken(), seen_count);
    for (unsigned i = 0; i < seen_count; i++)
        assert_int_equal(space_ctl_of(seen[i]), class);
    unsigned count = is_medium() ? 0 : slab_take(class, rest, 512);
    for (unsigned i = 0; i < count; i++)
        see(rest[i]);
    magazine_give(class, rest, count, false);
}

/* part[0] before the reclaim, [1..3] at its barriers, [4] after it. Objects reclaimed. */
static size_t interleave(const char *const part[5])
{
    pthread_t thread;
    size_t reclaimed = 0;
    start_owner(&thread);
    take_steps(part[0]);
    memcpy(at_barrier, &part[1], sizeof(at_barrier));
    barriers = 0;
    for (int tick = 0; tick <= IDLE_TICKS; tick++)
        reclaimed += reclaim_tick();
    assert_int_equal(barriers, 3);
    assert_int_equal(owner.hand->cache->claimed, 0);
    take_steps(part[4]);
    count_all();
    end_owner(thread);
    return reclaimed;
}

/* -- the cases -------------------------------------------------------------------------------- */

static void an_idle_owner_keeps_one_round(void **state)
{
    (void)state;
    assert_int_equal(interleave((const char *const[5]){"", "", "", "", ""}), ROUNDS - 1);
    /* Stopped in the middle of an allocation, which then takes the one; the next goes slow. */
    assert_int_equal(interleave((const char *const[5]){"ml", "", "", "", "smls"}), ROUNDS - 1);
    assert_int_equal(owner.count, 1);
    assert_true(owner.is_stopped);
}

static void an_owner_in_its_slow_path_is_left_alone(void **state)
{
    (void)state;
    pthread_t thread;
    start_owner(&thread);
    owner.hand->cache->inside = 1; /* the owner is in its slow path */
    memset(at_barrier, 0, sizeof(at_barrier));
    barriers = 3;
    for (int tick = 0; tick <= IDLE_TICKS; tick++)
        assert_int_equal(reclaim_tick(), 0);
    assert_int_equal(owner.hand->cache->claimed, 0);
    owner.hand->cache->inside = 0;
    end_owner(thread);
}

static void all_owners_give_at_once_when_asked_to(void **state)
{
    (void)state;
    pthread_t thread;
    start_owner(&thread);
    owner.hand->cache->inside = 1;
    assert_int_equal(reclaim_all(), 0); /* but one in its slow path */
    owner.hand->cache->inside = 0;
    assert_int_equal(reclaim_all(), ROUNDS - 1);
    assert_int_equal(taken(), 1);
    assert_int_equal(owner.hand->cache->claimed, 0);
    end_owner(thread);
}

/* Every place of the owner's steps in relation to the reclaimer's: a string of hot calls is cut at
 * every four places. */
static void cut_everywhere(const char *steps)
{
    char parts[5][STEPS_MAX];
    const char *const part[5] = {parts[0], parts[1], parts[2], parts[3], parts[4]};
    int length = (int)strlen(steps);
    int cuts[6] = {0, 0, 0, 0, 0, length};
    for (;;) {
        for (int i = 0; i < 5; i++)
            snprintf(parts[i], STEPS_MAX, "%.*s", cuts[i + 1] - cuts[i], steps + cuts[i]);
        interleave(part);
        int cut = 4;
        while (cut > 0 && cuts[cut] == length)
            cut--;
        if (cut == 0)
            return;
        for (int next = cuts[cut] + 1; cut <= 4; cut++)
            cuts[cut] = next;
    }
}

static void an_owner_that_allocates_is_never_doubled(void **state)
{
    (void)state;
    cut_everywhere("mlsmls");
}

static void an_owner_that_frees_is_never_doubled(void **state)
{
    (void)state;
    cut_everywhere("mlsfwu");
}

static void an_owner_that_swings_is_never_doubled(void **state)
{
    (void)state;
    cut_everywhere("mlsmlsfwufwu");
}

static void of_medium_blocks_none_is_kept_and_none_is_doubled(void **state)
{
    (void)state;
    class = SIZE_CLASS_MEDIUM;
    assert_int_equal(interleave((const char *const[5]){"", "", "", "", ""}), ROUNDS);
    assert_int_equal(interleave((const char *const[5]){"", "", "", "", "imls"}), ROUNDS);
    assert_true(owner.is_stopped);
    /* Stopped while it takes the newest: nothing of that magazine is taken. */
    assert_int_equal(interleave((const char *const[5]){"iml", "", "", "", "so"}), 0);
    assert_int_equal(owner.count, 1);
    cut_everywhere("imlsoimlso");
    cut_everywhere("imlsofwu");
    cut_everywhere("imlsoimlsofwufwu");
    class = size_class_of(BYTES);
}

static void medium_blocks_above_those_that_were_taken_are_counted(void **state)
{
    (void)state;
    pthread_t thread;
    struct large_stats stats;
    class = SIZE_CLASS_MEDIUM;
    start_owner(&thread);
    take_steps("imlso");
    barriers = 3;
    for (int tick = 0; tick <= IDLE_TICKS; tick++)
        reclaim_tick();
    cache_read_medium(&stats);
    assert_int_equal(stats.blocks, 0);
    take_steps("fwu");
    cache_read_medium(&stats);
    assert_int_equal(stats.blocks, 1);
    end_owner(thread);
    class = size_class_of(BYTES);
}

/* -- while every move between threads is watched ---------------------------------------------- */

static unsigned announced;

static void announce(void)
{
    announced++;
}

static size_t tick_until_idle(void)
{
    size_t reclaimed = 0;
    for (int tick = 0; tick <= 2 * IDLE_TICKS; tick++)
        reclaimed += reclaim_tick();
    return reclaimed;
}

/* What a lone thread freed is put into order by its own next call at the latest, not before. */
static void nothing_is_taken_unannounced_that_others_could_not_put_into_order(void **state)
{
    (void)state;
    pthread_t thread;
    owner.hand = NULL;
    single_thread_mark = 1;
    start_owner(&thread);
    owner.hand->cache->began_alone = true;
    cache_on_transfer(announce);
    announced = 0;
    assert_int_equal(tick_until_idle(), 0);
    owner.hand->cache->entries += 2; /* alone, too */
    single_thread_mark = 0;
    assert_int_equal(tick_until_idle(), 0);
    owner.hand->cache->entries++; /* a call, which may not be recorded yet */
    assert_int_equal(tick_until_idle(), 0);
    owner.hand->cache->entries++;
    assert_int_equal(tick_until_idle(), ROUNDS - 1);
    assert_int_equal(announced, 0);
    end_owner(thread);
    start_owner(&thread);
    assert_false(owner.hand->cache->began_alone);
    announced = 0;
    assert_int_equal(tick_until_idle(), ROUNDS - 1);
    assert_int_equal(announced, 0);
    cache_on_transfer(NULL);
    end_owner(thread);
}

/* -- threads that are stopped anywhere -------------------------------------------------------- */

enum { OWNERS = 3, PLACES = 64, ENOUGH = 1000, STOPS_MAX = 500 };

static _Atomic bool is_over;
static sem_t stopped[OWNERS];
static _Atomic unsigned stops, ended_stops;
static _Thread_local unsigned number;

/* As a garbage collector stops the world; but not where locks may be held. */
static void stand_still(int signal_number)
{
    int error = errno;
    unsigned stop = atomic_load(&stops);
    (void)signal_number;
    sem_post(&stopped[number]);
    while (hand.inside == 0 && atomic_load(&ended_stops) < stop)
        usleep(10);
    errno = error;
}

/* A free object reads as zero, one that is had as its owner's mark. */
static void *own(void *p)
{
    if (p == NULL || atomic_exchange((_Atomic uintptr_t *)p, number + 1) != 0)
        abort();
    return p;
}

static void disown(void *p)
{
    if (atomic_exchange((_Atomic uintptr_t *)p, 0) != number + 1)
        abort();
    if (heap_free_fast(p))
        return;
    hand.inside = 1; /* as in the slow door */
    heap_free(p);
    hand.inside = 0;
}

static void *obtain(size_t bytes)
{
    void *p = heap_alloc_fast(bytes);
    if (p == NULL) {
        hand.inside = 1;
        p = heap_alloc(bytes);
        hand.inside = 0;
    }
    return own(p);
}

static void *swing(void *number_)
{
    void *place[PLACES] = {NULL};
    uint64_t seed = (uintptr_t)number_ + 77;
    number = (unsigned)(uintptr_t)number_;
    sem_post(&stopped[number]); /* from here on the handler knows whom it stops */
    while (!atomic_load(&is_over)) {
        size_t at = random_next(&seed) % PLACES;
        if (place[at] != NULL)
            disown(place[at]);
        place[at] = random_next(&seed) % 3 != 0 ? obtain(16 + at % 4 * 16) : NULL;
    }
    for (int i = 0; i < PLACES; i++) {
        if (place[i] != NULL)
            disown(place[i]);
    }
    heap_thread_exit();
    return NULL;
}

static void stop_and_reclaim(pthread_t *threads, size_t *reclaimed)
{
    atomic_fetch_add(&stops, 1);
    for (unsigned i = 0; i < OWNERS; i++)
        pthread_kill(threads[i], SIGUSR1);
    for (unsigned i = 0; i < OWNERS; i++)
        sem_wait(&stopped[i]);
    for (int tick = 0; tick <= IDLE_TICKS; tick++)
        *reclaimed += reclaim_tick();
    atomic_fetch_add(&ended_stops, 1);
    *reclaimed += reclaim_tick(); /* and while they run again */
}

static void threads_that_are_stopped_anywhere_have_nothing_twice(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* the order comes from a system call that it does not know, and it delays signals */
#endif
    pthread_t threads[OWNERS];
    struct sigaction action = {.sa_handler = stand_still, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    memset(&owner, 0, sizeof(owner));
    for (uintptr_t i = 0; i < OWNERS; i++) {
        sem_init(&stopped[i], 0, 0);
        assert_int_equal(pthread_create(&threads[i], NULL, swing, (void *)i), 0);
        sem_wait(&stopped[i]);
    }
    size_t reclaimed = 0;
    for (int stop = 0; stop < STOPS_MAX && reclaimed < ENOUGH; stop++)
        stop_and_reclaim(threads, &reclaimed);
    atomic_store(&is_over, true);
    for (int i = 0; i < OWNERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%zu objects reclaimed\n", reclaimed);
    assert_true(reclaimed > 0);
    cache_flush();
    depot_drain();
    assert_int_equal(taken(), 0);
    heap_audit();
}

static int setup(void **state)
{
    (void)state;
    start_small_heap();
    heap_free(heap_alloc(1));
    class = size_class_of(BYTES);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_owner_keeps_one_round),
        cmocka_unit_test(an_owner_in_its_slow_path_is_left_alone),
        cmocka_unit_test(all_owners_give_at_once_when_asked_to),
        cmocka_unit_test(an_owner_that_allocates_is_never_doubled),
        cmocka_unit_test(an_owner_that_frees_is_never_doubled),
        cmocka_unit_test(an_owner_that_swings_is_never_doubled),
        cmocka_unit_test(of_medium_blocks_none_is_kept_and_none_is_doubled),
        cmocka_unit_test(medium_blocks_above_those_that_were_taken_are_counted),
        cmocka_unit_test(nothing_is_taken_unannounced_that_others_could_not_put_into_order),
        cmocka_unit_test(threads_that_are_stopped_anywhere_have_nothing_twice),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
