/* test_cfi.c - the tracer's own reader of .eh_frame: what it reads is what libunwind learns, and
 * what is odd, cut short or nonsense it leaves to that. */
#define _GNU_SOURCE
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tracer/cfi.h"
#include "tracer/learn.h"
#include "tracer/modules.h"
#include "tracer/thread.h"

static int setup(void **state)
{
    (void)state;
    return thread_begin_busy() && modules_refresh() && learn_init() ? 0 : 1;
}

static bool is_same(const struct rule *a, const struct rule *b)
{
    return a->kind == b->kind && a->cfa_from_bp == b->cfa_from_bp &&
           a->bp_is_saved == b->bp_is_saved && a->cfa_offset == b->cfa_offset &&
           a->bp_offset == b->bp_offset;
}

/* -- real ones -------------------------------------------------------------------------------- */

enum { SAMPLES = 9 };

static int32_t index_word(const struct module_place *place, size_t number)
{
    int32_t word;
    memcpy(&word, place->index + CFI_HEAD_BYTES + 4 * number, sizeof(word));
    return word;
}

static uint32_t count_functions(const struct module_place *place)
{
    uint32_t count;
    memcpy(&count, place->index + CFI_HEAD_BYTES - sizeof(count), sizeof(count));
    return count;
}

struct tally {
    size_t asked;
    size_t read;
};

static void compare_at(const struct module_place *place, uintptr_t address, struct tally *tally)
{
    struct rule read = {0};
    bool is_read = cfi_read_rule(place, address, &read);
    struct rule learned = learn_rule(address);
    tally->asked += learned.kind != FRAME_BLIND;
    tally->read += is_read;
    if (is_read && !is_same(&read, &learned))
        fail_msg("%#lx: read CFA %s%+d bp %d %d, libunwind says %d: CFA %s%+d bp %d %d",
                 (unsigned long)(address - place->start), read.cfa_from_bp ? "bp" : "sp",
                 read.cfa_offset, read.bp_is_saved, read.bp_offset, (int)learned.kind,
                 learned.cfa_from_bp ? "bp" : "sp", learned.cfa_offset, learned.bp_is_saved,
                 learned.bp_offset);
}

/* In and behind the prologue, and in equal steps to the last byte before the next function. */
static void compare_function(const struct module_place *place, uint32_t number, struct tally *tally)
{
    int32_t start = index_word(place, 2 * (size_t)number);
    bool is_last = number + 1 == count_functions(place);
    int32_t bytes = is_last ? 32 : index_word(place, 2 * (size_t)number + 2) - start;
    uintptr_t from = (uintptr_t)place->index + (uintptr_t)(intptr_t)start;
    for (int32_t i = 0; i < 4; i++)
        compare_at(place, from + (uintptr_t)(i * 2), tally);
    for (int32_t i = 1; i <= SAMPLES && bytes > 8; i++)
        compare_at(place, from + (uintptr_t)((int64_t)bytes * i / SAMPLES - 1), tally);
}

static void compare_module(const char *name, uintptr_t inside)
{
    struct module_place place;
    struct tally tally = {0};
    assert_true(modules_find(inside, &place));
    uint32_t functions = count_functions(&place);
    for (uint32_t i = 0; i < functions; i += TEST_DIVISOR)
        compare_function(&place, i, &tally);
    print_message("%s: %u functions, %zu of %zu addresses read\n", name, functions, tally.read,
                  tally.asked);
    assert_true(tally.asked > functions / TEST_DIVISOR && tally.read <= tally.asked);
    assert_true(tally.read > tally.asked / 100 * 97);
}

