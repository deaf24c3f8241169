/* series.c - see series.h.
 *
 * A CSV file begins with the names of its columns: `second`, one signal or several, and where there
 * are more than one series `series` and `class`; `limit` if it is known. Lines of a series stand
 * together. */
#define _GNU_SOURCE /* strnlen */
#include "tools/forecast/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tools/cli.h"
#include "tools/trace/trace.h"

enum { LINE_BYTES = 1024, COLUMNS_MOST = 32, LEAST_VALUES = 2 };

static const char *const signals[] = {"resident_heap", "rss_anon", "rss", "used"};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

/* -- building --------------------------------------------------------------------------------- */

struct point {
    double second, used;
};

/* Points as they come, until the series is whole. */
struct draft {
    struct series series;
    struct point *point;
    size_t count, room;
};

static void *grown(void *p, size_t bytes)
{
    p = realloc(p, bytes);
    if (p == NULL) {
        cli_say("out of memory");
        exit(CLI_FAILED);
    }
    return p;
}

static void draft_add(struct draft *draft, double second, double used)
{
    if (draft->count == draft->room) {
        draft->room = draft->room == 0 ? 256 : 2 * draft->room;
        draft->point = grown(draft->point, draft->room * sizeof(*draft->point));
    }
    draft->point[draft->count++] = (struct point){second, used};
}

/* Points closer than a second become one a second, the latest of each. */
static void draft_finish(struct draft *draft, struct series_list *list)
{
    struct series series = draft->series;
    double tick = 1;
    if (draft->count >= LEAST_VALUES) {
        double span = draft->point[draft->count - 1].second - draft->point[0].second;
        tick = span / (double)(draft->count - 1);
    }
    series.tick_s = tick < 1.5 ? 1 : tick;
    for (size_t i = 0; i < draft->count; i++) {
        double at = draft->point[i].second - draft->point[0].second;
        size_t slot = (size_t)(at / series.tick_s + (tick < 1 ? 0 : 0.5));
        if (slot >= series.count) {
            series.used = grown(series.used, (slot + 1) * sizeof(*series.used));
            double kept = i > 0 ? draft->point[i - 1].used : 0;
            while (series.count <= slot)
                series.used[series.count++] = kept;
        }
        series.used[series.count - 1] = draft->point[i].used;
    }
    free(draft->point);
    *draft = (struct draft){0};
    if (series.count < LEAST_VALUES) {
        free(series.used);
        return;
    }
    list->series = grown(list->series, (list->count + 1) * sizeof(*list->series));
    list->series[list->count++] = series;
}

