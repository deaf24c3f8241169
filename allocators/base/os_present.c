/* os_present.c - os_visit_present, os_count_zeros: /proc/self/pagemap, eight bytes a page. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    PAGES_AT_ONCE = 512,
    PAGE_PRESENT = 63, /* bits, see Documentation/admin-guide/mm/pagemap.rst of Linux */
    PAGE_SWAPPED = 62,
};

static bool is_present(uint64_t entry)
{
    return (entry >> PAGE_PRESENT & 1) != 0 || (entry >> PAGE_SWAPPED & 1) != 0;
}

static long open_pagemap(void)
{
    return call6(SYS_openat, AT_FDCWD, (long)"/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

/* The entries of `pages` pages at most, from the one at `page` on; how many, 0: the system does not
 * tell. */
static size_t read_entries(long fd, uintptr_t page, size_t pages, uint64_t entry[PAGES_AT_ONCE])
{
    size_t count = pages < PAGES_AT_ONCE ? pages : PAGES_AT_ONCE;
    long got = call6(SYS_pread64, fd, (long)entry, (long)(count * sizeof(entry[0])),
                     (long)(page / os_page_bytes() * sizeof(entry[0])), 0, 0);
    return failed(got) ? 0 : (size_t)got / sizeof(entry[0]);
}

/* A stretch of pages, clipped. */
static void show(uintptr_t first, uintptr_t last, uintptr_t from, uintptr_t to,
                 void (*visit)(uintptr_t from, uintptr_t to))
{
    if (first < last)
        visit(first > from ? first : from, last < to ? last : to);
}

/* Shows what is there of the pages from `page` on; how many were looked at, 0: the system does not
 * tell. */
static size_t show_pages(long fd, uintptr_t page, size_t pages, uintptr_t from, uintptr_t to,
                         void (*visit)(uintptr_t from, uintptr_t to))
{
    uint64_t entry[PAGES_AT_ONCE];
    size_t bytes = os_page_bytes();
    size_t count = read_entries(fd, page, pages, entry);
    uintptr_t first = page;
    for (size_t i = 0; i < count; i++) {
        uintptr_t here = page + i * bytes;
        if (is_present(entry[i]))
            continue;
        show(first, here, from, to, visit);
        first = here + bytes;
    }
    show(first, page + count * bytes, from, to, visit);
    return count;
}

void os_visit_present(uintptr_t from, uintptr_t to, void (*visit)(uintptr_t from, uintptr_t to))
{
    size_t bytes = os_page_bytes();
    uintptr_t page = from & ~(uintptr_t)(bytes - 1);
    long fd = open_pagemap();
    while (page < to) {
        size_t pages = (to - page + bytes - 1) / bytes;
        size_t seen = failed(fd) ? 0 : show_pages(fd, page, pages, from, to, visit);
        if (seen == 0)
            show(page, to, from, to, visit);
        page += (seen == 0 ? pages : seen) * bytes;
    }
    if (!failed(fd))
        call3(SYS_close, fd, 0, 0);
}

/* Of a page that is there, between two words of it. It may be written to meanwhile: what is asked
 * is whether it was. */
__attribute__((no_sanitize("address", "thread"))) static bool is_zero(uintptr_t from, uintptr_t to)
{
    if (!os_is_readable((const void *)from))
        return false;
    for (; from < to; from += sizeof(uint64_t)) {
        if (*(const volatile uint64_t *)from != 0)
            return false;
    }
    return true;
}

static void count_page(uint64_t entry, uintptr_t from, uintptr_t to, struct os_zeros *zeros)
{
    if (!is_present(entry))
        zeros->absent_bytes += to - from;
    if ((entry >> PAGE_PRESENT & 1) == 0 || zeros->read_pages == OS_ZEROS_PAGES_MOST)
        return;
    zeros->read_pages++;
    if (is_zero(from, to))
        zeros->zero_bytes += to - from;
}

bool os_count_zeros(const void *start, size_t bytes, struct os_zeros *zeros)
{
    uint64_t entry[PAGES_AT_ONCE];
    size_t page_bytes = os_page_bytes(), count = 1;
    uintptr_t from = (uintptr_t)start, to = from + bytes;
    long fd = open_pagemap();
    *zeros = (struct os_zeros){0};
    if (failed(fd))
        return false;
    while (from < to && count != 0) {
        uintptr_t page = from & ~(uintptr_t)(page_bytes - 1);
        count = read_entries(fd, page, (to - page + page_bytes - 1) / page_bytes, entry);
        for (size_t i = 0; i < count; i++) {
            uintptr_t next = page + (i + 1) * page_bytes < to ? page + (i + 1) * page_bytes : to;
            count_page(entry[i], from, next, zeros);
            from = next;
        }
    }
    call3(SYS_close, fd, 0, 0);
    return from == to;
}

void os_populate(void *start, size_t bytes)
{
    call3(SYS_madvise, (long)start, (long)bytes, MADV_POPULATE_WRITE);
}
