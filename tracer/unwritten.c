/* unwritten.c - see unwritten.h. The table has sets of few slots: a block has a place in one set,
 * by its address, or is not watched.
 *
 * A slot's word is 0 or an address >> 4 (which a look for leaks takes for no pointer), its lowest
 * bit set while a thread is at work on the slot. Blocks are watched by the thread that got them and
 * looked at by the one that gives them back; only the end of the trace looks at those of others,
 * and they wait for it, so that no page goes while it is read: it waits for nobody then, and no
 * signal handler of its own gives the block back. */
#include "tracer/unwritten.h"

#include <stdatomic.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/info.h"
#include "tracer/recorder.h"

enum {
    SETS_LOG2 = 9,
    SETS = 1 << SETS_LOG2,
    WAYS = 8,
    WORD_SHIFT = 4,
    AT_WORK = 1,
    LOOKS_FREE_NS = 20 * 1000 * 1000, /* looks may take so long, */
    LOOKS_SHARE = 25,                 /* and 4 % of the time; */
    LOOKS_END_NS = 200 * 1000 * 1000, /* those at the end so long, in all */
    RECORD_BYTES = 1 + 5 * 10,
};

/* One look at so much takes a tenth of a second. */
#define ASKED_MOST (UINT64_C(64) << 30)

struct watched {
    _Atomic uintptr_t word;
    size_t asked;
    uint32_t stack;
    uint32_t trace; /* number of the trace that has its birth */
};

struct table {
    struct watched slot[SETS][WAYS];
};

_Atomic uint32_t tracer_watched;

static struct {
    struct table *_Atomic table; /* NULL: none yet; reads as zeros in a forked child */
    _Atomic uint64_t took_ns;    /* looks of this trace */
} unwritten;

/* -- the table -------------------------------------------------------------------------------- */

/* Two threads may make one each: the second is unmapped. NULL: no memory. */
static struct table *get_table(void)
{
    /* acquire, release: who sees the pointer sees zeros behind it */
    struct table *table = atomic_load_explicit(&unwritten.table, memory_order_acquire);
    if (table != NULL)
        return table;
    struct table *made = os_map(sizeof(struct table));
    if (made == NULL)
        return NULL;
    os_set_wiped_on_fork(made, sizeof(struct table));
    if (atomic_compare_exchange_strong_explicit(&unwritten.table, &table, made,
                                                memory_order_acq_rel, memory_order_acquire))
        return made;
    os_unmap(made, sizeof(struct table));
    return table;
}

static uintptr_t word_of(const void *p)
{
    return (uintptr_t)p >> WORD_SHIFT;
}

/* The upper bits of a product: Fibonacci hashing (Knuth, TAOCP 3, 6.4). */
static struct watched *find_set(struct table *table, uintptr_t word)
{
    return table->slot[(word * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SETS_LOG2)];
}

/* Takes the slot from `word` to being worked at; the former is only written over by whoever does.
 */
