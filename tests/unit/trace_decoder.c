/* trace_decoder.c - see trace_decoder.h. */
#include "tests/unit/trace_decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The records of one block. */
struct cursor {
    struct decoded *decoded;
    const unsigned char *at;
    const unsigned char *end;
    bool is_open; /* ends at the first zero byte */
};

static bool wrong(struct decoded *decoded, const char *what, uint64_t where)
{
    if (decoded->error[0] == '\0')
        snprintf(decoded->error, sizeof(decoded->error), "%s at %llu", what,
                 (unsigned long long)where);
    return false;
}

static bool wrong_here(const struct cursor *cursor, const char *what)
{
    return wrong(cursor->decoded, what, (uint64_t)(cursor->at - cursor->decoded->file));
}

static void *grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    void *bigger = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    if (bigger == NULL)
        abort();
    return bigger;
}

static bool get_u(struct cursor *cursor, uint64_t *n)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (cursor->at == cursor->end)
            return wrong_here(cursor, "number cut short");
        unsigned char byte = *cursor->at++;
        if (i == 9 && byte > 1)
            return wrong_here(cursor, "number over 64 bits");
        value |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            *n = value;
            return true;
        }
    }
    return wrong_here(cursor, "number of more than ten bytes");
}

static bool add_s(struct cursor *cursor, uint64_t *n)
{
    uint64_t zigzag;
    if (!get_u(cursor, &zigzag))
        return false;
    *n += zigzag >> 1 ^ (~(zigzag & 1) + 1);
    return true;
}

static bool is_at_end(const struct cursor *cursor)
{
    return cursor->at == cursor->end || (cursor->is_open && *cursor->at == 0);
}

/* -- event lanes ------------------------------------------------------------------------------ */

struct state {
    uint64_t stacks[64], sizes[64], alloc_at[64], recent[32];
    uint64_t freed_at, time_ns, epoch;
};

static unsigned top_bits(uint64_t key, unsigned bits)
{
    return (unsigned)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - bits));
}

static void put_recent(struct state *state, uint64_t units)
{
    unsigned slot = top_bits(units, 5);
    state->recent[slot == 0 ? 1 : slot] = units;
}

static bool read_birth(struct cursor *cursor, struct state *state, unsigned argument,
                       struct decoded_event *event)
{
    uint64_t code;
    if (!get_u(cursor, &code))
        return false;
    event->stack = code < 64 ? state->stacks[code] : code - 64;
    unsigned slot = top_bits(event->stack, 6);
    state->stacks[slot] = event->stack;
    if ((argument & 1) == 0 && !get_u(cursor, &state->sizes[slot]))
        return false;
    event->size = state->sizes[slot];
    uint64_t *last = &state->alloc_at[top_bits(event->size, 6)];
    uint64_t units = state->freed_at; /* in place: the old address */
    if ((argument & TRACE_IN_PLACE) == 0) {
        units = *last;
        if (!add_s(cursor, &units))
            return false;
    }
    *last = units;
    put_recent(state, units);
    event->address = units << cursor->decoded->header.address_shift;
    event->bits = argument & (TRACE_ZEROED | TRACE_CPP | TRACE_IN_PLACE);
    if ((argument & 2) != 0) {
        if (cursor->at == cursor->end || *cursor->at > 63)
            return wrong_here(cursor, "no alignment");
        event->alignment = UINT64_C(1) << *cursor->at++;
    }
    return true;
}

static bool read_free(struct cursor *cursor, struct state *state, unsigned argument,
                      struct decoded_event *event)
{
    if (argument == 0 && !add_s(cursor, &state->freed_at))
        return false;
    uint64_t units = argument == 0 ? state->freed_at : state->recent[argument];
    event->address = units << cursor->decoded->header.address_shift;
    return true;
}

