/* pressure.h - what to do about memory that runs short: decisions only, of numbers and times that
 * the caller hands in. No clock, no system, no lock; one caller at a time.
 *
 *     level of use   of the limit    enters at    what is done
 *     calm                                       nothing
 *     monitor                            70 %    it is watched
 *     gentle                             80 %    idle magazines shrink, dirty spans go back
 *     aggressive                         90 %    all that holds no block goes back
 *     emergency                          95 %    the program is asked to drop what it can;
 *                                                large growth is slowed down
 *
 * A level is entered at once, and left when use is some percent below its threshold and it has been
 * held for the dwell time. A step that gains nothing is not tried again at once: the pause doubles.
 * A forecast alone leads to the gentle step at most: it is cheap, and forecasts are often wrong.
 * Stalls (PSI) confirm: a machine whose memory is full of what others use well does not stall. */
#ifndef MPRESS_PRESSURE_H
#define MPRESS_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum pressure_level {
    PRESSURE_CALM,
    PRESSURE_MONITOR,
    PRESSURE_GENTLE,
    PRESSURE_AGGRESSIVE,
    PRESSURE_EMERGENCY,
    PRESSURE_LEVELS
};

/* "calm", "monitor", ... */
const char *pressure_name(enum pressure_level level);

struct pressure_rules {
    uint32_t enter_percent[PRESSURE_LEVELS]; /* of the limit; [0] is not used */
    uint32_t leave_percent;                  /* points below that */
    uint64_t dwell_ns;
    uint64_t pause_ns;         /* between two steps of a level; the first after one in vain, */
    uint64_t longest_pause_ns; /* and what it doubles up to */
    uint32_t gain_permille;    /* of the limit: less is in vain */
    uint32_t forecast_percent; /* a forecast as probable as this counts */
    uint32_t confirmed_100;    /* stalls, in hundredths of a percent of the time: with fewer a */
                               /* machine's memory leads no further than gentle */
    uint32_t hurting_100;      /* and as many raise monitor to gentle */
};

/* 70, 80, 90 and 95 %; 3 points lower, 5 s; 100 ms to 10 s; 1/1000; 50 %; 1 and 10 %. */
extern const struct pressure_rules pressure_default_rules;

/* Monitor is at the least 1 %, emergency at the most 100 %, and each above the one before. */
bool pressure_rules_are_valid(const struct pressure_rules *rules);

struct pressure_sample {
    uint64_t now_ns;
    uint64_t used;
    uint64_t limit;            /* 0: there is none */
    uint32_t forecast_percent; /* probability that the limit will be met soon; 0: not known */
    uint32_t stalls_100;       /* of the last ten seconds tasks had to wait for memory in so many */
                               /* hundredths of a percent */
    bool is_machine;           /* it is the memory of all programs: little of it is ours to give */
};
#define PRESSURE_STALLS_UNKNOWN UINT32_MAX

struct pressure {
    struct pressure_rules rules; /* constant after pressure_init */
    enum pressure_level level;
    uint64_t since_ns;                 /* of the level */
    uint64_t limit;                    /* at the last sample */
    uint64_t due_ns[PRESSURE_LEVELS];  /* of each level's step */
    uint64_t wait_ns[PRESSURE_LEVELS]; /* its pause now */
};

void pressure_init(struct pressure *pressure, const struct pressure_rules *rules);

/* What to do now. `step`: the level whose step is due; PRESSURE_CALM: none. */
struct pressure_advice {
    enum pressure_level level;
    bool has_changed; /* the level */
    enum pressure_level step;
    bool by_forecast; /* the step, alone */
};
struct pressure_advice pressure_take(struct pressure *pressure,
                                     const struct pressure_sample *sample);

/* The step that was advised is done, and gained so many bytes. */
void pressure_note_gain(struct pressure *pressure, enum pressure_level step, uint64_t bytes,
                        uint64_t now_ns);

/* -- a limit that is enforced ----------------------------------------------------------------- */

enum {
    PRESSURE_SMALL_BYTES = 65536, /* requests that may use the reserve: redis, as it tells
                                   * how it ended, makes a string of 20 KiB */
    PRESSURE_TINY_BYTES = 4096,   /* for these it is half as long again: who used all of it up
                                   * with larger ones can still unwind */
    PRESSURE_RESERVE_LEAST = 256 * 1024, /* or 1 % */
    PRESSURE_QUANTUM_LEAST = 64 * 1024,  /* growth allowed beyond a request, or 1/64 */
    PRESSURE_LONGEST_SLEEP_NS = 50000000,
};

struct pressure_limit {
    uint64_t soft;     /* above it free memory goes back before the heap grows */
    uint64_t hard;     /* 0: no limit */
    uint64_t wall;     /* beyond it nothing is granted, whatever the grace time */
    uint64_t grace_ns; /* above hard for so long: refused */
    uint64_t
        throttle_from; /* growth is slowed down from here: by 50 ms at throttle_full, with the */
    uint64_t throttle_full;  /* square of the distance */
    uint64_t throttle_bytes; /* requests of at least so many */
    uint64_t whole;          /* a request for more is for address space, and granted; 0: none is */
    uint32_t sharers; /* processes that grow under it, each for itself; 0, 1: this one alone */
    bool throttles;
    bool refuses;
    bool holds; /* instead of refusing */
};

/* So much of what is left under the limit may this process grow by before it looks again: the
 * others, who do not see it until then, have as much. */
uint64_t pressure_part(const struct pressure_limit *limit, uint64_t left);

/* What small requests may use beyond `hard`. */
uint64_t pressure_reserve(const struct pressure_limit *limit);

/* A request that the heap could not serve without growing. */
struct pressure_request {
    uint64_t now_ns;
    uint64_t used; /* after all that could be given back has been */
    uint64_t bytes;
    bool is_block; /* of the heap; else a mapping of the program */
    bool can_wait; /* memory is being packed: less will be used soon */
};

enum pressure_verdict {
    PRESSURE_GRANT,      /* growth by `left` bytes */
    PRESSURE_GRANT_FREE, /* this request, out of the reserve */
    PRESSURE_HOLD,       /* wait, and ask again */
    PRESSURE_REFUSE,
};

struct pressure_answer {
    enum pressure_verdict verdict;
    uint64_t left;
    uint64_t sleep_ns; /* before that */
};

/* Kept by the caller between requests, and all zero again when use is seen to be below `hard` by
 * more than a small request: who sits just at it is told once. */
struct pressure_over {
    uint64_t since_ns; /* more than `hard` is needed; 0: it is not */
    uint64_t base; /* what was used when the first request was refused: the reserve begins there */
};

struct pressure_answer pressure_judge(const struct pressure_limit *limit,
                                      const struct pressure_request *request,
                                      struct pressure_over *over);

#endif
