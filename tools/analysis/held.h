/* held.h - how much something holds now, and how much it held when the whole heap was largest.
 *
 * The heap's peak is known only afterwards, and copying every counter whenever a new maximum is
 * reached would cost (stacks) per event. So copying is left to the next change: each counter
 * remembers which peak its copy is of, and `now` still *is* the value at the peak as long as
 * nothing changed since. The peak moves by one addition. */
#ifndef MPRESS_TOOLS_ANALYSIS_HELD_H
#define MPRESS_TOOLS_ANALYSIS_HELD_H

#include <stdint.h>

struct amount {
    uint64_t bytes; /* asked */
    uint64_t blocks;
    double variance; /* of the bytes, where they are an estimate (estimate.h); else 0 */
};

static inline void amount_add(struct amount *sum, const struct amount *one)
{
    sum->bytes += one->bytes;
    sum->blocks += one->blocks;
    sum->variance += one->variance;
}

struct held {
    struct amount now;
    struct amount copy; /* H1: the amount at peak number `serial` */
    uint64_t serial;    /* smaller than the current peak's number: see `now` */
};

static inline void held_touch(struct held *held, uint64_t peak_serial)
{
    if (held->serial != peak_serial) {
        held->copy = held->now;
        held->serial = peak_serial;
    }
}

static inline void held_add_amount(struct held *held, const struct amount *one,
                                   uint64_t peak_serial)
{
    held_touch(held, peak_serial);
    amount_add(&held->now, one);
}

static inline void held_remove_amount(struct held *held, const struct amount *one,
                                      uint64_t peak_serial)
{
    held_touch(held, peak_serial);
    held->now.bytes -= one->bytes;
    held->now.blocks -= one->blocks;
    held->now.variance -= one->variance;
}

/* One block. */
static inline void held_add(struct held *held, uint64_t bytes, uint64_t peak_serial)
{
    held_add_amount(held, &(struct amount){.bytes = bytes, .blocks = 1}, peak_serial);
}

static inline void held_remove(struct held *held, uint64_t bytes, uint64_t peak_serial)
{
    held_remove_amount(held, &(struct amount){.bytes = bytes, .blocks = 1}, peak_serial);
}

static inline struct amount held_get_at_peak(const struct held *held, uint64_t peak_serial)
{
    return held->serial == peak_serial ? held->copy : held->now;
}

#endif
