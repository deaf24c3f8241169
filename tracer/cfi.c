/* cfi.c - see cfi.h. */
#include "tracer/cfi.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/cfi_program.h"

enum {
    CFI_PAIR_BYTES = 8,        /* of the table's entries */
    CFI_LENGTH_MOST = 1 << 20, /* of a CIE or FDE: some tens of bytes mostly */
    CFI_PCREL_SDATA4 = 0x1b,
    CFI_PAGES = 512, /* libpython's .eh_frame has 110, libstdc++'s 70 */
    CFI_PAGE_SHIFT = 12,
};

/* -- entries ---------------------------------------------------------------------------------- */

/* Numbers of pages that can be read, with the rules' generation in the low 16 bits. Any thread,
 * relaxed: each cell says one thing. */
static _Atomic uint64_t pages[CFI_PAGES];

static bool is_readable(uintptr_t from, uintptr_t end)
{
    for (uintptr_t page = from >> CFI_PAGE_SHIFT; page <= (end - 1) >> CFI_PAGE_SHIFT; page++) {
        _Atomic uint64_t *known = &pages[page % CFI_PAGES];
        uint64_t value = (uint64_t)page << 16 | (rules_generation() & 0xffff);
        if (MP_LIKELY(atomic_load_explicit(known, memory_order_relaxed) == value))
            continue;
        uintptr_t start = page << CFI_PAGE_SHIFT;
        if (!os_is_readable((const void *)start))
            return false;
        atomic_store_explicit(known, value, memory_order_relaxed);
    }
    return true;
}

/* In the segment that has the unwind information. */
static bool is_inside(const struct module_place *place, uintptr_t from, size_t bytes)
{
    return from >= place->constant && from < place->constant_end &&
           bytes <= place->constant_end - from;
}

/* What an entry has behind its length. */
static bool open_entry(const struct module_place *place, uintptr_t address, struct bytes *entry)
{
    uint32_t length;
    if (!is_inside(place, address, sizeof(length)) ||
        !is_readable(address, address + sizeof(length)))
        return false;
    memcpy(&length, (const void *)address, sizeof(length));
    uintptr_t start = address + sizeof(length);
    if (length == 0 || length > CFI_LENGTH_MOST || !is_inside(place, start, length) ||
        !is_readable(start, start + length))
        return false;
    *entry =
        (struct bytes){(const unsigned char *)start, (const unsigned char *)start + length, false};
    return true;
}

/* The pointer to a language's own function, of whatever encoding. */
static void skip_personality(struct program *program, struct bytes *from)
{
    static const unsigned char sizes[16] = {
        [0x00] = 8, [0x02] = 2, [0x03] = 4, [0x04] = 8, [0x0a] = 2, [0x0b] = 4, [0x0c] = 8};
    uint8_t encoding = bytes_take_u8(from);
    unsigned size = sizes[encoding & 0x0f];
    program->is_odd |= size == 0 || (encoding & 0x70) == 0x50; /* aligned */
    (void)bytes_take(from, size);
}

/* "zPLR", some letters left out. "S" for signal frames is odd. */
static void read_augmentation(struct program *program, const char *letters, struct bytes *from)
{
    bool has_encoding = false;
    for (const char *letter = letters + 1; *letter != '\0'; letter++) {
        if (*letter == 'P')
            skip_personality(program, from);
        else if (*letter == 'L')
            (void)bytes_take(from, 1);
        else if (*letter == 'R')
            has_encoding = bytes_take_u8(from) == CFI_PCREL_SDATA4;
        else
            program->is_odd = true;
    }
    program->is_odd |= letters[0] != 'z' || !has_encoding || from->is_short;
}

/* Runs the CIE's instructions. */
static bool begin(struct program *program, const struct module_place *place, uintptr_t address)
{
    struct bytes entry;
    if (!open_entry(place, address, &entry) || bytes_take_u32(&entry) != 0)
        return false;
    uint8_t version = bytes_take_u8(&entry);
    const char *letters = (const char *)entry.at;
    while (bytes_take_u8(&entry) != 0 && !entry.is_short)
        ;
    program->code_unit = bytes_take_leb(&entry, false);
    program->data_unit = bytes_take_leb(&entry, true);
    size_t ip = version == 1 ? bytes_take_u8(&entry) : (size_t)bytes_take_leb(&entry, false);
    if (entry.is_short || (version != 1 && version != 3) || ip != CFI_PROGRAM_IP ||
        letters[0] != 'z')
        return false;
    size_t bytes = (size_t)bytes_take_leb(&entry, false);
    struct bytes data = {.at = bytes_take(&entry, bytes)};
    data.end = data.at + (entry.is_short ? 0 : bytes);
    read_augmentation(program, letters, &data);
    if (program->is_odd || entry.is_short || !cfi_program_run(program, entry) || program->is_there)
        return false;
    program->initial = program->row;
    return true;
}

