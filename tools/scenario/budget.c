/* budget.c - a budget that libmpress.so itself keeps, through a page shared with it
 * (preload/budget.h). Needs no rights; counts what the heap holds and what the program maps. */
#define _GNU_SOURCE /* memfd_create */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/budget.h"
#include "tools/place.h"
#include "tools/scenario/backstop.h"
#include "tools/scenario/groups.h"
#include "tools/scenario/pressure.h"
#include "tools/scenario/process.h"
#include "tools/scenario/told.h"
#include "tools/trace/memory.h"

enum { GRACE_MS = 200, ALL_STRATEGIES = (1 << BUDGET_STRATEGIES) - 1 };

/* So large that it is none; with 0 the library would not look at growth. */
static const uint64_t NO_BUDGET = UINT64_C(1) << 46;

struct shared {
    int fd;      /* of the page: without a name, it ends with this program however that ends */
    pid_t owner; /* this program */
    struct budget_page *page;
    struct told told;
    struct backstop backstop;
    char library[PLACE_BYTES]; /* the build of it that times its hot path too */
};

static struct shared *shared_of(const struct pressure *pressure)
{
    return pressure->state;
}

/* Everybody reads and writes these words at the same time; each is a number of its own. */
static uint64_t read_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* -- its life --------------------------------------------------------------------------------- */

static int make_page(struct shared *shared)
{
    shared->fd = memfd_create("mpress-budget", MFD_CLOEXEC);
    if (shared->fd < 0)
        return errno;
    shared->page =
        ftruncate(shared->fd, sizeof(*shared->page)) != 0
            ? MAP_FAILED
            : mmap(NULL, sizeof(*shared->page), PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    if (shared->page != MAP_FAILED)
        return 0;
    int error = errno;
    close(shared->fd);
    return error;
}

static bool open_page(struct pressure *pressure, uint32_t flags, char why[PRESSURE_WHY_BYTES])
{
    struct shared *shared = memory_alloc(1, sizeof(*shared));
    shared->owner = getpid();
    int error = make_page(shared);
    if (error != 0) {
        snprintf(why, PRESSURE_WHY_BYTES, "no page can be shared: %s", strerror(error));
        free(shared);
        return false;
    }
    struct budget_page *page = shared->page;
    page->layout = BUDGET_LAYOUT;
    page->bytes = sizeof(*page);
    atomic_store(&page->settings.flags, flags | BUDGET_FAMILY);
    atomic_store(&page->settings.strategies, ALL_STRATEGIES);
    atomic_store(&page->settings.grace_ms, GRACE_MS);
    memcpy(page->magic, BUDGET_MAGIC, sizeof BUDGET_MAGIC);
    pressure->state = shared;
    if (place_find_beside(pressure->library, "libmpress-timed.so", shared->library))
        pressure->library = shared->library;
    return true;
}

static bool open_budget(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    return open_page(pressure, BUDGET_THROTTLE | BUDGET_REFUSE | BUDGET_BACKSTOP, why);
}

static bool open_throttle(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    return open_page(pressure, BUDGET_THROTTLE, why);
}

static void close_page(struct pressure *pressure)
{
    struct shared *shared = shared_of(pressure);
    munmap(shared->page, sizeof(*shared->page));
    close(shared->fd);
    free(shared);
}

/* Children of the program find it there too, whatever descriptors they inherit. */
static void name_page(const struct pressure *pressure, struct environment *environment)
{
    const struct shared *shared = shared_of(pressure);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)shared->owner, shared->fd);
    environment_set(environment, BUDGET_VARIABLE, path);
}

static void set_settings(struct pressure *pressure, uint64_t bytes)
{
    struct budget_settings *settings = &shared_of(pressure)->page->settings;
    pressure->budget = bytes;
    atomic_store(&settings->strategies,
                 pressure->is_strategy_alone ? pressure->strategy : (uint32_t)ALL_STRATEGIES);
    atomic_store(&settings->bytes, bytes != 0 ? bytes : NO_BUDGET);
}

/* -- what the processes tell ------------------------------------------------------------------ */

