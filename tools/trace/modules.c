/* modules.c - see modules.h. */
#include "tools/trace/modules.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"
#include "tools/trace/payload.h"

enum { MODULES_MOST = 65536 }; /* looked through one by one */

/* -- records ---------------------------------------------------------------------------------- */

static void free_module(const struct trace_module *module)
{
    free((void *)(uintptr_t)module->path);
    free((void *)(uintptr_t)module->build_id);
}

/* Modules are kept in the order of their times, so that one that a ring has twice is found. */
static void add_module(struct trace *trace, const struct trace_module *module)
{
    struct trace_facts *facts = &trace->facts;
    struct trace_module *all = memory_grow((void *)(uintptr_t)facts->module, facts->modules,
                                           &trace->module_capacity, sizeof(*all));
    facts->module = all;
    if (facts->modules == MODULES_MOST) {
        if (!trace->modules_are_too_many)
            file_warn(trace, "more than %d modules; code of the others has no names", MODULES_MOST);
        trace->modules_are_too_many = true;
        free_module(module);
        return;
    }
    size_t at = facts->modules;
    while (at > 0 && all[at - 1].loaded_ns > module->loaded_ns)
        at--;
    for (size_t i = at; i-- > 0 && all[i].loaded_ns == module->loaded_ns;) {
        if (all[i].start == module->start) {
            free_module(module);
            return;
        }
    }
    memmove(&all[at + 1], &all[at], (facts->modules - at) * sizeof(*all));
    all[at] = *module;
    facts->modules++;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

static uint64_t hash_module(const struct trace_module *module)
{
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), &module->bias, sizeof module->bias);
    hash = hash_bytes(hash, module->build_id, module->build_id_bytes);
    return hash_bytes(hash, module->path, strlen(module->path));
}

void modules_read(struct trace *trace, struct payload *from)
{
    struct trace_module module = {.unloaded_ns = UINT64_MAX, .end_node = UINT64_MAX};
    uint8_t build_id_bytes = 0;
    module.loaded_ns = payload_take_uvarint(from);
    module.first_node = payload_take_uvarint(from) + 1;
    module.bias = payload_take_u64(from);
    module.start = payload_take_u64(from);
    module.end = payload_take_u64(from);
    payload_take_bytes(from, &build_id_bytes, 1);
    if (from->is_short || module.end < module.start || build_id_bytes > from->end - from->at) {
        from->is_short = true;
        return;
    }
    uint8_t *build_id = memory_alloc(build_id_bytes, 1);
    memcpy(build_id, from->at, build_id_bytes);
    module.build_id = build_id;
    module.build_id_bytes = build_id_bytes;
    from->at += build_id_bytes;
    module.path = file_copy_text(from->at, (size_t)(from->end - from->at));
    from->at = from->end;
    module.identity = hash_module(&module);
    add_module(trace, &module);
}

void modules_read_gone(struct trace *trace, struct payload *from)
{
    uint64_t time_ns = payload_take_uvarint(from);
    uint64_t last_node = payload_take_uvarint(from);
    uint64_t start = payload_take_u64(from);
    struct trace_module *modules = (struct trace_module *)(uintptr_t)trace->facts.module;
    for (size_t i = trace->facts.modules; !from->is_short && i-- > 0;) {
        if (modules[i].start == start && modules[i].unloaded_ns == UINT64_MAX) {
            modules[i].unloaded_ns = time_ns;
            modules[i].end_node = last_node + 1;
            trace->facts.has_unloaded = true;
            return;
        }
    }
}

void modules_free(struct trace *trace)
{
    for (size_t i = 0; i < trace->facts.modules; i++)
        free_module(&trace->facts.module[i]);
    free((void *)(uintptr_t)trace->facts.module);
}

/* -- what lay where --------------------------------------------------------------------------- */

const struct trace_module *trace_module_find(const struct trace *trace, uint64_t address,
                                             uint64_t time_ns)
{
    const struct trace_facts *facts = &trace->facts;
    for (size_t i = facts->modules; i-- > 0;) {
        const struct trace_module *module = &facts->module[i];
        if (address >= module->start && address < module->end && time_ns >= module->loaded_ns &&
            time_ns < module->unloaded_ns)
            return module;
    }
    return NULL;
}

/* Nodes are numbered as they are met: their ids are a clock that tells what lay at an address. A
 * node that fits nowhere was met while its module came or went: it is of the last one before. */
const struct trace_module *trace_node_module(const struct trace *trace,
                                             const struct trace_node *node)
{
    const struct trace_facts *facts = &trace->facts;
    uint64_t address = trace_node_address(node);
    uint64_t id = node->id == 0 ? UINT64_MAX - 1 : node->id + (uint64_t)trace->nodes_gone;
    const struct trace_module *before = NULL;
    for (size_t i = facts->modules; i-- > 0;) {
        const struct trace_module *module = &facts->module[i];
        if (address < module->start || address >= module->end)
            continue;
        if (id >= module->first_node && id < module->end_node)
            return module;
        if (before == NULL || id < before->first_node)
            before = module;
    }
    return before;
}