static bool take(struct watched *slot, uintptr_t word)
{
    /* acquire: pairs with the release in put */
    return atomic_compare_exchange_strong_explicit(&slot->word, &word, word | AT_WORK,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void put(struct watched *slot, uintptr_t word)
{
    /* release: what was written to the slot, and read in the block, comes before */
    atomic_store_explicit(&slot->word, word, memory_order_release);
}

static uintptr_t read_word(const struct watched *slot)
{
    return atomic_load_explicit(&slot->word, memory_order_acquire);
}

/* The end of the trace looks at the block just now. */
static void wait_for(const struct watched *slot, uintptr_t word)
{
    while (read_word(slot) == (word | AT_WORK))
        os_yield();
}

/* The block's slot, taken; NULL: it is not watched (any more). */
static struct watched *take_watched(uintptr_t word)
{
    struct table *table = atomic_load_explicit(&unwritten.table, memory_order_acquire);
    struct watched *set = table != NULL ? find_set(table, word) : NULL;
    for (unsigned i = 0; set != NULL && i < WAYS; i++) {
        wait_for(&set[i], word);
        if (read_word(&set[i]) == word && take(&set[i], word))
            return &set[i];
    }
    return NULL;
}

/* Of a slot that is taken. In the child of a handler's fork it is not: there all were forgotten. */
static void forget(struct watched *slot, uintptr_t word)
{
    word |= AT_WORK;
    /* release: as in put */
    if (atomic_compare_exchange_strong_explicit(&slot->word, &word, 0, memory_order_release,
                                                memory_order_relaxed))
        atomic_fetch_sub_explicit(&tracer_watched, 1, memory_order_relaxed);
}

static void watch(uintptr_t word, size_t asked, uint32_t stack)
{
    struct table *table = get_table();
    struct watched *set = table != NULL ? find_set(table, word) : NULL;
    for (unsigned i = 0; set != NULL && i < WAYS; i++) {
        if (read_word(&set[i]) != 0 || !take(&set[i], 0))
            continue;
        set[i].asked = asked;
        set[i].stack = stack;
        set[i].trace = atomic_load_explicit(&recorder.trace, memory_order_relaxed);
        put(&set[i], word);
        atomic_fetch_add_explicit(&tracer_watched, 1, memory_order_relaxed);
        return;
    }
}

/* -- looking ---------------------------------------------------------------------------------- */

static bool may_cost(uint64_t now_ns)
{
    uint64_t took_ns = atomic_load_explicit(&unwritten.took_ns, memory_order_relaxed);
    uint64_t since_ns = now_ns > recorder.start_ns ? now_ns - recorder.start_ns : 0;
    return took_ns <= LOOKS_FREE_NS + since_ns / LOOKS_SHARE;
}

/* What is known of a block that was forgotten. */
struct look {
    const void *block;
    size_t asked;
    uint32_t stack;
    uint32_t trace;
    struct os_zeros zeros;
};

static struct look look_for(const struct watched *slot, uintptr_t word)
{
    return (struct look){.block = (const void *)(word << WORD_SHIFT),
                         .asked = slot->asked,
                         .stack = slot->stack,
                         .trace = slot->trace};
}

static bool count_zeros(struct look *look)
{
    uint64_t begun_ns = os_thread_time_ns();
    bool is_ours = look->trace == atomic_load_explicit(&recorder.trace, memory_order_relaxed);
    bool is_known = is_ours && os_count_zeros(look->block, look->asked, &look->zeros);
    atomic_fetch_add_explicit(&unwritten.took_ns, os_thread_time_ns() - begun_ns,
                              memory_order_relaxed);
    return is_known;
}

/* False: the disk is full. */
static bool write_look(const struct look *look, unsigned bits, uint64_t now_ns)
{
    unsigned char record[RECORD_BYTES];
    record[0] = (unsigned char)bits;
    unsigned char *at = trace_put_uvarint(record + 1, now_ns);
    at = trace_put_uvarint(trace_put_uvarint(at, look->stack), look->asked);
    at = trace_put_uvarint(trace_put_uvarint(at, look->zeros.absent_bytes), look->zeros.zero_bytes);
    return info_write_unwritten(record, (size_t)(at - record));
}

void tracer_look(const void *p)
{
    uintptr_t word = word_of(p);
    struct watched *slot = take_watched(word);
    if (slot == NULL)
        return;
    struct look look = look_for(slot, word); /* the block is the caller's: nobody else looks */
    forget(slot, word);
    uint64_t now_ns = os_time_ns();
    if (recorder_is_on() && may_cost(now_ns) && thread_begin_busy()) {
        if (recorder_is_on() && count_zeros(&look) && !write_look(&look, 0, now_ns))
            recorder_fail(NULL);
        thread_end_busy();
    }
}

void tracer_unwatch(const void *p)
{
    struct watched *slot = take_watched(word_of(p));
    if (slot != NULL)
        forget(slot, word_of(p));
}

/* -- births, and the end ---------------------------------------------------------------------- */

void unwritten_note_birth(const void *p, size_t asked, unsigned bits, uint32_t stack)
{
    if (tracer_may_watch(p)) /* its end was not told of */
        tracer_unwatch(p);
    bool is_large = asked > TRACE_UNWRITTEN_ABOVE || recorder.sample_period != 0;
    if ((bits & TRACE_ZEROED) != 0 && is_large && asked <= ASKED_MOST && recorder.looks_at_pages)
        watch(word_of(p), asked, stack);
}

/* False: there is nothing to write. */
static bool look_at_others(struct watched *slot, uint64_t now_ns, uint64_t until_ns,
                           struct look *look)
{
    uintptr_t word = read_word(slot);
    if (word == 0 || (word & AT_WORK) != 0 || !take(slot, word))
        return false;
    *look = look_for(slot, word);
    bool is_known = now_ns <= until_ns && count_zeros(look);
    forget(slot, word);
    return is_known;
}

static bool finish_slot(struct watched *slot, uint64_t until_ns)
{
    if (read_word(slot) == 0)
        return true;
    struct look look;
    uint64_t now_ns = os_time_ns();
    uint64_t signals = os_signals_block();
    bool is_known = look_at_others(slot, now_ns, until_ns, &look);
    os_signals_restore(signals);
    return !is_known || write_look(&look, TRACE_UNWRITTEN_ALIVE, now_ns);
}

bool unwritten_finish(void)
{
    struct table *table = atomic_load_explicit(&unwritten.table, memory_order_acquire);
    uint64_t until_ns = os_time_ns() + LOOKS_END_NS;
    bool is_written = true;
    if (table == NULL || atomic_load_explicit(&tracer_watched, memory_order_relaxed) == 0)
        return true;
    for (unsigned set = 0; set < SETS; set++) {
        for (unsigned i = 0; i < WAYS; i++)
            is_written &= finish_slot(&table->slot[set][i], until_ns);
    }
    return is_written;
}

void unwritten_begin(void)
{
    atomic_store_explicit(&unwritten.took_ns, 0, memory_order_relaxed);
}

void unwritten_abandon(void)
{
    struct table *table = atomic_load_explicit(&unwritten.table, memory_order_relaxed);
    if (table != NULL)
        os_purge(table, sizeof(struct table)); /* where it is not wiped by itself */
    atomic_store_explicit(&tracer_watched, 0, memory_order_relaxed);
    unwritten_begin();
}
