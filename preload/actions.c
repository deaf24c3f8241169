/* actions.c - see actions.h. */
#include "preload/actions.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/check.h"

static const struct {
    char word[12];
    enum pressure_level from;
} rows[ACTIONS] = {
#define ACTION(name, word, from, what) {word, from},
#include "preload/actions.def"
#undef ACTION
};

/* Counted by any thread. */
static struct {
    _Atomic uint32_t allowed;
    struct {
        _Atomic uint64_t runs, bytes, ns;
    } of[ACTIONS];
} actions = {.allowed = ACTIONS_ALL};

const char *actions_word(enum action action)
{
    return rows[action].word;
}

enum pressure_level actions_from(enum action action)
{
    return rows[action].from;
}

/* -- which ------------------------------------------------------------------------------------ */

static uint32_t find_word(const char *word, size_t length)
{
    for (unsigned i = 0; i < ACTIONS; i++) {
        if (strlen(rows[i].word) == length && memcmp(rows[i].word, word, length) == 0)
            return 1U << i;
    }
    return 0;
}

bool actions_parse(const char *text, uint32_t *set)
{
    *set = text[0] == '-' || strcmp(text, "all") == 0 ? ACTIONS_ALL : 0;
    if (strcmp(text, "all") == 0 || strcmp(text, "none") == 0)
        return true;
    bool takes_out = text[0] == '-';
    for (const char *at = text;; at++) {
        at += takes_out && *at == '-';
        size_t length = strcspn(at, ",");
        uint32_t bit = find_word(at, length);
        if (bit == 0)
            return false;
        *set = takes_out ? *set & ~bit : *set | bit;
        at += length;
        if (*at == '\0')
            return true;
    }
}

void actions_allow(uint32_t set)
{
    atomic_store_explicit(&actions.allowed, set, memory_order_relaxed);
}

bool actions_may(enum action action)
{
    return (atomic_load_explicit(&actions.allowed, memory_order_relaxed) >> action & 1) != 0;
}

/* -- what they came to ------------------------------------------------------------------------ */

void actions_note(enum action action, uint64_t bytes, uint64_t ns)
{
    MP_ASSERT(action < ACTIONS);
    atomic_fetch_add_explicit(&actions.of[action].runs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&actions.of[action].bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&actions.of[action].ns, ns, memory_order_relaxed);
}

void actions_read(enum action action, struct action_counts *counts)
{
    counts->runs = atomic_load_explicit(&actions.of[action].runs, memory_order_relaxed);
    counts->bytes = atomic_load_explicit(&actions.of[action].bytes, memory_order_relaxed);
    counts->ns = atomic_load_explicit(&actions.of[action].ns, memory_order_relaxed);
}
