/* payloads.h - the payloads of one lane, block after block, wherever the blocks are.
 *
 * Those of a packed trace are unpacked frame by frame. While one frame is read, a thread of the
 * unpacker unpacks the next one of the lane:
 *
 *     get --> now: frame n           the caller reads it
 *             next: frame n + 1      idle -> queued -> running -> done; the unpacker's thread
 *
 * One unpacker serves the lanes of one visit and is used by one thread. */
#ifndef MPRESS_TOOLS_TRACE_PAYLOADS_H
#define MPRESS_TOOLS_TRACE_PAYLOADS_H

#include "tools/trace/file.h"

struct unpacker;
struct payloads;

/* The lanes' payloads are destroyed first. */
struct unpacker *unpacker_create(const struct trace *trace);
void unpacker_destroy(struct unpacker *unpacker);

struct payloads *payloads_create(struct unpacker *unpacker, const struct file_lane *lane);
void payloads_destroy(struct payloads *payloads);

/* The payload of block `number` of the lane, good until the next call; NULL: it is damaged. */
const unsigned char *payloads_get(struct payloads *payloads, uint32_t number);

/* The lane was read to its end: gives the memory back. */
void payloads_finish(struct payloads *payloads);

#endif
