/* compression.c - memory that is packed behind the program's back: whoever looks at it finds what
 * it wrote, be it a thread, a system call, or the child of any fork.
 *
 * A model of the heap lies outside of it: what each block must hold. TEST_SECONDS says how
 * long the long case goes on. */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "preload/mpress.h"
#include "preload/mpress_pressure.h"
#include "preload/mpress_strategy.h"
#include "tests/semantics/check.h"
#include "tests/semantics/contents.h"
#include "tests/semantics/packed.h"

enum { KIB = 1024, MIB = 1024 * KIB };

/* The heap gives the thread its work in slow calls: these are some. */
static void wake_heap(void)
{
    void *blocks[64];
    for (int round = 0; round < 64; round++) {
        for (size_t i = 0; i < 64; i++)
            blocks[i] = malloc(20 * KIB + i * 16);
        for (size_t i = 0; i < 64; i++)
            free(blocks[i]);
    }
}

static void wait_until_packed(uint64_t bytes)
{
    for (int tries = 0; packed_bytes() < bytes; tries++) {
        CHECK(tries < 500);
        wake_heap();
        sleep_ms(20);
    }
}

/* -- single cases ----------------------------------------------------------------------------- */

enum { COLD_BLOCKS = 2400 };
static struct {
    void *block;
    size_t bytes;
} still[COLD_BLOCKS];

/* Some 10 MiB in blocks of all kinds, and one that is longer than those of most heaps, which nobody
 * writes to any more. */
static void fill_still(void)
{
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < COLD_BLOCKS; i++) {
        uint64_t kind = random_next(&state) % 100;
        size_t bytes = kind < 90   ? 64 + (random_next(&state) % 2000 & ~7UL)
                       : kind < 99 ? (random_next(&state) % (32 * KIB)) & ~7UL
                                   : (random_next(&state) % (512 * KIB)) & ~7UL;
        bytes = i == COLD_BLOCKS / 2 ? 33 * MIB : bytes;
        still[i].bytes = bytes;
        still[i].block = malloc(bytes);
        CHECK(still[i].block != NULL);
        write_contents(still[i].block, bytes, i);
    }
}

static bool still_is_whole(void)
{
    for (size_t i = 0; i < COLD_BLOCKS; i++) {
        if (!has_contents(still[i].block, still[i].bytes, i))
            return false;
    }
    return true;
}

static void what_was_packed_is_there_when_it_is_touched(void)
{
    need_compression();
    fill_still();
    wait_until_packed(5 * MIB);
    struct mpress_compression before, after;
    CHECK(mpress_compression_read(&before) == 0);
    CHECK(before.store < before.packed / 2);
    CHECK(still_is_whole());
    CHECK(mpress_compression_read(&after) == 0);
    CHECK(after.unpacks > before.unpacks);
}

static void system_calls_read_and_write_packed_memory(void)
{
    need_compression();
    int file = memfd_create("compression", 0);
    CHECK(file >= 0);
    fill_still();
    wait_until_packed(5 * MIB);
    for (size_t i = 0; i < COLD_BLOCKS; i++) { /* out of packed memory */
        CHECK(pwrite(file, still[i].block, still[i].bytes, 0) == (ssize_t)still[i].bytes);
        if (i % 2 == 0) /* and into it */
            CHECK(pread(file, still[COLD_BLOCKS - 1].block, 0, 0) == 0);
    }
    wait_until_packed(5 * MIB);
    for (size_t i = 0; i < COLD_BLOCKS; i++) {
        uint64_t contents[256];
        size_t bytes = still[i].bytes < sizeof contents ? still[i].bytes : sizeof contents;
        write_contents(contents, bytes, i + 7);
        CHECK(pwrite(file, contents, bytes, 0) == (ssize_t)bytes);
        struct iovec parts[2] = {{still[i].block, (bytes / 2) & ~7UL}, {NULL, 0}};
        parts[1].iov_base = (char *)still[i].block + parts[0].iov_len;
        parts[1].iov_len = bytes - parts[0].iov_len;
        CHECK(preadv(file, parts, 2, 0) == (ssize_t)bytes);
        CHECK(has_contents(still[i].block, bytes, i + 7));
    }
}

