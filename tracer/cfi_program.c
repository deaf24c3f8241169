/* cfi_program.c - see cfi_program.h. */
#include "tracer/cfi_program.h"

enum { CFI_BP = 6, CFI_SP = 7 }; /* the numbers of DWARF */

int64_t bytes_take_leb(struct bytes *from, bool is_signed)
{
    int64_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = bytes_take_u8(from);
        value |= (int64_t)(byte & 0x7f) << shift;
        if (byte >= 0x80)
            continue;
        bool is_negative = is_signed && (byte & 0x40) != 0;
        return is_negative ? value - (INT64_C(1) << (shift + 7)) : value;
    }
    from->is_short = true;
    return 0;
}

/* -- rows ------------------------------------------------------------------------------------- */

/* NULL: one that rules do not speak of. */
static struct saved *find_saved(struct row *row, int64_t number)
{
    switch (number) {
    case CFI_BP:
        return &row->bp;
    case CFI_SP:
        return &row->sp;
    case CFI_PROGRAM_IP:
        return &row->ip;
    default:
        return NULL;
    }
}

static void save(struct program *program, int64_t number, enum saved_where where, int64_t offset)
{
    struct saved *saved = find_saved(&program->row, number);
    if (saved != NULL)
        *saved = (struct saved){where, offset};
}

static void restore(struct program *program, int64_t number)
{
    const struct saved *initial = find_saved(&program->initial, number);
    if (initial != NULL)
        *find_saved(&program->row, number) = *initial;
}

static void define_cfa(struct program *program, int64_t number, int64_t offset)
{
    program->row.has_cfa = true;
    program->row.cfa_register = number;
    program->row.cfa_offset = offset;
}

/* A half of it alone means nothing behind an expression. */
static void change_cfa(struct program *program, int64_t number, int64_t offset)
{
    program->is_odd |= !program->row.has_cfa;
    define_cfa(program, number, offset);
}

static void advance(struct program *program, int64_t units)
{
    uint64_t bytes = (uint64_t)(units * program->code_unit);
    program->is_there = bytes > program->to_go;
    program->to_go -= bytes;
}

static void remember(struct program *program)
{
    if (program->remembered < CFI_PROGRAM_ROWS)
        program->memory[program->remembered++] = program->row;
    else
        program->is_odd = true;
}

static void recall(struct program *program)
{
    if (program->remembered > 0)
        program->row = program->memory[--program->remembered];
    else
        program->is_odd = true;
}

/* -- instructions ----------------------------------------------------------------------------- */

/* DW_CFA_* without the operand in the low bits (DWARF 5, 7.24); 0x2e is GNU's. */
enum {
    CFA_ADVANCE_1 = 0x02,
    CFA_ADVANCE_2 = 0x03,
    CFA_ADVANCE_4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_ARGS_SIZE = 0x2e,
    CFA_CODES,
};

/* What follows, a letter for each operand: 1, 2, 4 bytes, Uleb, Sleb, Block. NULL: odd. */
static const char *const operands[CFA_CODES] = {
    [0] = "",
    [CFA_ADVANCE_1] = "1",
    [CFA_ADVANCE_2] = "2",
    [CFA_ADVANCE_4] = "4",
    [CFA_OFFSET_EXTENDED] = "UU",
    [CFA_RESTORE_EXTENDED] = "U",
    [CFA_UNDEFINED] = "U",
    [CFA_SAME_VALUE] = "U",
    [CFA_REGISTER] = "UU",
    [CFA_REMEMBER_STATE] = "",
    [CFA_RESTORE_STATE] = "",
    [CFA_DEF_CFA] = "UU",
    [CFA_DEF_CFA_REGISTER] = "U",
    [CFA_DEF_CFA_OFFSET] = "U",
    [CFA_DEF_CFA_EXPRESSION] = "B",
    [CFA_EXPRESSION] = "UB",
    [CFA_OFFSET_EXTENDED_SF] = "US",
    [CFA_DEF_CFA_SF] = "US",
    [CFA_DEF_CFA_OFFSET_SF] = "S",
    [CFA_VAL_OFFSET] = "UU",
    [CFA_VAL_OFFSET_SF] = "US",
    [CFA_VAL_EXPRESSION] = "UB",
    [CFA_ARGS_SIZE] = "U",
};

