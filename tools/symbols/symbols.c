/* symbols.c - a cache of looked-up addresses in front of one binary per module. */
#include "tools/symbols/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "tools/store.h"
#include "tools/symbols/binary.h"
#include "tools/symbols/demangle.h"

enum { INLINED_MAX = 32, BUCKETS = 4096 };

/* One address, looked up. */
struct place {
    struct place *next;
    const struct trace_module *module;
    uint64_t address;
    struct frames frames;
};

struct symbols {
    struct store *store;
    const struct trace *trace;
    struct binary **binary; /* one for each module; NULL: not needed so far */
    bool *is_unnamed;       /* some function of the module was looked up in vain */
    struct place *bucket[BUCKETS];
};

struct symbols *symbols_create(const struct trace *trace)
{
    struct store *store = store_create();
    struct symbols *symbols = store_alloc(store, 1, sizeof *symbols);
    symbols->store = store;
    symbols->trace = trace;
    size_t modules = trace_facts(trace)->modules;
    symbols->binary = store_alloc(store, modules + 1, sizeof symbols->binary[0]);
    symbols->is_unnamed = store_alloc(store, modules + 1, sizeof symbols->is_unnamed[0]);
    return symbols;
}

void symbols_destroy(struct symbols *symbols)
{
    struct store *store = symbols->store;
    for (size_t i = 0; i < trace_facts(symbols->trace)->modules; i++) {
        if (symbols->binary[i] != NULL)
            binary_destroy(symbols->binary[i]);
    }
    store_destroy(store);
}

static struct binary *get_binary(struct symbols *symbols, const struct trace_module *module)
{
    size_t index = (size_t)(module - trace_facts(symbols->trace)->module);
    if (symbols->binary[index] == NULL)
        symbols->binary[index] = binary_create(module);
    return symbols->binary[index];
}

/* -- one address ------------------------------------------------------------------------------ */

static const char *get_base_name(const struct trace_module *module)
{
    if (module == NULL || *module->path == '\0')
        return "?";
    const char *slash = strrchr(module->path, '/');
    return slash == NULL || slash[1] == '\0' ? module->path : slash + 1;
}

static const char *copy_readable(struct symbols *symbols, const char *symbol)
{
    if (symbol == NULL)
        return NULL;
    char *readable = demangle(symbol);
    const char *copy = store_copy_text(symbols->store, readable);
    free(readable);
    return copy;
}

static void look_up(struct symbols *symbols, struct place *place, uint64_t ip)
{
    struct binary_frame found[INLINED_MAX] = {0};
    const struct trace_module *module = place->module;
    size_t count = module == NULL ? 0
                                  : binary_find(get_binary(symbols, module), place->address, found,
                                                INLINED_MAX);
    if (count == 0)
        count = 1; /* module and offset are always something */
    struct frame *frame = store_alloc(symbols->store, count, sizeof *frame);
    for (size_t i = 0; i < count; i++)
        frame[i] = (struct frame){.ip = ip,
                                  .function = copy_readable(symbols, found[i].symbol),
                                  .file = found[i].file,
                                  .line = found[i].line,
                                  .module = get_base_name(module),
                                  .offset = place->address - (module == NULL ? 0 : module->bias),
                                  .is_inlined = found[i].is_inlined};
    place->frames = (struct frames){count, frame};
}

/* The place of an address, in `*found`; false: it is new there. */
static bool find_place(struct symbols *symbols, const struct trace_module *module, uint64_t address,
                       struct place **found)
{
    size_t slot = (address * UINT64_C(0x9E3779B97F4A7C15)) >> 52;
    for (struct place *place = symbols->bucket[slot]; place != NULL; place = place->next) {
        if (place->address == address && place->module == module) {
            *found = place;
            return true;
        }
    }
    *found = store_alloc(symbols->store, 1, sizeof **found);
    **found = (struct place){.next = symbols->bucket[slot], .module = module, .address = address};
    symbols->bucket[slot] = *found;
    return false;
}

struct frames symbols_find_in(struct symbols *symbols, const struct trace_node *node,
                              const struct trace_module *module)
{
    struct place *place;
    if (!find_place(symbols, module, trace_node_address(node), &place))
        look_up(symbols, place, node->ip);
    if (module != NULL && place->frames.frame[place->frames.count - 1].function == NULL)
        symbols->is_unnamed[module - trace_facts(symbols->trace)->module] = true;
    return place->frames;
}

struct frames symbols_find(struct symbols *symbols, const struct trace_node *node)
{
    return symbols_find_in(symbols, node, trace_node_module(symbols->trace, node));
}

static const char *copy_text(struct symbols *symbols, const char *text)
{
    return text == NULL ? NULL : store_copy_text(symbols->store, text);
}

void symbols_put(struct symbols *symbols, const struct trace_module *module, uint64_t address,
                 const struct frame *frame, size_t count)
{
    struct place *place;
    if (find_place(symbols, module, address, &place))
        return;
    struct frame *own = store_alloc(symbols->store, count, sizeof *own);
    for (size_t i = 0; i < count; i++) {
        own[i] = frame[i];
        own[i].function = copy_text(symbols, frame[i].function);
        own[i].file = copy_text(symbols, frame[i].file);
        own[i].module = get_base_name(module);
        own[i].offset = address - module->bias;
    }
    place->frames = (struct frames){count, own};
}

static bool has_changed(const struct symbols *symbols, size_t module)
{
    return symbols->binary[module] != NULL && binary_has_changed(symbols->binary[module]);
}

const char *symbols_get_changed(const struct symbols *symbols, size_t index)
{
    const struct trace_facts *facts = trace_facts(symbols->trace);
    for (size_t i = 0; i < facts->modules; i++) {
        if (has_changed(symbols, i) && index-- == 0)
            return facts->module[i].path;
    }
    return NULL;
}

const char *symbols_get_unnamed(const struct symbols *symbols, size_t index)
{
    const struct trace_facts *facts = trace_facts(symbols->trace);
    for (size_t i = 0; i < facts->modules; i++) {
        if (symbols->is_unnamed[i] && !has_changed(symbols, i) && index-- == 0)
            return get_base_name(&facts->module[i]);
    }
    return NULL;
}
