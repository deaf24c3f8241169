/* stages.c - the life of the program by its marks: what it held at each, and what each stage left
 * behind. */
#include <stdlib.h>
#include <string.h>

#include "tools/report/report.h"

enum { ROWS = 20, NEAR_NS = 200 * 1000 * 1000 };

/* A stage ends at a mark, or, the last one, with the trace. */
struct stage {
    const char *label;
    uint64_t time_ns;
    uint64_t live;
    int64_t change; /* since the stage before */
    uint64_t kept;  /* asked for in it, and alive at the end of the trace */
    const struct look *look;
    const struct trace_leaks *leaks; /* looked for at its end; NULL: nobody looked */
};

struct stages {
    size_t count;
    struct stage *stage;
};

/* A mark is followed by a sample, unless there was one right before. */
static const struct look *find_look(const struct analysis *analysis, uint64_t time_ns)
{
    const struct look *best = NULL;
    uint64_t least = NEAR_NS;
    for (size_t i = 0; i < analysis->looks; i++) {
        uint64_t at = analysis->look[i].sample.time_ns;
        uint64_t distance = at > time_ns ? at - time_ns : time_ns - at;
        if (distance < least) {
            least = distance;
            best = &analysis->look[i];
        }
    }
    return best;
}

/* The last look for lost blocks in the stage: that of a mark is made right before it. */
static const struct trace_leaks *find_leaks(const struct trace_facts *facts, uint64_t from_ns,
                                            uint64_t to_ns)
{
    const struct trace_leaks *found = NULL;
    for (size_t i = 0; i < facts->leak_looks; i++) {
        if (facts->leak_look[i].time_ns > from_ns && facts->leak_look[i].time_ns <= to_ns)
            found = &facts->leak_look[i];
    }
    return found;
}

static void add_stage(struct stages *stages, const struct analysis *analysis, const char *label,
                      uint64_t time_ns, int64_t live)
{
    struct stage *stage = &stages->stage[stages->count++];
    const struct stage *before = stages->count > 1 ? stage - 1 : NULL;
    stage->label = label;
    stage->time_ns = time_ns;
    stage->live = live < 0 ? 0 : (uint64_t)live;
    stage->change = (int64_t)stage->live - (before == NULL ? 0 : (int64_t)before->live);
    stage->look = find_look(analysis, time_ns);
}

/* Moments without a mark only divide a stage. */
static void read_stages(const struct analysis *analysis, struct stages *stages)
{
    const struct course *course = &analysis->course;
    const struct trace_facts *facts = analysis->facts;
    int64_t *live = store_alloc(analysis->store, course->moments + 1, sizeof live[0]);
    uint64_t kept = 0;
    course_read(course, live);
    stages->stage = store_alloc(analysis->store, course->moments + 1, sizeof stages->stage[0]);
    for (size_t i = 0; i < course->moments; i++) {
        const struct course_moment *moment = &course->moment[i];
        kept += course->born[i];
        if (moment->mark == 0)
            continue;
        add_stage(stages, analysis, facts->mark[moment->mark - 1].label, moment->time_ns, live[i]);
        stages->stage[stages->count - 1].kept = kept;
        kept = 0;
    }
    add_stage(stages, analysis, "(end)", analysis->last_ns, live[course->moments]);
    stages->stage[stages->count - 1].kept = kept + course->born[course->moments];
    for (size_t i = 0; i < stages->count; i++)
        stages->stage[i].leaks =
            find_leaks(facts, i == 0 ? 0 : stages->stage[i - 1].time_ns,
                       i + 1 < stages->count ? stages->stage[i].time_ns : UINT64_MAX);
    store_free(live);
}

/* -- text ------------------------------------------------------------------------------------- */

static struct units describe_change(int64_t bytes)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%s%.40s", bytes < 0 ? "-" : "+",
             units_bytes((uint64_t)(bytes < 0 ? -bytes : bytes)).at);
    return text;
}

static uint64_t count_lost(const struct trace_leaks *leaks)
{
    return leaks->bytes[TRACE_LEAK_LOST] + leaks->bytes[TRACE_LEAK_BY_LOST];
}

static void print_stage(const struct report *report, const struct stage *stage)
{
    char label[PAGE_CELL_BYTES];
    page_fit(label, stage->label, 18, false);
    fprintf(report->page.out, "  %-18s%9s%10s%11s%10s%10s%9s\n", label,
            units_duration(analysis_since_start(report->analysis, stage->time_ns)).at,
            units_bytes(stage->live).at, describe_change(stage->change).at,
            units_bytes(stage->kept).at,
            stage->look == NULL ? "-" : units_bytes(stage->look->sample.rss).at,
            stage->leaks == NULL ? "-" : units_bytes(count_lost(stage->leaks)).at);
}

void report_stages(struct report *report)
{
    const struct page *page = &report->page;
    struct stages stages = {0};
    if (report->analysis->facts->marks == 0)
        return;
    read_stages(report->analysis, &stages);
    page_heading(page, "STAGES", "what was held at each mark");
    fprintf(page->out, "  %s%-18s%9s%10s%11s%10s%10s%9s%s\n", page_dim(page), "up to", "after",
            "live", "change", "kept", "RSS", "lost", page_plain(page));
    size_t rows = report->top > ROWS || stages.count <= ROWS ? stages.count : ROWS;
    for (size_t i = 0; i < stages.count; i++) {
        if (i >= rows / 2 && i + rows - rows / 2 < stages.count) {
            size_t left_out = stages.count - rows;
            page_paragraph(page, 2, "", "... %s; --all shows them",
                           units_plural(left_out, "more stage").at);
            i += left_out - 1;
            continue;
        }
        print_stage(report, &stages.stage[i]);
    }
    page_paragraph(page, 2, "",
                   "Kept: asked for in the stage and not freed to the end. Lost: found so far by "
                   "looks at the marks (mpress mark --leaks), in usable bytes.");
    if (stages.count < report->analysis->facts->marks)
        page_paragraph(page, 2, "", "Of %s so many that they can be told apart are listed.",
                       units_plural(report->analysis->facts->marks, "mark").at);
    store_free(stages.stage);
}

/* -- JSON ------------------------------------------------------------------------------------- */

json_t *report_json_stages(struct report *report)
{
    json_t *array = json_array();
    struct stages stages = {0};
    read_stages(report->analysis, &stages);
    for (size_t i = 0; i < stages.count; i++) {
        const struct stage *stage = &stages.stage[i];
        json_t *object = json_object();
        values_set_text(object, "up_to", stage->label);
        values_set_number(object, "after_ns",
                          analysis_since_start(report->analysis, stage->time_ns));
        values_set_number(object, "live", stage->live);
        json_object_set_new(object, "change", json_integer(stage->change));
        values_set_number(object, "kept", stage->kept);
        if (stage->look != NULL)
            values_set_number(object, "rss", stage->look->sample.rss);
        if (stage->leaks != NULL)
            values_set_number(object, "lost", count_lost(stage->leaks));
        json_array_append_new(array, object);
    }
    store_free(stages.stage);
    return array;
}
