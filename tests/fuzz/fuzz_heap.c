/* fuzz_heap.c - bytes become operations on a table of blocks; each block proves itself by a
 * pattern, and the heap is audited (LLVMFuzzerTestOneInput: libFuzzer's convention, or run by
 * fuzz_main.c).
 *
 *     operation: u8 kind, u8 slot, u16 size (low 4 bits: mantissa, next 5: exponent)
 *
 * An input leaves the heap as it found it: empty, but with whatever it keeps. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/heap.h"

enum { SLOTS = 256, EDGE = 48, AUDIT_EVERY = 16, BURST = 200 };
enum { BYTES_MOST = 80 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct conf conf;
    conf_init(&conf);
    conf_read(&conf, os_environ());
    if (heap_init(&conf) != 0)
        exit(3);
    if (conf.check)
        heap_set_checked();
    return 0;
}

static struct {
    unsigned char *at;
    size_t bytes;
    unsigned char mark;
} slots[SLOTS];
static unsigned char next_mark;

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static size_t size_of(unsigned code)
{
    size_t bytes = (size_t)(16 + (code & 15)) << (code >> 4 & 31) >> 4;
    return bytes <= BYTES_MOST ? bytes - (code >> 9 & 1) : code & 63;
}

/* -- patterns --------------------------------------------------------------------------------- */

static size_t edge_of(size_t bytes)
{
    return bytes < EDGE ? bytes : EDGE;
}

static void mark(unsigned slot)
{
    size_t edge = edge_of(slots[slot].bytes);
    slots[slot].mark = ++next_mark;
    memset(slots[slot].at, next_mark, edge);
    memset(slots[slot].at + slots[slot].bytes - edge, next_mark, edge);
}

static bool is_marked(const unsigned char *at, size_t bytes, unsigned char byte)
{
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != byte)
            return false;
    }
    return true;
}

static void verify(unsigned slot)
{
    size_t edge = edge_of(slots[slot].bytes);
    const unsigned char *at = slots[slot].at;
    check(is_marked(at, edge, slots[slot].mark), "the first bytes of a block changed");
    check(is_marked(at + slots[slot].bytes - edge, edge, slots[slot].mark),
          "the last bytes of a block changed");
    check(heap_usable(at) >= slots[slot].bytes, "a block lost usable bytes");
}

/* -- operations ------------------------------------------------------------------------------- */

static void empty(unsigned slot)
{
    if (slots[slot].at == NULL)
        return;
    verify(slot);
    if (!heap_free_fast(slots[slot].at))
        heap_free(slots[slot].at);
    slots[slot].at = NULL;
}

static void fill(unsigned slot, void *p, size_t bytes)
{
    if (p == NULL)
        return;
    slots[slot].at = p;
    slots[slot].bytes = bytes;
    check(heap_usable(p) >= bytes, "less usable than asked for");
    mark(slot);
}

static void alloc_aligned(unsigned slot, size_t bytes, unsigned code)
{
    size_t alignment = (size_t)16 << code % 20;
    void *p = heap_alloc_aligned(alignment, bytes);
    check((uintptr_t)p % alignment == 0, "misaligned");
    fill(slot, p, bytes);
}

static void alloc_zeroed(unsigned slot, size_t bytes)
{
    const unsigned char *p = heap_alloc_zeroed(bytes);
    for (size_t i = 0; p != NULL && i < bytes; i += i < 4096 ? 1 : 997)
        check(p[i] == 0, "not zeroed");
    fill(slot, (void *)(uintptr_t)p, bytes);
}

static void resize(unsigned slot, size_t bytes)
{
    if (slots[slot].at == NULL)
        return;
    verify(slot);
    size_t kept = edge_of(slots[slot].bytes < bytes ? slots[slot].bytes : bytes);
    void *p = heap_realloc(slots[slot].at, bytes + 1);
    check(p == NULL || is_marked(p, kept, slots[slot].mark), "realloc lost bytes");
    fill(slot, p, bytes + 1);
}

/* Fills and empties whatever caches there are. */
static void burst(size_t bytes)
{
    static void *blocks[BURST];
    bytes = bytes > 40000 ? 40000 : bytes;
    for (int i = 0; i < BURST; i++)
        blocks[i] = heap_alloc(bytes);
    for (int i = 0; i < BURST; i++)
        heap_free(blocks[i * 7 % BURST]);
}

static void empty_some(unsigned first, unsigned step)
{
    for (unsigned slot = first; slot < SLOTS; slot += step)
        empty(slot);
}

static void operate(unsigned kind, unsigned slot, unsigned code)
{
    size_t bytes = size_of(code);
    if (kind % 8 < 4)
        empty(slot);
    switch (kind % 8) {
    case 0:
        fill(slot, heap_alloc(bytes), bytes);
        break;
    case 1:
        alloc_aligned(slot, bytes, kind >> 3);
        break;
    case 2:
        alloc_zeroed(slot, bytes);
        break;
    case 4:
    case 5:
        resize(slot, bytes);
        break;
    case 6:
        burst(bytes);
        break;
    case 7:
        if ((kind & 8) != 0)
            heap_compact();
        else
            empty_some(slot, 1 + code % 8);
    }
}

static void check_is_empty(void)
{
    struct heap_stats stats;
    heap_read_stats(&stats);
    check(stats.live_objects == 0 && stats.live_bytes == 0, "freed blocks are counted as live");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 4 <= size; at += 4) {
        operate(data[at], data[at + 1], data[at + 2] | (unsigned)data[at + 3] << 8);
        if (at / 4 % AUDIT_EVERY == AUDIT_EVERY - 1)
            heap_audit();
    }
    empty_some(0, 1);
    heap_audit();
    check_is_empty();
    return 0;
}
