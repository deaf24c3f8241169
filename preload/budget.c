/* budget.c - takes a slot in the page that a tool shares with us, and reads what it wants. */
#include "preload/budget_slot.h"

#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/growth.h"

static struct budget_slot own_slot;
struct budget_slot *budget_slot = &own_slot;

static uint32_t own_strategies;  /* the options; constant after the constructor */
static uint64_t born_ns;         /* when the slot was taken; while one thread runs */
static _Atomic uint32_t sharers; /* of a family's budget, when they were last added up */
static struct budget_page *page; /* NULL: no tool; constant after the constructor */

/* -- slots ------------------------------------------------------------------------------------ */

static uint32_t process_of(const struct budget_slot *slot)
{
    return atomic_load_explicit(&slot->process_id, memory_order_acquire);
}

static bool has_ended(const struct budget_slot *slot)
{
    return atomic_load_explicit(&slot->has_ended, memory_order_relaxed) != 0;
}

static bool is_taken(unsigned index)
{
    return index < BUDGET_SLOTS && process_of(&page->slots[index]) != 0;
}

/* Of this process before it executed another program. */
static struct budget_slot *find_own(uint32_t process, uint64_t start)
{
    for (unsigned i = 0; is_taken(i); i++) {
        struct budget_slot *slot = &page->slots[i];
        if (process_of(slot) == process && slot->start == start && !has_ended(slot))
            return slot;
    }
    return NULL;
}

/* Without one the process is limited like the others, and nobody sees its numbers. */
static void take_slot(void)
{
    uint32_t process = (uint32_t)os_process_id();
    uint64_t start = os_process_start();
    struct budget_slot *slot = find_own(process, start);
    if (slot == NULL)
        slot = budget_claim(page, process, os_process_is_there);
    if (slot == NULL)
        slot = &own_slot;
    os_thread_name(slot->name);
    slot->start = start;
    slot->parent_id = (uint32_t)os_parent_id();
    slot->inherited = 0;
    slot->threads = 0;
    budget_slot = slot;
    born_ns = os_time_coarse_ns();
}

bool budget_is_for_family(void)
{
    return page != NULL && (page->settings.flags & BUDGET_FAMILY) != 0;
}

bool budget_swaps(void)
{
    return page != NULL && (page->settings.flags & BUDGET_SWAP) != 0;
}

bool budget_moves_limits(void)
{
    return page != NULL && (page->settings.flags & BUDGET_BACKSTOP) != 0;
}

uint64_t budget_used_by_others(void)
{
    uint64_t sum = 0;
    uint32_t others = 0;
    if (!budget_is_for_family())
        return 0;
    for (unsigned i = 0; is_taken(i); i++) {
        struct budget_slot *slot = &page->slots[i];
        uint32_t process = process_of(slot);
        if (slot == budget_slot || has_ended(slot))
            continue;
        if (!os_process_is_there((int)process)) { /* it was killed */
            slot->has_ended = 1;
            continue;
        }
        uint64_t used = slot->used, inherited = slot->inherited;
        sum += used > inherited ? used - inherited : 0;
        others++;
    }
    atomic_store_explicit(&sharers, others + 1, memory_order_relaxed);
    return sum;
}

/* Of a process that is younger, as long as it has lived: what ends soon has told what it had. */
uint64_t budget_pause_ns(uint64_t now_ns)
{
    static const uint64_t LEAST_NS = 1000000;
    uint64_t age_ns = now_ns > born_ns ? now_ns - born_ns : 0;
    if (page == NULL || age_ns > BUDGET_PAUSE_NS)
        return BUDGET_PAUSE_NS;
    return age_ns > LEAST_NS ? age_ns : LEAST_NS;
}

/* -- the page --------------------------------------------------------------------------------- */

static bool is_page(const struct budget_page *mapped)
{
    return memcmp(mapped->magic, BUDGET_MAGIC, sizeof(BUDGET_MAGIC)) == 0 &&
           mapped->layout == BUDGET_LAYOUT && mapped->bytes == sizeof(*mapped);
}

