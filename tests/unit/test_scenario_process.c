/* test_scenario_process.c - programs are started without a copy of this one; what they say is read,
 * however much it is, and without keeping them from their work; and one that no signal ends. */
#define _GNU_SOURCE /* F_GETPIPE_SZ */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/own_costs.h"
#include "tools/scenario/complaint.h"
#include "tools/scenario/leftovers.h"
#include "tools/scenario/origin.h"
#include "tools/scenario/process.h"
#include "tools/scenario/victim.h"

enum { PATIENCE = 60, MIB = 1 << 20 };

static struct {
    size_t lines, longest;
    char last[PROCESS_LINE_BYTES];
} seen;

static void see(const char *line, void *context)
{
    (void)context;
    size_t length = strlen(line);
    seen.lines++;
    seen.longest = length > seen.longest ? length : seen.longest;
    memcpy(seen.last, line, length + 1);
}

static const struct process_hooks each = {.line = see}, none = {.line = NULL};

/* Until it has ended by itself. */
static void run(struct process *process, const char *command, const struct process_hooks *hooks)
{
    memset(&seen, 0, sizeof seen);
    assert_int_equal(process_start_shell(process, command, hooks), 0);
    while (!process_has_ended(process, hooks)) {
        struct pollfd end = {.fd = process->pid_fd, .events = POLLIN};
        poll(&end, 1, 1);
        process_read(process, hooks);
    }
    assert_true(process_has_exited_with(process, 0));
}

/* But it did not end before it began. */
static void an_end_that_is_seen_late_was_before(void **state)
{
    (void)state;
    struct process process;
    assert_int_equal(process_start_shell(&process, "exec sleep 0.2", &none), 0);
    process.late = 0.15;
    while (!process_has_ended(&process, &none))
        usleep(1000);
    double seen_after = process_now() - process.started;
    assert_true(seen_after >= 0.2 && process.ended - process.started <= seen_after - 0.15);
    assert_int_equal(process_start_shell(&process, "exit 0", &none), 0);
    process.late = 1000;
    while (!process_has_ended(&process, &none))
        usleep(1000);
    assert_true(process.ended == process.started);
}

/* (Who reads until there is nothing left never comes back.) */
static void who_says_more_than_is_read_keeps_nobody(void **state)
{
    (void)state;
    struct process process;
    const struct process_hooks *hooks[] = {&each, &none};
    for (size_t i = 0; i < 2; i++) {
        memset(&seen, 0, sizeof seen);
        alarm(PATIENCE);
        assert_int_equal(process_start_shell(&process, "exec yes", hooks[i]), 0);
        for (int round = 0; round < 20; round++) {
            struct pollfd out = {.fd = process.out.fd, .events = POLLIN};
            poll(&out, 1, -1);
            process_read(&process, hooks[i]);
        }
        process_stop(&process, PATIENCE, hooks[i]);
        alarm(0);
        assert_true(process_was_killed(&process));
        assert_string_equal(process.said, "y");
        assert_int_equal(seen.lines > 1000, i == 0);
        assert_int_equal(seen.longest, i == 0);
    }
}

/* (Its pipe is closed then, which ends it.) */
static void whoever_keeps_on_behind_the_end_keeps_nobody(void **state)
{
    (void)state;
    struct process process;
    alarm(PATIENCE);
    assert_int_equal(process_start_shell(&process, "setsid yes & sleep 0.1", &each), 0);
    while (!process_has_ended(&process, &each))
        usleep(1000);
    alarm(0);
}

static void a_long_line_is_one(void **state)
{
    (void)state;
    struct process process;
    run(&process, "for i in 1 2 3; do head -c 4000 /dev/zero | tr '\\0' a; echo; done; echo end",
        &each);
    assert_int_equal(seen.lines, 4);
    assert_int_equal(seen.longest, PROCESS_LINE_BYTES - 1);
    assert_string_equal(seen.last, "end");
    run(&process, "head -c 1023 /dev/zero | tr '\\0' a; echo; echo end", &each);
    assert_int_equal(seen.lines, 2);
    run(&process, "head -c 3000 /dev/zero | tr '\\0' a; echo ': Cannot allocate memory'", &each);
    assert_int_equal(seen.lines, 1);
    assert_true(process.has_missed_memory);
}