static bool read_near(struct cursor *cursor, struct state *state, unsigned argument,
                      struct decoded_event *event)
{
    const struct trace_header *header = &cursor->decoded->header;
    bool is_alloc = argument >= 16, has_stack = is_alloc && argument % 2 == 1;
    size_t place = (argument & 2) != 0 ? 3 : 5, bytes = place + (is_alloc ? 2 : 0) + has_stack;
    uint64_t slot = 0, units = 0;
    if ((size_t)(cursor->end - cursor->at) < bytes || (!is_alloc && (argument | 2) != 3) ||
        (has_stack && *cursor->at > 63))
        return wrong_here(cursor, "a bad NEAR");
    memcpy(&slot, cursor->at, has_stack);
    memcpy(&event->size, cursor->at + has_stack, is_alloc ? 2 : 0);
    memcpy(&units, cursor->at + bytes - place, place);
    cursor->at += bytes;
    event->kind = is_alloc ? DECODED_ALLOC : DECODED_FREE;
    event->address = (header->near_units + units) << header->address_shift;
    event->bits = argument & (TRACE_ZEROED | TRACE_CPP);
    if (!has_stack)
        return true;
    event->stack = state->stacks[slot];
    state->sizes[slot] = event->size;
    put_recent(state, event->address >> header->address_shift);
    return true;
}

static bool read_thread(struct cursor *cursor, unsigned argument, uint64_t *tid,
                        struct decoded_event *event)
{
    uint64_t length;
    switch (argument) {
    case TRACE_THREAD_START:
        event->kind = DECODED_START;
        return get_u(cursor, tid);
    case TRACE_THREAD_END:
        event->kind = DECODED_END;
        return true;
    case TRACE_THREAD_NAME:
        event->kind = DECODED_NAME;
        if (!get_u(cursor, &length) || length >= sizeof(event->name) ||
            length > (uint64_t)(cursor->end - cursor->at))
            return wrong_here(cursor, "bad thread name");
        memcpy(event->name, cursor->at, length);
        cursor->at += length;
        return true;
    default:
        return wrong_here(cursor, "unknown kind of THREAD");
    }
}

/* How many numbers stand behind that of the transaction, from TRACE_TXN_BEGIN on. */
static const unsigned txn_fields[] = {3, 3, 0, 1, 6, 1, 0};

static bool read_txn(struct cursor *inner, unsigned argument, struct decoded_event *event)
{
    event->kind = argument == TRACE_TXN_ALLOC ? DECODED_TXN_ALLOC : DECODED_TXN;
    event->txn_kind = argument;
    if (!get_u(inner, &event->txn))
        return false;
    for (unsigned i = 0; i < txn_fields[argument - TRACE_TXN_BEGIN]; i++)
        if (!get_u(inner, &event->values[i]))
            return false;
    size_t rest = (size_t)(inner->end - inner->at);
    if (rest > (argument == TRACE_TXN_BEGIN ? TRACE_TXN_NAME_BYTES : 0))
        return wrong_here(inner, "bytes behind a record of a transaction, or a long name");
    memcpy(event->name, inner->at, rest < sizeof(event->name) ? rest : sizeof(event->name) - 1);
    return true;
}

static bool read_other(struct cursor *cursor, unsigned argument, struct decoded_event *event)
{
    uint64_t length;
    if (!get_u(cursor, &length) || length > (uint64_t)(cursor->end - cursor->at))
        return wrong_here(cursor, "bad length");
    struct cursor inner = {cursor->decoded, cursor->at, cursor->at + length, false};
    cursor->at += length;
    if (argument == TRACE_FAILED) {
        event->kind = DECODED_FAILED;
        return get_u(&inner, &event->stack) && get_u(&inner, &event->size);
    }
    if (argument >= TRACE_TXN_BEGIN && argument <= TRACE_TXN_ADOPT)
        return read_txn(&inner, argument, event);
    event->kind = DECODED_DROPPED;
    return argument == TRACE_DROPPED && get_u(&inner, &event->count);
}

