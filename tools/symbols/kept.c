/* kept.c - see kept.h. What is read is believed no more than a trace: numbers are checked against
 * it, and there are at most so many addresses and functions as it can have. */
#define _GNU_SOURCE /* strndup */
#include "tools/symbols/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tools/cli.h"
#include "tools/place.h"

enum {
    LINE_BYTES = 16 * 1024, /* a longer one is cut: there are template names of many KiB */
    FRAMES_MOST = 32,
    ADDRESSES_A_NODE = 4, /* modules that were mapped at one address, one after another */
};

/* -- writing ---------------------------------------------------------------------------------- */

static void write_text(gzFile out, const char *text, int most)
{
    for (int i = 0; text != NULL && text[i] != '\0' && i < most; i++)
        gzputc(out, (unsigned char)text[i] < ' ' ? '?' : text[i]);
}

static void write_frames(gzFile out, const struct frames *frames)
{
    for (size_t i = 0; i < frames->count && i < FRAMES_MOST; i++) {
        const struct frame *frame = &frames->frame[i];
        gzprintf(out, "F %d %u ", (int)frame->is_inlined, frame->line);
        write_text(out, frame->function, LINE_BYTES / 2);
        gzputc(out, '\t');
        write_text(out, frame->file, LINE_BYTES / 4);
        gzputc(out, '\n');
    }
}

/* In each module that was ever mapped there. */
static void write_node(gzFile out, struct symbols *symbols, const struct trace_facts *facts,
                       const struct trace_node *node)
{
    uint64_t address = trace_node_address(node);
    for (size_t i = 0; i < facts->modules; i++) {
        const struct trace_module *module = &facts->module[i];
        if (address < module->start || address >= module->end)
            continue;
        struct frames frames = symbols_find_in(symbols, node, module);
        gzprintf(out, "A %zu %" PRIx64 " %" PRIx64 "\n", i, address, node->ip);
        write_frames(out, &frames);
    }
}

static int compare_nodes(const void *a, const void *b)
{
    const struct trace_node *one = a, *other = b;
    if (one->ip != other->ip)
        return one->ip < other->ip ? -1 : 1;
    return (int)one->is_exact - (int)other->is_exact;
}

/* Each return address once, though many nodes have it. */
static void write_nodes(gzFile out, struct symbols *symbols, const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    struct trace_node *node = calloc(facts->nodes + 1, sizeof *node);
    if (node == NULL) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    for (size_t i = 0; i < facts->nodes; i++)
        node[i] = trace_node(trace, (uint32_t)i);
    qsort(node, facts->nodes, sizeof *node, compare_nodes);
    for (size_t i = 0; i < facts->nodes; i++) {
        if (i == 0 || compare_nodes(&node[i - 1], &node[i]) != 0)
            write_node(out, symbols, facts, &node[i]);
    }
    free(node);
}

int kept_write(struct symbols *symbols, const struct trace *trace)
{
    const struct trace_header *header = &trace_facts(trace)->header;
    int fd = dup(STDOUT_FILENO);
    gzFile out = fd < 0 ? NULL : gzdopen(fd, "wb9");
    if (out == NULL) {
        cli_say("the names could not be written");
        return CLI_FAILED;
    }
    gzprintf(out, "mpress-symbols 1 %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", header->pid,
             header->start_ns, header->start_wall_ns);
    write_nodes(out, symbols, trace);
    if (gzclose(out) == Z_OK)
        return CLI_OK;
    cli_say("the names could not be written");
    return CLI_FAILED;
}

/* -- reading ---------------------------------------------------------------------------------- */

struct reading {
    struct symbols *symbols;
    const struct trace_facts *facts;
    const struct trace_module *module; /* of the address; NULL: none that makes sense */
    uint64_t address;
    uint64_t ip;
    struct frame frame[FRAMES_MOST];
    char *text[2 * FRAMES_MOST]; /* what the frames point to */
    size_t frames;
    uint64_t addresses;
};

static void put_address(struct reading *reading)
{
    if (reading->module != NULL && reading->frames != 0)
        symbols_put(reading->symbols, reading->module, reading->address, reading->frame,
                    reading->frames);
    for (size_t i = 0; i < 2 * reading->frames; i++)
        free(reading->text[i]);
    reading->frames = 0;
    reading->module = NULL;
}

static bool read_address(struct reading *reading, const char *line)
{
    size_t module;
    put_address(reading);
    if (++reading->addresses > ADDRESSES_A_NODE * (uint64_t)reading->facts->nodes ||
        sscanf(line, "A %zu %" SCNx64 " %" SCNx64, &module, &reading->address, &reading->ip) != 3)
        return false;
    if (module < reading->facts->modules)
        reading->module = &reading->facts->module[module];
    return true;
}

static char *copy(const char *text, size_t length)
{
    char *one = length == 0 ? NULL : strndup(text, length);
    for (char *at = one; at != NULL && *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' || *at == 127 ? '?' : *at;
    if (one == NULL && length != 0) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    return one;
}

static bool read_frame(struct reading *reading, const char *line)
{
    unsigned inlined, number;
    int at = 0;
    if (reading->frames == FRAMES_MOST || sscanf(line, "F %u %u %n", &inlined, &number, &at) < 2 ||
        at == 0 || line[at - 1] != ' ')
        return false;
    const char *function = line + at, *tab = strchr(function, '\t');
    if (tab == NULL)
        return false;
    char **text = &reading->text[2 * reading->frames];
    text[0] = copy(function, (size_t)(tab - function));
    text[1] = copy(tab + 1, strcspn(tab + 1, "\n"));
    reading->frame[reading->frames++] = (struct frame){.ip = reading->ip,
                                                       .function = text[0],
                                                       .file = text[1],
                                                       .line = number,
                                                       .is_inlined = inlined != 0};
    return true;
}

static bool is_of_trace(gzFile in, const struct trace_header *header)
{
    char line[256];
    uint64_t pid, start_ns, start_wall_ns;
    return gzgets(in, line, sizeof line) != NULL &&
           sscanf(line, "mpress-symbols 1 %" SCNu64 " %" SCNu64 " %" SCNu64, &pid, &start_ns,
                  &start_wall_ns) == 3 &&
           pid == header->pid && start_ns == header->start_ns &&
           start_wall_ns == header->start_wall_ns;
}

void kept_read(struct symbols *symbols, const struct trace *trace)
{
    const struct trace_facts *facts = trace_facts(trace);
    struct reading reading = {.symbols = symbols, .facts = facts};
    char path[PLACE_BYTES], line[LINE_BYTES];
    if (strlen(facts->path) + sizeof KEPT_SUFFIX > sizeof path)
        return;
    snprintf(path, sizeof path, "%s%s", facts->path, KEPT_SUFFIX);
    gzFile in = gzopen(path, "rb");
    if (in == NULL)
        return;
    bool is_good = is_of_trace(in, &facts->header);
    while (is_good && gzgets(in, line, sizeof line) != NULL)
        is_good = line[0] == 'A' ? read_address(&reading, line) : read_frame(&reading, line);
    put_address(&reading);
    gzclose(in);
}
