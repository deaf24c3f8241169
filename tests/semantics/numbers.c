/* numbers.c - what the heap says of itself, in a program that knows what it holds. Only the library
 * promises to be exact: glibc counts headers and rounds differently. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

enum { MIB = 1024 * 1024, PLAIN = 1000, MAPPED = 3, SIZES = 6 };
static const size_t sizes[SIZES] = {24, 100, 1000, 4096, 20000, 300000};
static char *plain[PLAIN], *mapped[MAPPED];

static bool is_mimalloc(void)
{
    return check_option_is("MPRESS_HEAP", "mimalloc") || check_option_is("MPRESS_HEAP", "mixed");
}

static void need_exact_numbers(void)
{
    if (!check_is_mpress() || is_mimalloc())
        SKIP("what another heap keeps beyond its blocks is not known");
}

/* Usable bytes of the blocks taken. */
static size_t take_plain(void)
{
    size_t usable = 0;
    for (int i = 0; i < PLAIN; i++) {
        plain[i] = malloc(sizes[i % SIZES]);
        memset(plain[i], i, sizes[i % SIZES]);
        usable += malloc_usable_size(plain[i]);
    }
    return usable;
}

static size_t take_mapped(void)
{
    size_t usable = 0;
    for (int i = 0; i < MAPPED; i++) {
        mapped[i] = malloc((size_t)(40 + i) * MIB);
        mapped[i][0] = 1;
        usable += malloc_usable_size(mapped[i]);
    }
    return usable;
}

static void give_all(void)
{
    for (int i = 0; i < PLAIN; i++)
        free(plain[i]);
    for (int i = 0; i < MAPPED; i++)
        free(mapped[i]);
}

static void check_adds_up(const struct mallinfo2 *info)
{
    CHECK(info->arena == info->uordblks + info->fordblks);
    CHECK(info->fsmblks + info->keepcost <= info->fordblks);
    CHECK((info->hblks == 0) == (info->hblkhd == 0));
}

static void mallinfo2_is_exact(void)
{
    need_exact_numbers();
    for (int round = 0; round < 3; round++) {
        struct mallinfo2 before = mallinfo2();
        size_t plain_bytes = take_plain(), mapped_bytes = take_mapped();
        struct mallinfo2 during = mallinfo2();
        give_all();
        struct mallinfo2 after = mallinfo2();
        CHECK(during.uordblks - before.uordblks == plain_bytes);
        CHECK(during.hblkhd - before.hblkhd == mapped_bytes);
        CHECK(during.hblks - before.hblks == MAPPED);
        CHECK(after.uordblks == before.uordblks && after.hblkhd == before.hblkhd);
        CHECK(after.hblks == before.hblks);
        check_adds_up(&before);
        check_adds_up(&during);
        check_adds_up(&after);
    }
}

static void *take_and_end(void *bytes)
{
    *(size_t *)bytes = take_plain();
    return NULL;
}