static bool read_event(struct cursor *cursor, struct state *state, uint64_t *tid,
                       struct decoded_event *event)
{
    unsigned op = *cursor->at & 7;
    unsigned argument = *cursor->at >> 3;
    uint64_t delta;
    cursor->at++;
    event->kind = op == TRACE_ALLOC ? DECODED_ALLOC : op == TRACE_FREE ? DECODED_FREE : 0;
    switch (op) {
    case TRACE_NEAR:
        return read_near(cursor, state, argument, event);
    case TRACE_ALLOC:
        return read_birth(cursor, state, argument, event);
    case TRACE_FREE:
        return read_free(cursor, state, argument, event);
    case TRACE_REALLOC:
        event->kind = DECODED_REALLOC;
        if (!add_s(cursor, &state->freed_at))
            return false;
        event->old = state->freed_at << cursor->decoded->header.address_shift;
        return read_birth(cursor, state, argument, event);
    case TRACE_SYNC:
        event->kind = DECODED_SYNC;
        if (!get_u(cursor, &delta) || delta == 0)
            return wrong_here(cursor, "SYNC without a step");
        state->epoch += delta;
        return true;
    case TRACE_TIME:
        if (!get_u(cursor, &delta))
            return false;
        state->time_ns += delta;
        return true;
    case TRACE_THREAD:
        return read_thread(cursor, argument, tid, event);
    case TRACE_OTHER:
        return read_other(cursor, argument, event);
    default:
        return wrong_here(cursor, "unknown op");
    }
}

static struct decoded_lane *lane_of(struct decoded *decoded, uint32_t number)
{
    while (decoded->lane_count <= number - TRACE_LANE_EVENTS) {
        decoded->lanes = grown(decoded->lanes, decoded->lane_count, sizeof(*decoded->lanes));
        struct decoded_lane fresh = {.number = TRACE_LANE_EVENTS + (uint32_t)decoded->lane_count};
        decoded->lanes[decoded->lane_count++] = fresh;
    }
    return &decoded->lanes[number - TRACE_LANE_EVENTS];
}

static bool read_events(struct cursor *cursor, const struct trace_block_header *header)
{
    struct decoded_lane *lane = lane_of(cursor->decoded, header->lane);
    struct state state = {.time_ns = header->time_ns, .epoch = header->epoch};
    uint64_t tid = lane->count == 0 ? header->tid : lane->events[lane->count - 1].tid;
    uint64_t epoch = lane->count == 0 ? 0 : lane->events[lane->count - 1].epoch;
    if (header->epoch < epoch)
        return wrong_here(cursor, "the block's epoch runs backwards");
    if (header->tid != 0 && header->tid != tid)
        return wrong_here(cursor, "the block's thread is not the one at work");
    lane->has_open_block = cursor->is_open && !is_at_end(cursor); /* an empty one has no length */
    while (!is_at_end(cursor)) {
        struct decoded_event event = {0};
        if (!read_event(cursor, &state, &tid, &event))
            return false;
        event.tid = tid;
        event.time_ns = state.time_ns;
        event.epoch = state.epoch;
        if (event.kind == 0)
            continue;
        lane->events = grown(lane->events, lane->count, sizeof(*lane->events));
        lane->events[lane->count++] = event;
    }
    return true;
}

/* -- the other lanes -------------------------------------------------------------------------- */

static bool read_nodes(struct cursor *cursor)
{
    struct decoded *decoded = cursor->decoded;
    uint64_t ip = 0;
    while (!is_at_end(cursor)) {
        uint64_t step;
        uint64_t id = decoded->nodes_older + decoded->node_count + 1;
        if (!get_u(cursor, &step) || step >> 1 == 0 || step >> 1 > id)
            return wrong_here(cursor, "a parent that does not come first");
        if (!add_s(cursor, &ip))
            return false;
        decoded->nodes = grown(decoded->nodes, decoded->node_count + 1, sizeof(*decoded->nodes));
        decoded->nodes[id - decoded->nodes_older] = (struct decoded_node){
            .parent = id - (step >> 1), .ip = ip, .is_exact = (step & 1) != 0};
        decoded->node_count++;
    }
    return true;
}

