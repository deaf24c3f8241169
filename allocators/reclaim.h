/* reclaim.h - takes back what idle threads keep in their magazines. */
#ifndef MPRESS_RECLAIM_H
#define MPRESS_RECLAIM_H

#include <stddef.h>

/* Looks at all threads' caches, and takes the objects out of those that had not changed at the last
 * two ticks either: all but one per class, and all medium blocks. Objects taken. While every move
 * between threads is watched, only of threads whose calls are put into order one by one; nothing
 * where the system has no barrier. */
size_t reclaim_tick(void);

/* The same for all threads that are outside their slow paths just now, idle or not. One reclaimer
 * at a time (scavenge_hold). */
size_t reclaim_all(void);

#endif
