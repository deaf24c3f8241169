/* compression.h - the option that lets memory be packed which nobody touches (allocators/cold/). */
#ifndef MPRESS_COMPRESSION_H
#define MPRESS_COMPRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/conf.h"
#include "preload/watch_limits.h"

/* In the constructor. Says why, where it is wanted and cannot be had. */
void compression_init(const struct conf *conf);

/* By need: as much is packed as keeps `coming` bytes more from being nearer than 5 % to that limit.
 * What is used of it counts for more, where too little is left for what is not packed. One caller
 * at a time, outside the door. */
void compression_follow(struct watch_limit *kept, uint64_t coming);

/* It is worth while to wait: half a second ago at the latest packing had saved 1/256 of the limit
 * more than before. When it has not, nobody waits for it in the next ten seconds. The same. */
bool compression_helps(const struct watch_limit *kept, uint64_t now_ns);

#endif
