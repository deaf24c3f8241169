/* info.c - the info lane: what the file says about the process as a whole. */
#include "tools/trace/payloads.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/areas.h"
#include "tools/trace/memory.h"
#include "tools/trace/modules.h"
#include "tools/trace/payload.h"

static char *take_text(struct payload *from)
{
    char *text = file_copy_text(from->at, (size_t)(from->end - from->at));
    from->at = from->end;
    return text;
}

/* -- records ---------------------------------------------------------------------------------- */

/* Arguments keep their newlines and tabs: scripts on a command line have them. */
static void clean_argument(char *argument)
{
    for (; *argument != '\0'; argument++) {
        unsigned char byte = (unsigned char)*argument;
        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f)
            *argument = '?';
    }
}

static size_t count_arguments(const char *command, size_t bytes)
{
    size_t count = 0;
    for (size_t at = 0; at < bytes; at += strlen(command + at) + 1)
        count++;
    return count;
}

/* Only the first such record is believed, so that the arguments take memory once. */
static void read_command(struct trace *trace, struct payload *from)
{
    size_t bytes = (size_t)(from->end - from->at);
    if (trace->command != NULL || bytes == 0)
        return;
    trace->command = memory_alloc(bytes + 1, 1);
    memcpy(trace->command, from->at, bytes);
    const char **arguments =
        memory_alloc(count_arguments(trace->command, bytes), sizeof(*arguments));
    for (size_t at = 0; at < bytes; at += strlen(trace->command + at) + 1) {
        clean_argument(trace->command + at);
        arguments[trace->facts.arguments++] = trace->command + at;
    }
    trace->facts.argument = arguments;
}

static void read_sample(struct trace *trace, struct payload *from)
{
    struct trace_facts *facts = &trace->facts;
    struct trace_sample sample;
    payload_take_bytes(from, &sample, sizeof(sample));
    if (from->is_short)
        return;
    struct trace_sample *grown = memory_grow((void *)(uintptr_t)facts->sample, facts->samples,
                                             &trace->sample_capacity, sizeof(*grown));
    grown[facts->samples++] = sample;
    facts->sample = grown;
}

static void read_mark(struct trace *trace, struct payload *from)
{
    struct trace_facts *facts = &trace->facts;
    uint64_t time_ns = payload_take_uvarint(from);
    if (from->is_short)
        return;
    struct trace_mark *grown = memory_grow((void *)(uintptr_t)facts->mark, facts->marks,
                                           &trace->mark_capacity, sizeof(*grown));
    grown[facts->marks++] = (struct trace_mark){time_ns, take_text(from)};
    facts->mark = grown;
}

static void read_pressure(struct trace *trace, struct payload *from)
{
    struct trace_facts *facts = &trace->facts;
    struct trace_pressure pressure;
    payload_take_bytes(from, &pressure, sizeof(pressure));
    if (from->is_short)
        return;
    pressure.action[sizeof(pressure.action) - 1] = '\0';
    for (char *at = pressure.action; *at != '\0'; at++)
        *at = *at < 'a' || *at > 'z' ? '?' : *at; /* for terminals */
    struct trace_pressure *grown = memory_grow((void *)(uintptr_t)facts->pressure, facts->pressures,
                                               &trace->pressure_capacity, sizeof(*grown));
    grown[facts->pressures++] = pressure;
    facts->pressure = grown;
}

static void drop_lost(struct trace *trace)
{
    for (size_t i = 0; i < trace->lost_records; i++)
        free(trace->lost_record[i].at);
    trace->lost_records = 0;
}

/* Records gather until the look that they are of is told. */
static void read_lost(struct trace *trace, struct payload *from)
{
    size_t bytes = (size_t)(from->end - from->at);
    if (trace->lost_is_told)
        drop_lost(trace);
    trace->lost_is_told = false;
    trace->lost_record = memory_grow(trace->lost_record, trace->lost_records, &trace->lost_capacity,
                                     sizeof(trace->lost_record[0]));
    struct file_piece *piece = &trace->lost_record[trace->lost_records++];
    *piece = (struct file_piece){memory_alloc(bytes + 1, 1), bytes};
    memcpy(piece->at, from->at, bytes);
    from->at = from->end;
}

static void read_leaks(struct trace *trace, struct payload *from)
{
    struct trace_leaks leaks;
    payload_take_bytes(from, &leaks, sizeof(leaks));
    if (from->is_short)
        return;
    if (trace->lost_is_told)
        drop_lost(trace); /* this look found nothing */
    trace->lost_is_told = true;
    struct trace_facts *facts = &trace->facts;
    struct trace_leaks *grown = memory_grow((void *)(uintptr_t)facts->leak_look, facts->leak_looks,
                                            &trace->leak_capacity, sizeof(*grown));
    grown[facts->leak_looks++] = leaks;
    facts->leak_look = grown;
    facts->leaks = &grown[facts->leak_looks - 1];
}

