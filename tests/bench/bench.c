/* bench.c - what the benchmark programs share. */
#define _GNU_SOURCE
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic size_t table_bytes;

double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

void bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* The number behind `field` in a file of /proc that counts in kB. */
static size_t proc_bytes(const char *path, const char *field)
{
    char text[8192];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (length <= 0)
        bench_die("%s: %s", path, strerror(errno));
    close(fd);
    text[length] = '\0';
    const char *found = strstr(text, field);
    if (found == NULL)
        bench_die("%s has no %s", path, field);
    return strtoul(found + strlen(field), NULL, 10) * BENCH_KIB;
}

/* smaps_rollup walks the pages; the counters of statm lag behind by up to 64 pages per CPU. */
size_t bench_rss_bytes(void)
{
    return proc_bytes("/proc/self/smaps_rollup", "\nRss:") - atomic_load(&table_bytes);
}

size_t bench_peak_bytes(void)
{
    return proc_bytes("/proc/self/status", "\nVmHWM:") - atomic_load(&table_bytes);
}

void *bench_table(size_t count, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (count * bytes + page - 1) & ~(page - 1);
    void *table =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (table == MAP_FAILED)
        bench_die("no memory for a table of %zu bytes", size);
    atomic_fetch_add(&table_bytes, size);
    return table;
}

/* A mark for each page between the lowest and the highest block: mostly untouched, soon gone. */
size_t bench_pages_bytes(void *const *blocks, const uint32_t *bytes, size_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    for (size_t i = 0; i < count; i++) {
        uintptr_t block = (uintptr_t)blocks[i];
        lowest = block != 0 && block < lowest ? block : lowest;
        highest = block != 0 && block + bytes[i] > highest ? block + bytes[i] : highest;
    }
    if (highest == 0)
        return 0;
    size_t marks_bytes = highest / page - lowest / page + 1;
    unsigned char *marks = mmap(NULL, marks_bytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (marks == MAP_FAILED)
        bench_die("no memory for the marks of %zu pages", marks_bytes);
    size_t pages = 0;
    for (size_t i = 0; i < count; i++) {
        if (blocks[i] == NULL)
            continue;
        uintptr_t first = (uintptr_t)blocks[i] / page;
        uintptr_t last = ((uintptr_t)blocks[i] + bytes[i] - 1) / page;
        for (uintptr_t at = first; at <= last; at++) {
            pages += marks[at - lowest / page] == 0;
            marks[at - lowest / page] = 1;
        }
    }
    munmap(marks, marks_bytes);
    return pages * page;
}

void *bench_alloc(size_t bytes)
{
    char *block = malloc(bytes);
    if (block == NULL)
        bench_die("malloc(%zu) failed", bytes);
    block[0] = 1;
    block[bytes - 1] = 1;
    return block;
}

uint64_t bench_number(const char *what, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || *text == '-' || value == 0)
        bench_die("%s: '%s' is not a whole number above 0", what, text);
    return value;
}

double bench_fraction(const char *what, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text || !isfinite(value) || value <= 0 || value > 1000)
        bench_die("%s: '%s' is not a number above 0 and at most 1000", what, text);
    return value;
}
