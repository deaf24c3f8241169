/* check.h - a semantics program is a list of cases. Run without arguments it runs every case in a
 * fresh process of its own with a time limit; run with the name of a case it is that case.
 * Nothing here uses the heap that is tested, except what the program's start costs anyway. */
#ifndef MPRESS_TESTS_CHECK_H
#define MPRESS_TESTS_CHECK_H

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CHECK_SKIPPED = 77, CHECK_SECONDS = 200 };

struct check_case {
    const char *name; /* a leading '.': a helper that other cases start */
    void (*run)(void);
};

/* Path of this program, for cases that start it again. */
static char check_self[4096];

static inline void check_say(const char *format, const char *a, const char *b, long n)
{
    char line[512];
    int length = snprintf(line, sizeof(line), format, a, b, n);
    size_t bytes = (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1;
    if (write(STDOUT_FILENO, line, bytes) < 0)
        _exit(3);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_say("    %s does not hold (%s:%ld)\n", #condition, __FILE__, __LINE__);          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define SKIP(reason)                                                                               \
    do {                                                                                           \
        check_say("    skipped: %s%s\n", reason, "", 0);                                           \
        _exit(CHECK_SKIPPED);                                                                      \
    } while (0)

/* Hides a value from the compiler, which knows what malloc does and would remove or refuse calls.
 */
static inline size_t hidden_size(size_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

static inline void *hidden_pointer(void *value)
{
    __asm__ volatile("" : "+r"(value) : : "memory");
    return value;
}

/* True when the program runs on libmpress.so, and not on the heap the test itself is tested with.
 */
static inline bool check_is_mpress(void)
{
    return dlsym(RTLD_DEFAULT, "mpress_version") != NULL;
}

static inline bool check_option_is(const char *variable, const char *value)
{
    const char *set = getenv(variable);
    return set != NULL && strcmp(set, value) == 0;
}

static inline bool is_filled(const void *block, int byte, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)block;
    return bytes == 0 || (at[0] == (unsigned char)byte && memcmp(at, at + 1, bytes - 1) == 0);
}

static inline bool is_aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

/* Waits for a child and tells whether it ended with exit code 0. */
static inline bool child_succeeded(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Starts this program again as one of its helper cases and waits. */
static inline bool helper_succeeds(const char *name)
{
    pid_t child = fork();
    if (child == 0) {
        execl(check_self, check_self, name, (char *)NULL);
        _exit(127);
    }
    return child > 0 && child_succeeded(child);
}

static inline int check_run_case(const struct check_case *one)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(CHECK_SECONDS);
        execl(check_self, check_self, one->name, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        check_say("FAILED %s: signal %s%ld\n", one->name, "", WTERMSIG(status));
        return 1;
    }
    int code = WEXITSTATUS(status);
    check_say(code == 0               ? "ok     %s%s\n"
              : code == CHECK_SKIPPED ? "skip   %s%s\n"
                                      : "FAILED %s: %sexit code %ld\n",
              one->name, "", code);
    return code;
}

static inline int check_run_all(const struct check_case *cases, size_t count)
{
    size_t failures = 0, skips = 0, runs = 0;
    for (size_t i = 0; i < count; i++) {
        if (cases[i].name[0] == '.')
            continue;
        int code = check_run_case(&cases[i]);
        runs++;
        skips += code == CHECK_SKIPPED;
        failures += code != 0 && code != CHECK_SKIPPED;
    }
    if (failures > 0)
        return 1;
    return skips == runs ? CHECK_SKIPPED : 0;
}

static inline int check_main(int argc, char **argv, const struct check_case *cases, size_t count)
{
    /* Where there is no /proc any more, helpers are told their own path. */
    if (readlink("/proc/self/exe", check_self, sizeof(check_self) - 1) <= 0 && argc > 0)
        strncpy(check_self, argv[0], sizeof(check_self) - 1);
    if (argc < 2)
        return check_run_all(cases, count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}

#define CHECK_MAIN(...)                                                                            \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct check_case cases[] = {__VA_ARGS__};                                           \
        return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));                    \
    }
#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
#define HELPER(name)                                                                               \
    {                                                                                              \
        "." #name, name                                                                            \
    }

#ifdef __cplusplus
}
#endif
#endif
