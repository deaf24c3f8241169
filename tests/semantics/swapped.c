/* swapped.c - cold memory goes to the swap space of the system when the program's limit comes near:
 * what it takes is less then, and whoever looks at it finds what was written, children too.
 * Skipped where the machine has no swap space, or none left. */
#include <time.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

enum { KIB = 1024, MIB = 1024 * KIB, BLOCK_WORDS = 64 * KIB / 8, BLOCKS = 1024, TRIES = 600 };

static uint64_t *blocks[BLOCKS]; /* 64 MiB */

static size_t kib_of(const char *field, const char *path)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoul(line + strlen(field), NULL, 10);
    }
    fclose(file);
    return kib;
}

static size_t swapped_bytes(void)
{
    return kib_of("VmSwap:", "/proc/self/status") * KIB;
}

static void need_swap(void)
{
    if (mpress_limit_set == NULL)
        SKIP("the library's own call");
    if (kib_of("SwapFree:", "/proc/meminfo") < 256 * KIB)
        SKIP("there are no 256 MiB of swap space here");
}

static uint64_t word_of(size_t block, size_t index)
{
    return (block * BLOCK_WORDS + index) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_WORDS * 8);
        CHECK(blocks[i] != NULL);
        for (size_t j = 0; j < BLOCK_WORDS; j++)
            blocks[i][j] = word_of(i, j);
    }
}

static bool is_whole(void)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t j = 0; j < BLOCK_WORDS; j++) {
            if (blocks[i][j] != word_of(i, j))
                return false;
        }
    }
    return true;
}

/* Slow calls, by which the heap notices where it stands, until so much has gone. */
static void wait_until_swapped(size_t bytes)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int tries = 0; swapped_bytes() < bytes; tries++) {
        CHECK(tries < TRIES);
        free(malloc(hidden_size(300 * KIB)));
        nanosleep(&pause, NULL);
    }
}

/* 64 MiB of 69: above the level at which everything is done that loses nothing. */
static void come_near_the_limit(void)
{
    need_swap();
    fill();
    size_t now = kib_of("RssAnon:", "/proc/self/status") * KIB;
    CHECK(mpress_limit_set(0, now + now / 14) == 0);
    wait_until_swapped(16 * MIB);
}

static void what_went_to_swap_space_is_whole(void)
{
    come_near_the_limit();
    CHECK(kib_of("RssAnon:", "/proc/self/status") * KIB < (64 - 12) * (size_t)MIB);
    CHECK(is_whole());
}

static void a_child_finds_it_too(void)
{
    come_near_the_limit();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(is_whole() ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(is_whole());
}

static void what_is_swapped_out_can_be_freed(void)
{
    come_near_the_limit();
    for (size_t i = 0; i < BLOCKS; i += 2)
        free(blocks[i]);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        blocks[i] = malloc(BLOCK_WORDS * 8);
        CHECK(blocks[i] != NULL);
        for (size_t j = 0; j < BLOCK_WORDS; j++)
            blocks[i][j] = word_of(i, j);
    }
    CHECK(is_whole());
}

CHECK_MAIN(CASE(what_went_to_swap_space_is_whole), CASE(a_child_finds_it_too),
           CASE(what_is_swapped_out_can_be_freed))
