/* test_os_branch.c - a copy of a process that its sibling does not see, and what it may do. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_branch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = "/tmp/mpress-branch.XXXXXX";

/* A process that makes a branch: `trunk` is the rest of its life, `branch` the branch's; both end
 * it. The wait status of the branch, which is a child of this process. */
static int run(void (*trunk)(void), void (*branch)(void))
{
    int status;
    pid_t ended;
    int branch_status = -1;
    pid_t first = fork();
    if (first == 0) {
        int other = os_branch();
        if (other == 0)
            branch();
        if (other > 0 && trunk != NULL)
            trunk();
        _exit(other > 0 ? 0 : 2);
    }
    while ((ended = waitpid(-1, &status, 0)) > 0) {
        if (ended == first)
            assert_int_equal(status, 0);
        else
            branch_status = status;
    }
    return branch_status;
}

static void has_no_child(void)
{
    _exit(waitpid(-1, NULL, 0) == -1 && errno == ECHILD ? 0 : 1);
}

static void leads_a_group(void)
{
    _exit(getpgid(0) == getpid() ? 7 : 1);
}

static void a_branch_is_the_sibling_of_who_made_it(void **state)
{
    (void)state;
    int status = run(has_no_child, leads_a_group);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void gives_up(void)
{
    signal(SIGSYS, SIG_IGN);
    os_branch_give_up();
}

static void one_that_gives_up_says_so_whatever_the_program_made_of_the_signal(void **state)
{
    (void)state;
    int status = run(NULL, gives_up);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* -- files ------------------------------------------------------------------------------------ */

static int shared_fd;

static void reads_from_its_own_place(void)
{
    char got[3] = "";
    const struct os_descriptor file = {.fd = shared_fd, .flags = O_RDONLY, .place = 2};
    const struct os_descriptor same = {.fd = shared_fd + 1, .closes_on_exec = true};
    bool is_done = os_branch_open_again(&file) && os_branch_join(&same, shared_fd) &&
                   read(shared_fd, got, 1) == 1 && read(shared_fd + 1, got + 1, 1) == 1;
    _exit(is_done && strcmp(got, "cd") == 0 && fcntl(shared_fd + 1, F_GETFD) == FD_CLOEXEC ? 7 : 1);
}

static void a_file_that_is_opened_again_has_a_place_of_its_own(void **state)
{
    (void)state;
    int fd = open(path, O_RDWR | O_TRUNC);
    assert_int_equal(write(fd, "abcdef", 6), 6);
    shared_fd = fcntl(fd, F_DUPFD, 300);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    int status = run(NULL, reads_from_its_own_place);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
    close(fd);
    close(shared_fd);
}

static void a_running_timer_is_known(void **state)
{
    (void)state;
    assert_false(os_has_timer());
    alarm(1000);
    assert_true(os_has_timer());
    alarm(0);
    assert_false(os_has_timer());
}

/* -- what it may do --------------------------------------------------------------------------- */

static void (*act)(void);

static void acts_confined(void)
{
    if (!os_branch_confine())
        os_branch_give_up();
    act();
    syscall(SYS_exit_group, 7);
}

static void does_what_is_harmless(void)
{
    int ends[2];
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open(path, O_RDONLY);
    bool is_done = memory != MAP_FAILED && fd >= 0 && pipe(ends) == 0 && getpid() > 0 &&
                   write(STDOUT_FILENO, "", 0) == 0 && kill(getpid(), 0) == 0 &&
                   access(path, R_OK) == 0;
    if (!is_done)
        syscall(SYS_exit_group, 1);
}

static void writes_a_file(void)
{
    open(path, O_WRONLY);
}

static void writes_into_a_pipe(void)
{
    int ends[2];
    if (pipe(ends) == 0)
        write(ends[1], "x", 1);
}

static void removes_a_file(void)
{
    unlink("/tmp/mpress-branch.none");
}

static void locks_a_file(void)
{
    struct flock lock = {.l_type = F_RDLCK};
    fcntl(open(path, O_RDONLY), F_SETLK, &lock);
}

static void puts_a_file_in_place_of_its_output(void)
{
    dup2(open(path, O_RDONLY), STDOUT_FILENO);
}

static void changes_a_description(void)
{
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
}

static void starts_a_process(void)
{
    if (syscall(SYS_fork) == 0)
        syscall(SYS_exit_group, 0);
}

static void signals_its_parent(void)
{
    kill(getppid(), 0);
}

static void shares_memory(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void what_could_be_felt_outside_ends_a_confined_one(void **state)
{
    (void)state;
    static void (*const acts[])(void) = {writes_a_file,
                                         writes_into_a_pipe,
                                         removes_a_file,
                                         locks_a_file,
                                         puts_a_file_in_place_of_its_output,
                                         changes_a_description,
                                         starts_a_process,
                                         signals_its_parent,
                                         shares_memory};
    act = does_what_is_harmless;
    int status = run(NULL, acts_confined);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        skip(); /* not on this system */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        act = acts[i];
        status = run(NULL, acts_confined);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

/* -- a socket in place of a closed descriptor ------------------------------------------------- */

static struct sockaddr_un server = {.sun_family = AF_UNIX};

static void speaks_to_a_server(void)
{
    close(STDIN_FILENO);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd == STDIN_FILENO && connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0)
        write(fd, "x", 1);
}

static void a_confined_one_reaches_no_server(void **state)
{
    (void)state;
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    snprintf(server.sun_path, sizeof(server.sun_path), "%s.socket", path);
    assert_int_equal(bind(listening, (struct sockaddr *)&server, sizeof(server)), 0);
    assert_int_equal(listen(listening, 1), 0);
    act = speaks_to_a_server;
    int status = run(NULL, acts_confined);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    assert_int_equal(accept(listening, NULL, NULL), -1);
    close(listening);
    unlink(server.sun_path);
}

static void writes_into_its_own_pipe(void)
{
    int ends[2];
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1 || ends[1] != STDOUT_FILENO)
        syscall(SYS_exit_group, 1);
}

static void a_confined_one_may_close_its_output(void **state)
{
    (void)state;
    act = writes_into_its_own_pipe;
    int status = run(NULL, acts_confined);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        skip(); /* not on this system */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* -- messages --------------------------------------------------------------------------------- */

static void a_message_comes_whole_or_not_at_all(void **state)
{
    (void)state;
    char name[sizeof(path) + 8];
    snprintf(name, sizeof(name), "%s.pipe", path);
    assert_int_equal(mkfifo(name, 0600), 0);
    int fd = open(name, O_RDWR);
    uint64_t sent[4] = {1, 2, 3, 4}, got[4] = {0};
    assert_true(os_message_write(name, sent, sizeof(sent)));
    assert_true(os_message_read(name, got, sizeof(got)));
    assert_memory_equal(sent, got, sizeof(sent));
    close(fd);
    unlink(name);
    assert_false(os_message_write(name, sent, sizeof(sent)));
    assert_false(os_message_read(name, got, sizeof(got)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_is_the_sibling_of_who_made_it),
        cmocka_unit_test(one_that_gives_up_says_so_whatever_the_program_made_of_the_signal),
        cmocka_unit_test(a_file_that_is_opened_again_has_a_place_of_its_own),
        cmocka_unit_test(a_running_timer_is_known),
        cmocka_unit_test(what_could_be_felt_outside_ends_a_confined_one),
        cmocka_unit_test(a_confined_one_reaches_no_server),
        cmocka_unit_test(a_confined_one_may_close_its_output),
        cmocka_unit_test(a_message_comes_whole_or_not_at_all),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