/* An id is given again in time. 0: who began when is not known. */
static bool is_slot_of(const struct budget_slot *slot, const struct victim *victim, size_t place)
{
    uint64_t start = read_word(&slot->start);
    return atomic_load_explicit(&slot->process_id, memory_order_acquire) ==
               (uint32_t)victim->pid[place] &&
           (start == victim->start[place] || start == 0 || victim->start[place] == 0);
}

static bool is_of(const struct victim *victim, const struct budget_slot *slot)
{
    for (size_t i = 0; i < victim->pids; i++) {
        if (is_slot_of(slot, victim, i))
            return true;
    }
    return false;
}

/* 0: the slot is free, and so are all behind it. */
static uint32_t read_process(const struct budget_page *page, size_t index)
{
    return index == BUDGET_SLOTS
               ? 0
               : atomic_load_explicit(&page->slots[index].process_id, memory_order_acquire);
}

/* The sum of one word over the target's processes. */
static uint64_t sum(const struct pressure *pressure, size_t offset)
{
    const struct budget_page *page = shared_of(pressure)->page;
    uint64_t total = 0;
    for (size_t i = 0; read_process(page, i) != 0; i++) {
        const struct budget_slot *slot = &page->slots[i];
        if (!is_of(pressure->victim, slot))
            continue;
        total += read_word((const _Atomic uint64_t *)((const char *)slot + offset));
    }
    return total;
}

static struct budget_slot *find_slot(struct budget_page *page, const struct victim *victim,
                                     size_t place)
{
    for (size_t i = 0; read_process(page, i) != 0; i++) {
        if (is_slot_of(&page->slots[i], victim, place))
            return &page->slots[i];
    }
    return NULL;
}

/* As the library counts: what each told last, or what is seen of it from outside, without what a
 * fork left it with. Who has told nothing has only just begun. */
static uint64_t get_used(const struct pressure *pressure)
{
    const struct victim *victim = pressure->victim;
    uint64_t total = 0;
    for (size_t i = 0; i < victim->pids; i++) {
        const struct budget_slot *slot = find_slot(shared_of(pressure)->page, victim, i);
        uint64_t told = slot == NULL ? 0 : read_word(&slot->used);
        uint64_t inherited = slot == NULL ? 0 : read_word(&slot->inherited);
        uint64_t used = told > victim->anon[i] || told == 0 ? told : victim->anon[i];
        total += used > inherited ? used - inherited : 0;
    }
    return total;
}

/* Several had theirs at different times: of all together it was as much as the largest, at least.
 */
static uint64_t get_most(const struct pressure *pressure)
{
    const struct victim *victim = pressure->victim;
    uint64_t most = 0;
    for (size_t i = 0; i < victim->pids; i++) {
        const struct budget_slot *slot = find_slot(shared_of(pressure)->page, victim, i);
        uint64_t peak = slot == NULL ? 0 : read_word(&slot->peak);
        most = peak > most ? peak : most;
    }
    return most;
}

static void get_heap(const struct pressure *pressure, struct pressure_heap *heap)
{
    heap->asked = sum(pressure, offsetof(struct budget_slot, asked));
    heap->objects = sum(pressure, offsetof(struct budget_slot, objects));
    heap->resident = sum(pressure, offsetof(struct budget_slot, heap));
    heap->mapped = sum(pressure, offsetof(struct budget_slot, mapped));
    heap->heap_resident = sum(pressure, offsetof(struct budget_slot, heap_resident));
    heap->mapped_resident = sum(pressure, offsetof(struct budget_slot, mapped_resident));
    heap->resident_anon = sum(pressure, offsetof(struct budget_slot, resident_anon));
}

static const struct pressure_latency *read_latency(const struct pressure *pressure)
{
    struct shared *shared = shared_of(pressure);
    told_read(&shared->told, shared->page);
    return &shared->told.latency;
}

static void get_injected(const struct pressure *pressure, struct pressure_injected *injected)
{
    read_latency(pressure);
    *injected = shared_of(pressure)->told.injected;
}

/* -- processes that cannot run under the library ---------------------------------------------- */

