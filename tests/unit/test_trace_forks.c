/* test_trace_forks.c - names of files, and what the children of a fork write. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer/plain.h"

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing))
        count += strstr(entry->d_name, ".mpt") != NULL;
    closedir(listing);
    return count;
}

/* -- names ------------------------------------------------------------------------------------ */

static void do_nothing(struct trace_run *run)
{
    (void)run;
}

static void an_existing_file_is_not_overwritten(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    for (int i = 0; i < 3; i++) {
        char path[200];
        pid_t child = run_start(&run, &plain, do_nothing);
        assert_true(run_wait(child));
        snprintf(path, sizeof(path), "%s/t.%d.mpt", run.folder, (int)child);
        read_right(&decoded, i == 0 ? run.path : path);
        assert_int_equal(decoded.header.pid, child);
        decoder_free(&decoded);
    }
    assert_int_equal(count_files(run.folder), 3);
    run_fini(&run);
}

static void the_process_id_can_be_part_of_the_name(void **state)
{
    (void)state;
    struct trace_run run;
    char path[200];
    run_init(&run, 3);
    snprintf(run.path, sizeof(run.path), "%s/a.%%p.b.mpt", run.folder);
    pid_t child = run_start(&run, &plain, do_nothing);
    assert_true(run_wait(child));
    snprintf(path, sizeof(path), "%s/a.%d.b.mpt", run.folder, (int)child);
    assert_int_equal(access(path, F_OK), 0);
    run_fini(&run);
}

/* -- forks ------------------------------------------------------------------------------------ */

static pid_t fork_and_tell(struct trace_run *run, bool follow)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    tracer_fork_child(follow);
    if (tracer_is_on() != follow)
        _exit(5);
    tell_anything(run, &run->shadows[1], &run->random, 30000);
    tracer_stop(TRACE_END_EXIT);
    _exit(tracer_is_on() ? 6 : 0);
}

static void tell_before_and_after_forks(struct trace_run *run)
{
    tell_anything(run, &run->shadows[0], &run->random, 30000);
    pid_t child = fork_and_tell(run, true);
    tell_anything(run, &run->shadows[0], &run->random, 30000);
    bool followed = run_wait(child);
    struct trace_run apart = *run;
    apart.shadows += 4;
    bool not_followed = run_wait(fork_and_tell(&apart, false));
    tracer_stop(TRACE_END_EXIT);
    run->shadows[63].event[0].count = (uint64_t)child; /* for the parent */
    if (!followed || !not_followed)
        _exit(8);
}

/* The shadow of one process only. */
static void check_process(struct trace_run *run, const char *path, size_t shadow, bool forked)
{
    struct decoded decoded;
    struct trace_run alone = *run;
    struct shadow *others = calloc(SHADOW_THREADS, sizeof(*others));
    assert_non_null(others);
    memcpy(&others[0], &run->shadows[shadow], sizeof(others[0]));
    alone.shadows = others;
    read_right(&decoded, path);
    must_match(&alone, &decoded, RUN_WHOLE);
    assert_int_equal(decoded.header.forked, forked);
    assert_non_null(decoder_find(&decoded, TRACE_INFO_MODULE, 0));
    assert_non_null(decoder_find(&decoded, TRACE_INFO_END, 0));
    decoder_free(&decoded);
    free(others);
}

static void a_forked_child_records_into_its_own_file_if_it_is_followed(void **state)
{
    (void)state;
    struct trace_run run;
    char path[200];
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, tell_before_and_after_forks)));
    check_process(&run, run.path, 0, false);
    snprintf(path, sizeof(path), "%s/t.%d.mpt", run.folder, (int)run.shadows[63].event[0].count);
    check_process(&run, path, 1, true);
    assert_int_equal(count_files(run.folder), 2);
    run_fini(&run);
}

static void fork_behind_our_back(struct trace_run *run)
{
    tell_anything(run, &run->shadows[0], &run->random, 30000);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        for (uintptr_t i = 1; i < 10000; i++)
            tracer_free((void *)(16 * i));
        _exit(tracer_is_on() ? 6 : 0);
    }
    if (!run_wait(child))
        _exit(8);
    tell_anything(run, &run->shadows[0], &run->random, 30000);
    tracer_stop(TRACE_END_EXIT);
}

static void a_child_that_ran_no_handler_writes_nothing_to_its_parents_file(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    assert_true(run_wait(run_start(&run, &plain, fork_behind_our_back)));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    assert_int_equal(count_files(run.folder), 1);
    decoder_free(&decoded);
    run_fini(&run);
}

/* -- a fork by a handler in the middle of a record --------------------------------------------- */

enum { PARENTS = 0xa5 };

static unsigned char parents_block[TRACE_BLOCK_BYTES];

static bool is_parents(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at == PARENTS)
        at++;
    return at == end;
}

/* The lane of the child reads as zeros, and the parent may have gone on in the block. */
static void a_child_whose_lane_is_gone_writes_nothing_to_its_parents_block(void **state)
{
    (void)state;
    struct lane *wiped = calloc(1, sizeof(*wiped));
    assert_non_null(wiped);
    unsigned char *at = parents_block + TRACE_BLOCK_HEADER_BYTES;
    memset(parents_block, PARENTS, sizeof(parents_block));
    plain_put((struct plain_turn){wiped, at}, TRACE_NEAR_ALLOC, UINT64_MAX, 7);
    plain_free((struct plain_turn){wiped, at}, (const void *)(uintptr_t)0x123450);
    assert_true(is_parents(parents_block, parents_block + sizeof(parents_block)));
    assert_null(wiped->at);
    free(wiped);
}

static void a_near_record_stores_its_bytes_and_none_behind_them(void **state)
{
    (void)state;
    struct lane *lane = calloc(1, sizeof(*lane));
    assert_non_null(lane);
    for (size_t bytes = 3; bytes <= 7; bytes += bytes == 3 ? 2 : 1) {
        const uint64_t fields = UINT64_C(0x07060504030201);
        unsigned char *at = parents_block + TRACE_BLOCK_HEADER_BYTES;
        memset(parents_block, PARENTS, sizeof(parents_block));
        lane->block.start = parents_block;
        lane->at = at;
        plain_put((struct plain_turn){lane, at}, TRACE_NEAR_FREE, fields, bytes);
        assert_int_equal(at[0], TRACE_NEAR_FREE << 3);
        for (unsigned i = 1; i <= bytes; i++)
            assert_int_equal(at[i], i);
        assert_true(is_parents(at + 1 + bytes, parents_block + sizeof(parents_block)));
        assert_ptr_equal(lane->at, at + 1 + bytes);
    }
    free(lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_whose_lane_is_gone_writes_nothing_to_its_parents_block),
        cmocka_unit_test(a_near_record_stores_its_bytes_and_none_behind_them),
        cmocka_unit_test(an_existing_file_is_not_overwritten),
        cmocka_unit_test(the_process_id_can_be_part_of_the_name),
        cmocka_unit_test(a_forked_child_records_into_its_own_file_if_it_is_followed),
        cmocka_unit_test(a_child_that_ran_no_handler_writes_nothing_to_its_parents_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
