/* txn_tally.c - see txn_tally.h. */
#include "allocators/txn_tally.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/lock.h"

enum { LEARN_FIRST = 4, LEARN_EVERY = 64, BINS_A_DOUBLING = 16 };

static struct {
    struct lock lock;
    _Atomic size_t count; /* names listed; only grows */
    struct txn_name names[TXN_NAMES];
} names = {.lock = LOCK_INIT(LOCK_RANK_TXN_NAMES)};

/* -- profiles --------------------------------------------------------------------------------- */

const char *txn_profile_of(size_t bytes)
{
    static const struct {
        const char *name;
        size_t most;
    } profiles[] = {
        {"tiny", 64 << 10}, {"small", 512 << 10}, {"medium", 4 << 20}, {"large", 32 << 20}};
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (bytes <= profiles[i].most)
            return profiles[i].name;
    }
    return "huge";
}

/* -- names ------------------------------------------------------------------------------------ */

/* The name with this text; a new one, or the last of all, when there is none. Lock. */
static struct txn_name *find(const char *text)
{
    char cut[TXN_NAME_BYTES] = "";
    for (size_t i = 0; i < sizeof(cut) - 1 && text[i] != '\0'; i++)
        cut[i] = text[i];
    size_t count = atomic_load_explicit(&names.count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names.names[i].text, cut) == 0)
            return &names.names[i];
    }
    if (count >= TXN_NAMES)
        return &names.names[TXN_NAMES - 1];
    if (count == TXN_NAMES - 1)
        strcpy(cut, "(others)");
    memcpy(names.names[count].text, cut, sizeof(cut));
    /* release: who sees the count sees the text */
    atomic_store_explicit(&names.count, count + 1, memory_order_release);
    return &names.names[count];
}

const struct txn_name *txn_name_at(size_t index)
{
    size_t count = atomic_load_explicit(&names.count, memory_order_acquire);
    return index < count ? &names.names[index] : NULL;
}

MP_RARE void txn_tally_fork_child(void)
{
    lock_reset(&names.lock); /* a cut loses the sums of one tally */
}

/* -- sums ------------------------------------------------------------------------------------- */

static inline void raise_to(_Atomic uint64_t *most, uint64_t value)
{
    if (value > txn_sum_read(most))
        atomic_store_explicit(most, value, memory_order_relaxed);
}

void txn_sums_add(struct txn_sums *sums, const struct txn_sums *more)
{
    for (int how = 0; how < 3; how++)
        txn_sum_add(&sums->ended[how], txn_sum_read(&more->ended[how]));
    txn_sum_add(&sums->blocks, txn_sum_read(&more->blocks));
    txn_sum_add(&sums->used, txn_sum_read(&more->used));
    txn_sum_add(&sums->reserved, txn_sum_read(&more->reserved));
    txn_sum_add(&sums->malloced, txn_sum_read(&more->malloced));
    txn_sum_add(&sums->escaped, txn_sum_read(&more->escaped));
    raise_to(&sums->most_used, txn_sum_read(&more->most_used));
}

/* -- tallies ---------------------------------------------------------------------------------- */

MP_RARE void txn_tally_open(struct txn_tally *tallies, const char *name)
{
    struct txn_tally *tally = txn_tally_at(tallies, name);
    lock_take(&names.lock);
    if (tally->of != NULL)
        txn_sums_add(&tally->of->sums, &tally->sums);
    memset(tally, 0, sizeof(*tally));
    tally->of = find(name);
    tally->name = name;
    tally->first_bytes = atomic_load_explicit(&tally->of->first_bytes, memory_order_relaxed);
    tally->learned_at = LEARN_FIRST;
    lock_drop(&names.lock);
}

/* Read while its thread may be giving it another name: then it counts for neither, or for both. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
void txn_tally_add(const struct txn_tally *tally, const struct txn_name *name,
                   struct txn_sums *sums)
{
    if (tally->of == name)
        txn_sums_add(sums, &tally->sums);
}

/* Bin b holds sizes up to bin_end(b). */
static unsigned bin_of(size_t bytes)
{
    if (bytes <= (size_t)1 << TXN_TALLY_SHIFT)
        return 0;
    unsigned shift = log2_floor(bytes - 1);
    unsigned part = (unsigned)((bytes - 1) >> (shift - 4)) % BINS_A_DOUBLING;
    unsigned bin = (shift - TXN_TALLY_SHIFT) * BINS_A_DOUBLING + part + 1;
    return bin < TXN_BINS ? bin : TXN_BINS - 1;
}

static size_t bin_end(unsigned bin)
{
    if (bin == 0)
        return (size_t)1 << TXN_TALLY_SHIFT;
    unsigned shift = (bin - 1) / BINS_A_DOUBLING + TXN_TALLY_SHIFT;
    return ((size_t)(bin - 1) % BINS_A_DOUBLING + BINS_A_DOUBLING + 1) << (shift - 4);
}

/* Sum of eight bins. */
static uint32_t sum_of(uint64_t word)
{
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    uint64_t pairs = (word & even) + (word >> 8 & even);
    return (uint32_t)(pairs * UINT64_C(0x0001000100010001) >> 48);
}

/* The bin in which nine in ten end. */
static unsigned find_most(const struct txn_tally *tally)
{
    uint32_t wanted = tally->counted - tally->counted / 10;
    uint32_t below = 0;
    unsigned bin = 0;
    while (below + sum_of(tally->words[bin / 8]) < wanted) {
        below += sum_of(tally->words[bin / 8]);
        bin += 8;
    }
    while ((below += tally->bins[bin]) < wanted)
        bin++;
    return bin;
}

static void halve(struct txn_tally *tally)
{
    tally->counted = 0;
    for (unsigned word = 0; word < TXN_BINS / 8; word++) {
        tally->words[word] = tally->words[word] >> 1 & UINT64_C(0x7f7f7f7f7f7f7f7f);
        tally->counted += sum_of(tally->words[word]);
    }
}

static __attribute__((noinline)) void learn(struct txn_tally *tally)
{
    size_t end = bin_end(find_most(tally)), most = txn_sum_read(&tally->sums.most_used);
    tally->first_bytes = end < most ? end : most;
    atomic_store_explicit(&tally->of->first_bytes, tally->first_bytes, memory_order_relaxed);
    if (tally->counted < 2 * LEARN_EVERY) {
        tally->learned_at *= 2;
        return;
    }
    halve(tally);
    tally->learned_at = tally->counted + LEARN_EVERY;
}

void txn_tally_prefetch(const struct txn_tally *tally, size_t used)
{
    __builtin_prefetch(tally, 1);
    __builtin_prefetch(&tally->sums.malloced, 1);
    __builtin_prefetch(&tally->bins[bin_of(used)], 1);
}

void txn_tally_count(struct txn_tally *tally, const struct txn_ended *ended)
{
    struct txn_sums *sums = &tally->sums;
    txn_sum_add(&sums->ended[ended->how], 1);
    if (ended->malloced != 0) {
        txn_sum_add(&sums->malloced, ended->malloced);
        txn_sum_add(&sums->escaped, ended->escaped);
    }
    if (ended->used == 0)
        return; /* of sizes it tells nothing */
    txn_sum_add(&sums->blocks, ended->blocks);
    txn_sum_add(&sums->used, ended->used);
    txn_sum_add(&sums->reserved, ended->reserved);
    raise_to(&sums->most_used, ended->used);
    tally->bins[bin_of(ended->used)]++;
    if (++tally->counted >= tally->learned_at)
        learn(tally);
}
