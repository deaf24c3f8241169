/* suppress.c - see suppress.h. */
#define _GNU_SOURCE /* getline */
#include "tools/report/suppress.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

#define PREFIX "leak:"

/* -- patterns --------------------------------------------------------------------------------- */

/* The piece [pattern, pattern + length) without a '*', somewhere in the text; NULL: nowhere. */
static const char *find_piece(const char *text, const char *pattern, size_t length)
{
    for (; strlen(text) >= length; text++) {
        if (strncmp(text, pattern, length) == 0)
            return text;
    }
    return NULL;
}

static bool ends_with(const char *text, const char *pattern, size_t length)
{
    size_t all = strlen(text);
    return all >= length && memcmp(text + all - length, pattern, length) == 0;
}

/* The pieces between the stars stand in the text one behind the other; the first at its beginning
 * if that is anchored, the last at its end. */
bool suppress_matches(const char *pattern, const char *text)
{
    if (text == NULL || *pattern == '\0')
        return false;
    bool is_anchored = *pattern == '^';
    for (pattern += is_anchored; *pattern != '\0';) {
        size_t length = strcspn(pattern, "*$");
        bool is_last = pattern[length] == '$' && pattern[length + 1] == '\0';
        if (is_last && !is_anchored)
            return ends_with(text, pattern, length);
        if (is_anchored && strncmp(text, pattern, length) != 0)
            return false;
        if (!is_anchored && (text = find_piece(text, pattern, length)) == NULL)
            return false;
        text += length;
        if (is_last)
            return *text == '\0';
        is_anchored = false;
        pattern += length + (pattern[length] != '\0');
    }
    return true;
}

/* -- the file --------------------------------------------------------------------------------- */

static char *trim(char *line)
{
    char *end = line + strlen(line);
    while (end > line && isspace((unsigned char)end[-1]))
        *--end = '\0';
    while (isspace((unsigned char)*line))
        line++;
    return line;
}

static int take_line(struct suppressions *suppressions, struct store *store, const char *path,
                     const char *line, unsigned number)
{
    if (*line == '\0' || *line == '#')
        return CLI_GO_ON;
    if (strncmp(line, PREFIX, strlen(PREFIX)) != 0 || line[strlen(PREFIX)] == '\0') {
        cli_say("%s, line %u: \"%.60s\": expected leak:PATTERN, or # and a comment", path, number,
                line);
        return CLI_FAILED;
    }
    size_t count = suppressions->count++;
    suppressions->suppression = store_grow(store, suppressions->suppression, count, count + 1,
                                           sizeof suppressions->suppression[0]);
    suppressions->suppression[count].pattern = store_copy_text(store, line + strlen(PREFIX));
    return CLI_GO_ON;
}

static int read_file(struct suppressions *suppressions, struct store *store, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        cli_say("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    char *line = NULL;
    size_t room = 0;
    int status = CLI_GO_ON;
    for (unsigned number = 1; status == CLI_GO_ON && getline(&line, &room, file) >= 0; number++)
        status = take_line(suppressions, store, path, trim(line), number);
    free(line);
    fclose(file);
    return status;
}

/* -- the losses ------------------------------------------------------------------------------- */

static bool matches_frames(const char *pattern, struct frames frames)
{
    for (size_t i = 0; i < frames.count; i++) {
        if (suppress_matches(pattern, frames.frame[i].function) ||
            suppress_matches(pattern, frames.frame[i].file))
            return true;
    }
    return false;
}

static bool matches_stack(const char *pattern, const struct analysis *analysis,
                          struct symbols *symbols, uint32_t id)
{
    while (id != 0) {
        struct trace_node node = trace_node(analysis->trace, id);
        const struct trace_module *module = trace_node_module(analysis->trace, &node);
        if (suppress_matches(pattern, module == NULL ? NULL : module->path) ||
            matches_frames(pattern, symbols_find(symbols, &node)))
            return true;
        id = node.parent;
    }
    return false;
}

static void take_out(struct amount *from, const struct amount *amount)
{
    from->bytes -= amount->bytes;
    from->blocks -= amount->blocks;
    from->variance -= amount->variance;
}

static void suppress_site(struct suppressions *suppressions, struct suppression *by,
                          struct analysis *analysis, struct leak *leak)
{
    struct amount *const lost[] = {&leak->lost, &leak->by_lost};
    struct amount *const all[] = {&analysis->leak.lost, &analysis->leak.by_lost};
    for (size_t i = 0; i < 2; i++) {
        amount_add(&by->amount, lost[i]);
        amount_add(&suppressions->amount, lost[i]);
        take_out(all[i], lost[i]);
        *lost[i] = (struct amount){0};
    }
}

static void judge_site(struct suppressions *suppressions, struct analysis *analysis,
                       struct symbols *symbols, struct site *site)
{
    if (site->leak.lost.blocks == 0 && site->leak.by_lost.blocks == 0)
        return;
    for (size_t i = 0; i < suppressions->count; i++) {
        struct suppression *by = &suppressions->suppression[i];
        if (matches_stack(by->pattern, analysis, symbols, site->node)) {
            suppress_site(suppressions, by, analysis, &site->leak);
            return;
        }
    }
}

int suppress(struct suppressions *suppressions, const char *path, struct analysis *analysis,
             struct symbols *symbols)
{
    *suppressions = (struct suppressions){0};
    if (path == NULL)
        path = getenv("MPRESS_SUPPRESSIONS");
    if (path == NULL || *path == '\0')
        return CLI_GO_ON;
    int status = read_file(suppressions, analysis->store, path);
    for (size_t i = 0; status == CLI_GO_ON && i < analysis->sites; i++)
        judge_site(suppressions, analysis, symbols, &analysis->site[i]);
    return status;
}
