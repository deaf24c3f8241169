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

/* It is worth while to wait: two seconds ago at the latest a request began to wait (`is_first`:
 * this one), or packing was seen to have saved 1/256 of the limit more. When that was in vain,
 * nobody waits for it in the next ten seconds. The same caller. */
bool compression_helps(const struct watch_limit *kept, uint64_t now_ns, bool is_first);

/* In the child of a fork. */
void compression_fork_child(void);

#endif