static void the_last_word_is_kept_of_much(void **state)
{
    (void)state;
    struct process process;
    static const struct {
        const char *command, *said;
    } row[] = {
        {"seq 100000; printf 'end\\n\\n\\r\\n'", "end"},
        {"seq 100000; printf 'end'", "end"},
        {"seq 100000; echo error >&2; seq 100000", "error"},
        {"seq 100000 >&2", "100000"},
        {"printf 'a\\nb\\rc'", "c"},
        {"printf 'one\\n'", "one"},
        {"seq 100000; echo 'tail: memory exhausted'; seq 100000", "tail: memory exhausted"},
        {"echo one >&2; seq 100000; echo 'x: Out Of Memory'; echo two >&2", "x: Out Of Memory"},
        {"printf 'mem'; sleep 0.1; printf 'oryError\\n'; seq 100000", "memoryError"},
    };
    const struct process_hooks *hooks[] = {&each, &none};
    for (size_t i = 0; i < 2 * sizeof row / sizeof row[0]; i++) {
        run(&process, row[i / 2].command, hooks[i % 2]);
        assert_string_equal(process.said, row[i / 2].said);
    }
}

/* How much there is room for in both pipes, if this user may have so much. */
static void nobody_waits_until_error_output_is_read(void **state)
{
    (void)state;
    struct process process;
    assert_int_equal(process_start_shell(&process, "exec sleep 100", &none), 0);
    int out = fcntl(process.out.fd, F_GETPIPE_SZ), error = fcntl(process.error.fd, F_GETPIPE_SZ);
    process_stop(&process, PATIENCE, &none);
    assert_int_equal(error, out);
    assert_true(out == MIB || geteuid() != 0);
}

/* It is woken for each of few lines, for one of many, and at once for much. */
static void what_is_said_often_wakes_seldom(void **state)
{
    (void)state;
    struct process process;
    alarm(PATIENCE);
    assert_int_equal(process_start_shell(&process, "while echo; do sleep 0.001; done", &none), 0);
    assert_true(process_find_pause(&process) == 0);
    while (process.pause < PROCESS_PAUSE) {
        usleep(1000);
        process_read(&process, &none);
    }
    assert_true(process_find_pause(&process) <= PROCESS_PAUSE);
    process_stop(&process, PATIENCE, &none);
    assert_int_equal(process_start_shell(&process, "exec yes", &none), 0);
    do
        process_read(&process, &none);
    while (process.heard == 0 || process.pause > 0);
    assert_true(process_find_pause(&process) == 0);
    process_stop(&process, PATIENCE, &none);
    alarm(0);
}

/* After a fork each page that this program writes to is copied once more. */
static void a_start_copies_nothing_of_this_program(void **state)
{
    (void)state;
    enum { PAGE = 4096, PAGES = 16 * MIB / PAGE };
    static char block[PAGES * PAGE];
    struct process process;
    memset(block, 1, sizeof block);
    long before = count_faults();
    run(&process, "exec true", &none);
    for (size_t i = 0; i < PAGES; i++)
        block[i * PAGE]++;
    assert_true(count_faults() - before < PAGES / 4);
}

/* (It has our memory until it executes another program.) */
static void what_this_program_has_is_not_its(void **state)
{
    (void)state;
    enum { BLOCK_BYTES = 64 * MIB };
    struct process process;
    char *block =
        mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    memset(block, 1, BLOCK_BYTES);
    run(&process, "exec true", &none);
    assert_int_equal(process.resident_most, 0);
    assert_true(process_own_peak() >= BLOCK_BYTES);
    munmap(block, BLOCK_BYTES);
    uint64_t before = process_own_peak();
    process_forget_peak();
    assert_true(process_own_peak() <= before - BLOCK_BYTES / 2);
    run(&process, "a=$(head -c 100000000 /dev/zero | tr '\\0' a); exec true", &none);
    assert_true(process.resident_most > BLOCK_BYTES);
}

static void adorn(void *context, struct environment *environment)
{
    (void)context;
    environment_set(environment, "MPRESS_TEST_SET", "a b");
    environment_set(environment, "MPRESS_TEST_SET", "c");
    environment_put(environment, "MPRESS_TEST_PUT=1,x", strlen("MPRESS_TEST_PUT=1"));
    environment_put(environment, "none", strlen("none"));
    environment_unset(environment, "MPRESS_TEST_OWN");
}

