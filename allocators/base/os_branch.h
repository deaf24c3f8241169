/* os_branch.h - a copy of the process that goes its own way (a branch): the copied one's sibling,
 * so that nobody there can wait for it, and apart from it in what the two could still meet at. For
 * a process of one thread. */
#ifndef MPRESS_BASE_OS_BRANCH_H
#define MPRESS_BASE_OS_BRANCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Behind libc's back: no handlers of the program run. 0 in the branch, which leads a process group
 * of its own and is killed with its parent; else its number, or -errno. */
int os_branch(void);

/* In the branch: ends it in a way that says that it could not be set apart (SIGSYS). */
_Noreturn void os_branch_give_up(void);

/* Another description of what stands behind a descriptor, opened with these flags and at that
 * place; of the file at `path`; the same as another descriptor. Each keeps the number. */
struct os_descriptor {
    int fd;
    bool closes_on_exec;
    int flags; /* of open */
    uint64_t place;
};
bool os_branch_open_again(const struct os_descriptor *descriptor);
bool os_branch_open_instead(const struct os_descriptor *descriptor, const char *path);
bool os_branch_join(const struct os_descriptor *descriptor, int other);

/* From now on a system call that could be felt outside the process, other than writing to
 * descriptors 1 and 2, kills it (SIGSYS). False: the system cannot. */
bool os_branch_confine(void);

/* Whether a timer of setitimer or alarm runs: copies have none. */
bool os_has_timer(void);

/* All of a message through a pipe at that path, or nothing. */
bool os_message_write(const char *path, const void *message, size_t bytes);
bool os_message_read(const char *path, void *message, size_t bytes);

#endif