static int64_t take_operand(struct bytes *from, char kind)
{
    switch (kind) {
    case '1':
        return bytes_take_u8(from);
    case '2':
        return bytes_take_u16(from);
    case '4':
        return bytes_take_u32(from);
    case 'S':
        return bytes_take_leb(from, true);
    case 'U':
        return bytes_take_leb(from, false);
    default:
        (void)bytes_take(from, (size_t)bytes_take_leb(from, false));
        return 0;
    }
}

static void do_instruction(struct program *program, unsigned code, int64_t first, int64_t second)
{
    struct row *row = &program->row;
    switch (code) {
    case CFA_ADVANCE_1:
    case CFA_ADVANCE_2:
    case CFA_ADVANCE_4:
        advance(program, first);
        break;
    case CFA_OFFSET_EXTENDED:
    case CFA_OFFSET_EXTENDED_SF:
        save(program, first, SAVED_ON_STACK, second * program->data_unit);
        break;
    case CFA_RESTORE_EXTENDED:
        restore(program, first);
        break;
    case CFA_SAME_VALUE:
        save(program, first, SAVED_NOT, 0);
        break;
    case CFA_UNDEFINED:
    case CFA_REGISTER:
    case CFA_EXPRESSION:
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF:
    case CFA_VAL_EXPRESSION:
        save(program, first, SAVED_ELSEWHERE, 0);
        break;
    case CFA_REMEMBER_STATE:
        remember(program);
        break;
    case CFA_RESTORE_STATE:
        recall(program);
        break;
    case CFA_DEF_CFA:
        define_cfa(program, first, second);
        break;
    case CFA_DEF_CFA_SF:
        define_cfa(program, first, second * program->data_unit);
        break;
    case CFA_DEF_CFA_REGISTER:
        change_cfa(program, first, row->cfa_offset);
        break;
    case CFA_DEF_CFA_OFFSET:
        change_cfa(program, row->cfa_register, first);
        break;
    case CFA_DEF_CFA_OFFSET_SF:
        change_cfa(program, row->cfa_register, first * program->data_unit);
        break;
    case CFA_DEF_CFA_EXPRESSION:
        row->has_cfa = false;
        break;
    default: /* nothing, or what callers push */
        break;
    }
}

static void step(struct program *program, struct bytes *from)
{
    uint8_t byte = bytes_take_u8(from);
    unsigned low = byte & 0x3f;
    switch (byte >> 6) {
    case 1:
        advance(program, low);
        return;
    case 2:
        save(program, low, SAVED_ON_STACK, bytes_take_leb(from, false) * program->data_unit);
        return;
    case 3:
        restore(program, low);
        return;
    default:
        break;
    }
    const char *kinds = low < CFA_CODES ? operands[low] : NULL;
    if (kinds == NULL) {
        program->is_odd = true;
        return;
    }
    int64_t first = kinds[0] != '\0' ? take_operand(from, kinds[0]) : 0;
    int64_t second = kinds[0] != '\0' && kinds[1] != '\0' ? take_operand(from, kinds[1]) : 0;
    do_instruction(program, low, first, second);
}

bool cfi_program_run(struct program *program, struct bytes instructions)
{
    while (instructions.at < instructions.end && !program->is_odd && !program->is_there)
        step(program, &instructions);
    return !program->is_odd && !instructions.is_short;
}

bool cfi_program_read_rule(const struct program *program, struct rule *rule)
{
    const struct row *row = &program->row;
    bool is_from_bp = row->cfa_register == CFI_BP;
    int64_t cfa = row->cfa_offset, bp = row->bp.offset;
    if (!row->has_cfa || (!is_from_bp && row->cfa_register != CFI_SP) || cfa < -RULE_CFA_REACH ||
        cfa >= RULE_CFA_REACH)
        return false;
    if (row->ip.where != SAVED_ON_STACK || row->ip.offset != -8 || row->sp.where != SAVED_NOT ||
        row->bp.where == SAVED_ELSEWHERE || bp < -RULE_BP_REACH || bp >= RULE_BP_REACH)
        return false;
    bool is_saved = row->bp.where == SAVED_ON_STACK;
    *rule = (struct rule){FRAME_SIMPLE, is_from_bp, is_saved, (int32_t)cfa, (int32_t)bp};
    return true;
}
