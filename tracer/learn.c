/* learn.c - see learn.h. */
#include "tracer/learn.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind-x86_64.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "tracer/cfi.h"
#include "tracer/memory.h"
#include "tracer/modules.h"
#include "tracer/own_stack.h"

/* libunwind-x86_64.so.8: the x86-64 unwinder for processes in general. Its fast path is for other
 * uses, but it has no state of the process it runs in. */
#define LEARN_LIBRARY "libunwind-x86_64.so.8"

enum {
    LEARN_REGISTERS = UNW_X86_64_RIP + 1,
};

typedef int search_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info,
                         unw_proc_info_t *result, int need_unwind_info, void *argument);

static struct {
    unw_addr_space_t space; /* NULL: libunwind cannot be asked */
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *, int);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    int (*init_remote)(unw_cursor_t *, unw_addr_space_t, void *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    search_table *search;
    _Atomic uint32_t inside; /* threads in libunwind just now */
    _Atomic uint64_t steps;  /* asked for */
} learn;

/* One question to libunwind; what its accessors get as argument. */
struct question {
    bool is_symbolic;
    bool is_blind;     /* out: no unwind information for the address */
    uint64_t low_bits; /* of this run's symbols */
    struct real_step *step;
    struct memory memory; /* pages that can be read */
    unw_cursor_t cursor;
};

/* -- symbols ---------------------------------------------------------------------------------- */

/* Non-canonical addresses, 2^52 apart; what was read at one of them has the next bit set. */
#define SYMBOL_FIRST (UINT64_C(1) << 60)
#define SYMBOL_STEP (UINT64_C(1) << 52)
#define SYMBOL_READ (UINT64_C(1) << 61)

static uint64_t symbol_of(const struct question *question, int number)
{
    return SYMBOL_FIRST + (uint64_t)number * SYMBOL_STEP + question->low_bits;
}

/* True when `value` is register `number` plus an offset. */
static bool is_near(const struct question *question, uint64_t value, int number, int64_t reach,
                    int32_t *offset)
{
    int64_t distance = (int64_t)(value - symbol_of(question, number));
    *offset = (int32_t)distance;
    return distance >= -reach && distance < reach;
}

static bool is_near_any(const struct question *question, uint64_t value)
{
    int32_t offset;
    if (MP_LIKELY(value < SYMBOL_FIRST - RULE_CFA_REACH))
        return false; /* an address */
    for (int number = 0; number < LEARN_REGISTERS; number++)
        if (is_near(question, value, number, RULE_CFA_REACH, &offset))
            return true;
    return false;
}

/* -- what libunwind asks us ------------------------------------------------------------------- */

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *result,
                          int need_unwind_info, void *argument)
{
    struct question *question = argument;
    struct module_place place;
    question->is_blind = true;
    uint32_t pairs = modules_find(ip, &place) && place.index != NULL ? cfi_count_pairs(&place) : 0;
    if (pairs == 0)
        return -UNW_ENOINFO;
    unw_dyn_info_t info = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};
    info.start_ip = place.start;
    info.end_ip = place.end;
    info.u.rti.segbase = (unw_word_t)place.index;
    info.u.rti.table_data = (unw_word_t)place.index + CFI_HEAD_BYTES;
    info.u.rti.table_len = pairs; /* in words of 8 bytes, as a pair has */
    int error = learn.search(space, ip, &info, result, need_unwind_info, argument);
    question->is_blind = error < 0;
    return error;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *argument)
{
    (void)space;
    (void)info;
    (void)argument;
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *address, void *argument)
{
    (void)space;
    (void)address;
    (void)argument;
    return -UNW_ENOINFO;
}

static void note_read(struct real_step *step, uintptr_t address, uint64_t value)
{
    struct module_place place;
    if (modules_find(address, &place) && address >= place.constant && address < place.constant_end)
        return; /* unwind information does not change */
    if (step->reads < LEARN_READS) {
        step->address[step->reads] = address;
        step->value[step->reads] = value;
    }
    step->reads++;
}

