/* test_trace_denied.c - what the tracer asks the system for is refused, before or while it records:
 * one line at most, the program goes on, and what was recorded is right. */
#define _GNU_SOURCE
#include "tests/unit/trace_check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { MANY = 100000, FEW = 10, THREADS = 6, CANNOT = 77 };

static void tell_many(struct trace_run *run)
{
    tell_anything(run, &run->shadows[0], &run->random, MANY);
}

static bool find_end(const struct decoded *decoded, struct trace_end *end)
{
    const struct decoded_record *record = decoder_find(decoded, TRACE_INFO_END, 0);
    if (record != NULL)
        memcpy(end, record->payload, sizeof(*end));
    return record != NULL;
}

/* Skips the test when the child could not take anything away. */
static void must_succeed(struct trace_run *run, pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT) {
        run_fini(run);
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Everything that was told is there, and nothing was said. */
static void check_goes_on(void (*body)(struct trace_run *run))
{
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    run_init(&run, 3);
    must_succeed(&run, run_start(&run, &plain, body));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_WHOLE);
    assert_true(find_end(&decoded, &end));
    assert_int_equal(end.dropped, 0);
    decoder_free(&decoded);
    check_silence(&run);
    run_fini(&run);
}

/* It ends with one line; what is there is right. */
static void check_ends(void (*body)(struct trace_run *run), const char *line)
{
    struct trace_run run;
    struct decoded decoded;
    run_init(&run, 3);
    must_succeed(&run, run_start(&run, &plain, body));
    read_right(&decoded, run.path);
    must_match(&run, &decoded, RUN_STOPPED);
    decoder_free(&decoded);
    check_stderr(&run, line);
    run_fini(&run);
}

static void must_have_ended(void)
{
    if (tracer_is_on())
        _exit(7);
    tracer_stop(TRACE_END_EXIT);
}

/* -- folders ---------------------------------------------------------------------------------- */

static void change_root(struct trace_run *run)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/root", run->folder);
    if (mkdir(path, 0700) != 0 || chroot(path) != 0 || chdir("/") != 0)
        _exit(CANNOT);
}

static void tell_before_and_after_a_chroot(struct trace_run *run)
{
    send_stderr_to(run);
    tell_many(run);
    change_root(run);
    tell_many(run);
    tracer_stop(TRACE_END_EXIT);
}

static void a_change_of_the_root_folder_does_not_matter(void **state)
{
    (void)state;
    check_goes_on(tell_before_and_after_a_chroot);
}

static void lose_the_way_back(struct trace_run *run)
{
    send_stderr_to(run);
    tell_many(run);
    change_root(run);
    syscall(SYS_close_range, 3, ~0U, 0);
    tell_many(run);
    must_have_ended();
}

static void closed_descriptors_that_no_name_leads_back_to_end_the_trace(void **state)
{
    (void)state;
    check_ends(lose_the_way_back, "the program goes on");
}

static void hide_proc(void)
{
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || umount2("/proc", MNT_DETACH) != 0)
        _exit(CANNOT);
}

static void tell_to_the_end(struct trace_run *run)
{
    tracer_sample();
    tracer_mark("in between");
    tell_many(run);
    tracer_stop(TRACE_END_EXIT);
}

static void tell_without_proc(struct trace_run *run)
{
    send_stderr_to(run);
    hide_proc();
    tell_to_the_end(run);
}

static void a_trace_needs_no_proc(void **state)
{
    (void)state;
    check_goes_on(tell_without_proc);
}

static void begin_without_proc(struct trace_run *run)
{
    struct tracer_options options = plain;
    send_stderr_to(run);
    tracer_stop(TRACE_END_STOPPED);
    unlink(run->path);
    hide_proc();
    options.path = run->path;
    if (tracer_start(&options) != 0)
        _exit(8);
    tell_to_the_end(run);
}

static void a_trace_begins_without_proc(void **state)
{
    (void)state;
    check_goes_on(begin_without_proc);
}

/* In the child of the caller, in a folder where nothing can be made. */
static void begin_read_only(struct trace_run *run)
{
    struct tracer_options options = plain;
    options.path = run->path;
    send_stderr_to(run);
    _exit(tracer_start(&options) == EROFS && !tracer_is_on() ? 0 : 1);
}

