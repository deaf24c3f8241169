/* info.c - see info.h and the end of format.h's comment. */
#include "tracer/info.h"

#include <string.h>

#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "tracer/file.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"
#include "tracer/tracer.h"

enum {
    INFO_HEAD_BYTES = 11,           /* type and length */
    INFO_COMMAND_BYTES = 32 * 1024, /* longer command lines are cut */
    INFO_PATH_BYTES = 4096,
    INFO_LABEL_BYTES = 1024,
    INFO_BUILD_ID_BYTES = 64,
    INFO_END_BYTES = 2 * INFO_HEAD_BYTES + sizeof(struct trace_costs) + sizeof(struct trace_end),
};

static struct {
    struct lock lock;
    struct lane *lane;     /* NULL: no trace; lock */
    struct lane *timeline; /* of a ring: for what recurs; else NULL; lock */
    uint32_t modules_at;   /* its blocks when its modules were written last; lock */
} info = {.lock = LOCK_INIT(LOCK_RANK_TRACE_INFO)};

struct piece {
    const void *bytes;
    size_t count;
};

/* -- one record ------------------------------------------------------------------------------- */

static void put_record(struct lane *lane, unsigned type, const struct piece *pieces, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += pieces[i].count;
    unsigned char *start = lane_at(lane);
    if (start == NULL)
        return; /* in a child that a handler just forked off (lane_append) */
    unsigned char *at = trace_put_uvarint(start + 1, length);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].count != 0)
            memcpy(at, pieces[i].bytes, pieces[i].count);
        at += pieces[i].count;
    }
    lane->events++;
    lane_commit_at(lane, start, type, at);
}

static bool write_record(unsigned type, const struct piece *pieces, size_t count)
{
    size_t length = INFO_HEAD_BYTES + INFO_END_BYTES;
    for (size_t i = 0; i < count; i++)
        length += pieces[i].count;
    lock_take(&info.lock);
    bool is_timed = info.timeline != NULL && trace_info_recurs(type);
    struct lane *lane = is_timed ? info.timeline : info.lane;
    bool written = lane != NULL && lane_reserve(lane, length);
    if (written)
        put_record(lane, type, pieces, count);
    lock_drop(&info.lock);
    return written;
}

static bool write_text(unsigned type, const char *text, size_t count)
{
    struct piece piece = {text, count};
    return write_record(type, &piece, 1);
}

static size_t length_of(const char *text, size_t most)
{
    const char *end = memchr(text, '\0', most);
    return end != NULL ? (size_t)(end - text) : most;
}

/* -- the kinds -------------------------------------------------------------------------------- */

bool info_write_sample(const struct trace_sample *sample)
{
    struct piece piece = {sample, sizeof(*sample)};
    return write_record(TRACE_INFO_SAMPLE, &piece, 1);
}

bool info_write_mark(const char *label, uint64_t time_ns)
{
    unsigned char head[10];
    size_t head_bytes = (size_t)(trace_put_uvarint(head, time_ns) - head);
    size_t length = length_of(label, INFO_LABEL_BYTES);
    struct piece pieces[2] = {{head, head_bytes}, {label, length}};
    return write_record(TRACE_INFO_MARK, pieces, 2);
}

bool info_write_leaks(const struct trace_leaks *leaks)
{
    struct piece piece = {leaks, sizeof(*leaks)};
    return write_record(TRACE_INFO_LEAKS, &piece, 1);
}

bool info_write_lost(const unsigned char *entries, size_t bytes)
{
    struct piece piece = {entries, bytes};
    return write_record(TRACE_INFO_LOST, &piece, 1);
}

bool info_write_pressure(const struct trace_pressure *pressure)
{
    struct piece piece = {pressure, sizeof(*pressure)};
    return write_record(TRACE_INFO_PRESSURE, &piece, 1);
}

bool info_write_signal(const struct trace_signal *signal)
{
    const struct piece pieces[2] = {{signal, sizeof(*signal)}, {&(char){0}, 1}};
    return write_record(TRACE_INFO_SIGNAL, pieces, 2);
}

void info_write_signal_within(const struct trace_signal *signal)
{
    const struct piece pieces[2] = {{signal, sizeof(*signal)}, {&(char){1}, 1}};
    lock_forget_all(); /* of what the thread holds nothing is given back */
    if (!lock_try(&info.lock))
        return;
    size_t length = INFO_HEAD_BYTES + sizeof(*signal) + 1 + INFO_END_BYTES;
    if (info.lane != NULL && lane_holds(info.lane, length))
        put_record(info.lane, TRACE_INFO_SIGNAL, pieces, 2);
    lock_drop(&info.lock);
}

static unsigned char *put_u64(unsigned char *at, uint64_t n)
{
    memcpy(at, &n, sizeof(n));
    return at + sizeof(n);
}

bool info_write_module(const struct info_module *module)
{
    unsigned char head[2 * 10 + 3 * 8 + 1 + INFO_BUILD_ID_BYTES];
    size_t id_bytes = module->build_id_bytes <= INFO_BUILD_ID_BYTES ? module->build_id_bytes
                                                                    : INFO_BUILD_ID_BYTES;
    unsigned char *at = trace_put_uvarint(head, module->seen_ns);
    at = trace_put_uvarint(at, module->seen_node);
    at = put_u64(at, module->bias);
    at = put_u64(at, module->start);
    at = put_u64(at, module->end);
    *at++ = (unsigned char)id_bytes;
    if (id_bytes != 0)
        memcpy(at, module->build_id, id_bytes);
    at += id_bytes;
    struct piece pieces[2] = {{head, (size_t)(at - head)},
                              {module->path, length_of(module->path, INFO_PATH_BYTES)}};
    return write_record(TRACE_INFO_MODULE, pieces, 2);
}