/* By whatever thread they were taken, and are given back. */
static void blocks_of_every_heap_are_counted(void)
{
    if (!check_is_mpress())
        SKIP("glibc counts its headers too");
    for (int round = 0; round < 3; round++) {
        struct mallinfo2 before = mallinfo2();
        pthread_t thread;
        size_t plain_bytes = 0;
        CHECK(pthread_create(&thread, NULL, take_and_end, &plain_bytes) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        size_t mapped_bytes = take_mapped();
        struct mallinfo2 during = mallinfo2();
        give_all();
        struct mallinfo2 after = mallinfo2();
        size_t taken = during.uordblks + during.hblkhd - before.uordblks - before.hblkhd;
        size_t given = during.uordblks + during.hblkhd - after.uordblks - after.hblkhd;
        CHECK(given == plain_bytes + mapped_bytes);
        CHECK(taken >= given && taken < given + 4096); /* libc keeps something of a thread */
        check_adds_up(&during);
    }
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* A block of `bytes` by any of the calls. */
static void *take_by(int call, size_t bytes)
{
    switch (call % 4) {
    case 0:
        return malloc(bytes);
    case 1:
        return calloc(1, bytes);
    case 2:
        return realloc(malloc(bytes / 2), bytes + 1);
    default:
        return aligned_alloc(64, bytes);
    }
}

static void blocks_of_every_size_and_call_are_counted(void)
{
    enum { LAST = 1200 };
    static void *blocks[4 * LAST];
    if (!check_is_mpress())
        SKIP("glibc counts its headers too");
    for (int round = 0; round < 2; round++) {
        size_t before = bytes_in_use(), taken = 0;
        for (int i = 0; i < 4 * LAST; i++) {
            blocks[i] = take_by(i, (size_t)i / 4);
            taken += malloc_usable_size(blocks[i]);
        }
        CHECK(bytes_in_use() - before == taken);
        for (int i = 0; i < 4 * LAST; i++)
            free(blocks[i]);
        CHECK(bytes_in_use() == before);
    }
}

static void mallinfo_is_mallinfo2_in_ints(void)
{
    need_exact_numbers();
    take_plain();
    take_mapped();
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo narrow = mallinfo();
    CHECK((size_t)narrow.arena == wide.arena && (size_t)narrow.uordblks == wide.uordblks);
    CHECK((size_t)narrow.fordblks == wide.fordblks && (size_t)narrow.keepcost == wide.keepcost);
    CHECK((size_t)narrow.hblks == wide.hblks && (size_t)narrow.hblkhd == wide.hblkhd);
    CHECK((size_t)narrow.fsmblks == wide.fsmblks);
    give_all();
}

static size_t resident_bytes(void)
{
    size_t pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%zu %zu", &pages, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void malloc_trim_says_yes_exactly_when_it_gave_something_back(void)
{
    need_exact_numbers();
    static char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc(MIB);
        memset(blocks[i], 1, MIB);
    }
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    size_t before = resident_bytes();
    CHECK(malloc_trim(0) == 1);
    CHECK(resident_bytes() + 32 * MIB < before);
    CHECK(mallinfo2().keepcost == 0);
    malloc_trim(0); /* what asking for numbers left behind */
    CHECK(malloc_trim(0) == 0);
}

/* -- malloc_info ------------------------------------------------------------------------------ */

static char *read_info(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    CHECK(stream != NULL && malloc_info(0, stream) == 0 && fclose(stream) == 0);
    return text;
}

/* Every element is closed by its own name, and all is inside one. */
static bool is_well_formed(const char *text)
{
    char names[8][32];
    int depth = 0, roots = 0;
    for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        const char *end = strchr(at, '>');
        char name[32];
        if (end == NULL || sscanf(at + 1 + (at[1] == '/'), "%31[a-z]", name) != 1)
            return false;
        if (at[1] == '/' && (depth == 0 || strcmp(names[--depth], name) != 0))
            return false;
        if (at[1] == '/' || end[-1] == '/')
            continue;
        roots += depth == 0;
        if (depth == 8)
            return false;
        strcpy(names[depth++], name);
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_is_well_formed(void)
{
    take_plain();
    char *text = read_info();
    CHECK(is_well_formed(text));
    free(text);
}

static size_t number_behind(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    CHECK(at != NULL);
    return strtoul(at + strlen(words), NULL, 10);
}

/* Live objects of the class that serves `bytes`. */
static size_t live_in_class(const char *text, size_t bytes)
{
    for (const char *at = text; (at = strstr(at, "<size ")) != NULL; at++) {
        if (number_behind(at, "from=\"") <= bytes && bytes <= number_behind(at, "to=\""))
            return number_behind(at, "live=\"");
    }
    return 0;
}

static void malloc_info_counts_each_class(void)
{
    need_exact_numbers();
    char *before = read_info();
    size_t usable = take_plain() + take_mapped();
    char *during = read_info();
    for (int i = 0; i < SIZES - 1; i++) { /* the last one is above the classes */
        size_t count = (PLAIN - (size_t)i + SIZES - 1) / SIZES;
        size_t more = live_in_class(during, sizes[i]) - live_in_class(before, sizes[i]);
        CHECK(more >= count && more <= count + 2); /* and what holds the text itself */
    }
    size_t more = number_behind(during, "type=\"mmap\" count=\"") -
                  number_behind(before, "type=\"mmap\" count=\"");
    CHECK(more == MAPPED);
    more = number_behind(strstr(during, "type=\"live\""), "size=\"") -
           number_behind(strstr(before, "type=\"live\""), "size=\"");
    CHECK(more >= usable && more <= usable + 65536);
    give_all();
    free(before);
    free(during);
}

static void malloc_info_tells_of_spans_and_pages(void)
{
    need_exact_numbers();
    char *block = malloc(8 * MIB);
    memset(block, 1, 8 * MIB);
    char *text = read_info();
    CHECK(number_behind(text, "<spans total=\"") >= number_behind(text, " largest=\""));
    CHECK(number_behind(text, "freed=\"") >= number_behind(text, "joined=\""));
    size_t misses = number_behind(text, "parked_misses=\"");
    CHECK(misses >= 1); /* nothing of this length was freed before */
    CHECK(number_behind(text, "<pages resident=\"") >= 8 * MIB);
    CHECK(number_behind(text, "<pages resident=\"") >= number_behind(text, "huge=\""));
    struct mpress_spans spans;
    mpress_spans_read(&spans);
    CHECK(spans.parked_misses == misses && spans.largest_free <= spans.total_free);
    free(text);
    free(block);
}

/* What it holds of blocks up to 32 KiB. */
static int64_t balance_of(const struct mpress_thread *thread)
{
    return (int64_t)(thread->taken - thread->given);
}

static bool find_thread(uint64_t id, struct mpress_thread *thread)
{
    for (size_t i = 1; mpress_thread_read(i, thread) == 0; i++) {
        if (thread->id == id)
            return true;
    }
    return false;
}

static _Atomic uint64_t helper_id;
static pthread_barrier_t helper_meets;

static void *take_as_helper(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "a helper");
    free(malloc(100)); /* counted with those that ended */
    take_plain();
    helper_id = (uint64_t)gettid();
    pthread_barrier_wait(&helper_meets);
    pthread_barrier_wait(&helper_meets);
    return NULL;
}

static void what_each_thread_took_and_gave_is_told(void)
{
    need_exact_numbers();
    enum { SMALL = PLAIN * (SIZES - 1) / SIZES, SAMPLED = 60 }; /* samples lie apart */
    struct mpress_thread self, helper, ended;
    pthread_t thread;
    free(malloc(100));
    CHECK(find_thread((uint64_t)gettid(), &self) && self.threads == 1);
    CHECK(strcmp(self.name, "semantics_numbe") == 0);
    pthread_barrier_init(&helper_meets, NULL, 2);
    pthread_create(&thread, NULL, take_as_helper, NULL);
    pthread_barrier_wait(&helper_meets);
    CHECK(find_thread(helper_id, &helper) && strcmp(helper.name, "a helper") == 0);
    CHECK(balance_of(&helper) >= SMALL - SAMPLED && balance_of(&helper) <= SMALL + 10);
    CHECK(helper.taken >= SMALL - SAMPLED && helper.slow_calls > 0);
    char words[64], *text = read_info();
    snprintf(words, sizeof words, "<thread id=\"%lu\" threads=\"1\"", helper.id);
    CHECK(strstr(text, words) != NULL);
    free(text);
    give_all();
    pthread_barrier_wait(&helper_meets);
    pthread_join(thread, NULL);
    CHECK(!find_thread(helper.id, &helper));
    CHECK(mpress_thread_read(0, &ended) == 0 && ended.id == 0 && ended.threads == 1);
    CHECK(balance_of(&ended) >= SMALL - SAMPLED);
    CHECK(mpress_thread_read(2, &ended) == ENOENT);
}

CHECK_MAIN(CASE(what_each_thread_took_and_gave_is_told), CASE(mallinfo2_is_exact),
           CASE(blocks_of_every_heap_are_counted), CASE(blocks_of_every_size_and_call_are_counted),
           CASE(mallinfo_is_mallinfo2_in_ints),
           CASE(malloc_trim_says_yes_exactly_when_it_gave_something_back),
           CASE(malloc_info_tells_of_spans_and_pages), CASE(malloc_info_is_well_formed),
           CASE(malloc_info_counts_each_class))
