/* usable.c - the size a block really has, and errno, which is the program's. */
#include <malloc.h>
#include <sys/mman.h>

#include "tests/semantics/check.h"

static void the_usable_size_is_constant_and_writable_to_the_last_byte(void)
{
    for (size_t bytes = 0; bytes <= 3 << 20; bytes += 1 + bytes / 10) {
        char *block = malloc(bytes);
        char *neighbour = malloc(bytes);
        size_t usable = malloc_usable_size(block);
        CHECK(usable >= bytes);
        memset(neighbour, 1, malloc_usable_size(neighbour));
        memset(block, 2, usable);
        CHECK(malloc_usable_size(block) == usable);
        CHECK(is_filled(neighbour, 1, malloc_usable_size(neighbour)));
        CHECK(is_filled(block, 2, usable));
        free(block);
        free(neighbour);
    }
}

static void a_block_whose_slack_was_used_can_be_reallocated(void)
{
    for (size_t bytes = 1; bytes <= 1 << 20; bytes += 1 + bytes / 4) {
        char *block = malloc(bytes);
        size_t usable = malloc_usable_size(block);
        memset(block, 2, usable);
        block = realloc(block, usable);
        CHECK(malloc_usable_size(block) >= usable && is_filled(block, 2, usable));
        block = realloc(block, usable + 1);
        CHECK(is_filled(block, 2, usable));
        free(block);
    }
}

static void the_usable_size_does_not_change_while_others_come_and_go(void)
{
    enum { BLOCKS = 400 };
    void *blocks[BLOCKS];
    size_t usable[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc((size_t)i * 97 % 50000);
        usable[i] = malloc_usable_size(blocks[i]);
    }
    for (int i = 0; i < BLOCKS; i += 2)
        free(blocks[i]);
    malloc_trim(0);
    for (int i = 1; i < BLOCKS; i += 2) {
        CHECK(malloc_usable_size(blocks[i]) == usable[i]);
        free(blocks[i]);
    }
}

static void calls_that_succeed_leave_errno_alone(void)
{
    for (size_t bytes = 1; bytes <= 100 << 20; bytes = bytes * 3 + 1) {
        errno = 4711;
        void *block = malloc(bytes);
        void *zeroed = calloc(bytes, 1);
        void *aligned = memalign(256, bytes);
        block = realloc(block, bytes * 2);
        block = realloc(block, bytes / 2 + 1);
        (void)malloc_usable_size(block);
        free(block);
        free(zeroed);
        free(aligned);
        CHECK(errno == 4711);
    }
}

/* With a hole cut into its own mapping and the limit of mappings reached, munmap fails. */
static void free_preserves_errno_when_the_system_refuses_to_unmap(void)
{
    char *blocks[64];
    for (int i = 0; i < 64; i++)
        blocks[i] = malloc((size_t)40 << 20);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 70000; i++) {
        int protection = i % 2 ? PROT_READ : PROT_NONE;
        if (mmap(NULL, page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            break;
    }
    errno = 4711;
    for (int i = 0; i < 64; i++)
        free(blocks[i]);
    CHECK(errno == 4711);
}

static void questions_about_the_heap_leave_errno_alone(void)
{
    errno = 4711;
    (void)mallinfo();
    (void)mallinfo2();
    (void)mallopt(M_MXFAST, 0);
    CHECK(errno == 4711);
}

CHECK_MAIN(CASE(the_usable_size_is_constant_and_writable_to_the_last_byte),
           CASE(a_block_whose_slack_was_used_can_be_reallocated),
           CASE(the_usable_size_does_not_change_while_others_come_and_go),
           CASE(calls_that_succeed_leave_errno_alone),
           CASE(free_preserves_errno_when_the_system_refuses_to_unmap),
           CASE(questions_about_the_heap_leave_errno_alone))
