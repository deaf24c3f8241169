/* spare.c - over-allocation: what blocks can hold beyond what was asked for, by size class and by
 * call stack. */
#include "tools/analysis/spare.h"

#include <stdlib.h>

#include "tools/report/report.h"
#include "tools/units.h"

/* -- by class --------------------------------------------------------------------------------- */

struct ranked_class {
    uint64_t above; /* the class serves what is larger than that */
    const struct spare_class *class;
};

static int compare_classes(const void *a, const void *b)
{
    const struct ranked_class *one = a, *other = b;
    const struct spare_class *first = one->class, *second = other->class;
    if (first->held.spare != second->held.spare)
        return first->held.spare < second->held.spare ? 1 : -1;
    if (first->all.spare != second->all.spare)
        return first->all.spare < second->all.spare ? 1 : -1;
    return (one->above > other->above) - (one->above < other->above);
}

/* Those that were used, most spare bytes first; how many. The caller's to free with store_free. */
static size_t rank_classes(const struct analysis *analysis, struct ranked_class **ranked)
{
    const struct spares *spares = &analysis->spares;
    struct ranked_class *list = store_alloc(analysis->store, spares->classes, sizeof list[0]);
    size_t count = 0;
    uint64_t above = 0;
    for (size_t i = 0; i < spares->classes; i++) {
        if (spares->class[i].all.blocks != 0)
            list[count++] = (struct ranked_class){above, &spares->class[i]};
        above = spares->class[i].bytes;
    }
    if (count > 1)
        qsort(list, count, sizeof list[0], compare_classes);
    *ranked = list;
    return count;
}

/* Of all that blocks can hold. */
static struct units show_share(const struct spare *spare)
{
    return units_percent(spare->spare, spare->asked + spare->spare);
}

static void name_class(const struct ranked_class *one, char out[PAGE_CELL_BYTES])
{
    if (one->class->bytes == 0)
        snprintf(out, PAGE_CELL_BYTES, "above %llu", (unsigned long long)one->above);
    else
        snprintf(out, PAGE_CELL_BYTES, "%llu to %u", (unsigned long long)one->above + 1,
                 one->class->bytes);
}

static void print_classes(const struct report *report)
{
    struct ranked_class *ranked;
    const struct page *page = &report->page;
    size_t count = rank_classes(report->analysis, &ranked);
    fprintf(page->out, "  %s%-15s%13s%10s%8s%13s%10s%8s%s\n", page_dim(page), "bytes", "requests",
            "spare", "", "alive then", "spare", "", page_plain(page));
    for (size_t i = 0; i < count && i < report->top; i++) {
        const struct spare_class *class = ranked[i].class;
        char name[PAGE_CELL_BYTES];
        name_class(&ranked[i], name);
        fprintf(page->out, "  %-15s%13s%10s%8s", name, units_count(class->all.blocks).at,
                units_bytes(class->all.spare).at, show_share(&class->all).at);
        fprintf(page->out, "%13s%10s%8s\n", units_count(class->held.blocks).at,
                units_bytes(class->held.spare).at, show_share(&class->held).at);
    }
    store_free(ranked);
}

/* -- by stack --------------------------------------------------------------------------------- */

struct ranked_group {
    const struct group *group;
    struct site_spare spare;
};

static int compare_groups(const void *a, const void *b)
{
    const struct ranked_group *one = a, *other = b;
    const struct site_spare *first = &one->spare, *second = &other->spare;
    if (first->held.spare != second->held.spare)
        return first->held.spare < second->held.spare ? 1 : -1;
    if (first->all != second->all)
        return first->all < second->all ? 1 : -1;
    return (one->group->node > other->group->node) - (one->group->node < other->group->node);
}

static struct site_spare sum_up(const struct groups *groups, const struct group *group)
{
    struct site_spare sum = {0};
    for (uint32_t site = group->site; site != 0; site = groups->next_site[site - 1]) {
        const struct site_spare *one = &groups->analysis->site[site - 1].spare;
        sum.all += one->all;
        sum.held.blocks += one->held.blocks;
        sum.held.asked += one->held.asked;
        sum.held.spare += one->held.spare;
    }
    return sum;
}

static size_t rank_groups(const struct groups *groups, struct ranked_group **ranked)
{
    struct ranked_group *list =
        store_alloc(groups->analysis->store, groups->groups + 1, sizeof list[0]);
    size_t count = 0;
    for (size_t i = 0; i < groups->groups; i++) {
        struct site_spare spare = sum_up(groups, &groups->group[i]);
        if (spare.all != 0)
            list[count++] = (struct ranked_group){&groups->group[i], spare};
    }
    if (count > 1)
        qsort(list, count, sizeof list[0], compare_groups);
    *ranked = list;
    return count;
}