bool trace_lost_next(const struct trace *trace, struct trace_lost_place *place,
                     struct trace_lost *lost)
{
    for (; place->record < trace->lost_records; place->record++) {
        const struct file_piece *piece = &trace->lost_record[place->record];
        uint64_t entry;
        const unsigned char *next =
            trace_get_uvarint(piece->at + place->byte, piece->at + piece->bytes, &entry);
        if (next != NULL) {
            place->units += (uint64_t)trace_unzigzag(entry >> 2);
            place->byte = (size_t)(next - piece->at);
            *lost = (struct trace_lost){place->units << 4, (enum trace_leak)(entry & 3)};
            return true;
        }
        place->byte = 0;
        place->units = 0;
    }
    return false;
}

static void read_end(struct trace *trace, struct payload *from)
{
    struct trace_end end;
    payload_take_bytes(from, &end, sizeof(end));
    if (from->is_short || trace->facts.end != NULL)
        return;
    trace->end = end;
    trace->facts.end = &trace->end;
    trace->facts.older_events += end.gone_events;
    if (end.gone_ns > trace->facts.whole_since_ns)
        trace->facts.whole_since_ns = end.gone_ns;
}

/* Of several threads the first one. */
static void read_signal(struct trace *trace, struct payload *from)
{
    struct trace_signal signal;
    payload_take_bytes(from, &signal, sizeof(signal));
    if (from->is_short || trace->facts.signal != NULL)
        return;
    signal.stack = stacks_find(trace, signal.stack);
    trace->facts.signal_is_within = from->at < from->end && payload_take_u8(from) != 0;
    trace->signal = signal;
    trace->facts.signal = &trace->signal;
}

static void read_costs(struct trace *trace, struct payload *from)
{
    struct trace_costs costs;
    payload_take_bytes(from, &costs, sizeof(costs));
    if (from->is_short || trace->facts.costs != NULL)
        return;
    trace->costs = costs;
    trace->facts.costs = &trace->costs;
}

/* Only the first such record is believed. */
static void read_classes(struct trace *trace, struct payload *from)
{
    enum { CLASSES_MOST = 4096 };
    struct trace_facts *facts = &trace->facts;
    uint64_t step = payload_take_uvarint(from), bytes = 0;
    size_t left = (size_t)(from->end - from->at), count = 0;
    if (from->is_short || left == 0 || left > CLASSES_MOST || facts->classes != 0)
        return;
    uint32_t *classes = memory_alloc(left, sizeof(*classes));
    while (!from->is_short && from->at < from->end) {
        uint64_t more = payload_take_uvarint(from);
        from->is_short |= more == 0 || more > UINT32_MAX - bytes;
        bytes += more;
        classes[count++] = (uint32_t)bytes;
    }
    if (from->is_short || (step & (step - 1)) != 0) {
        free(classes);
        return;
    }
    facts->class_step = step;
    facts->classes = count;
    facts->class_bytes = classes;
}

/* Each has all that the ones before it have. */
static void read_latency(struct trace *trace, struct payload *from)
{
    struct trace_latency latency = {0};
    uint64_t bucket = 0, calls = 0;
    latency.time_ns = payload_take_uvarint(from);
    latency.timed = payload_take_uvarint(from);
    latency.passes = payload_take_uvarint(from);
    latency.one_in = payload_take_uvarint(from);
    latency.most_ns = payload_take_uvarint(from);
    while (!from->is_short && from->at < from->end) {
        uint64_t step = payload_take_uvarint(from), more = payload_take_uvarint(from);
        from->is_short |= step >= TRACE_LATENCY_BUCKETS - bucket || more > INT64_MAX - calls;
        if (from->is_short)
            break;
        latency.calls[bucket += step] += more;
        calls += more;
    }
    if (from->is_short || calls == 0)
        return;
    trace->latency = latency;
    trace->facts.latency = &trace->latency;
}

static void read_text(const char **text, struct payload *from)
{
    if (*text == NULL)
        *text = take_text(from);
}

