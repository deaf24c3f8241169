/* pressure.c - a limit on the process's own memory: who is refused, who is told, what a tool sees
 * that sets it from outside. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "preload/mpress.h"
#include "tests/semantics/fill.h"
#include "tests/semantics/page.h"

static void need_library(void)
{
    if (mpress_limit_set == NULL)
        SKIP("the library's own call");
}

static void drain(size_t count)
{
    while (count > 0)
        free(blocks[--count]);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* -- a limit of its own ----------------------------------------------------------------------- */

static void beyond_the_limit_large_requests_fail_and_small_ones_do_not(void)
{
    need_library();
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    errno = 0;
    size_t count = fill(MIB);
    CHECK(errno == ENOMEM);
    CHECK(count >= 50 && count < 64);
    for (int i = 0; i < 1000; i++)
        CHECK(malloc(hidden_size(100)) != NULL);
    CHECK(malloc(hidden_size(2 * MIB)) == NULL);
    CHECK(calloc(4, hidden_size(MIB)) == NULL);
    CHECK(realloc(blocks[0], hidden_size(4 * MIB)) == NULL);
    CHECK(is_filled(blocks[0], 0x11, MIB));
}

/* Slabs are longer than what is left below the soft limit, for some size at some step. */
static void near_the_soft_limit_no_size_is_refused(void)
{
    need_library();
    for (size_t bytes = 4 * KIB + 16; bytes <= 32 * KIB; bytes += bytes / 8) {
        CHECK(mpress_limit_set(32 * MIB, 64 * MIB) == 0);
        size_t count = 0;
        while (count < 36 * MIB / bytes && (blocks[count] = malloc(bytes)) != NULL)
            memset(blocks[count++], 0x22, bytes);
        CHECK(count == 36 * MIB / bytes);
        drain(count);
        malloc_trim(0); /* what the heap has, it may use */
    }
}

static void what_was_freed_can_be_had_again(void)
{
    need_library();
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    static const size_t sizes[] = {MIB, 100 * KIB, 33 * MIB, 20 * KIB};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t count = fill(sizes[i]);
        CHECK(count * sizes[i] >= 32 * MIB);
        drain(count);
    }
}

static void a_limit_can_be_raised_and_lifted(void)
{
    need_library();
    CHECK(mpress_limit_set(2, 1) == EINVAL);
    CHECK(mpress_limit_set(0, 32 * MIB) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) == NULL);
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) != NULL);
    CHECK(malloc(hidden_size(40 * MIB)) == NULL);
    CHECK(mpress_limit_set(0, 0) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) != NULL);
}

/* The second request fails by the system; what it is granted meanwhile is for itself. */
static void what_was_refused_before_is_no_claim_to_more(void)
{
    need_library();
    CHECK(mpress_limit_set(32 * MIB, 64 * MIB) == 0);
    CHECK(malloc(hidden_size(1024 * (size_t)MIB)) == NULL);
    CHECK(aligned_alloc(hidden_size((size_t)1 << 47), hidden_size(4 * KIB)) == NULL);
    size_t count = 0;
    while (count < 200 && malloc(hidden_size(MIB)) != NULL)
        count++;
    CHECK(count > 40 && count < 64);
}

/* Steps in vain lie ever further apart; what the program gave up since is not in vain. (A step may
 * take a twentieth of the time, whatever else the machine does meanwhile.) */
static void what_lies_free_between_blocks_is_not_refused(void)
{
    need_library();
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    size_t count = fill(4 * KIB);
    uint64_t longest_us = 0;
    for (int i = 0; i < 10; i++) {
        uint64_t start = now_us();
        CHECK(malloc(hidden_size(8 * MIB)) == NULL);
        uint64_t took = now_us() - start;
        longest_us = took > longest_us ? took : longest_us;
        usleep(30000);
    }
    for (size_t i = 0; i < count / 4; i++) {
        if (i % 16 != 0)
            free(blocks[i]);
    }
    usleep((useconds_t)(20 * longest_us + 50000));
    CHECK(malloc(hidden_size(12 * MIB)) != NULL);
}

