/* secure.c - a program that gains rights at its start: what its caller put into the environment
 * must not reach the heap. The loader drops LD_PRELOAD there, so this program is linked with the
 * library.
 */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

enum { NOBODY = 65534 };

/* The number of options that the environment changed. */
static int count_changed(void)
{
    struct mpress_option option;
    int changed = 0;
    for (size_t i = 0; mpress_option_read(i, &option) == 0; i++)
        changed += !option.is_default;
    return changed;
}

static void copy_self(int target)
{
    char buffer[65536];
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t bytes;
    CHECK(self >= 0 && target >= 0);
    while ((bytes = read(self, buffer, sizeof(buffer))) > 0)
        CHECK(write(target, buffer, (size_t)bytes) == bytes);
    CHECK(bytes == 0);
    close(self);
}

/* Helper, with the rights of another user. */
static void tell_options(void)
{
    if (getauxval(AT_SECURE) == 0)
        SKIP("this file system does not honour setuid");
    CHECK(count_changed() == 0);
    free(malloc(100));
}

static void options_are_ignored_under_setuid(void)
{
    char path[] = "/tmp/mpress-secure.XXXXXX";
    if (geteuid() != 0)
        SKIP("only root can make a program that changes the user");
    setenv("MPRESS_DECAY_MS", "7", 1);
    setenv("MPRESS_STATS", "1", 1);
    setenv("MPRESS_TRACE", "events", 1);
    setenv("MPRESS_TRACE_FILE", "/tmp/mpress-secure.must-not-exist", 1);
    int copy = mkstemp(path);
    copy_self(copy);
    CHECK(fchown(copy, NOBODY, NOBODY) == 0 && fchmod(copy, 04755) == 0 && close(copy) == 0);
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, ".tell_options", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && unlink(path) == 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_SKIPPED)
        _exit(CHECK_SKIPPED);
    CHECK(status == 0);
    CHECK(access("/tmp/mpress-secure.must-not-exist", F_OK) != 0);
}

/* So that the case above cannot hold by mistake. */
static void the_same_options_count_elsewhere(void)
{
    setenv("MPRESS_DECAY_MS", "7", 1);
    pid_t child = fork();
    if (child == 0) {
        execl(check_self, check_self, ".tell_changed", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void tell_changed(void)
{
    CHECK(count_changed() >= 1);
}

CHECK_MAIN(HELPER(tell_options), HELPER(tell_changed), CASE(options_are_ignored_under_setuid),
           CASE(the_same_options_count_elsewhere))