static bool recurs(unsigned type)
{
    return (type >= TRACE_INFO_MODULE && type <= TRACE_INFO_MARK) ||
           (type >= TRACE_INFO_MAPPED && type <= TRACE_INFO_AREAS) || type == TRACE_INFO_PRESSURE ||
           type == TRACE_INFO_UNWRITTEN || type >= TRACE_INFO_LEAKS;
}

static bool is_ring(const struct decoded *decoded)
{
    return decoded->header.blocks_most != 0 || decoded->header.lane_blocks_most != 0;
}

static bool read_info(struct cursor *cursor, bool is_timeline)
{
    struct decoded *decoded = cursor->decoded;
    while (!is_at_end(cursor)) {
        struct decoded_record record = {.type = *cursor->at++};
        uint64_t length;
        if (!get_u(cursor, &length) || length > (uint64_t)(cursor->end - cursor->at))
            return wrong_here(cursor, "bad length of an info record");
        if ((recurs(record.type) && is_ring(decoded)) != is_timeline)
            return wrong_here(cursor, "an info record in the wrong lane");
        record.payload = cursor->at;
        record.bytes = length;
        cursor->at += length;
        decoded->records =
            grown(decoded->records, decoded->record_count, sizeof(*decoded->records));
        decoded->records[decoded->record_count++] = record;
    }
    return true;
}

/* -- blocks ----------------------------------------------------------------------------------- */

static bool read_payload(struct decoded *decoded, const unsigned char *block)
{
    struct trace_block_header header;
    memcpy(&header, block, sizeof(header));
    const unsigned char *payload = block + TRACE_BLOCK_HEADER_BYTES;
    size_t bytes = header.used == 0 ? TRACE_PAYLOAD_BYTES : header.used;
    if (bytes > TRACE_PAYLOAD_BYTES)
        return wrong(decoded, "block longer than a block", (uint64_t)(block - decoded->file));
    if (header.used != 0 && header.checksum != trace_checksum(payload, bytes))
        return wrong(decoded, "wrong checksum", (uint64_t)(block - decoded->file));
    for (size_t i = bytes; i < TRACE_PAYLOAD_BYTES; i++)
        if (payload[i] != 0)
            return wrong(decoded, "bytes behind the end", (uint64_t)(block - decoded->file) + i);
    struct cursor cursor = {decoded, payload, payload + bytes, header.used == 0};
    switch (header.lane) {
    case TRACE_LANE_INFO:
        return read_info(&cursor, false);
    case TRACE_LANE_TIMELINE:
        return read_info(&cursor, true);
    case TRACE_LANE_STACKS:
        return read_nodes(&cursor);
    default:
        return read_events(&cursor, &header);
    }
}

static struct trace_block_header header_at(const unsigned char *block)
{
    struct trace_block_header header;
    memcpy(&header, block, sizeof(header));
    return header;
}

static int compare_blocks(const void *left, const void *right)
{
    struct trace_block_header a = header_at(*(const unsigned char *const *)left);
    struct trace_block_header b = header_at(*(const unsigned char *const *)right);
    uint64_t first = (uint64_t)a.lane << 32 | a.sequence;
    uint64_t second = (uint64_t)b.lane << 32 | b.sequence;
    return first < second ? -1 : first > second;
}

