/* objects.c - see objects.h */
#define _GNU_SOURCE
#include "tools/trace/objects.h"

#include <sys/random.h>

#include "tools/trace/memory.h"

enum { FIRST_BUCKETS = 64, FIRST_ROOM = 1 << 7 };

uint64_t objects_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
        seed = (uintptr_t)&seed * UINT64_C(0x9E3779B97F4A7C15);
    return seed | 1;
}

static size_t bytes_of(size_t buckets)
{
    return buckets * sizeof(struct objects_bucket);
}

static void set_buckets(struct objects *objects, size_t buckets)
{
    if (buckets > UINT32_MAX)
        memory_fail(buckets, sizeof(struct objects_bucket));
    objects->bucket = memory_map(bytes_of(buckets));
    objects->buckets = buckets;
    objects->most = buckets * OBJECTS_KEYS * 3 / 4;
}

void objects_init(struct objects *objects, size_t record_bytes)
{
    *objects =
        (struct objects){.seed = objects_seed(), .record_bytes = record_bytes, .room = FIRST_ROOM};
    objects->record = memory_map(FIRST_ROOM * record_bytes);
    set_buckets(objects, FIRST_BUCKETS);
}

void objects_fini(struct objects *objects)
{
    memory_unmap(objects->bucket, bytes_of(objects->buckets));
    memory_unmap(objects->record, objects->room * objects->record_bytes);
    seats_fini(&objects->seats);
    *objects = (struct objects){0};
}

/* -- buckets ---------------------------------------------------------------------------------- */

static void place(struct objects *objects, uint64_t key, uint32_t seat)
{
    size_t at = objects_home(objects, key);
    unsigned free = objects_match(&objects->bucket[at], 0);
    while (free == 0) {
        objects->bucket[at].passed++;
        at = objects_behind(objects, at);
        free = objects_match(&objects->bucket[at], 0);
    }
    objects->bucket[at].key[__builtin_ctz(free)] = key;
    objects->bucket[at].seat[__builtin_ctz(free)] = seat;
}

/* By half: of twice as many, half would be empty for long. */
static void add_buckets(struct objects *objects)
{
    struct objects_bucket *old = objects->bucket;
    size_t buckets = objects->buckets;
    set_buckets(objects, buckets + buckets / 2);
    for (size_t i = 0; i < buckets; i++) {
        for (unsigned k = 0; k < OBJECTS_KEYS; k++) {
            if (old[i].key[k] != 0)
                place(objects, old[i].key[k], old[i].seat[k]);
        }
    }
    memory_unmap(old, bytes_of(buckets));
}

/* -- objects ---------------------------------------------------------------------------------- */

void objects_make_room(struct objects *objects, uint32_t seat)
{
    while (seat >= objects->room) {
        objects->record = memory_map_more(objects->record, objects->room * objects->record_bytes);
        objects->room *= 2;
    }
}

uint32_t objects_insert(struct objects *objects, uint64_t key)
{
    if (objects->count == objects->most)
        add_buckets(objects);
    uint32_t seat = objects_take_seat(objects);
    place(objects, key, seat);
    objects->count++;
    return seat;
}

uint32_t objects_remove_far(struct objects *objects, uint64_t key)
{
    size_t home = objects_home(objects, key), at = home;
    unsigned found;
    for (size_t i = 0; (found = objects_match(&objects->bucket[at], key)) == 0; i++) {
        if (objects->bucket[at].passed == 0 || i + 1 == objects->buckets)
            return 0;
        at = objects_behind(objects, at);
    }
    for (; home != at; home = objects_behind(objects, home))
        objects->bucket[home].passed--;
    uint32_t seat = objects->bucket[at].seat[__builtin_ctz(found)];
    objects->bucket[at].key[__builtin_ctz(found)] = 0;
    objects->count--;
    seats_give(&objects->seats, seat);
    return seat;
}

/* Of a bucket: keys that are free have had a seat, or it is nobody's. */
static MEMORY_PREFETCH void prefetch_records(const struct objects *objects, size_t at)
{
    const struct objects_bucket *bucket = &objects->bucket[at < objects->buckets ? at : 0];
    for (unsigned i = 0; i < OBJECTS_KEYS; i++)
        __builtin_prefetch(objects_get(objects, bucket->seat[i]));
}

bool objects_next(const struct objects *objects, size_t *place, uint64_t *key, uint32_t *seat)
{
    enum { BUCKETS_AHEAD = 4 };
    for (; *place < objects->buckets * OBJECTS_KEYS; ++*place) {
        size_t at = *place / OBJECTS_KEYS, i = *place % OBJECTS_KEYS;
        if (i == 0)
            prefetch_records(objects, at + BUCKETS_AHEAD);
        *key = objects->bucket[at].key[i];
        *seat = objects->bucket[at].seat[i];
        if (*key != 0) {
            ++*place;
            return true;
        }
    }
    return false;
}
