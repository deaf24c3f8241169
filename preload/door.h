/* door.h - the slow door: where every call goes that the hot path cannot serve.
 *
 * Here, and only here, heap and tracer meet; here errno is set, a signal handler inside the
 * allocator is recognised, and misuse is reported. The functions mean what their libc namesakes
 * mean. They are called as tail calls: their frame lies right below the program's. */
#ifndef MPRESS_DOOR_H
#define MPRESS_DOOR_H

#include <stdbool.h>
#include <stddef.h>

void *door_malloc(size_t bytes);
void door_free(void *p);
void *door_calloc(size_t count, size_t bytes);
void *door_realloc(void *p, size_t bytes);

/* Any alignment that is a power of two; posix_memalign's as it demands. */
void *door_memalign(size_t alignment, size_t bytes);
int door_posix_memalign(void **p, size_t alignment, size_t bytes);
size_t door_usable(const void *p);

/* Free a block whose size the program states; compared with the block in checked mode. alignment 0:
 * none was asked for. */
void door_free_sized(void *p, size_t bytes);
void door_free_aligned_sized(void *p, size_t bytes, size_t alignment);

/* operator new's: recorded as such. NULL: there is no memory. */
void *door_new(size_t bytes);
void *door_new_aligned(size_t alignment, size_t bytes);

/* Gives back all that can be given back now. Bytes; 0 in a signal handler that interrupted the
 * heap. */
size_t door_compact(void);

/* Around calls of the heap that are not blocks' (statistics): a signal handler that
 * interrupts them must not wait for their locks. False: this is such a handler, leave the heap
 * alone. */
bool door_come_in(void);
void door_go_out(void);

/* heap_read_stats between the two. False, and zeros, in such a handler. */
struct heap_stats;
bool door_read_stats(struct heap_stats *stats);

/* heap_taken_bytes between the two; 0 in such a handler. */
size_t door_taken_bytes(void);

/* After route_init, while one thread runs. */
void door_init(void);

/* What the door sees of the program's calls: those that the hot path cannot serve; all allocations
 * and the frees of sampled blocks; all of them. */
enum door_view { DOOR_SEES_LITTLE, DOOR_SEES_SAMPLES, DOOR_SEES_ALL };

/* One caller at a time. Afterwards every call that begins, in any thread, is seen like that, and
 * recorded while a trace is on. */
void door_set_view(enum door_view view);

/* From now on the next allocation of any thread comes here and notices (init.h). Any thread, any
 * time, signal handlers too. */
void door_shut(void);

/* So it is, for what it is to see. */
bool door_is_shut(void);

/* Undoes that, unless something is asked for again; one caller at a time, as for the view. */
void door_settle(void);

/* What door_shut stores zeros to, in this order. */
struct control_range;
void door_tell_shut(struct control_range *ranges);

/* Frees through the stated size are compared with the block. */
void door_set_checked(void);

#endif