/* The block follows the one before it in its lane; only a ring writes over a lane's beginning. */
static bool check_sequence(struct decoded *decoded, const unsigned char *block,
                           const unsigned char *before)
{
    const struct trace_header *file = &decoded->header;
    struct trace_block_header header = header_at(block);
    size_t at = (size_t)(block - decoded->file);
    bool is_first = before == NULL || header_at(before).lane != header.lane;
    if (is_first && header.sequence != 0 && (header.lane == TRACE_LANE_INFO || !is_ring(decoded)))
        return wrong(decoded, "a lane without its beginning", at);
    if (!is_first && header.sequence != header_at(before).sequence + 1)
        return wrong(decoded, "a block out of sequence", at);
    if (header.lane == TRACE_LANE_INFO)
        return true;
    if (header.lane == TRACE_LANE_STACKS) {
        decoded->stack_blocks++;
        if (is_first)
            decoded->nodes_older = header.events;
        if (header.events != decoded->nodes_older + decoded->node_count)
            return wrong(decoded, "a stack block with the wrong number of nodes before it", at);
        return true;
    }
    if (header.lane == TRACE_LANE_TIMELINE) {
        decoded->timeline_blocks++;
        decoded->is_timeline_late |= is_first && header.sequence != 0;
        return true;
    }
    struct decoded_lane *lane = lane_of(decoded, header.lane);
    lane->blocks++;
    if (is_first)
        lane->older = header.events;
    if (file->lane_blocks_most != 0 && lane->blocks > file->lane_blocks_most)
        return wrong(decoded, "more blocks than a lane may have", at);
    return true;
}

static bool find_blocks(struct decoded *decoded, const unsigned char **blocks)
{
    size_t at = TRACE_HEADER_BYTES;
    for (; at + TRACE_BLOCK_BYTES <= decoded->file_bytes; at += TRACE_BLOCK_BYTES) {
        struct trace_block_header header = header_at(decoded->file + at);
        if (header.magic == 0)
            continue;
        if (header.magic != TRACE_BLOCK_MAGIC ||
            (header.lane >= 1 << 16 && header.lane != TRACE_LANE_TIMELINE))
            return wrong(decoded, "not a block", at);
        blocks[decoded->blocks++] = decoded->file + at;
    }
    return at == decoded->file_bytes || wrong(decoded, "bytes behind the last block", at);
}

static bool read_blocks(struct decoded *decoded)
{
    const unsigned char **blocks =
        malloc((decoded->file_bytes / TRACE_BLOCK_BYTES + 1) * sizeof(*blocks));
    bool is_right = find_blocks(decoded, blocks);
    qsort(blocks, decoded->blocks, sizeof(*blocks), compare_blocks);
    for (size_t i = 0; i < decoded->blocks && is_right; i++)
        is_right = check_sequence(decoded, blocks[i], i > 0 ? blocks[i - 1] : NULL) &&
                   read_payload(decoded, blocks[i]);
    free(blocks);
    return is_right;
}

static bool load(struct decoded *decoded, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return wrong(decoded, "no such file", 0);
    fseek(file, 0, SEEK_END);
    decoded->file_bytes = (size_t)ftell(file);
    rewind(file);
    decoded->file = malloc(decoded->file_bytes + 1);
    size_t got = fread(decoded->file, 1, decoded->file_bytes, file);
    fclose(file);
    if (got != decoded->file_bytes || got < TRACE_HEADER_BYTES)
        return wrong(decoded, "no whole header", got);
    memcpy(&decoded->header, decoded->file, sizeof(decoded->header));
    return true;
}

bool decoder_read(struct decoded *decoded, const char *path)
{
    memset(decoded, 0, sizeof(*decoded));
    if (!load(decoded, path))
        return false;
    const struct trace_header *header = &decoded->header;
    if (memcmp(decoded->file, "\xefPTRACE1", 8) != 0 || header->version != 3 ||
        header->header_bytes != 4096 || header->block_bytes != 65536)
        return wrong(decoded, "not a header", 0);
    decoded->nodes = grown(NULL, 0, sizeof(*decoded->nodes));
    return read_blocks(decoded);
}

void decoder_free(struct decoded *decoded)
{
    for (size_t i = 0; i < decoded->lane_count; i++)
        free(decoded->lanes[i].events);
    free(decoded->lanes);
    free(decoded->nodes);
    free(decoded->records);
    free(decoded->file);
    memset(decoded, 0, sizeof(*decoded));
}

const struct decoded_record *decoder_find(const struct decoded *decoded, unsigned type, size_t n)
{
    for (size_t i = 0; i < decoded->record_count; i++)
        if (decoded->records[i].type == type && n-- == 0)
            return &decoded->records[i];
    return NULL;
}
