/* test_file.c - blocks that are handed out while all are looked at. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tracer/file.h"

enum { BLOCKS = 40, MORE = 400 };

static atomic_bool is_visiting;
static unsigned visits;

static void *take_more(void *unused)
{
    while (!atomic_load(&is_visiting))
        usleep(10);
    for (unsigned i = 0; i < MORE && file_take_block().start != NULL; i++)
        usleep(10);
    return unused;
}

static int count_visit(struct file_block block, void *context)
{
    (void)context;
    assert_true(block.offset == TRACE_HEADER_BYTES + visits * (uint64_t)TRACE_BLOCK_BYTES);
    visits++;
    atomic_store(&is_visiting, true);
    usleep(1000); /* somebody waits for the lock by now */
    return 0;
}

/* A lane's last block that is shown may be half full, and none of its later ones may follow. */
static void blocks_that_come_meanwhile_are_not_visited(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_file.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/t.mpt", folder);
    assert_int_equal(file_set_path(path), 0);
    const struct trace_header header = {.address_shift = 4};
    assert_int_equal(file_create(&header, false), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_non_null(file_take_block().start);

    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_more, NULL), 0);
    assert_int_equal(file_visit_blocks(count_visit, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(visits, BLOCKS);
    assert_int_equal(file_blocks(), BLOCKS + MORE);

    file_close();
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_that_come_meanwhile_are_not_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
