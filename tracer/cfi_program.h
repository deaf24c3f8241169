/* cfi_program.h - the instructions of .eh_frame, as far as rules need them: where the CFA is, and
 * where the caller's frame pointer and return address are. What they say of other registers is
 * passed over; what cannot be a rule makes the program odd. */
#ifndef MPRESS_TRACER_CFI_PROGRAM_H
#define MPRESS_TRACER_CFI_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/check.h"
#include "tracer/rules.h"

/* -- bytes ------------------------------------------------------------------------------------ */

/* Behind the end zeros are read, and is_short is true from then on. */
struct bytes {
    const unsigned char *at;
    const unsigned char *end;
    bool is_short;
};

static inline const unsigned char *bytes_take(struct bytes *from, size_t bytes)
{
    static const unsigned char zeros[sizeof(uint64_t)];
    const unsigned char *at = from->at;
    if (MP_UNLIKELY(bytes > (size_t)(from->end - at))) {
        from->is_short = true;
        from->at = from->end;
        return zeros; /* of numbers, that is; a block is not looked at */
    }
    from->at += bytes;
    return at;
}

static inline uint8_t bytes_take_u8(struct bytes *from)
{
    return *bytes_take(from, 1);
}

static inline uint16_t bytes_take_u16(struct bytes *from)
{
    uint16_t value;
    memcpy(&value, bytes_take(from, sizeof(value)), sizeof(value));
    return value;
}

static inline uint32_t bytes_take_u32(struct bytes *from)
{
    uint32_t value;
    memcpy(&value, bytes_take(from, sizeof(value)), sizeof(value));
    return value;
}

/* Of four bytes at most, so that products of two fit 64 bits; a longer one counts as cut short. */
int64_t bytes_take_leb(struct bytes *from, bool is_signed);

/* -- programs --------------------------------------------------------------------------------- */

enum { CFI_PROGRAM_ROWS = 4, CFI_PROGRAM_IP = 16 };

/* Where the caller's register is. */
enum saved_where { SAVED_NOT, SAVED_ON_STACK, SAVED_ELSEWHERE };

struct saved {
    enum saved_where where;
    int64_t offset; /* on the stack: from the CFA */
};

/* What is known at an address. */
struct row {
    bool has_cfa; /* as register and offset */
    int64_t cfa_register;
    int64_t cfa_offset;
    struct saved bp, sp, ip;
};

struct program {
    int64_t code_unit;
    int64_t data_unit;
    uint64_t to_go;      /* from the row's address to the one that is asked for */
    bool is_there;       /* the next row is behind that one */
    bool is_odd;         /* something that we cannot do */
    unsigned remembered; /* rows in memory[]; compilers need one */
    struct row row;
    struct row initial; /* what the CIE's instructions made */
    struct row memory[CFI_PROGRAM_ROWS];
};

/* False: something is odd. */
bool cfi_program_run(struct program *program, struct bytes instructions);

/* False: the row is no rule. */
bool cfi_program_read_rule(const struct program *program, struct rule *rule);

#endif