static void print_groups(struct report *report)
{
    struct ranked_group *ranked;
    const struct page *page = &report->page;
    const struct spares *spares = &report->analysis->spares;
    size_t count = rank_groups(&report->groups, &ranked);
    for (size_t i = 0; i < count && i < report->top; i++) {
        const struct site_spare *spare = &ranked[i].spare;
        fprintf(page->out, "%s%3zu. ", page_bold(page), i + 1);
        if (spare->held.spare != 0)
            fprintf(page->out, "%s spare%s (%s) in %s of %s, ", units_bytes(spare->held.spare).at,
                    page_plain(page), units_percent(spare->held.spare, spares->held.spare).at,
                    units_plural(spare->held.blocks, "block").at,
                    units_bytes(spare->held.asked).at);
        fprintf(page->out, "%s over all%s\n", units_bytes(spare->all).at, page_plain(page));
        report_stack(report, ranked[i].group->node);
    }
    if (count > report->top)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(count - report->top, "more stack").at);
    store_free(ranked);
}

/* -- text ------------------------------------------------------------------------------------- */

/* What the heap itself counted; it may differ where the trace does not hold all blocks. */
static const struct look *find_look(const struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->looks; i++) {
        const struct look *look = &analysis->look[i];
        if (look->sample.time_ns == analysis->spares.time_ns)
            return look->is_known && !analysis_is_estimate(analysis) ? look : NULL;
    }
    return NULL;
}

void report_spares(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct spares *spares = &analysis->spares;
    const struct page *page = &report->page;
    if (!spares->is_known) {
        page_heading(page, "OVER-ALLOCATION", "not known: the heap did not tell its size classes");
        return;
    }
    page_heading(page, "OVER-ALLOCATION", "%s (%s) when most was resident",
                 units_bytes(spares->held.spare).at, show_share(&spares->held).at);
    const struct look *look = find_look(analysis);
    page_paragraph(
        page, 2, "",
        "Beyond what was asked for, as sizes are rounded up to classes. Over all %s it is "
        "%s (%s)%s%s.",
        units_plural(spares->all.blocks, "request").at, units_bytes(spares->all.spare).at,
        show_share(&spares->all).at,
        look != NULL ? "; the heap itself counted, when most was resident, " : "",
        look != NULL ? units_bytes(look->internal).at : "");
    if (!spares->is_all)
        page_paragraph(page, 2, "", "Blocks of mimalloc, above %s, are not in this.",
                       units_bytes(spares->largest).at);
    print_classes(report);
    print_groups(report);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_spare(const struct spare *spare)
{
    json_t *object = json_object();
    values_set_number(object, "blocks", spare->blocks);
    values_set_number(object, "asked", spare->asked);
    values_set_number(object, "spare", spare->spare);
    return object;
}

static json_t *make_classes(const struct report *report)
{
    struct ranked_class *ranked;
    json_t *array = json_array();
    size_t count = rank_classes(report->analysis, &ranked);
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();
        values_set_number(object, "above", ranked[i].above);
        if (ranked[i].class->bytes != 0)
            values_set_number(object, "up_to", ranked[i].class->bytes);
        json_object_set_new(object, "requests", make_spare(&ranked[i].class->all));
        json_object_set_new(object, "at_largest", make_spare(&ranked[i].class->held));
        json_array_append_new(array, object);
    }
    store_free(ranked);
    return array;
}

static json_t *make_stacks(struct report *report)
{
    struct ranked_group *ranked;
    json_t *array = json_array();
    size_t count = rank_groups(&report->groups, &ranked);
    for (size_t i = 0; i < count && i < report->top; i++) {
        json_t *object = json_object();
        values_set_number(object, "spare_of_requests", ranked[i].spare.all);
        json_object_set_new(object, "at_largest", make_spare(&ranked[i].spare.held));
        json_object_set_new(object, "frames", report_json_frames(report, ranked[i].group->node));
        json_array_append_new(array, object);
    }
    store_free(ranked);
    return array;
}

json_t *report_json_spares(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct spares *spares = &analysis->spares;
    if (!spares->is_known)
        return json_null();
    json_t *object = json_object();
    values_set_number(object, "after_ns", analysis_since_start(analysis, spares->time_ns));
    json_object_set_new(object, "requests", make_spare(&spares->all));
    json_object_set_new(object, "at_largest", make_spare(&spares->held));
    const struct look *look = find_look(analysis);
    if (look != NULL)
        values_set_number(object, "internal", look->internal);
    json_object_set_new(object, "classes", make_classes(report));
    json_object_set_new(object, "stacks", make_stacks(report));
    return object;
}