static struct budget_slot *take_slot(struct shared *shared, const struct victim *victim,
                                     size_t place)
{
    struct budget_page *page = shared->page;
    struct budget_slot *slot = find_slot(page, victim, place);
    if (slot != NULL)
        return slot;
    slot = budget_claim(page, (uint32_t)victim->pid[place], told_is_there);
    if (slot == NULL)
        return NULL;
    atomic_store(&slot->start, victim->start[place]);
    shared->told.is_ours[slot - page->slots] = true;
    return slot;
}

/* One that was under the library before it executed another program has left its numbers. */
static void tell_outside(struct shared *shared, const struct victim *victim, size_t place)
{
    struct budget_slot *slot = take_slot(shared, victim, place);
    if (slot == NULL)
        return;
    atomic_store(&slot->inherited, 0);
    atomic_store(&slot->used, victim->anon[place]);
    atomic_store(&slot->resident_anon, victim->anon[place]);
    _Atomic uint64_t *const nothing[] = {&slot->heap,           &slot->live,   &slot->asked,
                                         &slot->objects,        &slot->mapped, &slot->heap_resident,
                                         &slot->mapped_resident};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
        atomic_store(nothing[i], 0);
}

static void ask_for_threads(struct shared *shared, const struct victim *victim, size_t place)
{
    struct backstop_process *process = &shared->backstop.process[place];
    const struct budget_slot *slot = find_slot(shared->page, victim, place);
    if (slot == NULL)
        return;
    uint32_t most = atomic_load_explicit(&slot->threads_most, memory_order_relaxed);
    process->threads = atomic_load_explicit(&slot->threads, memory_order_relaxed);
    if (most > shared->backstop.threads)
        shared->backstop.threads = most;
}

static void follow(struct pressure *pressure)
{
    struct shared *shared = shared_of(pressure);
    const struct victim *victim = pressure->victim;
    if (victim == NULL)
        return;
    backstop_find(&shared->backstop, victim);
    for (size_t i = 0; i < victim->pids; i++) {
        ask_for_threads(shared, victim, i);
        if (shared->backstop.process[i].is_outside)
            tell_outside(shared, victim, i);
    }
    backstop_set(&shared->backstop, victim, pressure->budget, get_used(pressure));
}

static void prepare_budget(const struct pressure *pressure)
{
    backstop_prepare(&shared_of(pressure)->backstop, pressure->budget);
}

static void set_budget(struct pressure *pressure, uint64_t bytes)
{
    set_settings(pressure, bytes);
    backstop_note_room(&shared_of(pressure)->backstop, bytes);
    follow(pressure);
}

static void get_backstop(const struct pressure *pressure, struct pressure_backstop *told)
{
    const struct shared *shared = shared_of(pressure);
    read_latency(pressure);
    *told = (struct pressure_backstop){.head_room = shared->backstop.head_room,
                                       .refused = shared->told.refused,
                                       .denied = shared->told.denied,
                                       .outside = shared->backstop.outside,
                                       .unreached = shared->backstop.unreached};
    memcpy(told->name, shared->backstop.name, sizeof told->name);
}

/* Each process that looks at a slot has its page resident, so the pages of those that are gone are
 * taken back; but those of the first slot, which each run has. (Some systems take none back.) */
static void clear_slots(struct budget_page *page, size_t taken)
{
    const size_t unit = 4096, from = offsetof(struct budget_page, recycled);
    size_t first = (offsetof(struct budget_page, slots[1]) + unit - 1) / unit * unit;
    size_t behind = offsetof(struct budget_page, slots) + taken * sizeof page->slots[0];
    memset((char *)page + from, 0, first - from);
    if (behind > first && madvise((char *)page + first, behind - first, MADV_REMOVE) != 0)
        memset((char *)page + first, 0, behind - first);
}

/* Slots of those that are gone would be told as memory of the program, more with each run. What
 * they had counted is known by now. (Only those that were taken: what was seen of all 128 is more
 * than a MiB, and to clear that before each run took a fifth of what runs of a millisecond cost
 * this program.) */
