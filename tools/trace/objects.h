/* objects.h - which object lives at an address now: a number for each address (or any other key),
 * and a record for each number.
 *
 *     address --hash--> bucket: | 5 keys | 5 seats | passed |    one line of the CPU's cache
 *                                            \
 *                                          records: | of seat 1 | of seat 2 | ...     (seats.h)
 *
 * A key is in its own bucket or, where that was full, in the next one that was not. Each bucket
 * counts the keys that passed it by, so a search ends at the first one that none did; nearly always
 * that is the key's own, and nothing moves when a key goes (Bronson & Shi, "F14", 2019, has buckets
 * of this kind). The hash is seeded, so that no file can be made to collide. */
#ifndef MPRESS_TOOLS_TRACE_OBJECTS_H
#define MPRESS_TOOLS_TRACE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/seats.h"

enum { OBJECTS_KEYS = 5 };

struct objects_bucket {
    uint64_t key[OBJECTS_KEYS]; /* 0: free */
    uint32_t seat[OBJECTS_KEYS];
    uint32_t passed; /* B1: keys that live in a bucket behind, as there was no room here */
};

_Static_assert(sizeof(struct objects_bucket) == 64, "a line of the CPU's cache");

struct objects {
    struct objects_bucket *bucket;
    size_t buckets; /* less than 2^32 */
    size_t count;   /* keys */
    size_t most;    /* B2: count <= most: 3/4 of what there is room for */
    uint64_t seed;  /* odd */
    struct seats seats;
    void *record; /* by seat */
    size_t record_bytes;
    size_t room; /* for seats below */
};

void objects_init(struct objects *objects, size_t record_bytes);
void objects_fini(struct objects *objects);

/* Parts of what is below. */
void objects_make_room(struct objects *objects, uint32_t seat);
uint32_t objects_remove_far(struct objects *objects, uint64_t key);

/* A seat for what has no key; its record is as whoever had the seat before left it. */
static inline uint32_t objects_take_seat(struct objects *objects)
{
    uint32_t seat = seats_take(&objects->seats);
    if (__builtin_expect(seat >= objects->room, 0))
        objects_make_room(objects, seat);
    return seat;
}

/* `key` is not 0 and not in it. The seat that it takes; its record as above. */
uint32_t objects_insert(struct objects *objects, uint64_t key);

/* The keys, in no order: *place is 0 at first. False: there are no more. Starts loading the records
 * of those that come soon. */
bool objects_next(const struct objects *objects, size_t *place, uint64_t *key, uint32_t *seat);

/* Good until the next insert. */
static inline void *objects_get(const struct objects *objects, uint32_t seat)
{
    return (char *)objects->record + seat * objects->record_bytes;
}

/* Twice multiplied: rows of addresses that are equally far apart would fall into few buckets of
 * some seeds otherwise, and all is twice as slow then. */
static inline size_t objects_home(const struct objects *objects, uint64_t key)
{
    uint64_t hash = key * objects->seed;
    hash = (hash ^ hash >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)((hash >> 32) * objects->buckets >> 32);
}

static inline size_t objects_behind(const struct objects *objects, size_t at)
{
    return at + 1 < objects->buckets ? at + 1 : 0;
}

/* Bit i: it is key i. Without branches, since any of the five is as likely. */
static inline unsigned objects_match(const struct objects_bucket *bucket, uint64_t key)
{
    unsigned found = 0;
#pragma GCC unroll 5
    for (unsigned i = 0; i < OBJECTS_KEYS; i++)
        found |= (unsigned)(bucket->key[i] == key) << i;
    return found;
}

/* The seat of a key; 0: it is not there. */
static inline uint32_t objects_find(const struct objects *objects, uint64_t key)
{
    size_t at = objects_home(objects, key);
    for (size_t i = 0; i < objects->buckets; i++) {
        const struct objects_bucket *bucket = &objects->bucket[at];
        unsigned found = objects_match(bucket, key);
        if (found != 0)
            return bucket->seat[__builtin_ctz(found)];
        if (bucket->passed == 0)
            return 0;
        at = objects_behind(objects, at);
    }
    return 0;
}

/* The key goes, and gives its seat back; the record is good until the next insert. 0: it is not
 * there. */
static inline uint32_t objects_remove(struct objects *objects, uint64_t key)
{
    struct objects_bucket *bucket = &objects->bucket[objects_home(objects, key)];
    unsigned found = objects_match(bucket, key);
    if (__builtin_expect(found == 0, 0))
        return objects_remove_far(objects, key);
    unsigned place = (unsigned)__builtin_ctz(found);
    bucket->key[place] = 0;
    objects->count--;
    seats_give(&objects->seats, bucket->seat[place]);
    return bucket->seat[place];
}

/* As objects_insert, but the key may be there: then *before is its seat, which it keeps; else 0. */
static inline uint32_t objects_put(struct objects *objects, uint64_t key, uint32_t *before)
{
    struct objects_bucket *bucket = &objects->bucket[objects_home(objects, key)];
    unsigned free = objects_match(bucket, 0);
    *before = 0;
    if (__builtin_expect(objects_match(bucket, key) != 0 || bucket->passed != 0, 0))
        *before = objects_find(objects, key);
    if (__builtin_expect(*before != 0, 0))
        return *before;
    if (__builtin_expect(free == 0 || objects->count == objects->most, 0))
        return objects_insert(objects, key);
    uint32_t seat = objects_take_seat(objects);
    bucket->key[__builtin_ctz(free)] = key;
    bucket->seat[__builtin_ctz(free)] = seat;
    objects->count++;
    return seat;
}

/* That will be asked for: first its bucket is loaded, then, by the second call, its record. */
static MEMORY_PREFETCH void objects_prefetch_bucket(const struct objects *objects, uint64_t key)
{
    __builtin_prefetch(&objects->bucket[objects_home(objects, key)], 1);
}

static MEMORY_PREFETCH void objects_prefetch_record(const struct objects *objects, uint64_t key)
{
    const struct objects_bucket *bucket = &objects->bucket[objects_home(objects, key)];
    unsigned found = objects_match(bucket, key) | 1U << (OBJECTS_KEYS - 1);
    __builtin_prefetch(objects_get(objects, bucket->seat[__builtin_ctz(found)]), 1);
}

/* An odd number that is another one in every process. */
uint64_t objects_seed(void);

#endif
