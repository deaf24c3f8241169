/* memory.h - reads the program's memory without ever faulting.
 *
 * A page is asked for once through the kernel and remembered; after that a read is a load. A stack
 * page that is unmapped later is not read again: a walk starts at the live stack pointer, and with
 * exact rules it never leaves that stack. */
#ifndef MPRESS_TRACER_MEMORY_H
#define MPRESS_TRACER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"

/* The sanitizers know which words of a frame are no variables; a stack walk reads them anyway. */
#define MEMORY_UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))

enum { MEMORY_PAGES = 64, MEMORY_PAGE_SHIFT = 12 };

/* Numbers of pages that can be read; slot = number % MEMORY_PAGES. One thread's. */
struct memory {
    uintptr_t page[MEMORY_PAGES];
};

/* A word that is known to be readable. */
MEMORY_UNCHECKED static inline uint64_t memory_load(uintptr_t address)
{
    return *(const volatile uint64_t *)address;
}

static inline bool memory_read(struct memory *memory, uintptr_t address, uint64_t *value)
{
    uintptr_t page = address >> MEMORY_PAGE_SHIFT;
    uintptr_t *known = &memory->page[page % MEMORY_PAGES];
    if (address % sizeof(uint64_t) != 0 || page == 0)
        return false;
    if (MP_UNLIKELY(*known != page)) {
        if (!os_is_readable((const void *)address))
            return false;
        *known = page;
    }
    *value = memory_load(address);
    return true;
}

#endif
