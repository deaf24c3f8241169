/* areas.c - see areas.h. A table is made in memory of its own, since this may run on the small
 * stack of any thread, and by one thread at a time. */
#include "tracer/areas.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/file.h"
#include "tracer/info.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"

enum {
    AREAS_BYTES = 32 * 1024,
    AREAS_NAME_BYTES = 256,
    AREAS_ENTRY_BYTES = 1 + 6 * 10 + AREAS_NAME_BYTES,
    AREAS_UNIT_SHIFT = 12,
    AREAS_FIRST = 8,               /* so many tables of a reason may take what they take, */
    AREAS_SHARE = 50,              /* all of its later ones together 2 % of the time; */
    AREAS_SAMPLED_SHARE = 200,     /* of growth, in a trace of samples, all together 0.5 %, */
    AREAS_EXPECTED_NS = 1000000,   /* with the next one, which takes so long */
    AREAS_COUNTED_BYTES = 1 << 30, /* of a range of our own; the reservation is larger */
    AREAS_GUARD_BYTES = 64 * 1024, /* libc's guards of thread stacks are one page */
};

static struct {
    _Atomic uint64_t most;                        /* resident bytes in any table */
    _Atomic uint64_t start_ns;                    /* of the first table; 0: none yet */
    _Atomic uint64_t tables[TRACE_AREAS_END + 1]; /* of each reason, */
    _Atomic uint64_t took_ns[TRACE_AREAS_END + 1];
    _Atomic bool taken;    /* a thread makes a table; the rest is its own */
    unsigned char *record; /* of AREAS_BYTES; NULL: none yet */
    unsigned char *at;     /* in it */
    uint64_t time_ns;
    unsigned char reason;
    bool is_written;
    uint64_t last_end;           /* of the area before, in the record */
    uint64_t resident;           /* bytes, in the table so far */
    uintptr_t guard_end;         /* of a small inaccessible mapping that was the last one */
    char name[AREAS_NAME_BYTES]; /* the last one in the record */
} areas;

/* -- records ---------------------------------------------------------------------------------- */

static void begin_record(unsigned bits)
{
    areas.at = trace_put_uvarint(areas.record, areas.time_ns);
    *areas.at++ = areas.reason;
    *areas.at++ = (unsigned char)bits;
    areas.last_end = 0;
    areas.name[0] = '\0';
}

static void end_record(unsigned bits)
{
    unsigned char *head = trace_put_uvarint(areas.record, areas.time_ns);
    head[1] |= (unsigned char)bits;
    areas.is_written &= info_write_areas(areas.record, (size_t)(areas.at - areas.record));
}

static void begin_area(unsigned kind, uintptr_t start, uintptr_t end)
{
    if (areas.at > areas.record + AREAS_BYTES - AREAS_ENTRY_BYTES) {
        end_record(0);
        begin_record(0);
    }
    uint64_t from = start >> AREAS_UNIT_SHIFT, to = end >> AREAS_UNIT_SHIFT;
    *areas.at++ = (unsigned char)kind;
    areas.at = trace_put_svarint(areas.at, (int64_t)(from - areas.last_end));
    areas.at = trace_put_uvarint(areas.at, to - from);
    areas.last_end = to;
}

static void put_name(const char *name)
{
    size_t length = strlen(name);
    length = length < AREAS_NAME_BYTES ? length : AREAS_NAME_BYTES - 1;
    bool is_same = strncmp(name, areas.name, AREAS_NAME_BYTES - 1) == 0;
    if (length == 0 || is_same) {
        *areas.at++ = length != 0;
        return;
    }
    areas.at = trace_put_uvarint(areas.at, length + 1);
    memcpy(areas.at, name, length);
    areas.at += length;
    memcpy(areas.name, name, length);
    areas.name[length] = '\0';
}

/* -- kinds ------------------------------------------------------------------------------------ */

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static unsigned kind_of_name(const char *name)
{
    if (begins_with(name, "[heap"))
        return TRACE_AREA_BREAK;
    if (begins_with(name, "[stack"))
        return TRACE_AREA_STACK;
    if (begins_with(name, "[anon"))
        return TRACE_AREA_ANONYMOUS;
    if (name[0] == '[')
        return TRACE_AREA_SYSTEM;
    if (begins_with(name, file_path()))
        return TRACE_AREA_TRACE;
    if (begins_with(name, "/memfd:") || begins_with(name, "/SYSV") ||
        begins_with(name, "/dev/shm/") || begins_with(name, "/dev/zero"))
        return TRACE_AREA_SHARED;
    return TRACE_AREA_FILE;
}

/* A thread that records is known to stand there. Others are known by what libc puts below a stack:
 * a small mapping without any access. */
static bool is_stack(const struct os_mapping *mapping)
{
    if (!mapping->is_accessible)
        return false;
    for (const struct lane *lane = lane_newest(); lane != NULL; lane = lane->next) {
        uintptr_t stack = atomic_load_explicit(&lane->stack, memory_order_relaxed);
        if (stack >= mapping->start && stack < mapping->end)
            return true;
    }
    return areas.guard_end == mapping->start;
}