static void a_zeroed_block_is_zero_where_packed_memory_was_freed(void)
{
    need_compression();
    for (int round = 0; round < 2; round++) {
        void *blocks[24];
        for (size_t i = 0; i < 24; i++) {
            blocks[i] = malloc(400 * KIB);
            write_contents(blocks[i], 400 * KIB, i);
        }
        wait_until_packed(5 * MIB);
        for (size_t i = 0; i < 24; i++)
            free(blocks[i]);
        malloc_trim(0);
        for (size_t i = 0; i < 24; i++) {
            blocks[i] = calloc(1, 400 * KIB);
            CHECK(is_filled(blocks[i], 0, 400 * KIB));
        }
        for (size_t i = 0; i < 24; i++)
            free(blocks[i]);
    }
}

static void a_block_above_32_mib_is_packed_too(void)
{
    need_compression();
    size_t bytes = 40 * MIB;
    char *block = malloc(bytes);
    write_contents(block, bytes, 7);
    wait_until_packed(10 * MIB); /* all else is less */
    block = realloc(block, bytes + 5 * MIB);
    CHECK(block != NULL && has_contents(block, bytes, 7));
    block = realloc(block, bytes - 5 * MIB);
    CHECK(block != NULL && has_contents(block, bytes - 5 * MIB, 7));
    free(block);
    block = calloc(1, bytes);
    CHECK(block != NULL && is_filled(block, 0, bytes));
    free(block);
}

static void pages_that_the_program_gives_up_are_zero(void)
{
    need_compression();
    char *blocks[24];
    for (size_t i = 0; i < 24; i++) {
        blocks[i] = aligned_alloc(4096, 400 * KIB);
        write_contents(blocks[i], 400 * KIB, i);
    }
    wait_until_packed(5 * MIB);
    for (size_t i = 0; i < 24; i++)
        CHECK(madvise(blocks[i] + 4 * KIB * (i % 7), 40 * KIB, MADV_DONTNEED) == 0);
    for (size_t i = 0; i < 24; i++) {
        size_t from = 4 * KIB * (i % 7);
        CHECK(has_contents(blocks[i], from, i));
        CHECK(is_filled(blocks[i] + from, 0, 40 * KIB));
        for (size_t at = from + 40 * KIB; at < 400 * KIB; at += 8)
            CHECK(*(uint64_t *)(void *)(blocks[i] + at) == word_of(i, at / 8));
    }
}

static void children_of_every_kind_of_fork_have_it_all(void)
{
    need_compression();
    fill_still();
    for (int kind = 0; kind < 3; kind++) {
        wait_until_packed(5 * MIB);
        pid_t child = kind == 0   ? fork()
                      : kind == 1 ? _Fork()
                                  : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            _exit(still_is_whole() ? 0 : 1);
        CHECK(child > 0 && child_succeeded(child));
        CHECK(still_is_whole());
    }
}

static void a_child_packs_too(void)
{
    need_compression();
    fill_still();
    wait_until_packed(5 * MIB);
    pid_t child = fork();
    if (child == 0) {
        wait_until_packed(5 * MIB);
        _exit(still_is_whole() ? 0 : 1);
    }
    CHECK(child > 0 && child_succeeded(child));
}

static void closing_every_descriptor_loses_nothing(void)
{
    need_compression();
    fill_still();
    wait_until_packed(5 * MIB);
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    CHECK(still_is_whole());
}

static void rights_are_dropped_without_loss(void)
{
    need_compression();
    if (geteuid() != 0)
        SKIP("there are none");
    fill_still();
    wait_until_packed(5 * MIB);
    CHECK(setresuid(65534, 65534, 65534) == 0);
    CHECK(packed_bytes() == 0);
    wake_heap();
    sleep_ms(200);
    wake_heap();
    CHECK(packed_bytes() == 0);
    CHECK(still_is_whole());
}

/* Nothing is packed for a request that has no room whatever is packed; and its room is not made up
 * for when it was refused. */
static void what_can_never_be_granted_packs_nothing(void)
{
    enum { MANY = 20 };
    static char *blocks[MANY];
    struct mpress_compression before, after;
    need_compression();
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = malloc(MIB);
        write_contents(blocks[i], MIB, i);
    }
    CHECK(mpress_limit_set(0, used_bytes() + 20 * MIB) == 0);
    CHECK(mpress_compression_read(&before) == 0);
    CHECK(malloc((size_t)1024 * MIB) == NULL);
    for (size_t i = 0; i < MANY - 1; i++)
        memmove(blocks[i] + 100, blocks[i + 1], MIB - 100);
    CHECK(mpress_compression_read(&after) == 0);
    CHECK(after.packs - before.packs < 700);
}