static void copy(char *to, size_t bytes, const char *from)
{
    size_t length = strnlen(from, bytes - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

static void name_after_file(char name[SERIES_NAME_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/');
    copy(name, SERIES_NAME_BYTES, slash != NULL ? slash + 1 : path);
    char *dot = strchr(name + 1, '.');
    if (dot != NULL)
        *dot = '\0';
}

/* -- CSV -------------------------------------------------------------------------------------- */

struct csv {
    const char *path;
    gzFile file;
    unsigned long line;
    size_t columns;
    char text[LINE_BYTES];
    const char *column[COLUMNS_MOST];
    int name, class, second, used, limit; /* which column; -1: none */
};

static int refuse_line(const struct csv *csv, const char *why)
{
    cli_say("%s: line %lu: %s", csv->path, csv->line, why);
    return CLI_FAILED;
}

/* False at the end. */
static bool next_line(struct csv *csv)
{
    if (gzgets(csv->file, csv->text, sizeof(csv->text)) == NULL)
        return false;
    csv->line++;
    csv->columns = 0;
    csv->text[strcspn(csv->text, "\r\n")] = '\0';
    for (char *at = csv->text; at != NULL && csv->columns < COLUMNS_MOST;) {
        csv->column[csv->columns++] = at;
        at = strchr(at, ',');
        if (at != NULL)
            *at++ = '\0';
    }
    return true;
}

static int find_column(const struct csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->columns; i++) {
        if (strcmp(csv->column[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static int read_head(struct csv *csv, const char *signal, struct series *series)
{
    if (!next_line(csv))
        return refuse_line(csv, "it is empty");
    csv->name = find_column(csv, "series");
    csv->class = find_column(csv, "class");
    csv->second = find_column(csv, "second");
    csv->limit = find_column(csv, "limit");
    csv->used = signal != NULL ? find_column(csv, signal) : -1;
    for (size_t i = 0; signal == NULL && csv->used < 0 && i < SIGNALS; i++)
        csv->used = find_column(csv, signals[i]);
    if (csv->second < 0)
        return refuse_line(csv, "no column is called \"second\"");
    if (csv->used < 0 && signal == NULL)
        return refuse_line(csv, "no column of resident_heap, rss_anon, rss or used");
    if (csv->used < 0) {
        cli_say("%s: no column is called \"%s\"", csv->path, signal);
        return CLI_FAILED;
    }
    copy(series->signal, sizeof(series->signal), csv->column[csv->used]);
    return CLI_GO_ON;
}

/* A number from 0 on in that column. */
static bool take_value(const struct csv *csv, int column, double *value)
{
    if ((size_t)column >= csv->columns)
        return false;
    char *end;
    *value = strtod(csv->column[column], &end);
    return end != csv->column[column] && *end == '\0' && *value >= 0 && *value < 1e18;
}

static bool begins_another(const struct csv *csv, const struct draft *draft)
{
    return draft->count > 0 && csv->name >= 0 && (size_t)csv->name < csv->columns &&
           strncmp(draft->series.name, csv->column[csv->name], SERIES_NAME_BYTES - 1) != 0;
}

static int take_line(struct csv *csv, struct draft *draft)
{
    double second, used;
    struct series *series = &draft->series;
    if (!take_value(csv, csv->second, &second) || !take_value(csv, csv->used, &used))
        return refuse_line(csv, "a number is missing");
    if (draft->count > 0 && second <= draft->point[draft->count - 1].second)
        return refuse_line(csv, "it is not later than the line before");
    if (csv->limit >= 0 && !take_value(csv, csv->limit, &series->limit))
        return refuse_line(csv, "the limit is no number");
    if (draft->count == 0 && csv->name >= 0 && (size_t)csv->name < csv->columns)
        copy(series->name, sizeof(series->name), csv->column[csv->name]);
    if (draft->count == 0 && csv->class >= 0 && (size_t)csv->class < csv->columns)
        copy(series->class, sizeof(series->class), csv->column[csv->class]);
    draft_add(draft, second, used);
    return CLI_GO_ON;
}

static int read_lines(struct csv *csv, const struct series *model, struct series_list *list)
{
    struct draft draft = {.series = *model};
    int status = CLI_GO_ON;
    while (status == CLI_GO_ON && next_line(csv)) {
        if (begins_another(csv, &draft)) {
            draft_finish(&draft, list);
            draft.series = *model;
        }
        if (csv->text[0] != '\0')
            status = take_line(csv, &draft);
    }
    draft_finish(&draft, list);
    int error;
    gzerror(csv->file, &error);
    return status == CLI_GO_ON && error < 0 ? refuse_line(csv, "it is damaged") : status;
}

static int read_csv(const char *path, const char *signal, struct series_list *list)
{
    struct series model = {.limit = 0};
    struct csv csv = {.path = path, .file = gzopen(path, "rb")};
    if (csv.file == NULL) {
        cli_say("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    name_after_file(model.name, path);
    int status = read_head(&csv, signal, &model);
    if (status == CLI_GO_ON)
        status = read_lines(&csv, &model, list);
    gzclose(csv.file);
    return status;
}

/* -- traces ----------------------------------------------------------------------------------- */

static double signal_of(const struct trace_sample *sample, const char *signal)
{
    if (strcmp(signal, "rss_anon") == 0)
        return (double)sample->rss_anon;
    if (strcmp(signal, "rss") == 0)
        return (double)sample->rss;
    if (strcmp(signal, "live") == 0)
        return (double)sample->live;
    return (double)(sample->live + sample->external + sample->cached + sample->dirty +
                    sample->meta);
}

/* Of the heap a sample knows nothing where another thread was in its tables, or it is a foreign
 * one: that is no 0. */
static bool tells(const struct trace_sample *sample, const char *signal)
{
    bool is_of_process = strncmp(signal, "rss", 3) == 0;
    return is_of_process ? signal_of(sample, signal) > 0 : sample->live != 0;
}

/* The one that is asked for; else the heap's, where it tells. NULL: a trace has no such signal. */
static const char *choose_signal(const struct trace_facts *facts, const char *wanted)
{
    static const char *const known[] = {"resident_heap", "rss_anon", "rss", "live"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (wanted != NULL && strcmp(wanted, known[i]) == 0)
            return known[i];
        for (size_t s = 0; wanted == NULL && s < facts->samples; s++) {
            if (tells(&facts->sample[s], known[i]))
                return known[i];
        }
    }
    return wanted == NULL ? known[0] : NULL;
}

static int add_samples(const struct trace_facts *facts, const char *path, const char *wanted,
                       struct series_list *list)
{
    const char *signal = choose_signal(facts, wanted);
    if (signal == NULL) {
        cli_say("%s: a trace has resident_heap, live, rss_anon and rss, no \"%s\"", path, wanted);
        return CLI_FAILED;
    }
    struct draft draft = {.series = {.tick_s = 1}};
    name_after_file(draft.series.name, path);
    copy(draft.series.signal, sizeof(draft.series.signal), signal);
    for (size_t i = 0; i < facts->samples; i++) {
        const struct trace_sample *sample = &facts->sample[i];
        if (tells(sample, signal))
            draft_add(&draft, (double)sample->time_ns / 1e9, signal_of(sample, signal));
    }
    bool is_told = draft.count != 0 || facts->samples == 0;
    draft_finish(&draft, list);
    if (!is_told)
        cli_say("%s: its samples tell nothing of %s", path, signal);
    return is_told ? CLI_GO_ON : CLI_FAILED;
}

static int read_trace(const char *path, const char *signal, struct series_list *list)
{
    struct trace *trace = cli_open_trace(path);
    if (trace == NULL)
        return CLI_FAILED;
    int status = add_samples(trace_facts(trace), path, signal, list);
    trace_close(trace);
    return status;
}

int series_read(const char *path, const char *signal, struct series_list *list)
{
    size_t length = strlen(path), before = list->count;
    bool is_trace = length > 4 && strcmp(path + length - 4, ".mpt") == 0;
    int status = (is_trace ? read_trace : read_csv)(path, signal, list);
    if (status != CLI_GO_ON || list->count > before)
        return status;
    cli_say("%s: too short to look at: less than two %s", path, is_trace ? "seconds" : "lines");
    return CLI_FAILED;
}

void series_free(struct series_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->series[i].used);
    free(list->series);
    *list = (struct series_list){0};
}
