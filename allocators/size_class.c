/* size_class.c - computes the class tables once. */
#include "allocators/size_class.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/slab.h"
#include "allocators/space.h"

struct size_tables size_tables;

/* A slab has at least this many objects and loses at most 1/40 of its bytes at the end (measured:
 * more units per slab trade this waste for fragmentation). */
enum { OBJECTS_MIN = 4, UNITS_MAX = 16, WASTE_SHARE = 40 };

/* A magazine holds up to 256 rounds or 32 KiB; the sizes that databases use most get more. */
enum { ROUNDS_MAX = 256, MAGAZINE_BYTES = 32 * 1024, ROUNDS_MIN = 2 };
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

static uint8_t units_of(uint32_t bytes)
{
    for (size_t units = 1; units < UNITS_MAX; units++) {
        size_t slab_bytes = units * UNIT_BYTES;
        if (slab_bytes / bytes >= OBJECTS_MIN && slab_bytes % bytes <= slab_bytes / WASTE_SHARE)
            return (uint8_t)units;
    }
    return UNITS_MAX;
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
    if (bytes < 128)
        return bytes + 16;
    return bytes + (UINT32_C(1) << (log2_floor(bytes) - 3));
}

void size_class_init(void)
{
    uint32_t bytes = 16;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        fill_class(&size_tables.classes[class], bytes);
        bytes = next_size(bytes);
    }
    MP_ASSERT(size_tables.classes[SIZE_CLASS_END - 1].bytes == SIZE_SLAB_MAX);

    unsigned class = SIZE_CLASS_FIRST;
    for (size_t n = 0; n <= SIZE_SLAB_MAX; n += 16) {
        while (size_tables.classes[class].bytes < n)
            class ++;
        if (n <= SIZE_SMALL_MAX)
            size_tables.small[n >> SIZE_SMALL_SHIFT] = (uint8_t) class;
        if (n % 128 == 0)
            size_tables.mid[n >> SIZE_MID_SHIFT] = (uint8_t) class;
    }
}

unsigned size_class_of_aligned(size_t bytes, size_t alignment)
{
    if (alignment > UNIT_BYTES || bytes > SIZE_SLAB_MAX)
        return 0;
    size_t rounded = bytes == 0 ? alignment : round_up(bytes, alignment);
    unsigned class = size_class_of(rounded);
    while (class < SIZE_CLASS_END && (size_tables.classes[class].bytes & (alignment - 1)) != 0)
        class ++;
    return class < SIZE_CLASS_END ? class : 0;
}
