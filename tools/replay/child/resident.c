/* resident.c - resident memory of this process, without stdio or allocation. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tools/replay/child/child.h"

static struct {
    uint64_t before;
    uint64_t peak;
    uint64_t sum;
    uint64_t internal_sum;
    uint64_t samples;
    struct rusage usage;
} resident;

static size_t read_file(const char *path, char *buffer, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        child_fail("%s cannot be read", path);
    ssize_t got = read(fd, buffer, capacity - 1);
    close(fd);
    buffer[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static uint64_t read_number(const char *at)
{
    uint64_t n = 0;
    while (*at == ' ' || *at == '\t')
        at++;
    for (; *at >= '0' && *at <= '9'; at++)
        n = n * 10 + (uint64_t)(*at - '0');
    return n;
}

static uint64_t read_resident(void)
{
    char text[128];
    read_file("/proc/self/statm", text, sizeof(text));
    const char *second = strchr(text, ' ');
    return second == NULL ? 0 : read_number(second) * child.page_bytes;
}

/* The kernel's own high-water mark: what a sample between windows cannot see. */
static uint64_t read_high_water(void)
{
    char text[4096];
    read_file("/proc/self/status", text, sizeof(text));
    const char *line = strstr(text, "VmHWM:");
    return line == NULL ? 0 : read_number(line + 6) * 1024;
}

static uint64_t above_before(uint64_t bytes)
{
    return bytes > resident.before ? bytes - resident.before : 0;
}

uint64_t resident_now(void)
{
    return above_before(read_resident());
}

void resident_begin(void)
{
    getrusage(RUSAGE_SELF, &resident.usage);
    resident.before = read_resident();
    child.result->resident_before = resident.before;
}

/* What rounding up to size classes takes, as mpress tells it. */
static void sample_internal(uint32_t window, uint64_t asked)
{
    struct mpress_stats stats;
    mpress_stats_read(&stats);
    uint64_t internal = stats.live > asked ? stats.live - asked : 0;
    resident.internal_sum += internal;
    if (window == child.program->peak_window)
        child.result->internal_peak = internal;
}

void resident_sample(uint32_t window, uint64_t asked)
{
    if (mpress_stats_read)
        sample_internal(window, asked);
    uint64_t now = resident_now();
    resident.sum += now;
    resident.samples++;
    if (now > resident.peak)
        resident.peak = now;
}

void resident_finish(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t high = above_before(read_high_water());
    child.result->resident_peak = high > resident.peak ? high : resident.peak;
    child.result->resident_mean = resident.samples != 0 ? resident.sum / resident.samples : 0;
    child.result->knows_internal = mpress_stats_read != NULL;
    child.result->internal_mean =
        resident.samples != 0 ? resident.internal_sum / resident.samples : 0;
    child.result->minor_faults = (uint64_t)(usage.ru_minflt - resident.usage.ru_minflt);
    child.result->major_faults = (uint64_t)(usage.ru_majflt - resident.usage.ru_majflt);
}