static void this_program_and_libc_are_read_as_libunwind_learns_them(void **state)
{
    (void)state;
    compare_module("this program", (uintptr_t)&setup);
    compare_module("libc", (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"));
}

/* Those that are there: of C++, of an interpreter, large ones. */
static void libraries_are_read_as_libunwind_learns_them(void **state)
{
    static const char *const libraries[][2] = {
        {"libstdc++.so.6", "__cxa_throw"},
        {"libpython3.11.so.1.0", "Py_Initialize"},
        {"libcrypto.so.3", "EVP_DigestInit"},
        {"libmimalloc.so.2", "mi_malloc"},
        {"libm.so.6", "exp"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
        void *library = dlopen(libraries[i][0], RTLD_LAZY | RTLD_LOCAL);
        if (library == NULL)
            continue;
        assert_true(modules_refresh());
        compare_module(libraries[i][0], (uintptr_t)dlsym(library, libraries[i][1]));
    }
}

/* -- broken ones ------------------------------------------------------------------------------ */

enum { PAGE = 4096, PLACES = 300 };

/* libc's unwind information in memory of ours: before and behind it nothing can be read. */
struct copy {
    struct module_place place;
    struct module_place original;
    uintptr_t moved_by;
    unsigned char *start; /* of the segment's copy */
    size_t bytes;
};

static void make_copy(struct copy *copy)
{
    assert_true(modules_find((uintptr_t)dlsym(RTLD_DEFAULT, "qsort"), &copy->original));
    copy->place = copy->original;
    uintptr_t from = copy->original.constant & ~(uintptr_t)(PAGE - 1);
    copy->bytes = (copy->original.constant_end - from + PAGE - 1) & ~(size_t)(PAGE - 1);
    unsigned char *room = mmap(NULL, copy->bytes + 2 * PAGE, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(room, MAP_FAILED);
    copy->start = room + PAGE;
    assert_int_equal(mprotect(copy->start, copy->bytes, PROT_READ | PROT_WRITE), 0);
    memcpy(copy->start, (const void *)from, copy->bytes);
    copy->moved_by = (uintptr_t)copy->start - from;
    copy->place.index += copy->moved_by;
    copy->place.constant += copy->moved_by;
    copy->place.constant_end += copy->moved_by;
    rules_forget(); /* what is known of pages */
}

static void drop_copy(const struct copy *copy)
{
    munmap(copy->start - PAGE, copy->bytes + 2 * PAGE);
}

/* An address in a function of the copy, and what is right there. */
static bool pick(const struct copy *copy, uint64_t random, uintptr_t *address, struct rule *right)
{
    uint32_t number = (uint32_t)(random % count_functions(&copy->original));
    uintptr_t start = (uintptr_t)copy->original.index +
                      (uintptr_t)(intptr_t)index_word(&copy->original, 2 * (size_t)number);
    *address = start + random / 65536 % 32 + copy->moved_by;
    return cfi_read_rule(&copy->original, *address - copy->moved_by, right);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 20;
}

static void what_lies_elsewhere_is_read_alike(void **state)
{
    (void)state;
    struct copy copy;
    struct rule right, read;
    uint64_t random = 1;
    uintptr_t address;
    make_copy(&copy);
    for (int i = 0; i < PLACES; i++) {
        if (!pick(&copy, next(&random), &address, &right))
            continue;
        assert_true(cfi_read_rule(&copy.place, address, &read));
        assert_true(is_same(&read, &right));
    }
    drop_copy(&copy);
}

/* The segment ends somewhere, and behind its last page is nothing. */
static void what_is_cut_short_is_not_read(void **state)
{
    (void)state;
    struct copy copy;
    struct rule right, read;
    uint64_t random = 2;
    uintptr_t address;
    make_copy(&copy);
    uintptr_t first = (uintptr_t)copy.place.index;
    uintptr_t end = copy.place.constant_end;
    for (int i = 0; i < PLACES; i++) {
        copy.place.constant_end = first + (end - first) * (uintptr_t)(PLACES - i) / PLACES;
        size_t left = (copy.place.constant_end - (uintptr_t)copy.start + PAGE - 1) / PAGE * PAGE;
        mprotect(copy.start + left, copy.bytes + PAGE - left, PROT_NONE);
        rules_forget();
        if (pick(&copy, next(&random), &address, &right) &&
            cfi_read_rule(&copy.place, address, &read))
            assert_true(is_same(&read, &right));
    }
    copy.place.constant_end = first;
    assert_false(cfi_read_rule(&copy.place, address, &read));
    drop_copy(&copy);
}

static void pages_that_cannot_be_read_are_not(void **state)
{
    (void)state;
    struct copy copy;
    struct rule right, read;
    uint64_t random = 3;
    uintptr_t address;
    size_t unread = 0;
    make_copy(&copy);
    for (size_t page = 0; page < copy.bytes / PAGE; page += 2)
        mprotect(copy.start + page * PAGE, PAGE, PROT_NONE);
    for (int i = 0; i < PLACES; i++) {
        bool was_read = pick(&copy, next(&random), &address, &right);
        bool is_read = was_read && cfi_read_rule(&copy.place, address, &read);
        if (is_read)
            assert_true(is_same(&read, &right));
        unread += was_read && !is_read;
    }
    assert_true(unread > PLACES / 4);
    drop_copy(&copy);
}

/* Any byte may be wrong: it ends, within the segment, with a rule or none. */
static void nonsense_is_survived(void **state)
{
    (void)state;
    struct copy copy;
    struct rule rule;
    uint64_t random = 20261122;
    print_message("seed %lu\n", (unsigned long)random);
    make_copy(&copy);
    size_t from = (size_t)((uintptr_t)copy.place.index - (uintptr_t)copy.start);
    for (size_t i = 0; i < 200000 / TEST_DIVISOR; i++) {
        uintptr_t address;
        if (i % 1000 == 999)
            memcpy(copy.start, (const void *)((uintptr_t)copy.start - copy.moved_by), copy.bytes);
        for (int wrong = 0; wrong < 20; wrong++) {
            size_t at = from + next(&random) % (copy.bytes - from);
            copy.start[at] = (unsigned char)next(&random);
        }
        (void)pick(&copy, next(&random), &address, &rule);
        if (cfi_read_rule(&copy.place, address, &rule))
            assert_true(rule.kind == FRAME_SIMPLE && rule.cfa_offset < RULE_CFA_REACH &&
                        rule.cfa_offset >= -RULE_CFA_REACH && rule.bp_offset < RULE_BP_REACH &&
                        rule.bp_offset >= -RULE_BP_REACH);
    }
    drop_copy(&copy);
}

/* -- made ones -------------------------------------------------------------------------------- */

enum { CODE = 1000, CODE_BYTES = 64 }; /* the function, from the head of the table */

/* A table of one function, its CIE and FDE, as a linker would lay them out. */
struct made {
    unsigned char byte[CODE + 2 * CODE_BYTES]; /* the code too, of zeros */
    size_t used;
    struct module_place place;
};

static void put(struct made *made, const void *bytes, size_t count)
{
    memcpy(made->byte + made->used, bytes, count);
    made->used += count;
}

static void put_u32(struct made *made, uint32_t value)
{
    put(made, &value, sizeof(value));
}

/* Bytes behind their own length, filled up with nops. */
static void put_entry(struct made *made, const unsigned char *bytes, size_t count)
{
    static const unsigned char nops[4];
    put_u32(made, (uint32_t)(count + 3) & ~UINT32_C(3));
    put(made, bytes, count);
    put(made, nops, -count & 3);
}

struct sample {
    const char *what;
    const char *letters;   /* of the augmentation; "zR" if NULL */
    const char *initially; /* more of the CIE's instructions, */
    const char *program;   /* and the FDE's: bytes in hexadecimal */
    struct rule rule;      /* FRAME_UNKNOWN: it is odd */
};

static size_t put_hexadecimal(unsigned char *at, const char *text)
{
    size_t count = strlen(text) / 2;
    for (size_t i = 0; i < count; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        at[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return count;
}

static void make(struct made *made, const struct sample *sample)
{
    static const unsigned char head[8] = {1, 0x1b, 0x03, 0x3b};
    const char *letters = sample->letters != NULL ? sample->letters : "zR";
    unsigned char entry[128] = {0, 0, 0, 0, 1};
    *made = (struct made){.used = 0};
    put(made, head, sizeof(head));
    put_u32(made, 1);
    put_u32(made, CODE);
    put_u32(made, 0); /* the FDE, when it is known where */
    size_t cie = made->used;
    size_t count = 5 + strlen(letters) + 1;
    memcpy(entry + 5, letters, count - 5);
    /* units 1 and -8, return address in 16, pcrel sdata4; CFA = sp + 8, return address at -8 */
    count += put_hexadecimal(entry + count, "017810011b0c07089001");
    count += put_hexadecimal(entry + count, sample->initially != NULL ? sample->initially : "");
    put_entry(made, entry, count);
    uint32_t fde = (uint32_t)made->used;
    uint32_t words[3] = {fde + 4 - (uint32_t)cie, CODE - (fde + 8), CODE_BYTES};
    memcpy(entry, words, sizeof(words));
    entry[sizeof(words)] = 0;
    count = sizeof(words) + 1;
    count += put_hexadecimal(entry + count, sample->program);
    put_entry(made, entry, count);
    memcpy(made->byte + CFI_HEAD_BYTES + 4, &fde, sizeof(fde));
    made->place = (struct module_place){.index = made->byte, .index_bytes = CFI_HEAD_BYTES + 8};
    made->place.constant = (uintptr_t)made->byte;
    made->place.constant_end = (uintptr_t)made->byte + made->used;
}

#define SP(offset)                                                                                 \
    {                                                                                              \
        FRAME_SIMPLE, false, false, offset, 0                                                      \
    }
#define BP(offset)                                                                                 \
    {                                                                                              \
        FRAME_SIMPLE, true, false, offset, 0                                                       \
    }
#define SP_BP(offset, bp)                                                                          \
    {                                                                                              \
        FRAME_SIMPLE, false, true, offset, bp                                                      \
    }
#define BP_BP(offset, bp)                                                                          \
    {                                                                                              \
        FRAME_SIMPLE, true, true, offset, bp                                                       \
    }
#define ODD                                                                                        \
    {                                                                                              \
        FRAME_UNKNOWN, false, false, 0, 0                                                          \
    }

/* At byte 16 of the function. */
static const struct sample samples[] = {
    {"nothing", NULL, NULL, "", SP(8)},
    {"push bp, mov sp to bp", NULL, NULL, "410e108602430d06", BP_BP(16, -16)},
    {"a row that begins at the address", NULL, NULL, "500e20", SP(32)},
    {"one that begins behind it", NULL, NULL, "510e20", SP(8)},
    {"steps of 1, 2 and 4 bytes", NULL, NULL, "02010e10030d000e1804020000000e20", SP(32)},
    {"the last of them too far", NULL, NULL, "02010e10030d000e1804030000000e20", SP(24)},
    {"remembered and restored", NULL, NULL, "0a0e100b", SP(8)},
    {"restored as in the CIE", NULL, "8602", "8603c6", SP_BP(8, -16)},
    {"the same, long", NULL, "8602", "0506030606", SP_BP(8, -16)},
    {"signed offsets", NULL, NULL, "120703137d", SP(24)},
    {"signed offsets down", NULL, NULL, "12077e", SP(16)},
    {"a register saved, signed", NULL, NULL, "110602", SP_BP(8, -16)},
    {"saved, then the same again", NULL, NULL, "86020806", SP(8)},
    {"others in expressions and registers", NULL, NULL, "1003027600090c0d160e0176", SP(8)},
    {"arguments pushed", NULL, NULL, "2e10", SP(8)},
    {"language and its tables", "zPLR", NULL, "", ODD}, /* the data is too short for these */
    {"a signal frame", "zRS", NULL, "", ODD},
    {"no augmentation", "", NULL, "", ODD},
    {"CFA by an expression", NULL, NULL, "0f0276080e10", ODD},
    {"CFA from another register", NULL, NULL, "0d0a", ODD},
    {"bp in a register", NULL, NULL, "09060c", ODD},
    {"bp by an expression", NULL, NULL, "1006027600", ODD},
    {"no return address", NULL, NULL, "0710", ODD},
    {"return address elsewhere", NULL, NULL, "9002", ODD},
    {"sp saved", NULL, NULL, "8703", ODD},
    {"an offset without end", NULL, NULL, "0effffffffff01", ODD},
    {"far away", NULL, NULL, "0e80808008", ODD},
    {"restored without being remembered", NULL, NULL, "0b", ODD},
    {"remembered too often", NULL, NULL, "0a0a0a0a0a", ODD},
    {"a code that there is not", NULL, NULL, "3f", ODD},
    {"set_loc", NULL, NULL, "0100000000", ODD},
    {"cut off in an operand", NULL, NULL, "000c07", ODD},
    {"a CIE that advances", NULL, "41", "", ODD},
};

static void each_instruction_does_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        static struct made made;
        struct rule rule = {0};
        make(&made, &samples[i]);
        bool is_read = cfi_read_rule(&made.place, (uintptr_t)made.byte + CODE + 16, &rule);
        if (is_read != (samples[i].rule.kind == FRAME_SIMPLE) ||
            (is_read && !is_same(&rule, &samples[i].rule)))
            fail_msg("%s: %d, CFA %s%+d bp %d %d", samples[i].what, is_read,
                     rule.cfa_from_bp ? "bp" : "sp", rule.cfa_offset, rule.bp_is_saved,
                     rule.bp_offset);
    }
}

static void an_address_outside_of_every_function_has_no_rule(void **state)
{
    (void)state;
    static struct made made;
    struct rule rule;
    make(&made, &samples[0]);
    uintptr_t start = (uintptr_t)made.byte + CODE;
    assert_true(cfi_read_rule(&made.place, start, &rule));
    assert_true(cfi_read_rule(&made.place, start + CODE_BYTES - 1, &rule));
    assert_false(cfi_read_rule(&made.place, start + CODE_BYTES, &rule));
    assert_false(cfi_read_rule(&made.place, start - 1, &rule));
}

static void a_table_of_another_kind_is_left_alone(void **state)
{
    (void)state;
    static struct made made;
    struct rule rule;
    for (size_t i = 0; i < 4; i++) {
        make(&made, &samples[0]);
        made.byte[i]++;
        assert_false(cfi_read_rule(&made.place, (uintptr_t)made.byte + CODE, &rule));
    }
    make(&made, &samples[0]);
    made.byte[8] = 2; /* entries; there is room for one */
    assert_false(cfi_read_rule(&made.place, (uintptr_t)made.byte + CODE, &rule));
    made.byte[8] = 0;
    assert_false(cfi_read_rule(&made.place, (uintptr_t)made.byte + CODE, &rule));
    make(&made, &samples[0]);
    made.place.index = NULL;
    assert_false(cfi_read_rule(&made.place, (uintptr_t)made.byte + CODE, &rule));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program_and_libc_are_read_as_libunwind_learns_them),
        cmocka_unit_test(libraries_are_read_as_libunwind_learns_them),
        cmocka_unit_test(what_lies_elsewhere_is_read_alike),
        cmocka_unit_test(what_is_cut_short_is_not_read),
        cmocka_unit_test(pages_that_cannot_be_read_are_not),
        cmocka_unit_test(nonsense_is_survived),
        cmocka_unit_test(each_instruction_does_what_it_says),
        cmocka_unit_test(an_address_outside_of_every_function_has_no_rule),
        cmocka_unit_test(a_table_of_another_kind_is_left_alone),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
