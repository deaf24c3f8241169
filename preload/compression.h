/* compression.h - the option that lets memory be packed which nobody touches (allocators/cold/). */
#ifndef MPRESS_COMPRESSION_H
#define MPRESS_COMPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"
#include "preload/watch_limits.h"

/* In the constructor. Says why, where it is wanted and cannot be had. */
void compression_init(const struct conf *conf);

/* By need: as much is packed as keeps `coming` bytes more from being nearer than 5 % to that limit;
 * until the next call. One caller at a time, outside the door. */
void compression_follow(const struct watch_limit *kept, uint64_t coming);

/* It is too near, as far as that is known; maybe it is not any more. The same caller. */
bool compression_is_followed(void);
void compression_correct(const struct watch_limit *kept);

/* What is used of the limit counts for so much more, where too little is left for what is not
 * packed. */
uint64_t compression_counted_twice(const struct watch_limit *kept);

/* A request that waits for memory to be packed; all zero before its first answer. */
struct compression_wait {
    uint64_t begun_ns;   /* 0: it does not wait */
    uint64_t saved;      /* bytes, when it began */
    uint64_t least;      /* since the last progress: that is counted from here */
    uint64_t changed_ns; /* when there was some last */
};

/* It is worth while for the request to wait on: for a second in all, and as long as packing was
 * seen half a second ago at the latest to have saved 1/256 of the limit more, be it of what had
 * come back. Where all that waiting brought less than 1/64 of the limit nobody waits for a second;
 * the next time for two, and so on up to 16. The same caller. */
bool compression_helps(const struct watch_limit *kept, uint64_t now_ns,
                       struct compression_wait *wait);

/* In the child of a fork. */
void compression_fork_child(void);

#endif
