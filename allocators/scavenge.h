/* scavenge.h - gives back what lies unused: one tick for the whole heap.
 *
 * Whoever passes by a slow path does a bounded piece of the work. A program that sleeps has no slow
 * paths: so, above some size, a helper thread of ours does it (os_thread_start). It is started
 * when the heap is seen to be that large, sleeps longer and longer while there is nothing to give
 * back, and ends in the end; the next passer-by that finds a large heap starts it again. */
#ifndef MPRESS_SCAVENGE_H
#define MPRESS_SCAVENGE_H

#include <stdbool.h>
#include <stddef.h>

/* `background`: the helper may be started. */
void scavenge_init(bool background);

/* Does what is due. Cheap when nothing is; call it from slow paths without locks. */
void scavenge_pass(void);

/* A large block was freed, and its memory kept: the helper shall give it back even if nobody passes
 * by any more. Call it without locks. */
void scavenge_watch(void);

/* Counts a call that passes by elsewhere. False: it is time for one that calls scavenge_pass. */
bool scavenge_may_wait(void);

/* Between these two nobody scavenges, so that objects do not move while they are counted. */
void scavenge_hold(void);
void scavenge_release(void);

/* Bytes given back to the system by all this so far. */
size_t scavenge_given_bytes(void);

/* From now on the helper calls this after each nap, without locks. It may ask the system, not the
 * heap. */
void scavenge_on_nap(void (*function)(void));

/* Whether there is one whatever the heap's size and however idle; the next passer-by starts it. */
void scavenge_keep_helper(bool is_kept);

/* The helper runs or sleeps. */
bool scavenge_has_helper(void);

/* Between these two there is no helper: it ends before the first returns. For calls that change all
 * threads that libc knows of, or want the process to have one thread only. Any number at once. */
void scavenge_forbid_helper(void);
void scavenge_allow_helper(void);

/* False in the child of a vfork, which runs on the memory of another process. */
bool scavenge_is_in_own_process(void);

void scavenge_fork_child(void);

#endif