/* A page without a name is what the tool holds open: it is gone with the tool. */
static int open_page(const char *path, int *fd)
{
    bool is_held = strncmp(path, "/proc/", sizeof("/proc/") - 1) == 0;
    return is_held ? os_process_file_open(path, fd) : os_file_open(path, fd);
}

/* A shorter file would be a SIGBUS at its end: the size is looked at first. */
static struct budget_page *map_page(const char *path)
{
    int fd;
    uint64_t bytes = 0;
    struct budget_page *mapped = NULL;
    if (open_page(path, &fd) != 0)
        return NULL;
    if (os_file_bytes(fd, &bytes) && bytes >= sizeof(*mapped))
        mapped = os_file_map_sparse(fd, 0, sizeof(*mapped));
    os_file_close(fd);
    return mapped != NULL && is_page(mapped) ? mapped : NULL;
}

bool budget_attach(const char *path)
{
    if (strcmp(path, "none") == 0)
        return false;
    page = map_page(path);
    if (page == NULL) {
        say("%s: %s is no budget of this version", BUDGET_VARIABLE, path);
        return false;
    }
    take_slot();
    return true;
}

bool budget_is_attached(void)
{
    return page != NULL;
}

uint64_t budget_bytes(void)
{
    return page != NULL ? atomic_load_explicit(&page->settings.bytes, memory_order_relaxed) : 0;
}

bool budget_read_limit(struct pressure_limit *limit)
{
    uint64_t bytes = budget_bytes();
    if (bytes == 0)
        return false;
    uint32_t flags = page->settings.flags;
    bool is_held = (flags & (BUDGET_REFUSE | BUDGET_HOLD)) != 0;
    uint64_t wall = bytes + bytes / (is_held ? 128 : 8);
    *limit = (struct pressure_limit){
        .soft = bytes - bytes / 10,
        .hard = bytes,
        .wall = wall,
        .grace_ns = page->settings.grace_ms * UINT64_C(1000000),
        .throttle_from = bytes,
        .throttle_full = wall,
        .sharers = atomic_load_explicit(&sharers, memory_order_relaxed),
        .throttles = (flags & BUDGET_THROTTLE) != 0,
        .refuses = (flags & BUDGET_REFUSE) != 0,
        .holds = (flags & BUDGET_HOLD) != 0,
    };
    return true;
}

void budget_set_own_strategies(bool lazy, bool eviction, bool pooling, bool compression)
{
    own_strategies = (uint32_t)lazy << BUDGET_LAZY | (uint32_t)eviction << BUDGET_EVICTION |
                     (uint32_t)pooling << BUDGET_POOLING |
                     (uint32_t)compression << BUDGET_COMPRESSION;
}

bool budget_allows(enum budget_strategy which)
{
    uint32_t allowed = own_strategies;
    if (page != NULL)
        allowed &= page->settings.strategies;
    return (allowed >> which & 1) != 0;
}

/* -- threads ---------------------------------------------------------------------------------- */

/* The first one has its stack of the kernel, also in the child of a fork, where it begins anew. No
 * system call: the program may be in a sandbox by now. */
static bool is_counted(void)
{
    return page != NULL && os_thread_id_quiet() != (int)process_of(budget_slot);
}

void budget_thread_begins(void)
{
    if (!is_counted())
        return;
    uint32_t threads = atomic_fetch_add(&budget_slot->threads, 1) + 1;
    uint32_t most = budget_slot->threads_most;
    while (threads > most &&
           !atomic_compare_exchange_weak(&budget_slot->threads_most, &most, threads))
        ;
}

void budget_thread_ends(void)
{
    if (!is_counted())
        return;
    uint32_t threads = budget_slot->threads;
    while (threads > 0 &&
           !atomic_compare_exchange_weak(&budget_slot->threads, &threads, threads - 1))
        ;
}

/* -- fork and end ----------------------------------------------------------------------------- */

void budget_fork_child(uint64_t used)
{
    if (page != NULL) {
        take_slot();
        growth_allow(0); /* what the parent was allowed is the parent's */
    }
    budget_set(&budget_slot->inherited, used); /* first: others add up the difference meanwhile */
    budget_set(&budget_slot->used, used);
}

void budget_end(void)
{
    budget_slot->has_ended = 1;
}
