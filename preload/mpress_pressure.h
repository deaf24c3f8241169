/* mpress_pressure.h - what the library sees of memory that runs short, and what it did about it,
 * for who wants to look on. Limits, levels and functions that are called: mpress.h.
 *
 * As in mpress.h the functions are in libmpress.so and weak, so test one before its use. They may
 * be called from any thread, except from a signal handler. */
#ifndef MPRESS_PRESSURE_API_H
#define MPRESS_PRESSURE_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MPRESS_API
#ifdef MPRESS_LINKED
#define MPRESS_API __attribute__((visibility("default")))
#else
#define MPRESS_API __attribute__((visibility("default"), weak))
#endif
#endif

/* Bytes, unless named otherwise; 0 what is not known. */
struct mpress_signals {
    uint64_t used, limit; /* of the nearest limit, as in struct mpress_forecast; limit 0: none */
    uint64_t live;        /* usable bytes of the blocks that the program holds */
    uint64_t asked;       /* less what rounding up to size classes added, approximately */
    uint64_t heap;        /* resident heap */
    uint64_t mapped;      /* private memory that the program maps to write to, since somebody counts
                           * it: there was a limit, or a subscriber */
    uint64_t rss_anon;
    uint64_t group_used, group_limit; /* of the control group, or one around it, that leaves least;
                                       * without pages of files, as far as they matter */
    uint64_t machine, available;      /* memory of the machine; what new programs could have */
    uint64_t swap;                    /* free */
    uint64_t some_ns, full_ns; /* for so long some, or all, tasks had to wait for memory so far: of
                                * that group, or of the machine (PSI) */
    uint64_t some_percent_100, full_percent_100; /* of the last ten seconds, in hundredths of a % */
    uint64_t taken_rate, given_rate; /* bytes a second in blocks of up to 32 KiB, at least (struct
                                      * mpress_thread says why), since they were looked at last */
    uint64_t samples, sample_ns;     /* taken in the background so far, and their time */
    int level;                       /* enum mpress_pressure */
};

/* Looks at all of these now. In the background the library does so ten times a second while there
 * is a limit, or MPRESS_PRESSURE, or somebody subscribed. 0; EAGAIN: another thread is at it. */
MPRESS_API int mpress_signals_read(struct mpress_signals *signals);

/* Something that is done when memory runs short: a word of MPRESS_PRESSURE_ACTIONS. */
struct mpress_action {
    char name[16];
    int from_level; /* enum mpress_pressure: the level that it begins at */
    int is_allowed;
    uint64_t runs;
    uint64_t bytes; /* by which RssAnon fell; of "refuse", that were refused */
    uint64_t ns;    /* how long all runs took; of "throttle", that threads slept */
};

/* Action number `index`, from 0; returns 0, or ENOENT behind the last one. */
MPRESS_API int mpress_action_read(size_t index, struct mpress_action *action);

#ifdef __cplusplus
}
#endif
#endif
