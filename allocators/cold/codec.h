/* codec.h - lz4, as the library of the system has it. */
#ifndef MPRESS_COLD_CODEC_H
#define MPRESS_COLD_CODEC_H

#include <stdbool.h>
#include <stddef.h>

/* Loads it, from a constructor; false: it is not there. */
bool codec_load(void);

/* Bytes at `to`, at most `room`; 0: it needs more. Without allocating, by one thread. */
size_t codec_pack(const void *from, size_t bytes, void *to, size_t room);

/* False: it is not what was packed. */
bool codec_unpack(const void *from, size_t packed, void *to, size_t bytes);

#endif
