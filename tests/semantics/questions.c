/* questions.c - mallopt, malloc_trim, mallinfo and their kin: what monitoring agents ask. */
#include <malloc.h>

#include "tests/semantics/check.h"

static void mallopt_accepts_the_known_parameters(void)
{
    CHECK(mallopt(M_MXFAST, 64) == 1);
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_TOP_PAD, 1 << 16) == 1);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    CHECK(mallopt(M_MMAP_MAX, 100) == 1);
    CHECK(mallopt(M_CHECK_ACTION, 0) == 1);
    CHECK(mallopt(M_PERTURB, 0) == 1);
    CHECK(mallopt(M_ARENA_TEST, 2) == 1);
    CHECK(mallopt(M_ARENA_MAX, 2) == 1);
    void *block = malloc(1000);
    CHECK(block != NULL);
    free(block);
}

static void malloc_trim_answers_yes_or_no_and_keeps_live_blocks(void)
{
    char *kept = malloc(100000);
    memset(kept, 5, 100000);
    for (int i = 0; i < 1000; i++)
        free(malloc(30000));
    int trimmed = malloc_trim(0);
    CHECK(trimmed == 0 || trimmed == 1);
    trimmed = malloc_trim(SIZE_MAX / 2);
    CHECK(trimmed == 0 || trimmed == 1);
    CHECK(is_filled(kept, 5, 100000));
    free(kept);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void mallinfo2_counts_what_is_live(void)
{
    enum { BLOCKS = 1000, BYTES = 20000 };
    void *blocks[BLOCKS];
    size_t before = in_use();
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(BYTES);
    size_t during = in_use();
    CHECK(during - before >= (size_t)BLOCKS * BYTES);
    CHECK(during - before <= (size_t)BLOCKS * BYTES * 3 / 2);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    CHECK(in_use() < before + (size_t)BLOCKS * BYTES / 2);
}

static void mallinfo2_knows_blocks_that_have_a_mapping_of_their_own(void)
{
    size_t bytes = ((size_t)2 << 30) + 4096;
    size_t before = mallinfo2().hblkhd;
    void *block = malloc(bytes);
    CHECK(block != NULL);
    CHECK(mallinfo2().hblkhd - before >= bytes);
    free(block);
    CHECK(mallinfo2().hblkhd - before < bytes);
}

static void mallinfo_says_the_same_in_its_smaller_numbers(void)
{
    void *block = malloc(1 << 20);
    struct mallinfo info = mallinfo();
    struct mallinfo2 info2 = mallinfo2();
    CHECK((size_t)info.uordblks + (size_t)info.hblkhd >= 1 << 20);
    CHECK((unsigned)info.uordblks == (unsigned)info2.uordblks);
    CHECK(info2.arena + info2.hblkhd >= info2.uordblks);
    free(block);
}

static void malloc_info_writes_xml_and_refuses_options(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    CHECK(malloc_info(1, stream) == EINVAL || errno == EINVAL);
    CHECK(malloc_info(0, stream) == 0);
    CHECK(fclose(stream) == 0);
    CHECK(strncmp(text, "<malloc version=", 16) == 0);
    CHECK(strstr(text, "</malloc>") != NULL);
    free(text);
}

/* What a call writes to standard error. */
static size_t read_stderr_of(void (*call)(void), char *buffer, size_t capacity)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    int kept = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    call();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(ends[1]);
    ssize_t got = read(ends[0], buffer, capacity - 1);
    buffer[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    return got > 0 ? (size_t)got : 0;
}

static void malloc_stats_writes_to_stderr_only(void)
{
    char text[4096];
    CHECK(fflush(stdout) == 0);
    CHECK(read_stderr_of(malloc_stats, text, sizeof(text)) > 0);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        CHECK(strlen(line) <= 80);
}

CHECK_MAIN(CASE(mallopt_accepts_the_known_parameters),
           CASE(malloc_trim_answers_yes_or_no_and_keeps_live_blocks),
           CASE(mallinfo2_counts_what_is_live),
           CASE(mallinfo2_knows_blocks_that_have_a_mapping_of_their_own),
           CASE(mallinfo_says_the_same_in_its_smaller_numbers),
           CASE(malloc_info_writes_xml_and_refuses_options),
           CASE(malloc_stats_writes_to_stderr_only))