/* As realloc; a limit may be so near that growth is refused for some time. */
static void *reallocate(void *block, size_t bytes)
{
    void *moved = NULL;
    for (int tries = 0; (moved = realloc(block, bytes)) == NULL; tries++) {
        CHECK(tries < 10000);
        sleep_ms(1);
    }
    return moved;
}

/* Far more in blocks than there is room for: growth waits until others are packed. Then all of it
 * is looked at. */
static void what_can_be_packed_may_be_more_than_the_limit(void)
{
    enum { MANY = 3600, ROOM = 24 * MIB };
    static void *blocks[MANY];
    uint64_t sum = 0;
    need_compression();
    CHECK(mpress_limit_set(0, used_bytes() + ROOM) == 0);
    for (size_t i = 0; i < MANY; i++, sum += i * 4) {
        if (i == MANY / 8 * 7) { /* all comes back, and there is no room for it */
            pid_t child = fork();
            if (child == 0)
                _exit(0);
            CHECK(child > 0 && child_succeeded(child));
        }
        blocks[i] = reallocate(NULL, 4 * KIB + i * 4);
        write_contents(blocks[i], 4 * KIB + i * 4, i);
    }
    CHECK(sum + MANY * 4 * KIB > ROOM / 2 * 3);
    for (size_t i = 0; i < MANY; i++)
        CHECK(has_contents(blocks[i], 4 * KIB + i * 4, i));
    CHECK(packed_bytes() > ROOM / 2);
}

/* -- the model -------------------------------------------------------------------------------- */

enum { THREADS = 3, BLOCKS = 3000 };

struct model {
    char *block;
    size_t bytes;
    uint64_t seed;
};

static struct {
    atomic_bool is_over;
    atomic_ulong actions, forks, packed_seen;
    struct model model[THREADS][BLOCKS];
} run;

static size_t random_bytes(uint64_t *state)
{
    uint64_t kind = random_next(state) % 100;
    size_t most = kind < 80 ? 2 * KIB : kind < 97 ? 32 * KIB : 300 * KIB;
    return 16 + ((random_next(state) % most) & ~7UL);
}

static void renew(struct model *at, uint64_t *state)
{
    free(at->block);
    at->bytes = random_bytes(state);
    at->block = reallocate(NULL, at->bytes);
    at->seed = random_next(state);
    write_contents(at->block, at->bytes, at->seed);
}

static void resize(struct model *at, uint64_t *state)
{
    size_t bytes = random_bytes(state);
    at->block = reallocate(at->block, bytes);
    CHECK(has_contents(at->block, bytes < at->bytes ? bytes : at->bytes, at->seed));
    at->bytes = bytes;
    write_contents(at->block, bytes, at->seed);
}

/* By system calls only: out of the block, and into it. */
static void exchange(struct model *at, int file, uint64_t *state)
{
    CHECK(pwrite(file, at->block, at->bytes, 0) == (ssize_t)at->bytes);
    void *copy = mmap(NULL, at->bytes, PROT_READ, MAP_SHARED, file, 0);
    CHECK(copy != MAP_FAILED && has_contents(copy, at->bytes, at->seed));
    munmap(copy, at->bytes);
    at->seed = random_next(state);
    uint64_t fresh[64];
    for (size_t done = 0; done < at->bytes; done += sizeof fresh) {
        size_t bytes = at->bytes - done < sizeof fresh ? at->bytes - done : sizeof fresh;
        for (size_t i = 0; i < bytes / 8; i++)
            fresh[i] = word_of(at->seed, done / 8 + i);
        CHECK(pwrite(file, fresh, bytes, (off_t)done) == (ssize_t)bytes);
    }
    CHECK(pread(file, at->block, at->bytes, 0) == (ssize_t)at->bytes);
}

/* Increments of one word, over and over: not one may be lost. */
static void increment(struct model *at, uint64_t *state)
{
    volatile uint64_t *word =
        (uint64_t *)(void *)(at->block + random_next(state) % at->bytes / 8 * 8);
    uint64_t before = *word;
    for (uint64_t i = 1; i <= 200; i++) {
        *word += 1;
        if (i % 64 == 0)
            sched_yield();
        CHECK(*word == before + i);
    }
    *word = before;
}

static void act(struct model *at, int file, uint64_t *state)
{
    uint64_t what = random_next(state) % 100;
    CHECK(has_contents(at->block, at->bytes, at->seed));
    if (what < 20)
        renew(at, state);
    else if (what < 30)
        resize(at, state);
    else if (what < 60)
        exchange(at, file, state);
    else if (what < 80)
        increment(at, state);
    CHECK(has_contents(at->block, at->bytes, at->seed));
    atomic_fetch_add(&run.actions, 1);
}

