/* pattern.h - which sizes a program asks for, per size class: counted where a magazine is refilled,
 * never on the hot path.
 *
 * A refill of n rounds means that at least n requests are served before the next one (more when
 * objects come back meanwhile): so refills / rounds is the most of all requests that the hot path
 * cannot have served. The request that meets an empty magazine is the sample of its class. */
#ifndef MPRESS_PATTERN_H
#define MPRESS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum { PATTERN_SIZES = 5 }; /* one cache line per class */

struct pattern {
    uint64_t refills;
    uint64_t rounds; /* loaded by them */
    uint64_t asked;  /* bytes that the requests asked for which met an empty magazine */
    struct pattern_size {
        uint32_t bytes;
        uint64_t count;    /* 0: none; at most refills / PATTERN_SIZES too many */
    } size[PATTERN_SIZES]; /* most frequent first; every size asked for in more than one refill out
                            * of PATTERN_SIZES is among them (Metwally et al. 2005) */
};

/* A request of so many bytes met an empty magazine, which got `rounds`. Any thread. */
void pattern_note(unsigned class, size_t bytes, uint32_t rounds);

/* Reads while others count: each number by itself is right. */
void pattern_read(unsigned class, struct pattern *pattern);

#endif
