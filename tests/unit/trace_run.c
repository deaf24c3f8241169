/* trace_run.c - see trace_run.h. */
#define _GNU_SOURCE
#include "tests/unit/trace_run.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer/plain.h"

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

void run_init(struct trace_run *run, uint64_t seed)
{
    memset(run, 0, sizeof(*run));
    run->random = seed;
    snprintf(run->folder, sizeof(run->folder), "/tmp/mpress-trace-XXXXXX");
    if (mkdtemp(run->folder) == NULL)
        abort();
    snprintf(run->path, sizeof(run->path), "%s/t.mpt", run->folder);
    run->shadows = mmap(NULL, SHADOW_THREADS * sizeof(struct shadow), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (run->shadows == MAP_FAILED)
        abort();
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void run_fini(struct trace_run *run)
{
    nftw(run->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    munmap(run->shadows, SHADOW_THREADS * sizeof(struct shadow));
}

pid_t run_start(struct trace_run *run, const struct tracer_options *options,
                void (*body)(struct trace_run *run))
{
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    struct tracer_options with_path = *options;
    with_path.path = run->path;
    if (tracer_start(&with_path) != 0)
        _exit(3);
    body(run);
    _exit(0);
}

bool run_wait(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* -- telling ---------------------------------------------------------------------------------- */

static struct decoded_event *begin(struct shadow *shadow, uint32_t kind)
{
    if (atomic_load(&shadow->tid) == 0)
        atomic_store(&shadow->tid, (uint64_t)syscall(SYS_gettid));
    uint64_t told = atomic_load(&shadow->told);
    if (told == SHADOW_EVENTS)
        abort();
    shadow->event[told] = (struct decoded_event){.kind = kind};
    return &shadow->event[told];
}

static void *pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static const struct tracer_caller nowhere = {0, 0, 0};

/* Two of three go the door's way where that is open to them. */
static struct plain_turn begin_plainly(struct shadow *shadow, const void *p)
{
    bool is_possible = plain_is_near(p) && atomic_load(&shadow->told) % 3 != 0;
    return is_possible ? plain_begin() : (struct plain_turn){NULL, NULL};
}

static bool tell_plainly(struct shadow *shadow, const void *p, uint64_t size, uint64_t alignment,
                         unsigned bits)
{
    if (!plain_is_on() || size > PLAIN_SIZE_MOST || alignment > 16)
        return false;
    struct plain_turn turn = begin_plainly(shadow, p);
    if (turn.lane == NULL)
        return false;
    plain_alloc(turn, p, size, bits);
    plain_end(turn);
    return true;
}

static bool free_plainly(struct shadow *shadow, const void *p)
{
    struct plain_turn turn = begin_plainly(shadow, p);
    if (turn.lane == NULL)
        return false;
    bool is_own = plain_is_own(turn, p);
    if (is_own && plain_is_on())
        plain_free_near(turn, p);
    else if (is_own)
        plain_free(turn, p);
    plain_end(turn);
    return is_own;
}

void tell_alloc(struct shadow *shadow, uint64_t address, uint64_t size, uint64_t alignment,
                unsigned bits)
{
    struct decoded_event *event = begin(shadow, DECODED_ALLOC);
    event->address = address;
    event->size = size;
    event->alignment = alignment > 16 ? alignment : 0;
    event->bits = bits;
    if (!tell_plainly(shadow, pointer(address), size, alignment, bits))
        tracer_alloc(pointer(address), size, alignment, bits, &nowhere);
    atomic_fetch_add(&shadow->told, 1);
}

void tell_free(struct shadow *shadow, uint64_t address)
{
    begin(shadow, DECODED_FREE)->address = address;
    if (!free_plainly(shadow, pointer(address)))
        tracer_free(pointer(address));
    atomic_fetch_add(&shadow->told, 1);
}

void tell_realloc(struct shadow *shadow, uint64_t old, uint64_t new, uint64_t size)
{
    struct decoded_event *event = begin(shadow, DECODED_REALLOC);
    event->old = old;
    event->address = new;
    event->size = size;
    event->bits = old == new ? TRACE_IN_PLACE : 0;
    tracer_realloc(pointer(old), pointer(new), size, &nowhere);
    atomic_fetch_add(&shadow->told, 1);
}

void tell_failed(struct shadow *shadow, uint64_t size)
{
    begin(shadow, DECODED_FAILED)->size = size;
    tracer_failed(size, &nowhere);
    atomic_fetch_add(&shadow->told, 1);
}

/* Sizes and addresses of every magnitude, near ones and known ones more often, as in life. */
static uint64_t some_size(uint64_t *random)
{
    uint64_t n = next_random(random);
    return n % 4 != 0 ? 16 * (n % 16) : n >> (n % 64);
}

static uint64_t some_address(uint64_t *random)
{
    uint64_t n = next_random(random);
    uint64_t far = n % 64 == 0 ? n >> 17 : UINT64_C(0x7f1234560000) + n % (1 << 20);
    return far & ~UINT64_C(15);
}

void tell_anything(struct trace_run *run, struct shadow *shadow, uint64_t *random, uint64_t events)
{
    (void)run;
    uint64_t last = some_address(random);
    for (uint64_t i = 0; i < events; i++) {
        uint64_t choice = next_random(random) % 100;
        uint64_t address = some_address(random);
        if (choice < 45)
            tell_alloc(shadow, last = address, some_size(random),
                       choice < 3 ? UINT64_C(1) << (choice + 10) : choice % 2 * 16,
                       choice < 10   ? TRACE_ZEROED
                       : choice < 20 ? TRACE_CPP
                                     : 0);
        else if (choice < 90)
            tell_free(shadow, choice % 2 != 0 ? last : address);
        else if (choice < 95)
            tell_realloc(shadow, last, choice % 2 != 0 ? last : address, some_size(random));
        else if (choice < 96)
            tell_failed(shadow, some_size(random));
        else
            tracer_sync();
    }
}

/* -- transactions ----------------------------------------------------------------------------- */

struct told_txn {
    struct tracer_txn traced;
    struct told_txn *parent;
};

static void tell_txn(struct shadow *shadow, enum trace_other_kind kind, uint64_t number,
                     const uint64_t values[6])
{
    struct decoded_event *event =
        begin(shadow, kind == TRACE_TXN_ALLOC ? DECODED_TXN_ALLOC : DECODED_TXN);
    event->txn = number;
    event->txn_kind = kind;
    memcpy(event->values, values, sizeof(event->values));
    atomic_fetch_add(&shadow->told, 1);
}

static void tell_txn_begin(struct shadow *shadow, struct told_txn *txn, struct told_txn *parent,
                           uint64_t expected)
{
    struct tracer_txn *in = parent != NULL ? &parent->traced : NULL;
    tracer_txn_begin(&txn->traced, in, "nine nine", expected, &nowhere);
    txn->parent = parent;
    tell_txn(shadow, TRACE_TXN_BEGIN, txn->traced.number,
             (uint64_t[6]){in != NULL ? in->number : 0, 0, expected});
    strcpy(shadow->event[atomic_load(&shadow->told) - 1].name, "nine nine");
}

static void tell_txn_end(struct shadow *shadow, struct told_txn *txn, uint64_t random)
{
    const struct tracer_txn_ended ended = {(enum trace_txn_end)(random % 3),
                                           random,
                                           random >> 7,
                                           random >> 31,
                                           random >> 50,
                                           random >> 60};
    tracer_txn_end(&txn->traced, txn->parent != NULL ? &txn->parent->traced : NULL, &ended);
    tell_txn(shadow, TRACE_TXN_END, txn->traced.number,
             (uint64_t[6]){ended.how, ended.blocks, ended.used, ended.reserved, ended.malloced,
                           ended.escaped});
}

static void tell_txn_inside(struct shadow *shadow, struct told_txn *txn, uint64_t random)
{
    uint64_t number = txn->traced.number, n = random >> 8;
    if (random % 16 < 10) {
        tracer_txn_alloc(&txn->traced, n >> (n % 56), UINT64_C(1) << n % 20, &nowhere);
        tell_txn(shadow, TRACE_TXN_ALLOC, number, (uint64_t[6]){0, n >> (n % 56), n % 20});
    } else if (random % 16 < 12) {
        tracer_txn_save(&txn->traced);
        tell_txn(shadow, TRACE_TXN_SAVE, number, (uint64_t[6]){0});
    } else if (random % 16 < 13) {
        tracer_txn_back(&txn->traced, n);
        tell_txn(shadow, TRACE_TXN_BACK, number, (uint64_t[6]){n});
    } else if (random % 16 < 14) {
        tracer_txn_adopt(&txn->traced);
        tell_txn(shadow, TRACE_TXN_ADOPT, number, (uint64_t[6]){0});
    } else {
        bool is_out = random % 16 == 15;
        tracer_txn_enter(is_out ? NULL : &txn->traced, n % 2000);
        tell_txn(shadow, TRACE_TXN_ENTER, is_out ? 0 : number,
                 (uint64_t[6]){is_out ? 0 : n % 2000});
    }
}

void tell_txns(struct shadow *shadow, uint64_t *random, uint64_t events)
{
    enum { DEEP = 5 };
    struct told_txn open[DEEP];
    size_t count = 0;
    for (uint64_t i = 0; i < events; i++) {
        uint64_t n = next_random(random), choice = n % 10;
        if (choice == 0 && count < DEEP) {
            tell_txn_begin(shadow, &open[count], count > 0 ? &open[count - 1] : NULL, n >> 40);
            count++;
        } else if (choice == 1 && count > 0) {
            tell_txn_end(shadow, &open[--count], n >> 3);
        } else if (choice < 5 || count == 0) {
            tell_alloc(shadow, some_address(random), some_size(random), 0, 0);
        } else {
            tell_txn_inside(shadow, &open[count - 1], n >> 4);
        }
    }
}

/* -- comparing -------------------------------------------------------------------------------- */

static bool differs(struct trace_run *run, const char *what, uint64_t tid, uint64_t n)
{
    snprintf(run->error, sizeof(run->error), "%s: thread %llu, event %llu", what,
             (unsigned long long)tid, (unsigned long long)n);
    return false;
}

static struct shadow *shadow_of(struct trace_run *run, uint64_t tid)
{
    for (size_t i = 0; i < SHADOW_THREADS; i++)
        if (atomic_load(&run->shadows[i].tid) == tid)
            return &run->shadows[i];
    return NULL;
}

static bool is_told(const struct decoded_event *event)
{
    return event->kind <= DECODED_TXN;
}

static bool is_same(const struct decoded_event *a, const struct decoded_event *b)
{
    return a->kind == b->kind && a->bits == b->bits && a->address == b->address &&
           a->old == b->old && a->size == b->size && a->alignment == b->alignment &&
           a->txn == b->txn && a->txn_kind == b->txn_kind &&
           memcmp(a->values, b->values, sizeof(a->values)) == 0 &&
           (a->kind != DECODED_TXN || strcmp(a->name, b->name) == 0);
}

bool run_matches(struct trace_run *run, const struct decoded *decoded, enum run_end end)
{
    uint64_t seen[SHADOW_THREADS] = {0};
    for (size_t l = 0; l < decoded->lane_count; l++) {
        const struct decoded_lane *lane = &decoded->lanes[l];
        uint64_t older = lane->older;
        for (size_t i = 0; i < lane->count; i++) {
            const struct decoded_event *event = &lane->events[i];
            if (!is_told(event))
                continue;
            struct shadow *shadow = shadow_of(run, event->tid);
            if (shadow == NULL)
                return differs(run, "an unknown thread", event->tid, i);
            uint64_t *n = &seen[shadow - run->shadows];
            *n += older;
            older = 0;
            /* one may have been written and its call not yet have returned */
            if (*n > atomic_load(&shadow->told) || !is_same(event, &shadow->event[*n]))
                return differs(run, "not what was told", event->tid, *n);
            (*n)++;
        }
    }
    for (size_t i = 0; i < SHADOW_THREADS; i++) {
        uint64_t told = atomic_load(&run->shadows[i].told);
        if (end != RUN_STOPPED && seen[i] < told)
            return differs(run, "events are missing", run->shadows[i].tid, seen[i]);
        if (end == RUN_WHOLE && seen[i] > told)
            return differs(run, "events nobody told", run->shadows[i].tid, seen[i]);
    }
    return true;
}
