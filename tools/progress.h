/* progress.h - one line on the terminal that is rewritten in place; nothing where there is none. */
#ifndef MPRESS_TOOLS_PROGRESS_H
#define MPRESS_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_on;          /* stderr is a terminal and the user wants it */
    bool is_shown;       /* a line stands on the terminal now */
    uint64_t started_ns; /* CLOCK_MONOTONIC */
    uint64_t next_ns;    /* not drawn again before */
};

/* The first line appears after `delay_ns`: what is quick is not worth a flicker. */
void progress_init(struct progress *progress, bool wanted, uint64_t delay_ns);

/* Is it time to draw? Cheap enough for every few thousand events. */
bool progress_is_due(struct progress *progress);
void progress_show(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "reading  43 %, 5.2 M/s, 12 s left" out of work done, in any unit that `total` shares. */
void progress_show_share(struct progress *progress, const char *what, uint64_t done, uint64_t total,
                         uint64_t events);

/* Takes the line off the terminal. */
void progress_fini(struct progress *progress);

uint64_t progress_now_ns(void); /* CLOCK_MONOTONIC */

#endif
