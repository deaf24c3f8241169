/* page.h - the page of a tool that limits the program's memory (preload/budget.h). */
#ifndef MPRESS_TESTS_SEMANTICS_PAGE_H
#define MPRESS_TESTS_SEMANTICS_PAGE_H

#include <sys/mman.h>

#include "preload/budget.h"
#include "tests/semantics/check.h"

static inline struct budget_page *map_page(int fd, const char *path, uint64_t bytes, uint32_t flags,
                                           uint32_t grace_ms)
{
    CHECK(fd >= 0 && ftruncate(fd, sizeof(struct budget_page)) == 0);
    struct budget_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(page != MAP_FAILED);
    page->layout = BUDGET_LAYOUT;
    page->bytes = sizeof(*page);
    page->settings.bytes = bytes;
    page->settings.flags = flags;
    page->settings.grace_ms = grace_ms;
    page->settings.strategies = (1U << BUDGET_STRATEGIES) - 1;
    memcpy(page->magic, BUDGET_MAGIC, sizeof(BUDGET_MAGIC));
    setenv(BUDGET_VARIABLE, path, 1);
    return page;
}

static inline struct budget_page *make_page(uint64_t bytes, uint32_t flags, uint32_t grace_ms)
{
    char path[] = "/tmp/mpress-budget.XXXXXX";
    int fd = mkstemp(path);
    struct budget_page *page = map_page(fd, path, bytes, flags, grace_ms);
    close(fd);
    return page;
}

static inline void remove_page(void)
{
    unlink(getenv(BUDGET_VARIABLE));
}

#endif