static void what_it_finds_in_its_environment_is_not_in_ours(void **state)
{
    (void)state;
    struct process process;
    const struct process_hooks hooks = {.adorn = adorn, .line = see};
    setenv("MPRESS_TEST_OWN", "ours", 1);
    setenv("MPRESS_TEST_KEPT", "kept", 1);
    run(&process,
        "echo $MPRESS_TEST_SET $MPRESS_TEST_PUT ${MPRESS_TEST_OWN-gone} $MPRESS_TEST_KEPT", &hooks);
    assert_string_equal(seen.last, "c 1 gone kept");
    assert_null(getenv("MPRESS_TEST_SET"));
    assert_string_equal(getenv("MPRESS_TEST_OWN"), "ours");
}

/* exec leaves names that are there twice; the first one would come back. */
static void nothing_is_left_of_a_name_that_is_unset(void **state)
{
    (void)state;
    char *twice[] = {"A=1", "B=2", "A=3", "C=4", NULL}, **before = environ;
    struct environment environment;
    environ = twice;
    environment_init(&environment);
    environ = before;
    environment_unset(&environment, "A");
    assert_int_equal(environment.count, 2);
    assert_string_equal(environment.at[0], "B=2");
    assert_string_equal(environment.at[1], "C=4");
    assert_null(environment.at[2]);
    environment_fini(&environment);
}

static void it_has_no_file_but_the_three_that_everybody_has(void **state)
{
    (void)state;
    struct process process;
    for (int fd = STDERR_FILENO + 1; fd < FD_SETSIZE; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC); /* what this program itself was left with */
    run(&process, "exec ls /proc/self/fd", &each);
    assert_int_equal(seen.lines, 3 + 1); /* the folder that it lists */
}

static void adorn_path(void *folder, struct environment *environment)
{
    environment_set(environment, "PATH", folder);
}

/* (Not where this program would find one.) */
static void it_is_looked_for_where_its_environment_says(void **state)
{
    (void)state;
    char folder[] = "/tmp/mpress-test-XXXXXX", path[64];
    char *arguments[] = {"mpress-test-own", NULL};
    struct process process;
    const struct process_hooks hooks = {.adorn = adorn_path, .context = folder};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/mpress-test-own", folder);
    assert_int_equal(symlink("/bin/true", path), 0);
    int error = process_start(&process, arguments, &hooks);
    process_stop(&process, PATIENCE, &hooks);
    unlink(path);
    rmdir(folder);
    assert_int_equal(error, 0);
    assert_string_not_equal(getenv("PATH"), folder);
}

pid_t __real_setsid(void);
pid_t __wrap_setsid(void);

static bool is_stopped; /* by the terminal, before it has its own session */

pid_t __wrap_setsid(void)
{
    if (is_stopped)
        kill(getpid(), SIGTSTP);
    return __real_setsid();
}

/* Who stopped would keep us, who wait for it, and we could not be stopped with it. (In a group
 * that the terminal can stop: its parent is in another one of the session.) */
