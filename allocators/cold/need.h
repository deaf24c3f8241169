/* need.h - whether packing by need is worth its time: decisions only, of numbers and times that the
 * caller hands in. One caller at a time.
 *
 * A program that only sits near its limit is to be left in peace. So what is gained is watched:
 * when for half a second it was no more than before, that was in vain, and packing by need rests,
 * for ten seconds the first time, then for twice as long as before, up to ten minutes; once it
 * gains something again, for ten seconds. */
#ifndef MPRESS_COLD_NEED_H
#define MPRESS_COLD_NEED_H

#include <stdbool.h>
#include <stdint.h>

struct need {
    uint64_t tried_ns;   /* last; longer than a second ago: it is a need of its own */
    uint64_t most;       /* bytes gained at once, */
    uint64_t changed_ns; /* since then no more; */
    uint64_t done;       /* units that gained something until then */
    uint64_t again_ns;   /* as if nothing had been tried; UINT64_MAX: so it is */
    uint64_t rest_ns;    /* the last one */
};

/* Once after each rest, and at the beginning, when all is zero: it is tried as if nothing had been.
 */
bool need_is_anew(struct need *need, uint64_t now_ns);

enum need_verdict {
    NEED_GO_ON,
    NEED_EASE,   /* what is packed comes back as fast: only where the limit itself is near */
    NEED_GIVE_UP /* nothing could be packed */
};

/* While room is lacking. `gained`: bytes that packing saves now, and what it found to be zero;
 * `done`: units it was of use for, so far; `step`: less than so many bytes is no gain. */
enum need_verdict need_follow(struct need *need, uint64_t now_ns, uint64_t gained, uint64_t done,
                              uint64_t step);

#endif