/* Bursts, and rests in which all else becomes cold. */
static void *write_and_check(void *argument)
{
    struct model *model = argument;
    uint64_t state = 88172645463325252 + (uint64_t)(model - run.model[0]);
    int file = memfd_create("model", 0);
    for (size_t i = 0; i < BLOCKS; i++)
        renew(&model[i], &state);
    while (!atomic_load(&run.is_over)) {
        size_t count = 1 + random_next(&state) % 60;
        for (size_t i = 0; i < count; i++)
            act(&model[random_next(&state) % BLOCKS], file, &state);
        sleep_ms((long)(random_next(&state) % 40));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        CHECK(has_contents(model[i].block, model[i].bytes, model[i].seed));
    close(file);
    return NULL;
}

/* Looks at a part of what stands still, writes to another one. */
static void live_as_child(uint64_t seed)
{
    for (size_t i = seed % 7; i < COLD_BLOCKS; i += 7) {
        if (!has_contents(still[i].block, still[i].bytes, i))
            _exit(1);
        write_contents(still[i].block, still[i].bytes, ~i);
        if (!has_contents(still[i].block, still[i].bytes, ~i))
            _exit(2);
    }
    _exit(0);
}

static void fork_somehow(uint64_t seed)
{
    pid_t child = seed % 3 == 0   ? fork()
                  : seed % 3 == 1 ? _Fork()
                                  : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        live_as_child(seed);
    CHECK(child > 0 && child_succeeded(child));
    for (size_t i = seed % 7; i < COLD_BLOCKS; i += 7)
        CHECK(has_contents(still[i].block, still[i].bytes, i));
    atomic_fetch_add(&run.forks, 1);
}

/* Forks seldom, so that there is time for packing in between: by age; by need, as a limit is near;
 * in dire need, as the limit is below what is used. */
static void fork_for(long seconds)
{
    struct timespec now, start;
    uint64_t state = 123456789;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        uint64_t kind = random_next(&state) % 3;
        if (kind != 0)
            CHECK(mpress_limit_set(0, used_bytes() / 100 * (kind == 1 ? 103 : 90)) == 0);
        sleep_ms(1500 + (long)(random_next(&state) % 1500));
        CHECK(mpress_limit_set(0, 0) == 0);
        uint64_t packed = packed_bytes();
        if (packed > atomic_load(&run.packed_seen))
            atomic_store(&run.packed_seen, packed);
        fork_somehow(random_next(&state));
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < seconds);
}

static void a_model_of_the_heap_holds_under_writers_system_calls_and_forks(void)
{
    need_compression();
    const char *text = getenv("TEST_SECONDS");
    long seconds = text != NULL ? atol(text) : 4;
    pthread_t threads[THREADS];
    alarm((unsigned)seconds + 120);
    fill_still();
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, write_and_check, run.model[i]) == 0);
    fork_for(seconds);
    atomic_store(&run.is_over, true);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(still_is_whole());
    struct mpress_compression now;
    CHECK(mpress_compression_read(&now) == 0);
    CHECK(run.packed_seen > MIB && now.unpacks > 0);
    check_say("    %s%s%ld actions\n", "", "", (long)run.actions);
    check_say("    %s%s%ld forks\n", "", "", (long)run.forks);
    check_say("    %s%s%ld pieces packed\n", "", "", (long)now.packs);
    check_say("    %s%s%ld of them put back\n", "", "", (long)now.unpacks);
    check_say("    %s%s%ld put back in all\n", "", "", (long)now.returns);
}

CHECK_MAIN(CASE(what_was_packed_is_there_when_it_is_touched),
           CASE(system_calls_read_and_write_packed_memory),
           CASE(a_zeroed_block_is_zero_where_packed_memory_was_freed),
           CASE(a_block_above_32_mib_is_packed_too), CASE(pages_that_the_program_gives_up_are_zero),
           CASE(children_of_every_kind_of_fork_have_it_all), CASE(a_child_packs_too),
           CASE(closing_every_descriptor_loses_nothing),
           CASE(what_can_never_be_granted_packs_nothing),
           CASE(what_can_be_packed_may_be_more_than_the_limit),
           CASE(rights_are_dropped_without_loss),
           CASE(a_model_of_the_heap_holds_under_writers_system_calls_and_forks))
