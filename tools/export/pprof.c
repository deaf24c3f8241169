/* pprof.c - one profile with three pairs of values for each stack; written through protobuf-c, with
 * the messages of pprof.proto. */
#include <pprof.pb-c.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "tools/analysis/groups.h"
#include "tools/cli.h"
#include "tools/export/calls.h"

enum { VALUES = 6, NODES_MAX = 512 };

struct pprof {
    const struct trace *trace;
    const struct trace_facts *facts;
    const struct analysis *analysis;
    struct calls calls;
    struct store *store;
    struct names texts;    /* the string table */
    struct index by_place; /* locations, by address */
    size_t sample_room, location_room, function_room;
    Pprof__Profile profile;
};

/* Room for one more in a list of pointers that doubles. */
static void *make_room(struct pprof *pprof, void *list, size_t count, size_t *room)
{
    if (count < *room)
        return list;
    size_t more = 2 * *room + 256;
    list = store_grow(pprof->store, list, count, more, sizeof(void *));
    *room = more;
    return list;
}

static Pprof__ValueType *make_type(struct pprof *pprof, const char *type, const char *unit)
{
    Pprof__ValueType *made = store_alloc(pprof->store, 1, sizeof *made);
    pprof__value_type__init(made);
    made->type = names_get(&pprof->texts, type);
    made->unit = names_get(&pprof->texts, unit);
    return made;
}

static void set_types(struct pprof *pprof)
{
    static const char *const type[VALUES] = {"alloc_objects", "alloc_space",  "inuse_objects",
                                             "inuse_space",   "peak_objects", "peak_space"};
    Pprof__Profile *profile = &pprof->profile;
    profile->sample_type = store_alloc(pprof->store, VALUES, sizeof profile->sample_type[0]);
    profile->n_sample_type = VALUES;
    for (unsigned i = 0; i < VALUES; i++)
        profile->sample_type[i] = make_type(pprof, type[i], i % 2 == 0 ? "count" : "bytes");
    profile->default_sample_type = names_get(&pprof->texts, "inuse_space");
}

/* -- modules ---------------------------------------------------------------------------------- */