static void read_record(struct trace *trace, unsigned type, struct payload *from)
{
    switch (type) {
    case TRACE_INFO_COMMAND:
        read_command(trace, from);
        break;
    case TRACE_INFO_EXE:
        read_text(&trace->facts.exe, from);
        break;
    case TRACE_INFO_CWD:
        read_text(&trace->facts.cwd, from);
        break;
    case TRACE_INFO_MODULE:
        modules_read(trace, from);
        break;
    case TRACE_INFO_UNMODULE:
        modules_read_gone(trace, from);
        break;
    case TRACE_INFO_SAMPLE:
        read_sample(trace, from);
        break;
    case TRACE_INFO_MARK:
        read_mark(trace, from);
        break;
    case TRACE_INFO_LOST:
        read_lost(trace, from);
        break;
    case TRACE_INFO_LEAKS:
        read_leaks(trace, from);
        break;
    case TRACE_INFO_PRESSURE:
        read_pressure(trace, from);
        break;
    case TRACE_INFO_SIGNAL:
        read_signal(trace, from);
        break;
    case TRACE_INFO_END:
        read_end(trace, from);
        break;
    case TRACE_INFO_COSTS:
        read_costs(trace, from);
        break;
    case TRACE_INFO_CLASSES:
        read_classes(trace, from);
        break;
    case TRACE_INFO_LATENCY:
        read_latency(trace, from);
        break;
    case TRACE_INFO_UNWRITTEN:
        unwritten_take(trace, from);
        break;
    case TRACE_INFO_MAPPED:
    case TRACE_INFO_UNMAPPED:
    case TRACE_INFO_AREAS:
        areas_check(type, from);
        break;
    default: /* of a later library */
        break;
    }
}

/* -- the lane --------------------------------------------------------------------------------- */

bool info_is_at_end(const struct file_block *block, const unsigned char *at,
                    const unsigned char *end)
{
    return at >= end || (block->is_open && *at == 0);
}

const unsigned char *info_take_record(const unsigned char *at, const unsigned char *end,
                                      struct payload_record *record)
{
    uint64_t length = 0;
    const unsigned char *payload = trace_get_uvarint(at + 1, end, &length);
    if (payload == NULL || length > (size_t)(end - payload))
        return NULL;
    record->type = *at;
    record->payload = (struct payload){.at = payload, .end = payload + length};
    return record->payload.end;
}

static void warn_about_record(struct trace *trace, const struct file_block *block, size_t byte)
{
    trace->damaged++;
    file_warn(trace, "info record at byte %zu of block %u is damaged; the rest of it was skipped",
              byte + TRACE_BLOCK_HEADER_BYTES, block->index);
}

static void read_info_block(struct trace *trace, const struct file_block *block,
                            const unsigned char *start)
{
    const unsigned char *at = start;
    const unsigned char *end = at + block->limit;
    struct payload_record record;
    while (!info_is_at_end(block, at, end)) {
        const unsigned char *next = info_take_record(at, end, &record);
        if (next == NULL) {
            if (!block->is_open) /* in an open block: cut with the file */
                warn_about_record(trace, block, (size_t)(at - start));
            return;
        }
        read_record(trace, record.type, &record.payload);
        if (record.payload.is_short) {
            warn_about_record(trace, block, (size_t)(at - start));
            return;
        }
        at = next;
    }
}

static void read_lane(struct trace *trace, const struct file_lane *lane, struct payloads *payloads)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        const struct file_block *block = &trace->blocks[lane->first + i];
        const unsigned char *payload = payloads_get(payloads, i);
        if (payload != NULL)
            read_info_block(trace, block, payload);
        else
            warn_about_record(trace, block, 0);
    }
}

static void read_lane_if_any(struct trace *trace, uint32_t number, struct unpacker *unpacker)
{
    const struct file_lane *lane = file_find_lane(trace, number);
    if (lane == NULL)
        return;
    struct payloads *payloads = payloads_create(unpacker, lane);
    read_lane(trace, lane, payloads);
    payloads_destroy(payloads);
}

void info_read(struct trace *trace, struct unpacker *unpacker)
{
    read_lane_if_any(trace, TRACE_LANE_INFO, unpacker);
    read_lane_if_any(trace, TRACE_LANE_TIMELINE, unpacker);
    if (!trace->lost_is_told)
        drop_lost(trace); /* of a look that was cut */
    if (trace->facts.exe == NULL)
        trace->facts.exe = file_copy_text(NULL, 0);
    if (trace->facts.cwd == NULL)
        trace->facts.cwd = file_copy_text(NULL, 0);
}

void info_free(struct trace *trace)
{
    const struct trace_facts *facts = &trace->facts;
    modules_free(trace);
    for (size_t i = 0; i < facts->marks; i++)
        free((void *)(uintptr_t)facts->mark[i].label);
    free((void *)(uintptr_t)facts->sample);
    free((void *)(uintptr_t)facts->mark);
    free((void *)(uintptr_t)facts->leak_look);
    free((void *)(uintptr_t)facts->pressure);
    free((void *)(uintptr_t)facts->class_bytes);
    unwritten_free(trace);
    drop_lost(trace);
    free(trace->lost_record);
    free((void *)(uintptr_t)facts->argument);
    free((void *)(uintptr_t)facts->exe);
    free((void *)(uintptr_t)facts->cwd);
    free(trace->command);
}