static void a_read_only_folder_is_told_of(void **state)
{
    (void)state;
    struct trace_run run;
    run_init(&run, 3);
    if (mount("tmpfs", run.folder, "tmpfs", MS_RDONLY, "size=1m") != 0) {
        run_fini(&run);
        skip(); /* only root may mount */
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        begin_read_only(&run);
    bool went_on = run_wait(child);
    umount2(run.folder, MNT_DETACH);
    check_stderr(&run, run.path);
    run_fini(&run);
    assert_true(went_on);
}

/* -- room ------------------------------------------------------------------------------------- */

static pthread_barrier_t all_tell;

static void *tell_few(void *unused)
{
    for (int i = 0; i < FEW; i++)
        tracer_alloc((void *)0x10, 1, 0, 0, &(struct tracer_caller){0});
    pthread_barrier_wait(&all_tell);
    return unused;
}

/* The first window has room for the blocks of two threads. */
static void tell_by_more_threads_than_there_is_room_for(struct trace_run *run)
{
    struct rlimit limit = {TRACE_HEADER_BYTES + 4 * TRACE_BLOCK_BYTES, RLIM_INFINITY};
    pthread_t threads[THREADS];
    send_stderr_to(run);
    setrlimit(RLIMIT_FSIZE, &limit);
    pthread_barrier_init(&all_tell, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, tell_few, NULL) != 0)
            _exit(4);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    must_have_ended();
}

static void a_thread_without_room_for_its_first_event_ends_the_trace(void **state)
{
    (void)state;
    struct trace_run run;
    struct decoded decoded;
    struct trace_end end;
    run_init(&run, 3);
    must_succeed(&run, run_start(&run, &plain, tell_by_more_threads_than_there_is_room_for));
    read_right(&decoded, run.path);
    assert_true(find_end(&decoded, &end));
    assert_int_equal(end.reason, TRACE_END_DISK);
    assert_true(end.events >= FEW && end.dropped >= 1);
    decoder_free(&decoded);
    check_stderr(&run, "the program goes on");
    run_fini(&run);
}

/* -- system calls ----------------------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skipped))
#define ANSWER(verdict) BPF_STMT(BPF_RET | BPF_K, (verdict))

static void install(struct sock_filter *filter, unsigned short length)
{
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        _exit(CANNOT);
}

static void forbid(unsigned number, unsigned error)
{
    struct sock_filter filter[] = {LOAD(nr), IF_EQUAL(number, 1), ANSWER(SECCOMP_RET_ERRNO | error),
                                   ANSWER(SECCOMP_RET_ALLOW)};
    install(filter, sizeof(filter) / sizeof(filter[0]));
}

/* mmap of files; memory can still be had. */
static void forbid_mapping_of_files(void)
{
    struct sock_filter filter[] = {LOAD(nr),
                                   IF_EQUAL(SYS_mmap, 3),
                                   LOAD(args[3]),
                                   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0),
                                   ANSWER(SECCOMP_RET_ERRNO | EPERM),
                                   ANSWER(SECCOMP_RET_ALLOW)};
    install(filter, sizeof(filter) / sizeof(filter[0]));
}

static void tell_without_fallocate(struct trace_run *run)
{
    send_stderr_to(run);
    forbid(SYS_fallocate, EPERM);
    tell_many(run);
    must_have_ended();
}

static void a_forbidden_fallocate_ends_the_trace(void **state)
{
    (void)state;
    check_ends(tell_without_fallocate, "the program goes on");
}

static void tell_where_there_is_no_fallocate(struct trace_run *run)
{
    send_stderr_to(run);
    forbid(SYS_fallocate, ENOSYS);
    tell_to_the_end(run);
}

static void without_fallocate_zeros_are_written(void **state)
{
    (void)state;
    check_goes_on(tell_where_there_is_no_fallocate);
}

static void tell_without_mapping(struct trace_run *run)
{
    send_stderr_to(run);
    forbid_mapping_of_files();
    tell_many(run);
    must_have_ended();
}

static void a_forbidden_mapping_of_the_file_ends_the_trace(void **state)
{
    (void)state;
    check_ends(tell_without_mapping, "the program goes on");
}

static void tell_without_truncate(struct trace_run *run)
{
    send_stderr_to(run);
    forbid(SYS_ftruncate, EPERM);
    tell_to_the_end(run);
}

static void a_forbidden_ftruncate_leaves_a_longer_file(void **state)
{
    (void)state;
    check_goes_on(tell_without_truncate);
}

static void tell_without_opening(struct trace_run *run)
{
    send_stderr_to(run);
    forbid(SYS_openat, EACCES);
    tell_to_the_end(run);
}

static void a_forbidden_open_does_not_matter(void **state)
{
    (void)state;
    check_goes_on(tell_without_opening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_the_root_folder_does_not_matter),
        cmocka_unit_test(closed_descriptors_that_no_name_leads_back_to_end_the_trace),
        cmocka_unit_test(a_trace_needs_no_proc),
        cmocka_unit_test(a_trace_begins_without_proc),
        cmocka_unit_test(a_read_only_folder_is_told_of),
        cmocka_unit_test(a_thread_without_room_for_its_first_event_ends_the_trace),
        cmocka_unit_test(a_forbidden_fallocate_ends_the_trace),
        cmocka_unit_test(without_fallocate_zeros_are_written),
        cmocka_unit_test(a_forbidden_mapping_of_the_file_ends_the_trace),
        cmocka_unit_test(a_forbidden_ftruncate_leaves_a_longer_file),
        cmocka_unit_test(a_forbidden_open_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
