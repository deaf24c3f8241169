/* mimalloc_heap.h - Debian's mimalloc as an alternative heap, loaded at run time.
 *
 * dlopen with RTLD_LOCAL keeps its malloc and operator new out of the program's scope. Six pairs of
 * size and alignment are misaligned by 2.0.9 (its issue 700: 256, 512, 1024 with alignment <=
 * size); they are asked for one byte larger, which takes the next class. */
#ifndef MPRESS_MIMALLOC_HEAP_H
#define MPRESS_MIMALLOC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Loads the library; from a constructor, while one thread runs. False after one line on stderr. */
bool mimalloc_load(void);
bool mimalloc_is_loaded(void);

/* Larger alignments are refused by 2.0.9. */
enum { MIMALLOC_ALIGNMENT_MAX = 1024 * 1024 };

/* Blocks are counted (heap_count_other), as mimalloc has no numbers that we could ask for. */
void *mimalloc_alloc(size_t bytes);
void *mimalloc_alloc_zeroed(size_t bytes);
void *mimalloc_alloc_aligned(size_t alignment, size_t bytes);

/* True for a block of mimalloc (and for most addresses inside one); never touches it. */
bool mimalloc_owns(const void *p);

/* False: p is none of its blocks, and left alone. */
bool mimalloc_free(void *p);
size_t mimalloc_usable(const void *p);

/* Changes the size in place; false: it cannot. */
bool mimalloc_resize(void *p, size_t bytes);

/* In the child of a fork. */
void mimalloc_fork_child(void);

/* Gives back what it can. */
void mimalloc_trim(void);

#endif