bool info_modules_are_due(void)
{
    lock_take(&info.lock);
    uint32_t most = file_lane_blocks_most(TRACE_LANE_TIMELINE);
    bool are_due = info.timeline != NULL && info.timeline->sequence - info.modules_at >= most / 2;
    if (are_due)
        info.modules_at = info.timeline->sequence;
    lock_drop(&info.lock);
    return are_due;
}

bool info_write_unmodule(uintptr_t start, uint32_t last_node)
{
    unsigned char head[2 * 10 + 8];
    unsigned char *at = trace_put_uvarint(head, os_time_ns());
    at = put_u64(trace_put_uvarint(at, last_node), start);
    struct piece piece = {head, (size_t)(at - head)};
    return write_record(TRACE_INFO_UNMODULE, &piece, 1);
}

bool info_write_mapped(const struct tracer_mapping *mapping, uint32_t stack)
{
    unsigned char payload[1 + 6 * 10];
    payload[0] = (unsigned char)mapping->bits;
    unsigned char *at = trace_put_uvarint(payload + 1, os_time_ns());
    at = trace_put_uvarint(at, stack);
    at = trace_put_uvarint(at, mapping->start);
    at = trace_put_uvarint(at, mapping->bytes);
    at = trace_put_uvarint(at, (unsigned)mapping->protection);
    at = trace_put_uvarint(at, (unsigned)mapping->flags);
    struct piece piece = {payload, (size_t)(at - payload)};
    return write_record(TRACE_INFO_MAPPED, &piece, 1);
}

bool info_write_unmapped(uintptr_t start, size_t bytes)
{
    unsigned char payload[3 * 10];
    unsigned char *at = trace_put_uvarint(payload, os_time_ns());
    at = trace_put_uvarint(trace_put_uvarint(at, start), bytes);
    struct piece piece = {payload, (size_t)(at - payload)};
    return write_record(TRACE_INFO_UNMAPPED, &piece, 1);
}

bool info_write_areas(const unsigned char *payload, size_t bytes)
{
    struct piece piece = {payload, bytes};
    return write_record(TRACE_INFO_AREAS, &piece, 1);
}

bool info_write_classes(const unsigned char *payload, size_t bytes)
{
    struct piece piece = {payload, bytes};
    return bytes == 0 || write_record(TRACE_INFO_CLASSES, &piece, 1);
}

bool info_write_latency(const unsigned char *payload, size_t bytes)
{
    struct piece piece = {payload, bytes};
    return write_record(TRACE_INFO_LATENCY, &piece, 1);
}

bool info_write_unwritten(const unsigned char *payload, size_t bytes)
{
    struct piece piece = {payload, bytes};
    return write_record(TRACE_INFO_UNWRITTEN, &piece, 1);
}

/* -- life of the lane ------------------------------------------------------------------------- */

static bool write_process(void)
{
    char *text = os_map(INFO_COMMAND_BYTES);
    if (text == NULL)
        return false;
    size_t length;
    os_file_read("/proc/self/cmdline", text, INFO_COMMAND_BYTES, &length);
    bool written = write_text(TRACE_INFO_COMMAND, text, length);
    length = os_link_read("/proc/self/exe", text, INFO_PATH_BYTES);
    written = write_text(TRACE_INFO_EXE, text, length) && written;
    length = os_working_directory(text, INFO_PATH_BYTES);
    written = write_text(TRACE_INFO_CWD, text, length) && written;
    os_unmap(text, INFO_COMMAND_BYTES);
    return written;
}

bool info_create(void)
{
    info.lane = lane_create(TRACE_LANE_INFO);
    if (info.lane == NULL || !write_process())
        return false;
    if (file_is_ring())
        info.timeline = lane_create(TRACE_LANE_TIMELINE);
    info.modules_at = 1; /* they come next, into its first block */
    return !file_is_ring() || info.timeline != NULL;
}

static bool take_in_time(void)
{
    uint64_t start = os_time_ns();
    while (!lock_try(&info.lock)) {
        if (os_time_ns() - start > RECORDER_PATIENCE_NS)
            return false;
        os_yield();
    }
    return true;
}

bool info_finish(const struct trace_costs *costs, const struct trace_end *end)
{
    if (!take_in_time())
        return false;
    bool written = info.lane != NULL && info.lane->block.start != NULL;
    if (written) {
        struct piece last[2] = {{costs, sizeof(*costs)}, {end, sizeof(*end)}};
        put_record(info.lane, TRACE_INFO_COSTS, &last[0], 1);
        put_record(info.lane, TRACE_INFO_END, &last[1], 1);
        lane_finish(info.lane);
        if (info.timeline != NULL)
            lane_finish(info.timeline);
    }
    info.lane = info.timeline = NULL;
    lock_drop(&info.lock);
    return written;
}

void info_abandon(void)
{
    lock_reset(&info.lock);
    info.lane = info.timeline = NULL;
}
