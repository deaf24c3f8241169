/* format_numbers.h - the numbers of the trace file, and its checksum (format.h). */
#ifndef MPRESS_TRACER_FORMAT_NUMBERS_H
#define MPRESS_TRACER_FORMAT_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

static inline unsigned char *trace_put_uvarint(unsigned char *at, uint64_t n)
{
    while (n >= 0x80) {
        *at++ = (unsigned char)(n | 0x80);
        n >>= 7;
    }
    *at++ = (unsigned char)n;
    return at;
}

static inline uint64_t trace_zigzag(int64_t n)
{
    return ((uint64_t)n << 1) ^ (uint64_t)(n >> 63);
}

static inline int64_t trace_unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

static inline unsigned char *trace_put_svarint(unsigned char *at, int64_t n)
{
    return trace_put_uvarint(at, trace_zigzag(n));
}

/* Reads a uvarint of [at, end) into *n; the place behind it, or NULL: cut short or over 64 bits. */
static inline const unsigned char *trace_get_uvarint(const unsigned char *at,
                                                     const unsigned char *end, uint64_t *n)
{
    uint64_t value = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        unsigned char byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *n = value;
            return at;
        }
    }
    return NULL;
}

/* Two running sums over 32-bit words, the tail padded with zeros (after Fletcher 1982). */
static inline uint64_t trace_checksum(const unsigned char *payload, size_t bytes)
{
    uint64_t sum = 1;
    uint64_t sum_of_sums = 0;
    uint32_t word; /* little-endian, as the file is */
    size_t whole = bytes & ~(size_t)3;
    for (size_t i = 0; i < whole; i += 4) {
        __builtin_memcpy(&word, payload + i, 4);
        sum += word;
        sum_of_sums += sum;
    }
    if (whole != bytes) {
        word = 0;
        __builtin_memcpy(&word, payload + whole, bytes - whole);
        sum += word;
        sum_of_sums += sum;
    }
    return sum ^ (sum_of_sums << 32 | sum_of_sums >> 32);
}

#endif