/* Words of code and of .eh_frame may lie across two aligned ones. */
static bool read_word(struct memory *memory, uintptr_t address, uint64_t *value)
{
    unsigned shift = 8 * (unsigned)(address % sizeof(*value));
    uint64_t high;
    if (shift == 0)
        return memory_read(memory, address, value);
    uintptr_t aligned = address - address % sizeof(*value);
    if (!memory_read(memory, aligned, value) ||
        !memory_read(memory, aligned + sizeof(*value), &high))
        return false;
    *value = *value >> shift | high << (64 - shift);
    return true;
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int is_write,
                      void *argument)
{
    (void)space;
    struct question *question = argument;
    if (is_write)
        return -UNW_EINVAL;
    if (question->is_symbolic && is_near_any(question, address)) {
        *value = address | SYMBOL_READ;
        return 0;
    }
    if (!read_word(&question->memory, address, value))
        return -UNW_EINVAL;
    if (!question->is_symbolic)
        note_read(question->step, address, *value);
    return 0;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int is_write,
                      void *argument)
{
    (void)space;
    const struct question *question = argument;
    const struct registers *from = &question->step->from;
    if (is_write || number < 0 || number >= LEARN_REGISTERS)
        return -UNW_EBADREG;
    if (number == UNW_X86_64_RIP) /* libunwind takes the first address of a walk as exact */
        *value = from->ip_is_exact ? from->ip : from->ip - 1;
    else if (question->is_symbolic)
        *value = symbol_of(question, number);
    else if (number == UNW_X86_64_RSP)
        *value = from->sp;
    else if (number == UNW_X86_64_RBP)
        *value = from->bp;
    else
        return -UNW_EBADREG;
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value,
                        int is_write, void *argument)
{
    (void)space;
    (void)number;
    (void)value;
    (void)is_write;
    (void)argument;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *argument)
{
    (void)space;
    (void)cursor;
    (void)argument;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t address, char *name, size_t bytes,
                         unw_word_t *offset, void *argument)
{
    (void)space;
    (void)address;
    (void)name;
    (void)bytes;
    (void)offset;
    (void)argument;
    return -UNW_ENOINFO;
}

/* -- asking ----------------------------------------------------------------------------------- */

/* Steps one frame from question->step->from. Positive: there is a caller; 0: the last frame. */
static int step_frame(struct question *question)
{
    struct registers *to = &question->step->to;
    unw_word_t ip = 0;
    unw_word_t sp = 0;
    unw_word_t bp = 0;
    question->is_blind = false;
    int result = learn.init_remote(&question->cursor, learn.space, question);
    if (result < 0)
        return result;
    to->ip_is_exact = cfi_is_signal_return(question->step->from.ip);
    result = learn.step(&question->cursor);
    if (result <= 0 || question->is_blind)
        return result;
    int error = learn.get_reg(&question->cursor, UNW_X86_64_RIP, &ip);
    if (error == 0)
        error = learn.get_reg(&question->cursor, UNW_X86_64_RSP, &sp);
    if (error == 0)
        error = learn.get_reg(&question->cursor, UNW_X86_64_RBP, &bp);
    to->ip = ip;
    to->sp = sp;
    to->bp = bp;
    return error != 0 ? error : result;
}

/* Reads the rule out of the outcome of a symbolic step. */
static struct rule rule_of(const struct question *question)
{
    const struct registers *to = &question->step->to;
    struct rule rule = {.kind = FRAME_SIMPLE};
    struct rule other = {.kind = FRAME_OTHER};
    if (is_near(question, to->sp, UNW_X86_64_RBP, RULE_CFA_REACH, &rule.cfa_offset))
        rule.cfa_from_bp = true;
    else if (!is_near(question, to->sp, UNW_X86_64_RSP, RULE_CFA_REACH, &rule.cfa_offset))
        return other;
    if (to->ip != ((to->sp - 8) | SYMBOL_READ) || to->ip_is_exact)
        return other;
    if (to->bp == symbol_of(question, UNW_X86_64_RBP))
        return rule;
    int64_t distance = (int64_t)((to->bp & ~SYMBOL_READ) - to->sp);
    if ((to->bp & SYMBOL_READ) == 0 || distance < -RULE_BP_REACH || distance >= RULE_BP_REACH)
        return other;
    rule.bp_is_saved = true;
    rule.bp_offset = (int32_t)distance;
    return rule;
}

static struct rule learn_once(struct question *question, uint64_t low_bits)
{
    question->low_bits = low_bits;
    int result = step_frame(question);
    if (question->is_blind)
        return (struct rule){.kind = FRAME_BLIND};
    if (result == 0)
        return (struct rule){.kind = FRAME_LAST};
    if (result < 0)
        return (struct rule){.kind = FRAME_OTHER};
    return rule_of(question);
}

static bool is_same(const struct rule *a, const struct rule *b)
{
    return a->kind == b->kind && a->cfa_from_bp == b->cfa_from_bp &&
           a->bp_is_saved == b->bp_is_saved && a->cfa_offset == b->cfa_offset &&
           a->bp_offset == b->bp_offset;
}

struct lesson {
    uintptr_t address;
    struct rule rule;
    struct real_step *step; /* for real */
    int result;
};

