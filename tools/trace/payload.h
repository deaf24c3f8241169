/* payload.h - reads the fields of an info record, none of which is believed. */
#ifndef MPRESS_TOOLS_TRACE_PAYLOAD_H
#define MPRESS_TOOLS_TRACE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tracer/format.h"

/* What is left of a record's payload. A read beyond its end yields zeros and sets is_short. */
struct payload {
    const unsigned char *at;
    const unsigned char *end;
    bool is_short;
};

static inline uint64_t payload_take_uvarint(struct payload *from)
{
    uint64_t n = 0;
    const unsigned char *next = trace_get_uvarint(from->at, from->end, &n);
    if (next == NULL) {
        from->is_short = true;
        return 0;
    }
    from->at = next;
    return n;
}

static inline void payload_take_bytes(struct payload *from, void *to, size_t bytes)
{
    if ((size_t)(from->end - from->at) < bytes) {
        from->is_short = true;
        memset(to, 0, bytes);
        return;
    }
    memcpy(to, from->at, bytes);
    from->at += bytes;
}

static inline uint64_t payload_take_u64(struct payload *from)
{
    uint64_t n;
    payload_take_bytes(from, &n, sizeof(n));
    return n;
}

static inline uint8_t payload_take_u8(struct payload *from)
{
    uint8_t n;
    payload_take_bytes(from, &n, sizeof(n));
    return n;
}

/* A record of the info lane. */
struct payload_record {
    unsigned type;
    struct payload payload;
};

#endif
