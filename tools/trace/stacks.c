/* stacks.c - the stack lane: a tree of frames, numbered in file order. In a ring the first nodes
 * may be gone: the tools' numbers begin with those that are there. */
#include "tools/trace/payloads.h"

#include <stdlib.h>

#include "tools/trace/memory.h"

static void add_node(struct trace *trace, uint64_t ip, uint32_t parent, bool is_exact)
{
    size_t id = trace->facts.nodes;
    trace->node_ips =
        memory_grow(trace->node_ips, id, &trace->node_ip_capacity, sizeof(*trace->node_ips));
    trace->node_parents = memory_grow(trace->node_parents, id, &trace->node_parent_capacity,
                                      sizeof(*trace->node_parents));
    trace->node_is_exact = memory_grow(trace->node_is_exact, id, &trace->node_is_exact_capacity, 1);
    trace->node_ips[id] = ip;
    trace->node_parents[id] = parent;
    trace->node_is_exact[id] = is_exact;
    trace->facts.nodes++;
}

/* Reads the nodes of a block; false: the ids of whatever follows cannot be known any more. The
 * parents of those that begin a ring may be gone. */
static bool read_stack_block(struct trace *trace, const struct file_block *block,
                             const unsigned char *at)
{
    const unsigned char *end = at + block->limit;
    uint64_t ip = 0;
    while (at < end && !(block->is_open && *at == 0)) {
        uint64_t up = 0;
        uint64_t step = 0;
        const unsigned char *next = trace_get_uvarint(at, end, &up);
        next = next == NULL ? NULL : trace_get_uvarint(next, end, &step);
        if (next == NULL && block->is_open)
            return true; /* cut with the file */
        uint64_t id = trace->facts.nodes;
        bool is_exact = (up & 1) != 0;
        up >>= 1;
        if (next == NULL || up == 0 || (up > id && up - id > trace->nodes_gone) || id >= UINT32_MAX)
            return false;
        ip += (uint64_t)trace_unzigzag(step);
        add_node(trace, ip, up < id ? (uint32_t)(id - up) : 0, is_exact);
        at = next;
    }
    return true;
}

static void read_lane(struct trace *trace, const struct file_lane *lane, struct payloads *payloads)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        const struct file_block *block = &trace->blocks[lane->first + i];
        const unsigned char *payload = block->is_after_gap ? NULL : payloads_get(payloads, i);
        if (payload != NULL && read_stack_block(trace, block, payload))
            continue;
        trace->damaged++;
        file_warn(trace,
                  "the stack lane is cut in block %u: %zu nodes are known, later call "
                  "stacks are shown as unknown",
                  block->index, trace->facts.nodes - 1);
        return;
    }
}

void stacks_read(struct trace *trace, struct unpacker *unpacker)
{
    add_node(trace, 0, 0, false);
    const struct file_lane *lane = file_find_lane(trace, TRACE_LANE_STACKS);
    if (lane == NULL)
        return;
    struct payloads *payloads = payloads_create(unpacker, lane);
    read_lane(trace, lane, payloads);
    payloads_destroy(payloads);
}

struct trace_node trace_node(const struct trace *trace, uint32_t id)
{
    if (id >= trace->facts.nodes)
        return (struct trace_node){0};
    return (struct trace_node){trace->node_ips[id], trace->node_parents[id], id,
                               trace->node_is_exact[id]};
}
