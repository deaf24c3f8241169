/* death.h - a misuse ends the process, with words on stderr. */
#ifndef MPRESS_TESTS_DEATH_H
#define MPRESS_TESTS_DEATH_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* A child that calls misuse(argument) aborts, and says `words`. */
static inline void assert_dies(void (*misuse)(void *), void *argument, const char *words)
{
    int ends[2];
    char said[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's would go on with the tests */
        dup2(ends[1], STDERR_FILENO);
        misuse(argument);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t more; (more = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0;)
        length += (size_t)more;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, words));
}

#endif