static unsigned kind_of(const struct os_mapping *mapping)
{
    if (mapping->name[0] != '\0')
        return kind_of_name(mapping->name);
    if (mapping->is_shared)
        return TRACE_AREA_SHARED;
    return is_stack(mapping) ? TRACE_AREA_STACK : TRACE_AREA_ANONYMOUS;
}

/* -- the table -------------------------------------------------------------------------------- */

static void put_own(uintptr_t start, size_t bytes, void *unused)
{
    (void)unused;
    begin_area(TRACE_AREA_OWN, start, start + bytes);
    uint64_t count = 0;
    if (bytes <= AREAS_COUNTED_BYTES)
        count = (os_count_resident(start, bytes) >> AREAS_UNIT_SHIFT) + 1;
    areas.at = trace_put_uvarint(areas.at, count);
}

static void put_mapping(const struct os_mapping *mapping, void *unused)
{
    (void)unused;
    unsigned kind = kind_of(mapping);
    bool is_guard = kind == TRACE_AREA_ANONYMOUS && !mapping->is_accessible &&
                    mapping->end - mapping->start <= AREAS_GUARD_BYTES;
    areas.guard_end = is_guard ? mapping->end : 0;
    if (mapping->resident_bytes == 0 && mapping->swapped_bytes == 0)
        return;
    begin_area(kind, mapping->start, mapping->end);
    areas.at = trace_put_uvarint(areas.at, mapping->resident_bytes >> AREAS_UNIT_SHIFT);
    areas.at = trace_put_uvarint(areas.at, mapping->anonymous_bytes >> AREAS_UNIT_SHIFT);
    areas.at = trace_put_uvarint(areas.at, mapping->swapped_bytes >> AREAS_UNIT_SHIFT);
    put_name(mapping->name);
    areas.resident += mapping->resident_bytes;
}

static void write_table(uint64_t now_ns, enum trace_areas_reason reason)
{
    areas.time_ns = now_ns;
    areas.reason = (unsigned char)reason;
    areas.is_written = true;
    areas.resident = 0;
    areas.guard_end = 0;
    begin_record(TRACE_AREAS_FIRST);
    os_own_visit(put_own, NULL);
    bool is_known = os_visit_mappings(put_mapping, NULL);
    if (is_known)
        end_record(TRACE_AREAS_LAST);
    uint64_t took_ns = os_time_ns() - now_ns;
    if (areas.resident > atomic_load_explicit(&areas.most, memory_order_relaxed))
        atomic_store_explicit(&areas.most, areas.resident, memory_order_relaxed);
    if (atomic_load_explicit(&areas.start_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&areas.start_ns, now_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&areas.tables[reason], is_known, memory_order_relaxed);
    atomic_fetch_add_explicit(&areas.took_ns[reason], took_ns, memory_order_relaxed);
}

bool areas_write(uint64_t now_ns, enum trace_areas_reason reason)
{
    /* acquire, release: the threads that write tables do so one after another */
    if (atomic_exchange_explicit(&areas.taken, true, memory_order_acquire))
        return true;
    if (areas.record == NULL)
        areas.record = os_map(AREAS_BYTES);
    bool is_written = true;
    if (areas.record != NULL) {
        write_table(now_ns, reason);
        is_written = areas.is_written;
    }
    atomic_store_explicit(&areas.taken, false, memory_order_release);
    return is_written;
}

bool areas_may_cost(uint64_t now_ns, enum trace_areas_reason reason)
{
    uint64_t start_ns = atomic_load_explicit(&areas.start_ns, memory_order_relaxed);
    uint64_t took_ns = atomic_load_explicit(&areas.took_ns[reason], memory_order_relaxed);
    uint64_t since_ns = start_ns < now_ns ? now_ns - start_ns : 0;
    if (recorder.sample_period != 0 && reason == TRACE_AREAS_GROWN)
        return took_ns + AREAS_EXPECTED_NS <= (now_ns - recorder.start_ns) / AREAS_SAMPLED_SHARE;
    return atomic_load_explicit(&areas.tables[reason], memory_order_relaxed) < AREAS_FIRST ||
           took_ns <= since_ns / AREAS_SHARE;
}

bool areas_are_due(uint64_t now_ns, uint64_t rss)
{
    uint64_t most = atomic_load_explicit(&areas.most, memory_order_relaxed);
    return areas_may_cost(now_ns, TRACE_AREAS_GROWN) && rss > most + most / 4;
}

uint64_t areas_count(uint64_t *took_ns)
{
    uint64_t tables = 0;
    *took_ns = 0;
    for (int i = 0; i <= TRACE_AREAS_END; i++) {
        *took_ns += atomic_load_explicit(&areas.took_ns[i], memory_order_relaxed);
        tables += atomic_load_explicit(&areas.tables[i], memory_order_relaxed);
    }
    return tables;
}

void areas_forget(void)
{
    for (int i = 0; i <= TRACE_AREAS_END; i++) {
        atomic_store_explicit(&areas.tables[i], 0, memory_order_relaxed);
        atomic_store_explicit(&areas.took_ns[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&areas.most, 0, memory_order_relaxed);
    atomic_store_explicit(&areas.start_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&areas.taken, false, memory_order_release);
}