static void forget_slots(struct pressure *pressure)
{
    struct shared *shared = shared_of(pressure);
    struct budget_page *page = shared->page;
    size_t taken = 0;
    read_latency(pressure);
    for (; read_process(page, taken) != 0; taken++) {
        if (!shared->told.seen[taken].has_ended)
            return;
    }
    memset(shared->told.seen, 0, taken * sizeof shared->told.seen[0]);
    memset(shared->told.is_ours, 0, taken * sizeof shared->told.is_ours[0]);
    if (taken > 0)
        clear_slots(page, taken);
}

/* -- the mechanisms --------------------------------------------------------------------------- */

#define FIGURES                                                                                    \
    .needs_preload = true, .close = close_page, .used = get_used, .most = get_most,                \
    .heap = get_heap, .latency = read_latency, .injected = get_injected, .forget = forget_slots

const struct pressure_mechanism pressure_budget = {
    .name = "budget",
    .enforces = "libmpress.so: gives back what it keeps, slows growth down, then refuses (ENOMEM)",
    .unit = "heap and writable mappings of all its processes, or RssAnon where that is more",
    .open = open_budget,
    .adorn = name_page,
    .prepare = prepare_budget,
    .set = set_budget,
    .tick = follow,
    .backstop = get_backstop,
    FIGURES,
};

static const char *object_to_throttle(void)
{
    return "it only slows down: budget does that too";
}

const struct pressure_mechanism pressure_throttle = {
    .name = "throttle",
    .enforces = "libmpress.so: gives back what it keeps, slows growth down, refuses nothing",
    .unit = "heap and writable mappings of all its processes, or RssAnon where that is more",
    .objection = object_to_throttle,
    .open = open_throttle,
    .adorn = name_page,
    .set = set_settings,
    FIGURES,
};

/* -- swap: what is cold is taken away --------------------------------------------------------- */

/* A replay passes none of its blocks to system calls, so that nobody's rights are needed. */
static void want_packing(const struct pressure *pressure, struct environment *environment)
{
    environment_set(environment, "MPRESS_COMPRESSION", pressure->is_replay ? "own" : "on");
}

static void adorn_swapped(const struct pressure *pressure, struct environment *environment)
{
    name_page(pressure, environment);
    want_packing(pressure, environment);
}

static void adorn_question(void *pressure_, struct environment *environment)
{
    const struct pressure *pressure = pressure_;
    environment_unset(environment, "MPRESS_TRACE");
    want_packing(pressure, environment);
    environment_preload(environment, pressure->library);
}

/* The library itself is asked: this program is started under it, and does nothing. "": it packs. */
static void ask_library(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    char *arguments[] = {"/proc/self/exe", "--version", NULL};
    const struct process_hooks hooks = {.adorn = adorn_question, .context = pressure};
    struct process process;
    *why = '\0';
    int error = process_start(&process, arguments, &hooks);
    if (error != 0) {
        snprintf(why, PRESSURE_WHY_BYTES, "%s", strerror(error));
        return;
    }
    double until = process_now() + 5;
    while (!process_has_ended(&process, &hooks) && process_now() < until)
        usleep(1000);
    process_stop(&process, 0, &hooks);
    const char *refusal = strstr(process.said, "refused: ");
    if (refusal != NULL)
        snprintf(why, PRESSURE_WHY_BYTES, "%.200s", refusal + strlen("refused: "));
}

static bool open_swap(struct pressure *pressure, char why[PRESSURE_WHY_BYTES])
{
    ask_library(pressure, why);
    if (*why != '\0' && !groups_have_swap())
        return false;
    *why = '\0';
    return open_page(pressure, BUDGET_THROTTLE | BUDGET_SWAP, why);
}

static const char *object_to_swap(void)
{
    return "it refuses nothing: what can only grow is never seen to break";
}

const struct pressure_mechanism pressure_swap = {
    .name = "swap",
    .enforces = "libmpress.so: what is cold beyond it is gone until touched; growth is slowed down",
    .unit = "heap and writable mappings of all its processes, or RssAnon where that is more",
    .objection = object_to_swap,
    .open = open_swap,
    .adorn = adorn_swapped,
    .set = set_settings,
    FIGURES,
};