/* Runs the FDE's instructions up to the address. */
static bool run_entry(struct program *program, const struct module_place *place, uintptr_t fde,
                      uintptr_t address)
{
    struct bytes entry;
    if (!open_entry(place, fde, &entry))
        return false;
    uintptr_t link = (uintptr_t)entry.at;
    uint32_t distance = bytes_take_u32(&entry);
    if (distance == 0 || !begin(program, place, link - distance))
        return false;
    uintptr_t start = (uintptr_t)entry.at;
    start += (uintptr_t)(intptr_t)(int32_t)bytes_take_u32(&entry);
    uint32_t length = bytes_take_u32(&entry);
    (void)bytes_take(&entry,
                     (size_t)bytes_take_leb(&entry, false)); /* where a language has its tables */
    if (entry.is_short || address - start >= length)
        return false;
    program->to_go = address - start;
    return cfi_program_run(program, entry);
}

/* -- finding ---------------------------------------------------------------------------------- */

/* An entry of the table: where a function begins and where its FDE is, from the table's head. */
static bool read_pair(const struct module_place *place, uint32_t number, int32_t pair[2])
{
    const unsigned char *at = place->index + CFI_HEAD_BYTES + (size_t)number * CFI_PAIR_BYTES;
    if (!is_readable((uintptr_t)at, (uintptr_t)at + CFI_PAIR_BYTES))
        return false;
    memcpy(pair, at, CFI_PAIR_BYTES);
    return true;
}

/* 0: there is none that we can tell. */
static uintptr_t find_entry(const struct module_place *place, uint32_t count, uintptr_t address)
{
    int64_t wanted = (int64_t)(address - (uintptr_t)place->index);
    uint32_t from = 0; /* the last that does not begin behind the address is in from .. end - 1 */
    uint32_t end = count;
    int32_t pair[2];
    while (end - from > 1) {
        uint32_t middle = from + (end - from) / 2;
        if (!read_pair(place, middle, pair))
            return 0;
        if (pair[0] <= wanted)
            from = middle;
        else
            end = middle;
    }
    if (count == 0 || !read_pair(place, from, pair) || pair[0] > wanted)
        return 0;
    return (uintptr_t)place->index + (uintptr_t)(intptr_t)pair[1];
}

/* mov $SYS_rt_sigreturn,%rax; syscall: libunwind knows it by its code too. */
bool cfi_is_signal_return(uintptr_t address)
{
    static const unsigned char code[9] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    return is_readable(address, address + sizeof(code)) &&
           memcmp((const void *)address, code, sizeof(code)) == 0;
}

uint32_t cfi_count_pairs(const struct module_place *place)
{
    static const unsigned char expected[4] = {1, 0x1b, 0x03, 0x3b};
    uint32_t count;
    uintptr_t index = (uintptr_t)place->index;
    if (place->index_bytes < CFI_HEAD_BYTES || !is_inside(place, index, place->index_bytes) ||
        !is_readable(index, index + CFI_HEAD_BYTES) ||
        memcmp(place->index, expected, sizeof(expected)) != 0)
        return 0;
    memcpy(&count, place->index + CFI_HEAD_BYTES - sizeof(count), sizeof(count));
    return count <= (place->index_bytes - CFI_HEAD_BYTES) / CFI_PAIR_BYTES ? count : 0;
}

bool cfi_read_rule(const struct module_place *place, uintptr_t address, struct rule *rule)
{
    struct program program = {.is_odd = false};
    uint32_t count = cfi_count_pairs(place);
    uintptr_t fde = count == 0 ? 0 : find_entry(place, count, address);
    return fde != 0 && run_entry(&program, place, fde, address) &&
           cfi_program_read_rule(&program, rule) && !cfi_is_signal_return(address);
}