static void who_is_stopped_as_it_begins_goes_on(void **state)
{
    (void)state;
    int status;
    struct process process;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        alarm(PATIENCE / 2);
        is_stopped = true;
        int error = process_start_shell(&process, "exit 0", &none);
        _exit(error != 0 || waitpid(process.pid, &status, 0) != process.pid || status != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_is_preloaded_comes_before_what_was(void **state)
{
    (void)state;
    struct environment environment;
    environment_init(&environment);
    environment_unset(&environment, "LD_PRELOAD");
    environment_preload(&environment, "b.so");
    environment_preload(&environment, "a.so");
    assert_string_equal(environment_find(&environment, "LD_PRELOAD"), "a.so:b.so");
    assert_null(environment.at[environment.count]);
    environment_fini(&environment);
}

/* Its number is known only when it is there. (While it becomes a program it has no environment.) */
static void a_program_is_marked_with_its_number(void **state)
{
    (void)state;
    struct process process;
    origin_begin();
    assert_int_equal(process_start_shell(&process, "exec sleep 100", &none), 0);
    alarm(PATIENCE);
    while (origin_find_marked(process.pid) != process.pid)
        usleep(1000);
    alarm(0);
    process_stop(&process, PATIENCE, &none);
}

int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

static bool
    is_deaf; /* a program that the kernel holds; then each look at the clock takes a second */

int __wrap_kill(pid_t pid, int number)
{
    return is_deaf ? 0 : __real_kill(pid, number);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    static time_t ahead;
    int result = __real_clock_gettime(clock, now);
    ahead += is_deaf;
    now->tv_sec += ahead;
    return result;
}

/* Of this program: only that one. */
static bool is_only_child(pid_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    victim_read_file(path, text, sizeof text);
    char *end;
    long first = strtol(text, &end, 10);
    return first == pid && end[strspn(end, " ")] == '\0';
}

/* One of the next program's has no mark, and a session of its own: there are no two whose it may
 * be. */
static void one_that_cannot_be_killed_is_given_up(void **state)
{
    (void)state;
    struct process stuck, next;
    origin_begin();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    alarm(PATIENCE);
    assert_int_equal(process_start_shell(&stuck, "exec sleep 1000", &none), 0);
    pid_t pid = stuck.pid;
    int pid_fd = stuck.pid_fd, out = stuck.out.fd;
    is_deaf = true;
    process_stop(&stuck, 0, &none);
    is_deaf = false;
    assert_true(stuck.pid == 0 && process_was_killed(&stuck));
    assert_true(fcntl(pid_fd, F_GETFD) < 0 && fcntl(out, F_GETFD) < 0);
    run(&next, "env -i setsid -f sleep 1000", &none);
    assert_true(is_only_child(pid));
    kill(pid, SIGKILL);
    while (__real_kill(pid, 0) == 0) {
        usleep(1000);
        leftovers_reap();
    }
    alarm(0);
}

static bool is_found_at(const char *words, size_t at, size_t behind)
{
    static char text[1024];
    size_t length = strlen(words);
    memset(text, 'l', sizeof text); /* as near to one as can be */
    memcpy(text + at, words, length);
    return complaint_may_be_in(text, at + length + behind);
}

static void a_complaint_is_found_wherever_it_is(void **state)
{
    (void)state;
    static const char *const complaints[] = {
        "out of memory",     "MemoryError",    "Cannot allocate",   "std::bad_alloc",
        "memory exhausted",  "ENOMEM",         "OutOfMemory",       "not enough memory",
        "allocation failed", "can't allocate", "Failed to Allocate"};
    for (size_t i = 0; i < sizeof complaints / sizeof complaints[0]; i++) {
        assert_true(complaint_is(complaints[i], strlen(complaints[i])));
        for (size_t at = 0; at < 200; at++) {
            assert_true(is_found_at(complaints[i], at, 0));
            assert_true(is_found_at(complaints[i], at, 100));
        }
    }
    assert_false(is_found_at("all, me too", 77, 333));
    assert_false(complaint_may_be_in("", 0));
    assert_false(complaint_is("memory is allocated", strlen("memory is allocated")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_that_is_seen_late_was_before),
        cmocka_unit_test(who_says_more_than_is_read_keeps_nobody),
        cmocka_unit_test(whoever_keeps_on_behind_the_end_keeps_nobody),
        cmocka_unit_test(a_long_line_is_one),
        cmocka_unit_test(the_last_word_is_kept_of_much),
        cmocka_unit_test(nobody_waits_until_error_output_is_read),
        cmocka_unit_test(what_is_said_often_wakes_seldom),
        cmocka_unit_test(a_start_copies_nothing_of_this_program),
        cmocka_unit_test(what_this_program_has_is_not_its),
        cmocka_unit_test(what_it_finds_in_its_environment_is_not_in_ours),
        cmocka_unit_test(nothing_is_left_of_a_name_that_is_unset),
        cmocka_unit_test(it_has_no_file_but_the_three_that_everybody_has),
        cmocka_unit_test(it_is_looked_for_where_its_environment_says),
        cmocka_unit_test(who_is_stopped_as_it_begins_goes_on),
        cmocka_unit_test(what_is_preloaded_comes_before_what_was),
        cmocka_unit_test(a_program_is_marked_with_its_number),
        cmocka_unit_test(one_that_cannot_be_killed_is_given_up),
        cmocka_unit_test(a_complaint_is_found_wherever_it_is),
    };
    leftovers_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
