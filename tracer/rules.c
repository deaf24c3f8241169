/* rules.c - see rules.h. */
#include "tracer/rules.h"

#include <stdatomic.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "tracer/cfi.h"
#include "tracer/learn.h"
#include "tracer/modules.h"
#include "tracer/table.h"

/* A rule as the table's value:
 *
 *     63         48 47       32 31         8  7    6    5    4   3  0
 *     | generation | bp offset | CFA offset |    |    | bp | cfa | kind |
 *
 * FRAME_BLIND has the version of the module list instead of the offsets: what was loaded since may
 * have put code with unwind information there. */
enum { RULE_CFA_FROM_BP = 1 << 4, RULE_BP_IS_SAVED = 1 << 5, RULE_KIND_MASK = 15 };

static struct {
    struct lock lock;
    _Atomic uint32_t generation; /* the low 16 bits are compared */
    _Atomic uint64_t found;      /* in modules; counted */
    struct table table;          /* key: the address looked at; lock for writing */
} rules = {.lock = LOCK_INIT(LOCK_RANK_TRACE_RULES)};

uint32_t rules_generation(void)
{
    return atomic_load_explicit(&rules.generation, memory_order_relaxed);
}

uint64_t rules_count(void)
{
    return atomic_load_explicit(&rules.found, memory_order_relaxed);
}

static uint64_t pack(const struct rule *rule)
{
    uint64_t value = (uint64_t)rule->kind | (uint64_t)(rules_generation() & 0xffff) << 48;
    if (rule->kind == FRAME_BLIND)
        return value | (modules_version() & 0xffffffff) << 8;
    value |= rule->cfa_from_bp ? RULE_CFA_FROM_BP : 0;
    value |= rule->bp_is_saved ? RULE_BP_IS_SAVED : 0;
    value |= ((uint64_t)(uint32_t)rule->cfa_offset & 0xffffff) << 8;
    return value | ((uint64_t)(uint32_t)rule->bp_offset & 0xffff) << 32;
}

static struct rule unpack(uint64_t value)
{
    return (struct rule){
        .kind = (enum frame_kind)(value & RULE_KIND_MASK),
        .cfa_from_bp = (value & RULE_CFA_FROM_BP) != 0,
        .bp_is_saved = (value & RULE_BP_IS_SAVED) != 0,
        .cfa_offset = (int32_t)(uint32_t)value >> 8,
        .bp_offset = (int16_t)(value >> 32 & 0xffff),
    };
}

static bool is_valid(uint64_t value)
{
    if (value >> 48 != (rules_generation() & 0xffff))
        return false;
    return (value & RULE_KIND_MASK) != FRAME_BLIND ||
           (value >> 8 & 0xffffffff) == (modules_version() & 0xffffffff);
}

static struct rule read_or_learn(uintptr_t address)
{
    struct module_place place;
    struct rule rule;
    if (!modules_find(address, &place)) {
        (void)modules_refresh(); /* a full disk shows at the event's own record */
        if (!modules_find(address, &place))
            return (struct rule){.kind = FRAME_BLIND};
    }
    atomic_fetch_add_explicit(&rules.found, 1, memory_order_relaxed);
    return cfi_read_rule(&place, address, &rule) ? rule : learn_rule(address);
}

static struct rule find_new(uintptr_t address)
{
    struct rule rule = read_or_learn(address);
    if (rule.kind == FRAME_UNKNOWN) { /* could not look; it may be possible later */
        rule.kind = FRAME_BLIND;
        return rule;
    }
    MP_ASSERT(unpack(pack(&rule)).kind == rule.kind);
    lock_take(&rules.lock);
    (void)table_insert(&rules.table, address, pack(&rule)); /* without memory: learned again */
    lock_drop(&rules.lock);
    return rule;
}

struct rule rules_find(uintptr_t ip, bool is_exact)
{
    uintptr_t address = is_exact ? ip : ip - 1;
    uint64_t value = table_find(&rules.table, address, 0);
    if (MP_LIKELY(value != 0 && is_valid(value)))
        return unpack(value);
    return find_new(address);
}

/* After 65536 unloads a rule that nobody used since the first would pass for new. */
void rules_forget(void)
{
    atomic_fetch_add_explicit(&rules.generation, 1, memory_order_relaxed);
}

void rules_abandon(void)
{
    lock_reset(&rules.lock);
}
