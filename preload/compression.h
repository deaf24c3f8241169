/* compression.h - the option that lets memory be packed which nobody touches (allocators/cold/). */
#ifndef MPRESS_COMPRESSION_H
#define MPRESS_COMPRESSION_H

#include "allocators/base/conf.h"

/* In the constructor. Says why, where it is wanted and cannot be had. */
void compression_init(const struct conf *conf);

#endif
