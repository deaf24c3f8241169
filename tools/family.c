/* family.c - traces that belong together are found by their names and told apart by their
 * headers' start times, since a name may be left over from an earlier run. */
#define _GNU_SOURCE /* strdup */
#include "tools/family.h"

#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/place.h"
#include "tools/trace/mapping.h"
#include "tools/trace/trace.h"
#include "tools/units.h"

enum {
    BIGGER_FACTOR = 4, /* a trace this much bigger than the first program's is the main one */
    PRINTED_MAX = 12,
    COMMAND_BYTES = 160,
};

uint64_t family_read_written_bytes(const char *trace)
{
    struct trace_header header;
    if (!mapping_read_head(trace, &header))
        return 0;
    return TRACE_HEADER_BYTES + header.blocks * TRACE_BLOCK_BYTES;
}

/* -- members ---------------------------------------------------------------------------------- */

static char *read_command(const char *path, uint64_t *end_ns)
{
    char command[COMMAND_BYTES] = "";
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    *end_ns = 0;
    if (trace == NULL)
        return strdup("(not readable)");
    const struct trace_facts *facts = trace_facts(trace);
    *end_ns = facts->end != NULL ? facts->end->time_ns : 0;
    size_t used = 0;
    for (size_t i = 0; i < facts->arguments && used + 2 < sizeof command; i++) {
        int added = snprintf(command + used, sizeof command - used, "%s%s", i == 0 ? "" : " ",
                             facts->argument[i]);
        used += added < 0 ? 0 : (size_t)added;
    }
    trace_close(trace);
    for (char *at = command; *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    return strdup(command);
}

static void add_member(const char *path, void *context)
{
    struct family *family = context;
    struct trace_header header;
    struct stat status;
    if (!mapping_read_head(path, &header) || header.start_ns < family->since_ns ||
        stat(path, &status) != 0)
        return;
    size_t bytes = (family->members + 1) * sizeof family->member[0];
    struct family_member *grown = realloc(family->member, bytes);
    if (grown == NULL)
        return;
    family->member = grown;
    struct family_member *member = &grown[family->members++];
    *member = (struct family_member){.path = strdup(path),
                                     .bytes = (uint64_t)status.st_size,
                                     .blocks = header.blocks,
                                     .pid = header.pid,
                                     .start_ns = header.start_ns,
                                     .is_alive = kill((pid_t)header.pid, 0) == 0,
                                     .is_forked = header.forked != 0,
                                     .parent_pid = header.parent_pid,
                                     .parent_trace_ns = header.parent_trace_ns,
                                     .previous_trace_ns = header.previous_trace_ns};
    member->command = read_command(path, &member->end_ns);
}

static int compare_blocks(const void *a, const void *b)
{
    const struct family_member *one = a, *other = b;
    if (one->blocks != other->blocks)
        return one->blocks < other->blocks ? 1 : -1;
    return (one->start_ns > other->start_ns) - (one->start_ns < other->start_ns);
}

static int compare_starts(const void *a, const void *b)
{
    const struct family_member *one = a, *other = b;
    if (one->start_ns != other->start_ns)
        return one->start_ns < other->start_ns ? -1 : 1;
    return (one->pid > other->pid) - (one->pid < other->pid);
}

static void visit_matches(const char *pattern, family_visitor *visitor, void *context)
{
    glob_t found;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        visitor(found.gl_pathv[i], context);
    globfree(&found);
}

/* Appends `text` with glob's special characters quoted; the length that has then. */
static size_t quote(char *out, size_t used, const char *text, size_t length)
{
    for (size_t i = 0; i < length && used + 2 < 2 * PLACE_BYTES; i++) {
        if (strchr("*?[\\", text[i]) != NULL)
            out[used++] = '\\';
        out[used++] = text[i];
    }
    return used;
}

/* `out` = the stem of `trace` with glob's special characters quoted, then ".[0-9]*" + its ending.
 */
static void make_pattern(const char *trace, char out[2 * PLACE_BYTES + 16])
{
    size_t length = strlen(trace);
    bool has_ending = length > 4 && strcmp(trace + length - 4, ".mpt") == 0;
    size_t stem = has_ending ? length - 4 : length;
    size_t used = quote(out, 0, trace, stem);
    strcpy(out + used, has_ending ? ".[0-9]*.mpt" : ".[0-9]*");
}

void family_visit(const char *trace, family_visitor *visitor, void *context)
{
    visitor(trace, context);
    char pattern[2 * PLACE_BYTES + 16];
    make_pattern(trace, pattern);
    visit_matches(pattern, visitor, context);
}

void family_init(struct family *family, const char *trace, uint64_t since_ns)
{
    *family = (struct family){.since_ns = since_ns};
    family_visit(trace, add_member, family);
    if (family->members > 1)
        qsort(family->member, family->members, sizeof family->member[0], compare_blocks);
}

void family_init_folder(struct family *family, const char *folder)
{
    char pattern[2 * PLACE_BYTES + 16];
    *family = (struct family){0};
    strcpy(pattern + quote(pattern, 0, folder, strlen(folder)), "/*.mpt");
    visit_matches(pattern, add_member, family);
    if (family->members > 1)
        qsort(family->member, family->members, sizeof family->member[0], compare_starts);
}

/* -- who came from whom ----------------------------------------------------------------------- */

/* The newest trace of process `pid` (0: of any) that began before `before_ns`; exactly at `at_ns`
 * if that is not 0. */
static bool find_trace(const struct family *family, uint64_t pid, uint64_t before_ns,
                       uint64_t at_ns, size_t *found)
{
    bool is_found = false;
    for (size_t i = 0; i < family->members; i++) {
        const struct family_member *member = &family->member[i];
        bool fits = (pid == 0 || member->pid == pid) && member->start_ns < before_ns &&
                    (at_ns == 0 || member->start_ns == at_ns);
        if (!fits || (is_found && member->start_ns < family->member[*found].start_ns))
            continue;
        *found = i;
        is_found = true;
    }
    return is_found;
}

enum family_link family_find_origin(const struct family *family, size_t number, size_t *from)
{
    const struct family_member *member = &family->member[number];
    uint64_t start_ns = member->start_ns;
    if (member->previous_trace_ns != 0 &&
        find_trace(family, member->pid, start_ns, member->previous_trace_ns, from))
        return FAMILY_BECAME;
    /* Its parent may be one that ended without a trace of its own, as daemons' do. */
    uint64_t parent_pid = member->parent_trace_ns == 0 ? member->parent_pid : 0;
    if (find_trace(family, parent_pid, start_ns, member->parent_trace_ns, from))
        return member->is_forked ? FAMILY_FORKED : FAMILY_STARTED;
    return FAMILY_FIRST;
}

void family_fini(struct family *family)
{
    for (size_t i = 0; i < family->members; i++) {
        free(family->member[i].path);
        free(family->member[i].command);
    }
    free(family->member);
}

size_t family_find_main(const struct family *family, uint64_t pid)
{
    size_t last = 0;
    uint64_t last_ns = 0;
    for (size_t i = 0; i < family->members; i++) {
        const struct family_member *member = &family->member[i];
        if (member->pid == pid && member->start_ns >= last_ns) {
            last_ns = member->start_ns;
            last = i;
        }
    }
    return family->member[0].blocks > BIGGER_FACTOR * family->member[last].blocks ? 0 : last;
}

/* -- as a list -------------------------------------------------------------------------------- */

static void print_member(const struct family_member *member, bool is_marked, FILE *out)
{
    const char *slash = strrchr(member->path, '/');
    const char *name = slash == NULL ? member->path : slash + 1;
    int room = 80 - 16 - (int)strlen(name);
    fprintf(out, "%c %9s  %s  %.*s%s\n", is_marked ? '*' : ' ', units_bytes(member->bytes).at, name,
            room < 10 ? 10 : room, member->command, member->is_alive ? " (still runs)" : "");
}

void family_print(const struct family *family, size_t marked, FILE *out)
{
    fprintf(out, "\n%zu programs were recorded; the summary below is of the one with *:\n",
            family->members);
    for (size_t i = 0; i < family->members; i++) {
        if (i < PRINTED_MAX - 1 || i == marked)
            print_member(&family->member[i], i == marked, out);
    }
    size_t printed = marked < PRINTED_MAX - 1 ? PRINTED_MAX - 1 : PRINTED_MAX;
    if (family->members > printed)
        fprintf(out, "  ... and %zu more, none of them larger\n", family->members - printed);
}