static Pprof__Mapping *make_mapping(struct pprof *pprof, size_t index)
{
    const struct trace_module *module = &pprof->facts->module[index];
    Pprof__Mapping *mapping = store_alloc(pprof->store, 1, sizeof *mapping);
    char build_id[2 * 255 + 1] = "";
    for (size_t i = 0; i < module->build_id_bytes && i < 255; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    pprof__mapping__init(mapping);
    mapping->id = index + 1;
    mapping->memory_start = module->start;
    mapping->memory_limit = module->end;
    mapping->file_offset = module->start - module->bias;
    mapping->filename = names_get(&pprof->texts, module->path);
    mapping->build_id = names_get(&pprof->texts, build_id);
    mapping->has_functions = mapping->has_filenames = true;
    mapping->has_line_numbers = mapping->has_inline_frames = true;
    return mapping;
}

static void set_mappings(struct pprof *pprof)
{
    size_t count = pprof->facts->modules;
    pprof->profile.mapping = store_alloc(pprof->store, count + 1, sizeof(Pprof__Mapping *));
    pprof->profile.n_mapping = count;
    for (size_t i = 0; i < count; i++)
        pprof->profile.mapping[i] = make_mapping(pprof, i);
}

/* -- stacks ----------------------------------------------------------------------------------- */

/* Function number n + 1 is name n. Its file is that of the first line met in it. */
static uint64_t get_function(struct pprof *pprof, const struct frame *frame)
{
    Pprof__Profile *profile = &pprof->profile;
    uint32_t number = calls_get_function(&pprof->calls, frame);
    if (number < profile->n_function)
        return number + UINT64_C(1);
    Pprof__Function *function = store_alloc(pprof->store, 1, sizeof *function);
    pprof__function__init(function);
    function->id = number + UINT64_C(1);
    function->name = names_get(&pprof->texts, calls_get_name(&pprof->calls, number));
    function->system_name = function->name;
    function->filename = names_get(&pprof->texts, frame->file == NULL ? "" : frame->file);
    profile->function =
        make_room(pprof, profile->function, profile->n_function, &pprof->function_room);
    profile->function[profile->n_function++] = function;
    return function->id;
}

static Pprof__Line **make_lines(struct pprof *pprof, struct frames frames)
{
    Pprof__Line **list = store_alloc(pprof->store, frames.count, sizeof(Pprof__Line *));
    Pprof__Line *line = store_alloc(pprof->store, frames.count, sizeof *line);
    for (size_t i = 0; i < frames.count; i++) {
        pprof__line__init(&line[i]);
        line[i].function_id = get_function(pprof, &frames.frame[i]);
        line[i].line = frames.frame[i].line;
        list[i] = &line[i];
    }
    return list;
}

/* The number of a node's mapping; 0: none. */
static uint64_t get_mapping(const struct pprof *pprof, const struct trace_node *node)
{
    const struct trace_module *module = trace_node_module(pprof->trace, node);
    return module == NULL ? 0 : (uint64_t)(module - pprof->facts->module) + 1;
}

static void add_location(struct pprof *pprof, const struct trace_node *node)
{
    Pprof__Profile *profile = &pprof->profile;
    struct frames frames = symbols_find(pprof->calls.source->symbols, node);
    Pprof__Location *location = store_alloc(pprof->store, 1, sizeof *location);
    pprof__location__init(location);
    location->id = profile->n_location + 1;
    location->address = trace_node_address(node);
    location->mapping_id = get_mapping(pprof, node);
    location->n_line = frames.count;
    location->line = make_lines(pprof, frames);
    profile->location =
        make_room(pprof, profile->location, profile->n_location, &pprof->location_room);
    profile->location[profile->n_location++] = location;
}

struct wanted {
    const struct pprof *pprof;
    uint64_t address;
    uint64_t mapping;
};

static bool is_location(const void *wanted_, uint32_t number)
{
    const struct wanted *wanted = wanted_;
    const Pprof__Location *location = wanted->pprof->profile.location[number];
    return location->address == wanted->address && location->mapping_id == wanted->mapping;
}

static uint64_t get_location(struct pprof *pprof, const struct trace_node *node)
{
    struct wanted wanted = {pprof, trace_node_address(node), get_mapping(pprof, node)};
    uint32_t next = (uint32_t)pprof->profile.n_location;
    uint32_t number = index_get(&pprof->by_place, wanted.address, is_location, &wanted, next);
    if (number == next)
        add_location(pprof, node);
    return number + UINT64_C(1);
}

static void add_sample(struct pprof *pprof, const struct site *site)
{
    struct trace_node nodes[NODES_MAX];
    Pprof__Profile *profile = &pprof->profile;
    struct amount peak = held_get_at_peak(&site->held, pprof->analysis->peak_serial);
    const uint64_t values[VALUES] = {site->all.blocks,     site->all.bytes, site->held.now.blocks,
                                     site->held.now.bytes, peak.blocks,     peak.bytes};
    Pprof__Sample *sample = store_alloc(pprof->store, 1, sizeof *sample);
    size_t depth = groups_read_stack(pprof->analysis, site->node, nodes, NODES_MAX);
    pprof__sample__init(sample);
    sample->n_value = VALUES;
    sample->value = store_alloc(pprof->store, VALUES, sizeof sample->value[0]);
    for (unsigned i = 0; i < VALUES; i++)
        sample->value[i] = (int64_t)values[i];
    sample->n_location_id = depth;
    sample->location_id = store_alloc(pprof->store, depth + 1, sizeof sample->location_id[0]);
    for (size_t i = 0; i < depth; i++)
        sample->location_id[i] = get_location(pprof, &nodes[i]);
    profile->sample = make_room(pprof, profile->sample, profile->n_sample, &pprof->sample_room);
    profile->sample[profile->n_sample++] = sample;
}

/* -- the rest --------------------------------------------------------------------------------- */

static void set_facts(struct pprof *pprof)
{
    Pprof__Profile *profile = &pprof->profile;
    const struct trace_header *header = &pprof->facts->header;
    profile->time_nanos = (int64_t)header->start_wall_ns;
    profile->duration_nanos =
        (int64_t)analysis_since_start(pprof->analysis, pprof->analysis->last_ns);
    profile->period_type = make_type(pprof, "space", "bytes");
    profile->period = header->sample_period == 0 ? 1 : (int64_t)header->sample_period;
    profile->string_table = pprof->texts.text;
    profile->n_string_table = pprof->texts.count;
}

/* -- output ----------------------------------------------------------------------------------- */

struct packed {
    ProtobufCBuffer base;
    gzFile file;
    bool failed;
};

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
    struct packed *packed = (struct packed *)buffer;
    if (bytes > 0 && gzwrite(packed->file, data, (unsigned)bytes) != (int)bytes)
        packed->failed = true;
}

static int write_profile(const Pprof__Profile *profile)
{
    fflush(stdout);
    int fd = dup(STDOUT_FILENO);
    struct packed packed = {.base = {append}, .file = fd < 0 ? NULL : gzdopen(fd, "wb")};
    if (packed.file == NULL) {
        cli_say("the output could not be written: out of memory or file descriptors");
        return CLI_FAILED;
    }
    protobuf_c_message_pack_to_buffer(&profile->base, &packed.base);
    if (gzclose(packed.file) == Z_OK && !packed.failed)
        return CLI_OK;
    cli_say("the output could not be written: is the disk full?");
    return CLI_FAILED;
}

int export_pprof(const struct export_source *source)
{
    const struct analysis *analysis = source->analysis;
    struct store *store = store_create();
    struct pprof pprof = {.trace = analysis->trace,
                          .facts = analysis->facts,
                          .analysis = analysis,
                          .store = store,
                          .by_place = {.store = store}};
    calls_init(&pprof.calls, source);
    names_init(&pprof.texts, store);
    pprof__profile__init(&pprof.profile);
    names_get(&pprof.texts, ""); /* text 0 must be empty */
    set_types(&pprof);
    set_mappings(&pprof);
    for (size_t i = 0; i < analysis->sites; i++)
        add_sample(&pprof, &analysis->site[i]);
    set_facts(&pprof);
    int status = write_profile(&pprof.profile);
    calls_fini(&pprof.calls);
    store_destroy(store);
    return status;
}
