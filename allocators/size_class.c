/* size_class.c - computes the class tables once. */
#include "allocators/size_class.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/slab.h"
#include "allocators/space.h"

struct size_tables size_tables;

/* A slab has at least this many objects and loses at most 1/40 of its bytes at the end (measured:
 * more units per slab trade this waste for fragmentation). */
enum { OBJECTS_MIN = 4, UNITS_MAX = 16, WASTE_SHARE = 40 };

/* Up to here each class is 16 bytes larger than the one before. */
enum { SIZE_EVEN_MAX = 128 };

/* A magazine holds up to 256 rounds or 32 KiB; the sizes that databases use most get more. */
enum { ROUNDS_MAX = 256, MAGAZINE_BYTES = 32 * 1024, ROUNDS_MIN = 2 };

/* Of medium blocks: at most 2 MiB a thread. */
enum { MEDIUM_ROUNDS = 8 };

static const struct {
    uint32_t bytes, rounds;
} warm_sizes[] = {{256, 128}, {384, 96}, {512, 96}, {1024, 48}, {2048, 24}, {4096, 16}};

static uint32_t rounds_of(uint32_t bytes)
{
    for (size_t i = 0; i < sizeof(warm_sizes) / sizeof(warm_sizes[0]); i++) {
        if (warm_sizes[i].bytes == bytes)
            return warm_sizes[i].rounds;
    }
    uint32_t rounds = MAGAZINE_BYTES / bytes;
    if (rounds > ROUNDS_MAX)
        return ROUNDS_MAX;
    return rounds < ROUNDS_MIN ? ROUNDS_MIN : rounds;
}

static uint32_t tail_of(uint32_t units, uint32_t bytes)
{
    return units * UNIT_BYTES % bytes;
}

/* The smallest slab that loses little at its end; where all lose more (a profile's sizes), the one
 * that loses the least share. From below, since most classes end at the first or second division:
 * a program that does nothing pays for all of them. */
static uint8_t units_of(uint32_t bytes)
{
    uint32_t best = UNITS_MAX;
    for (uint32_t units = (OBJECTS_MIN * bytes + UNIT_BYTES - 1) / UNIT_BYTES; units <= UNITS_MAX;
         units++) {
        uint32_t tail = tail_of(units, bytes);
        if (tail <= units * UNIT_BYTES / WASTE_SHARE)
            return (uint8_t)units;
        if (tail * best <= tail_of(best, bytes) * units)
            best = units;
    }
    return (uint8_t)best;
}

static void fill_class(struct size_class *class, uint32_t bytes)
{
    class->bytes = bytes;
    class->units = units_of(bytes);
    size_t objects = class->units * (size_t)UNIT_BYTES / bytes;
    class->objects = (uint16_t)(objects < SLAB_OBJECTS_MAX ? objects : SLAB_OBJECTS_MAX);
    class->reciprocal = ((UINT64_C(1) << 40) + bytes - 1) / bytes;
    class->rounds_max = rounds_of(bytes);
}

static uint32_t next_size(uint32_t bytes)
{
    if (bytes < SIZE_EVEN_MAX)
        return bytes + 16;
    return bytes + (UINT32_C(1) << (log2_floor(bytes) - 3));
}

/* -- the tables ------------------------------------------------------------------------------- */

static void add_classes(void)
{
    uint32_t bytes = 16;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class ++) {
        fill_class(&size_tables.classes[class], bytes);
        bytes = next_size(bytes);
    }
    MP_ASSERT(size_tables.classes[SIZE_CLASS_EXACT - 1].bytes == SIZE_SLAB_MAX);
    size_tables.classes[SIZE_CLASS_MEDIUM].rounds_max = MEDIUM_ROUNDS;
}

static void fill_slots(void)
{
    size_t grains = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class ++) {
        size_t end = size_tables.classes[class].bytes / SIZE_GRAIN + 1;
        memset(size_tables.of_grains + grains, (int)class, end - grains);
        grains = end;
    }
}

/* Those of the eight in a doubling that a spacing leaves out hand their sizes to the next one. */
static __attribute__((cold, noinline)) void thin_out(uint32_t spacing)
{
    unsigned serving = SIZE_CLASS_EXACT - 1;
    for (size_t at = SIZE_SLAB_MAX / SIZE_GRAIN + 1; at-- > 0;) {
        unsigned class = size_tables.of_grains[at];
        uint32_t bytes = size_tables.classes[class].bytes;
        uint32_t step = (UINT32_C(1) << log2_floor(bytes)) / spacing;
        if (bytes <= SIZE_EVEN_MAX || (bytes & (step - 1)) == 0)
            serving = class;
        size_tables.of_grains[at] = (uint8_t)serving;
    }
}

/* The class takes its size, and those below that the next smaller class does not hold. */
static void add_exact(unsigned class, uint32_t bytes)
{
    fill_class(&size_tables.classes[class], bytes);
    for (size_t at = bytes; size_tables.classes[size_class_of(at)].bytes >= bytes; at -= SIZE_GRAIN)
        size_tables.of_grains[at >> SIZE_GRAIN_SHIFT] = (uint8_t) class;
}

static void add_exact_classes(const struct profile *profile)
{
    unsigned class = SIZE_CLASS_EXACT;
    for (uint32_t i = 0; i < profile->exact; i++) {
        uint32_t bytes = profile->exact_bytes[i];
        if (size_tables.classes[size_class_of(bytes)].bytes != bytes)
            add_exact(class ++, bytes);
    }
}

static void warm(struct size_class *class, uint32_t rounds)
{
    class->step = (uint8_t)(log2_floor(rounds - 1) + 1 - 3);
    if (class->rounds_max < rounds)
        class->rounds_max = rounds;
}

void size_class_init(const struct profile *profile)
{
    add_classes();
    fill_slots();
    if (profile->spacing != 0)
        thin_out(profile->spacing);
    add_exact_classes(profile);
    for (uint32_t i = 0; i < profile->warm; i++) {
        unsigned class = size_class_of(profile->warms[i].bytes);
        warm(&size_tables.classes[class], profile->warms[i].rounds);
    }
}

MP_RARE void size_class_add_batches(void)
{
    static_assert(SIZE_BATCH >= SIZE_MAGAZINE_END, "numbers of their own");
    memcpy(size_tables.classes + SIZE_BATCH, size_tables.classes,
           SIZE_CLASS_END * sizeof(struct size_class));
}

unsigned size_class_of_aligned(size_t bytes, size_t alignment)
{
    if (alignment > SIZE_ALIGNMENT_MAX || bytes > SIZE_SLAB_MAX)
        return 0;
    size_t at = bytes == 0 ? alignment : round_up(bytes, alignment);
    while (at <= SIZE_SLAB_MAX) {
        unsigned class = size_class_of(at);
        uint32_t class_bytes = size_tables.classes[class].bytes;
        if ((class_bytes & (alignment - 1)) == 0)
            return class;
        at = class_bytes + 1;
    }
    return 0;
}
