/* without_tracer.c - stands in for the tracer in a build that has none (MPRESS_TRACER=OFF): a test
 * compares the hot path of both builds. */
#include <errno.h>

#include "allocators/base/say.h"
#include "preload/recorded.h"
#include "tracer/tracer.h"

int tracer_start(const struct tracer_options *options)
{
    (void)options;
    say("this library was built without its tracer");
    return ENOTSUP;
}

uint64_t tracer_sample_period(void)
{
    return 0;
}

uint64_t tracer_draw(uint64_t period)
{
    (void)period;
    return 0;
}

bool tracer_takes_of(uint64_t *left, size_t bytes, size_t asked)
{
    (void)left, (void)bytes, (void)asked;
    return false;
}

bool tracer_takes(size_t bytes)
{
    (void)bytes;
    return false;
}

void tracer_stop(enum trace_end_reason reason)
{
    (void)reason;
}

bool tracer_is_on(void)
{
    return false;
}

bool tracer_is_inside(void)
{
    return false;
}

const char *tracer_path(void)
{
    return "";
}

void tracer_sample_late(void)
{
}

void tracer_alloc(const void *p, size_t asked, size_t alignment, unsigned bits,
                  const struct tracer_caller *caller)
{
    (void)p, (void)asked, (void)alignment, (void)bits, (void)caller;
}

void tracer_free(const void *p)
{
    (void)p;
}

void tracer_realloc(const void *old, const void *new, size_t asked,
                    const struct tracer_caller *caller)
{
    (void)old, (void)new, (void)asked, (void)caller;
}

void *recorded_malloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

void *recorded_calloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

void *recorded_new(size_t bytes)
{
    (void)bytes;
    return NULL;
}

void *recorded_realloc(void *p, size_t bytes, struct tracer_caller caller)
{
    (void)p, (void)bytes, (void)caller;
    return NULL;
}

void recorded_free(void *p)
{
    (void)p;
}

_Atomic uint32_t tracer_watched;

void tracer_look(const void *p)
{
    (void)p;
}

void tracer_unwatch(const void *p)
{
    (void)p;
}

void tracer_failed(size_t asked, const struct tracer_caller *caller)
{
    (void)asked, (void)caller;
}

void tracer_txn_begin(struct tracer_txn *txn, struct tracer_txn *parent, const char *name,
                      size_t expected, const struct tracer_caller *caller)
{
    (void)txn, (void)parent, (void)name, (void)expected, (void)caller;
}

void tracer_txn_alloc(struct tracer_txn *txn, size_t bytes, size_t alignment,
                      const struct tracer_caller *caller)
{
    (void)txn, (void)bytes, (void)alignment, (void)caller;
}

void tracer_txn_save(struct tracer_txn *txn)
{
    (void)txn;
}

void tracer_txn_back(struct tracer_txn *txn, uint64_t blocks)
{
    (void)txn, (void)blocks;
}

void tracer_txn_adopt(struct tracer_txn *txn)
{
    (void)txn;
}

void tracer_txn_enter(struct tracer_txn *txn, size_t bytes)
{
    (void)txn, (void)bytes;
}

void tracer_txn_end(struct tracer_txn *txn, struct tracer_txn *parent,
                    const struct tracer_txn_ended *ended)
{
    (void)txn, (void)parent, (void)ended;
}

void tracer_mapped(const struct tracer_mapping *mapping, const struct tracer_caller *caller)
{
    (void)mapping, (void)caller;
}

void tracer_unmapped(uintptr_t start, size_t bytes)
{
    (void)start, (void)bytes;
}

void tracer_dropped(void)
{
}

void tracer_signal(int number, int code, const void *address, const struct tracer_caller *caller)
{
    (void)number, (void)code, (void)address, (void)caller;
}

int tracer_dump(const char *name)
{
    (void)name;
    return ENOENT;
}

void tracer_sync(void)
{
}

void tracer_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    (void)visit, (void)context;
}

const void *tracer_block(void)
{
    return NULL;
}

void tracer_write_lost(const unsigned char *entries, size_t bytes)
{
    (void)entries, (void)bytes;
}

void tracer_write_leaks(const struct trace_leaks *leaks)
{
    (void)leaks;
}

void tracer_pressure(const struct trace_pressure *pressure)
{
    (void)pressure;
}

void tracer_write_latency(const unsigned char *payload, size_t bytes)
{
    (void)payload, (void)bytes;
}

void tracer_mark(const char *label)
{
    (void)label;
}

void tracer_sample(void)
{
}

void tracer_thread_exit(void)
{
}

void tracer_fork_child(bool follow)
{
    (void)follow;
}

void tracer_module_unloaded(void)
{
}
