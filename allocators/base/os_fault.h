/* os_fault.h - memory that is taken out of the process and put back when somebody touches it
 * (userfaultfd). One thread serves; it alone calls what stands below os_fault_open. Its
 * descriptors are in a table of its own, where the program cannot close them. */
#ifndef MPRESS_BASE_OS_FAULT_H
#define MPRESS_BASE_OS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The program lets no system call meet such a page, and forks by libc's calls alone: no right is
 * needed then. Before everything else. */
void os_fault_trust(void);

/* 0, or why this process may not do so in full: system calls that meet such a page would fail with
 * EFAULT, or the child of a fork would find zeros (EPERM: it lacks the right; ENOSYS, EINVAL: the
 * kernel is too old). */
int os_fault_check(void);

/* Whether the machine has swap space. */
bool os_has_swap(void);

/* Makes the kernel look at these pages first when it needs some; with `out`: swaps them out now. */
int os_set_cold(void *start, size_t bytes, bool out);

/* Sets bits of `pages` for those of the range (64 at most) that are in memory. */
bool os_read_present(const void *start, size_t bytes, uint64_t *pages);

/* Gives the pages of a range to this process alone, that a fork had made common. */
int os_unshare_pages(void *start, size_t bytes);

/* Such memory is not there in the child of a fork. */
void os_set_unforked(void *start, size_t bytes);

/* Touches the bell: returns when the serving thread has hushed it. What the caller stored before is
 * seen by what that thread reads behind. */
void os_fault_ring(void *bell);

/* -- the serving thread ----------------------------------------------------------------------- */

/* `own`: where taken memory is put, of which touched pages are simply there. `bell`: a page
 * that is touched by who wants to be served. */
int os_fault_open(void *own, size_t own_bytes, void *bell);
void os_fault_close(void);

enum os_fault_kind {
    OS_FAULT_BELL,
    OS_FAULT_TOUCHED, /* start: an address in the page; who touched it sleeps */
    OS_FAULT_REMOVED, /* [start, end) is being given up: it is to read as zeros */
    OS_FAULT_FORKED,  /* a child has begun, without what was taken out */
};
struct os_fault_event {
    enum os_fault_kind kind;
    uintptr_t start, end;
    int id;    /* touched: by that thread */
    int child; /* for os_fault_fill, os_fault_leave_child */
};
enum { OS_FAULT_PARENT = -1, OS_FAULT_EVENTS = 16, OS_FAULT_FOREVER = -1 };

/* Waits for events, `ms` at most. How many there are. */
unsigned os_fault_read(struct os_fault_event events[OS_FAULT_EVENTS], int ms);

/* Wakes who rang. */
void os_fault_hush(void *bell);

/* From now on who touches a page of the range that is not there is served; no more, which wakes
 * all who wait there. */
int os_fault_watch(void *start, size_t bytes);
int os_fault_unwatch(void *start, size_t bytes);
void os_fault_wake(void *start, size_t bytes);

/* Moves pages from a watched range to own memory. EBUSY: they are not this process's alone. */
int os_fault_take(void *own, void *from, size_t bytes);

/* The way back; when all is there, who waits for it is woken. */
int os_fault_put(void *to, void *own, size_t bytes);

/* A copy, for the parent, where those who wait for it are woken, or a child. Pages that are there
 * already stay as they are. EAGAIN: there are events to be read first. */
int os_fault_fill(int child, void *to, const void *from, size_t bytes);

/* The child is whole: from now on it is on its own. */
void os_fault_leave_child(int child);

/* Lets the thread run where `id`, a thread of this process, ran last. */
void os_fault_follow(int id);

/* It may run anywhere again. */
void os_fault_roam(void);

#endif
