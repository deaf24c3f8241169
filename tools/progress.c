/* progress.c - draws at most five times a second, so that drawing never costs. */
#define _GNU_SOURCE /* clock_gettime */
#include "tools/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tools/units.h"

enum { PERIOD_NS = 200 * 1000 * 1000 };

uint64_t progress_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void progress_init(struct progress *progress, bool wanted, uint64_t delay_ns)
{
    progress->is_on = wanted && isatty(STDERR_FILENO) == 1;
    progress->is_shown = false;
    progress->started_ns = progress_now_ns();
    progress->next_ns = progress->started_ns + delay_ns;
}

bool progress_is_due(struct progress *progress)
{
    return progress->is_on && progress_now_ns() >= progress->next_ns;
}

void progress_show(struct progress *progress, const char *format, ...)
{
    if (!progress->is_on)
        return;
    char line[79]; /* never as wide as a terminal: the cursor would go to the next line */
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fprintf(stderr, "\r\033[K%s\r", line);
    fflush(stderr);
    progress->is_shown = true;
    progress->next_ns = progress_now_ns() + PERIOD_NS;
}

void progress_show_share(struct progress *progress, const char *what, uint64_t done, uint64_t total,
                         uint64_t events)
{
    double seconds = (double)(progress_now_ns() - progress->started_ns) / 1e9;
    if (done == 0 || total == 0 || seconds <= 0)
        return;
    double share = done < total ? (double)done / (double)total : 1;
    double left = seconds / share - seconds;
    progress_show(progress, "%s %3.0f %%, %s events, %s, %s left", what, share * 100,
                  units_count(events).at, units_rate((double)events / seconds).at,
                  units_duration((uint64_t)(left * 1e9)).at);
}

void progress_fini(struct progress *progress)
{
    if (progress->is_shown)
        fputs("\r\033[K", stderr);
    progress->is_shown = false;
}