static void *map(size_t bytes, int flags)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void what_the_program_maps_counts(void)
{
    need_library();
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    void *first = map(40 * MIB, 0);
    CHECK(first != MAP_FAILED);
    errno = 0;
    CHECK(map(40 * MIB, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mpress_limit_set(0, 128 * MIB) == 0); /* at once, where it was refused just now */
    void *second = map(40 * MIB, 0);
    CHECK(second != MAP_FAILED && munmap(second, 40 * MIB) == 0);
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) == NULL);
    CHECK(map(1024 * (size_t)MIB, MAP_NORESERVE) != MAP_FAILED); /* address space only */
    CHECK(mremap(first, 40 * MIB, 80 * MIB, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK(munmap(first, 40 * MIB) == 0);
    CHECK(map(40 * MIB, 0) != MAP_FAILED);
}

static void *reserve(size_t bytes, int flags)
{
    return mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void what_was_reserved_counts_when_it_is_made_writable(void)
{
    need_library();
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    char *start = reserve(1024 * (size_t)MIB, MAP_NORESERVE);
    CHECK(start != MAP_FAILED);
    CHECK(mprotect(start + MIB, 40 * MIB, PROT_READ | PROT_WRITE) == 0);
    CHECK(mprotect(start + 2 * MIB, 30 * MIB, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    errno = 0;
    CHECK(mprotect(start + 20 * MIB, 60 * MIB, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM);
    CHECK(mprotect(start + 10 * MIB, 20 * MIB, PROT_READ | PROT_EXEC) == 0); /* may be written to */
    CHECK(malloc(hidden_size(40 * MIB)) == NULL);
    CHECK(mprotect(start, 30 * MIB, PROT_NONE) == 0);
    CHECK(mprotect(start + 500 * MIB, 40 * MIB, PROT_READ | PROT_WRITE) == 0);
    CHECK(mprotect(start, MIB, PROT_READ) == 0);
    CHECK(munmap(start, 1024 * (size_t)MIB) == 0);
    CHECK(malloc(hidden_size(40 * MIB)) != NULL);
    CHECK(mprotect(start, MIB, PROT_READ) == -1); /* nothing is there */
}

static void the_option_sets_a_limit(void)
{
    need_library();
    setenv("MPRESS_LIMIT", "32M", 1);
    CHECK(helper_succeeds(".is_refused_40_megabytes"));
}

static void is_refused_40_megabytes(void)
{
    CHECK(malloc(hidden_size(40 * MIB)) == NULL);
    CHECK(malloc(hidden_size(10 * MIB)) != NULL);
}

/* -- who is told ------------------------------------------------------------------------------ */

static struct {
    int inside, calls, highest;
    bool was_reentered;
    void *cache;
} told;

static void drop_cache(int level, void *context)
{
    CHECK(context == &told);
    told.was_reentered |= told.inside++ != 0;
    told.calls++;
    told.highest = level > told.highest ? level : told.highest;
    CHECK(level == mpress_pressure_level());
    void *note = malloc(hidden_size(200)); /* it may */
    CHECK(note != NULL);
    CHECK(malloc(hidden_size(100 * MIB)) == NULL);
    free(note);
    if (level == MPRESS_EMERGENCY) {
        free(told.cache);
        told.cache = NULL;
    }
    told.inside--;
}

static void the_program_is_asked_to_drop_what_it_can(void)
{
    need_library();
    CHECK(mpress_pressure_subscribe(NULL, NULL) == EINVAL);
    CHECK(mpress_pressure_subscribe(drop_cache, &told) == 0);
    CHECK(mpress_limit_set(0, 64 * MIB) == 0);
    CHECK(mpress_pressure_level() == MPRESS_CALM);
    told.cache = malloc(hidden_size(30 * MIB));
    size_t count = fill(MIB);
    CHECK(told.calls >= 2 && told.highest == MPRESS_EMERGENCY);
    CHECK(!told.was_reentered);
    CHECK(told.cache == NULL && count > 40);
    CHECK(mpress_pressure_unsubscribe(drop_cache, NULL) == ENOENT);
    CHECK(mpress_pressure_unsubscribe(drop_cache, &told) == 0);
    CHECK(mpress_pressure_unsubscribe(drop_cache, &told) == ENOENT);
}

static void takes_its_time(int level, void *called)
{
    (void)level;
    atomic_store((atomic_int *)called, 1);
    usleep(500 * 1000);
}

static void *fill_24_megabytes(void *unused)
{
    (void)unused;
    fill(24 * MIB);
    return NULL;
}

/* What a level wants is done by one thread; the others get what the limit allows meanwhile. */
static void nobody_is_refused_because_another_thread_acts(void)
{
    need_library();
    static atomic_int called;
    pthread_t thread;
    CHECK(mpress_pressure_subscribe(takes_its_time, &called) == 0);
    CHECK(mpress_limit_set(60 * MIB, 64 * MIB) == 0);
    CHECK(pthread_create(&thread, NULL, fill_24_megabytes, NULL) == 0);
    while (atomic_load(&called) == 0)
        usleep(1000);
    for (int i = 0; i < 14; i++)
        CHECK(malloc(hidden_size(MIB)) != NULL);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void *fill_and_drain(void *unused)
{
    (void)unused;
    for (int round = 0; round < 30; round++) {
        void *some[40];
        for (size_t i = 0; i < 40; i++)
            some[i] = malloc(hidden_size((i % 8 + 1) * 100 * KIB));
        for (size_t i = 0; i < 40; i++)
            free(some[i]);
    }
    return NULL;
}

/* Together they want twice as much as there is. */
static void threads_share_the_limit(void)
{
    need_library();
    pthread_t threads[4];
    CHECK(mpress_limit_set(0, 32 * MIB) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, fill_and_drain, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(malloc(hidden_size(16 * MIB)) != NULL);
}

/* -- a tool ----------------------------------------------------------------------------------- */

static uint64_t count_in(const struct budget_histogram *histogram)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < BUDGET_BUCKETS; i++)
        sum += histogram->counts[i];
    return sum;
}

static void fill_to_the_brim(void)
{
    size_t count = fill(MIB);
    CHECK(count > 30 && count < 80);
    CHECK(fill(64 * KIB) < 40);
    CHECK(malloc(hidden_size(100)) != NULL);
}

static void a_tool_sees_what_it_refused(void)
{
    need_library();
    struct budget_page *page = make_page(64 * MIB, BUDGET_THROTTLE | BUDGET_REFUSE, 50);
    CHECK(helper_succeeds(".fill_to_the_brim"));
    remove_page();
    const struct budget_slot *slot = &page->slots[0];
    CHECK(slot->process_id != 0 && slot->has_ended == 1);
    CHECK(slot->refused >= 1 && slot->largest_refused == MIB);
    CHECK(slot->throttles > 0 && slot->throttled_ns > 1000000);
    CHECK(slot->peak >= 62 * MIB && slot->peak <= 64 * MIB + 64 * MIB / 50);
    CHECK(slot->level == MPRESS_EMERGENCY && slot->runs[BUDGET_EVICTION] > 0);
    CHECK(slot->slow_calls > 0 && count_in(&slot->slow) == slot->slow_calls);
    CHECK(count_in(&slot->injected) > 0);
    CHECK(page->slots[1].process_id == 0);
}

static void forks(void)
{
    static char *volatile kept;
    kept = malloc(8 * MIB);
    memset(kept, 1, 8 * MIB);
    pid_t child = fork();
    if (child == 0) {
        char *more = malloc(12 * MIB);
        memset(more, 1, 12 * MIB);
        for (int i = 0; i < 10; i++)
            CHECK(malloc(hidden_size(MIB)) != NULL);
        exit(0);
    }
    CHECK(child_succeeded(child));
}

static void each_process_has_a_slot(void)
{
    need_library();
    struct budget_page *page = make_page(40 * MIB, BUDGET_REFUSE | BUDGET_FAMILY, 0);
    CHECK(helper_succeeds(".forks"));
    remove_page();
    const struct budget_slot *parent = &page->slots[0], *child = &page->slots[1];
    CHECK(parent->process_id != 0 && child->process_id != 0);
    CHECK(child->parent_id == parent->process_id && page->slots[2].process_id == 0);
    CHECK(child->inherited >= 8 * MIB && child->inherited < 16 * MIB);
    CHECK(parent->refused == 0 && child->refused == 0);
    CHECK(parent->has_ended == 1 && child->has_ended == 1);
}

/* Of 128 slots it touches its own: what others of the tool's might need is no cost of each process.
 */
static void a_page_is_there_as_far_as_it_is_used(void)
{
    struct stat status;
    need_library();
    struct budget_page *page = make_page(64 * MIB, BUDGET_REFUSE, 0);
    CHECK(helper_succeeds(".has_no_limit"));
    CHECK(stat(getenv(BUDGET_VARIABLE), &status) == 0);
    remove_page();
    CHECK(page->slots[0].process_id != 0);
    CHECK((size_t)status.st_blocks * 512 < sizeof(*page) / 8);
}

static void starts_another(void)
{
    CHECK(helper_succeeds(".fill_to_the_brim"));
}

/* A tool that is killed leaves nothing behind; children of children find it all the same, though
 * they do not inherit its descriptor. */
static void a_page_needs_no_name(void)
{
    need_library();
    char path[64];
    int fd = memfd_create("page", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
    struct budget_page *page = map_page(fd, path, 64 * MIB, BUDGET_REFUSE, 0);
    CHECK(helper_succeeds(".starts_another"));
    CHECK(page->slots[0].process_id != 0 && page->slots[0].refused == 0);
    CHECK(page->slots[1].parent_id == page->slots[0].process_id && page->slots[1].refused >= 1);
    close(fd);
}

static void takes_60_megabytes(void)
{
    CHECK(fill(MIB * 60) >= 1);
    _exit(0);
}

/* The limit that would be met is a wait; raised, the program goes on unharmed. */
static void who_is_held_goes_on_when_the_budget_is_raised(void)
{
    need_library();
    struct budget_page *page = make_page(32 * MIB, BUDGET_HOLD, 0);
    pid_t child = fork();
    if (child == 0) {
        execl(check_self, check_self, ".takes_60_megabytes", (char *)NULL);
        _exit(127);
    }
    while (page->slots[0].holding == 0 || page->slots[0].held_ns == 0)
        usleep(1000);
    CHECK(waitpid(child, NULL, WNOHANG) == 0);
    page->settings.bytes = 128 * MIB;
    page->settings.flags = BUDGET_REFUSE;
    CHECK(child_succeeded(child));
    remove_page();
    CHECK(page->slots[0].refused >= 1); /* the second 60 MiB and one of 128 */
}

static void a_page_of_another_version_is_named(void)
{
    need_library();
    struct budget_page *page = make_page(MIB, BUDGET_REFUSE, 0);
    page->layout = BUDGET_LAYOUT + 1;
    CHECK(helper_succeeds(".has_no_limit"));
    remove_page();
    CHECK(page->slots[0].process_id == 0);
}

static void has_no_limit(void)
{
    CHECK(malloc(hidden_size(40 * MIB)) != NULL);
}

CHECK_MAIN(CASE(beyond_the_limit_large_requests_fail_and_small_ones_do_not),
           CASE(near_the_soft_limit_no_size_is_refused), CASE(what_was_freed_can_be_had_again),
           CASE(what_lies_free_between_blocks_is_not_refused),
           CASE(a_limit_can_be_raised_and_lifted),
           CASE(what_was_refused_before_is_no_claim_to_more), CASE(what_the_program_maps_counts),
           CASE(what_was_reserved_counts_when_it_is_made_writable), CASE(the_option_sets_a_limit),

           CASE(the_program_is_asked_to_drop_what_it_can), CASE(threads_share_the_limit),
           CASE(nobody_is_refused_because_another_thread_acts), CASE(a_tool_sees_what_it_refused),
           CASE(each_process_has_a_slot), CASE(a_page_is_there_as_far_as_it_is_used),
           CASE(a_page_needs_no_name), CASE(who_is_held_goes_on_when_the_budget_is_raised),
           CASE(a_page_of_another_version_is_named), HELPER(is_refused_40_megabytes),

           HELPER(fill_to_the_brim), HELPER(forks), HELPER(starts_another),
           HELPER(takes_60_megabytes), HELPER(has_no_limit))
