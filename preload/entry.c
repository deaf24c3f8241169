/* entry.c - malloc and its family as libc exports them: the hot path, and a tail call into the slow
 * door (door.c). No function here calls another before it returns; a test disassembles them. */
#include "preload/entry.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "preload/door.h"
#include "preload/hot.h"

static __attribute__((noinline)) void *malloc_above(size_t bytes)
{
    void *p = bytes <= SIZE_MEDIUM_MAX ? hot_alloc_medium(bytes) : heap_alloc_parked(bytes);
    return MP_LIKELY(p != NULL) ? p : door_malloc(bytes);
}

static __attribute__((noinline)) void *realloc_above(void *p, size_t bytes)
{
    return MP_LIKELY(heap_resize_medium(p, bytes)) ? p : door_realloc(p, bytes);
}

EXPORTED void *malloc(size_t bytes)
{
    if (MP_UNLIKELY(bytes > SIZE_SLAB_MAX))
        return malloc_above(bytes);
    void *p = hot_alloc(bytes);
    return MP_LIKELY(p != NULL) ? p : door_malloc(bytes);
}

EXPORTED void free(void *p)
{
    if (MP_UNLIKELY(!hot_free(p)))
        door_free(p);
}

EXPORTED void cfree(void *p)
{
    if (MP_UNLIKELY(!hot_free(p)))
        door_free(p);
}

EXPORTED void free_sized(void *p, size_t bytes)
{
    if (MP_UNLIKELY(!hot_free(p)))
        door_free_sized(p, bytes);
}

/* glibc 2.36 takes any alignment and rounds it up; at most SIZE_MAX / 2 + 1. */
static size_t power_of_two_above(size_t alignment)
{
    if (alignment <= 16 || is_power_of_two(alignment))
        return alignment;
    return (size_t)1 << (log2_floor(alignment) + 1);
}

EXPORTED void free_aligned_sized(void *p, size_t alignment, size_t bytes)
{
    if (MP_UNLIKELY(!hot_free(p)))
        door_free_aligned_sized(p, bytes, power_of_two_above(alignment));
}

EXPORTED void *calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || total > SIZE_SLAB_MAX)
        return door_calloc(count, bytes);
    void *p = hot_alloc_zeroed(total);
    return MP_LIKELY(p != NULL) ? p : door_calloc(count, bytes);
}

/* From an object to one of another class; both magazines are at hand. */
static __attribute__((noinline)) void *move_object(void *p, size_t usable, size_t bytes)
{
    void *moved = heap_alloc_fast(bytes);
    if (MP_UNLIKELY(moved == NULL))
        return door_realloc(p, bytes);
    memcpy(moved, p, usable < bytes ? usable : bytes);
    if (MP_UNLIKELY(!heap_free_fast(p)))
        door_free(p);
    return moved;
}

EXPORTED void *realloc(void *p, size_t bytes)
{
    size_t usable = heap_open_usable(p);
    if (MP_UNLIKELY(usable == 0 || bytes - 1 >= SIZE_SLAB_MAX))
        return realloc_above(p, bytes);
    return heap_keeps_place(usable, bytes) ? p : move_object(p, usable, bytes);
}

EXPORTED void *reallocarray(void *p, size_t count, size_t bytes)
{
    size_t total;
    if (!__builtin_mul_overflow(count, bytes, &total))
        return door_realloc(p, total);
    errno = ENOMEM;
    return NULL;
}

EXPORTED size_t malloc_usable_size(void *p)
{
    size_t usable = heap_open_usable(p);
    return MP_LIKELY(usable != 0) ? usable : door_usable(p);
}

static __attribute__((noinline)) void *memalign_above(size_t alignment, size_t bytes)
{
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    alignment = power_of_two_above(alignment);
    void *p = gate_serves() ? heap_pop(size_class_of_aligned(bytes, alignment)) : NULL;
    if (p == NULL)
        p = heap_alloc_medium(bytes, alignment);
    return MP_LIKELY(p != NULL) ? p : door_memalign(alignment, bytes);
}

EXPORTED void *memalign(size_t alignment, size_t bytes)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    return MP_LIKELY(p != NULL) ? p : memalign_above(alignment, bytes);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
    void *p = heap_alloc_aligned_fast(alignment, bytes);
    return MP_LIKELY(p != NULL) ? p : memalign_above(alignment, bytes);
}

EXPORTED int posix_memalign(void **p, size_t alignment, size_t bytes)
{
    if (MP_UNLIKELY(!is_power_of_two(alignment) || alignment % sizeof(void *) != 0))
        return EINVAL;
    void *block = heap_alloc_aligned_fast(alignment, bytes);
    if (MP_UNLIKELY(block == NULL))
        return door_posix_memalign(p, alignment, bytes);
    *p = block;
    return 0;
}

EXPORTED void *valloc(size_t bytes)
{
    return door_memalign(os_page_bytes(), bytes);
}

EXPORTED void *pvalloc(size_t bytes)
{
    size_t page = os_page_bytes();
    size_t rounded = bytes > PTRDIFF_MAX ? bytes : round_up(bytes, page);
    return door_memalign(page, rounded);
}