static void learn_on_own_stack(void *argument)
{
    struct lesson *lesson = argument;
    struct real_step step = {.from = {.ip = lesson->address, .ip_is_exact = true}};
    struct question question = {.is_symbolic = true, .step = &step};
    /* odd eights: neither is a multiple of 16, and they differ in the bits that masks clear */
    lesson->rule = learn_once(&question, 0x1238);
    struct rule again = learn_once(&question, 0x24567a8);
    if (!is_same(&lesson->rule, &again))
        lesson->rule = (struct rule){.kind = FRAME_OTHER};
}

static void step_on_own_stack(void *argument)
{
    struct lesson *lesson = argument;
    struct question question = {.step = lesson->step};
    lesson->result = step_frame(&question);
    if (question.is_blind)
        lesson->result = -UNW_ENOINFO;
}

/* False: libunwind cannot be asked. */
static bool ask(void (*on_own_stack)(void *), struct lesson *lesson)
{
    if (learn.space == NULL)
        return false;
    int saved = errno;
    atomic_fetch_add_explicit(&learn.inside, 1, memory_order_relaxed);
    bool done = own_stack_call(on_own_stack, lesson);
    atomic_fetch_sub_explicit(&learn.inside, 1, memory_order_relaxed);
    errno = saved;
    return done;
}

struct rule learn_rule(uintptr_t address)
{
    struct lesson lesson = {.address = address, .rule = {.kind = FRAME_UNKNOWN}};
    (void)ask(learn_on_own_stack, &lesson);
    return lesson.rule;
}

bool learn_step(struct real_step *step)
{
    struct lesson lesson = {.step = step, .result = 0};
    atomic_fetch_add_explicit(&learn.steps, 1, memory_order_relaxed);
    return ask(step_on_own_stack, &lesson) && lesson.result > 0 && step->to.ip != 0;
}

uint64_t learn_count_steps(void)
{
    return atomic_load_explicit(&learn.steps, memory_order_relaxed);
}

/* -- life ------------------------------------------------------------------------------------- */

static void *find_symbol(void *library, const char *name, bool *found)
{
    void *symbol = dlsym(library, name);
    *found = *found && symbol != NULL;
    return symbol;
}

/* POSIX lets a pointer from dlsym be one to a function; ISO C needs the detour over its bytes. */
#define LEARN_FIND(library, found, field, name)                                                    \
    do {                                                                                           \
        void *symbol_ = find_symbol(library, name, &(found));                                      \
        memcpy(&learn.field, &symbol_, sizeof(symbol_));                                           \
    } while (0)

static bool find_functions(void *library)
{
    bool found = true;
    LEARN_FIND(library, found, create_addr_space, "_Ux86_64_create_addr_space");
    LEARN_FIND(library, found, set_caching_policy, "_Ux86_64_set_caching_policy");
    LEARN_FIND(library, found, init_remote, "_Ux86_64_init_remote");
    LEARN_FIND(library, found, step, "_Ux86_64_step");
    LEARN_FIND(library, found, get_reg, "_Ux86_64_get_reg");
    LEARN_FIND(library, found, search, "_Ux86_64_dwarf_search_unwind_table");
    return found;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = get_dyn_info_list_addr,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = resume,
    .get_proc_name = get_proc_name,
};

static bool open_libunwind(void)
{
    void *library = dlopen(LEARN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL || !find_functions(library)) {
        say("no call stacks in the trace: %s is not installed", LEARN_LIBRARY);
        return false;
    }
    unw_addr_space_t space = learn.create_addr_space(&accessors, 0);
    if (space == NULL)
        return false;
    /* our table is the cache; libunwind's would have a lock */
    learn.set_caching_policy(space, UNW_CACHE_NONE);
    learn.space = space;
    return true;
}

/* libunwind opens a pipe to try addresses with. We read memory our own way; and a program that
 * closes all descriptors must not find the pipe's numbers written to when they are its files'. */
static void close_pipe(const int fds[2])
{
    struct os_identity identity;
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0 && os_file_identity(fds[i], &identity) == 0)
            os_file_close(fds[i]);
    }
}

/* Where other threads run, nobody can tell which numbers the pipe has got, and which are theirs by
 * now: then it stays. (Written to by libunwind's own access to memory only, which we do without.)
 */
bool learn_init(void)
{
    if (learn.space != NULL)
        return true;
    unsigned held = os_hold_standard();
    int next[2] = {-1, -1};
    if (*os_single_thread_mark() != 0)
        os_next_descriptors(next);
    bool opened = open_libunwind();
    close_pipe(next);
    os_release_standard(held);
    return opened;
}

const void *learn_block(void)
{
    return learn.space;
}

void learn_abandon(void)
{
    if (atomic_exchange_explicit(&learn.inside, 0, memory_order_relaxed) != 0)
        learn.space = NULL;
}
