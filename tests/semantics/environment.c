/* environment.c - what a process may lack: variables, arguments, descriptors, /proc, a root folder.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/semantics/check.h"

static void *use_heap_in_thread(void *result)
{
    for (size_t bytes = 1; bytes < 10 << 20; bytes = bytes * 2 + 1) {
        char *block = malloc(bytes);
        CHECK(block != NULL);
        memset(block, 1, bytes);
        block = realloc(block, bytes * 2);
        CHECK(is_filled(block, 1, bytes));
        free(block);
    }
    return result;
}

static void use_heap(void)
{
    (void)use_heap_in_thread(NULL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_heap_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Starts a helper with exactly these arguments and this environment. */
static bool starts_with(char *const arguments[], char *const environment[])
{
    pid_t child = fork();
    if (child == 0) {
        alarm(CHECK_SECONDS);
        execve(check_self, arguments, environment);
        _exit(127);
    }
    return child_succeeded(child);
}

static char *preload_assignment(void)
{
    static char assignment[4200];
    const char *preload = getenv("LD_PRELOAD");
    snprintf(assignment, sizeof(assignment), "LD_PRELOAD=%s", preload == NULL ? "" : preload);
    return assignment;
}

static void a_program_may_start_with_an_empty_environment(void)
{
    char *arguments[] = {check_self, (char[]){".use_heap"}, NULL};
    char *only_preload[] = {preload_assignment(), NULL};
    CHECK(starts_with(arguments, only_preload));
}

static void a_program_may_clear_its_environment(void)
{
    CHECK(clearenv() == 0);
    use_heap();
    CHECK(setenv("NAME", "value", 1) == 0 && strcmp(getenv("NAME"), "value") == 0);
    CHECK(starts_with((char *[]){check_self, (char[]){".use_heap"}, NULL}, (char *[]){NULL}));
}

/* Some kernels put an empty string in place of a missing argv[0]. */
static void a_program_may_start_without_arguments(void)
{
    char *no_arguments[] = {NULL};
    char *environment[] = {preload_assignment(), (char[]){"CHECK_ONLY_HEAP=1"}, NULL};
    CHECK(starts_with(no_arguments, environment));
}

__attribute__((constructor)) static void use_heap_when_there_are_no_arguments(void)
{
    if (getenv("CHECK_ONLY_HEAP") == NULL)
        return;
    use_heap();
    _exit(0);
}

static void all_symbols_may_be_bound_at_start(void)
{
    CHECK(setenv("LD_BIND_NOW", "1", 1) == 0);
    CHECK(helper_succeeds(".use_heap"));
}

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

/* Descriptors 0-2 must be the program's even when it starts without them. */
static void open_three_files(void)
{
    CHECK(!is_open(0) && !is_open(1) && !is_open(2));
    use_heap();
    CHECK(!is_open(0) && !is_open(1) && !is_open(2));
    CHECK(open("/dev/null", O_RDWR) == 0);
    CHECK(open("/dev/null", O_RDWR) == 1);
    CHECK(open("/dev/null", O_RDWR) == 2);
}

static void a_program_may_start_with_descriptors_0_to_2_closed(void)
{
    pid_t child = fork();
    if (child == 0) {
        close(0);
        close(1);
        close(2);
        execl(check_self, check_self, ".open_three_files", (char *)NULL);
        _exit(127);
    }
    CHECK(child_succeeded(child));
}

static void a_program_may_close_every_descriptor_and_reuse_the_numbers(void)
{
    free(malloc(100));
    int kept = dup(1);
    CHECK(syscall(SYS_close_range, 0U, (unsigned)kept - 1, 0) == 0);
    CHECK(syscall(SYS_close_range, (unsigned)kept + 1, ~0U, 0) == 0);
    CHECK(dup2(kept, 1) == 1 && dup2(kept, 2) == 2);
    char name[] = "/tmp/check.XXXXXX";
    int files[40];
    files[0] = mkstemp(name);
    CHECK(files[0] >= 0 && unlink(name) == 0);
    for (int i = 1; i < 40; i++)
        files[i] = dup(files[0]);
    use_heap();
    struct stat status;
    CHECK(fstat(files[0], &status) == 0 && status.st_size == 0);
    for (int i = 0; i < 40; i++)
        CHECK(close(files[i]) == 0);
}

static void the_library_keeps_no_descriptor_open(void)
{
    if (check_option_is("MPRESS_TRACE", "full") || check_option_is("MPRESS_TRACE", "events"))
        SKIP("a trace is a file");
    use_heap();
    for (int descriptor = 3; descriptor < 2000; descriptor++) {
        char link[64], target[256] = "";
        snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, target, sizeof(target) - 1);
        CHECK(length < 0 || strstr(target, "mpress") == NULL);
    }
}

static void become_unprivileged_root(void)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        SKIP("no rights to make a mount namespace");
}

static void a_program_may_run_without_proc(void)
{
    become_unprivileged_root();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || umount2("/proc", MNT_DETACH) != 0)
        SKIP("no rights to unmount /proc");
    CHECK(access("/proc/self", F_OK) != 0);
    use_heap();
    CHECK(helper_succeeds(".use_heap"));
}

static void a_program_may_change_its_root_folder(void)
{
    char folder[] = "/tmp/check.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    if (chroot(folder) != 0) {
        rmdir(folder);
        SKIP("no rights to chroot");
    }
    CHECK(chdir("/") == 0);
    use_heap();
    pid_t child = fork();
    if (child == 0) {
        use_heap();
        _exit(0);
    }
    CHECK(child_succeeded(child));
}

CHECK_MAIN(HELPER(use_heap), CASE(a_program_may_start_with_an_empty_environment),
           CASE(a_program_may_clear_its_environment), CASE(a_program_may_start_without_arguments),
           CASE(all_symbols_may_be_bound_at_start), HELPER(open_three_files),
           CASE(a_program_may_start_with_descriptors_0_to_2_closed),
           CASE(a_program_may_close_every_descriptor_and_reuse_the_numbers),
           CASE(the_library_keeps_no_descriptor_open), CASE(a_program_may_run_without_proc),
           CASE(a_program_may_change_its_root_folder))
