/* map.c - how full the pages of the heap are, and which call stacks pin those that are hardly in
 * use. */
#include "tools/analysis/map.h"

#include "tools/report/report.h"
#include "tools/units.h"

enum {
    LEAST_PINNED_PERCENT = 5, /* of the pages in use; below, a list says nothing */
    UNKNOWN_PERCENT = 5,      /* of what is in use; below that or */
    UNKNOWN_BYTES = 1 << 18,  /* below that, events that lie a little off may be it */
};

static const char *const levels[MAP_LEVELS] = {
    "less than a quarter in use",
    "a quarter to a half",
    "a half to three quarters",
    "more",
};

static uint64_t count_pages(const struct map *map)
{
    uint64_t pages = 0;
    for (int i = 0; i < MAP_LEVELS; i++)
        pages += map->pages[i];
    return pages;
}

/* -- text ------------------------------------------------------------------------------------- */

static void print_levels(const struct page *page, const struct map *map)
{
    uint64_t pages = count_pages(map);
    fprintf(page->out, "  %s%-30s%12s%10s%12s%12s%s\n", page_dim(page), "pages of 4 KiB", "pages",
            "", "in use", "not in use", page_plain(page));
    for (int i = 0; i < MAP_LEVELS; i++) {
        uint64_t all = map->pages[i] * MAP_PAGE_BYTES;
        uint64_t unused = all > map->bytes[i] ? all - map->bytes[i] : 0;
        fprintf(page->out, "  %-30s%12s%10s%12s%12s\n", levels[i], units_count(map->pages[i]).at,
                units_percent(map->pages[i], pages).at, units_bytes(map->bytes[i]).at,
                units_bytes(unused).at);
    }
    if (map->huge_blocks != 0)
        page_paragraph(page, 2, "", "%s above 32 MiB, %s, not counted: each is mapped for itself.",
                       units_plural(map->huge_blocks, "block").at, units_bytes(map->huge_bytes).at);
}

/* Blocks that the heap counts and the trace does not know. */
static uint64_t count_unknown(const struct map *map)
{
    uint64_t unknown = map->in_use > map->known ? map->in_use - map->known : 0;
    bool is_plain = unknown >= UNKNOWN_BYTES && unknown >= map->in_use / 100 * UNKNOWN_PERCENT;
    return is_plain ? unknown : 0;
}

static void print_unknown(const struct report *report, const struct map *map)
{
    const struct trace_facts *facts = report->analysis->facts;
    uint64_t unknown = count_unknown(map);
    if (unknown == 0)
        return;
    page_paragraph(&report->page, 2, "",
                   "Of %s in use then %s (%s) are not on this map: blocks %s. Pages can be fuller "
                   "than they seem, and less be pinned.",
                   units_bytes(map->in_use).at, units_bytes(unknown).at,
                   units_percent(unknown, map->in_use).at,
                   facts->whole_since_ns != 0  ? "of events that were written over"
                   : facts->header.forked != 0 ? "of the parent, which forked this process"
                                               : "older than the trace");
}

static void print_pins(struct report *report, const struct map *map)
{
    const struct page *page = &report->page;
    page_paragraph(page, 2, "",
                   "%s are free, cached or rounded up in pages of which less than a quarter is in "
                   "use; these call stacks have blocks there, which pin them:",
                   units_bytes(map->pinned).at);
    size_t i = 0;
    for (; i < map->pins && i < report->top; i++) {
        const struct map_pin *pin = &map->pin[i];
        fprintf(page->out, "%s%3zu. %s%s pinned (%s) by %s of %s\n", page_bold(page), i + 1,
                units_bytes(pin->pinned).at, page_plain(page),
                units_percent(pin->pinned, map->pinned).at, units_plural(pin->blocks, "block").at,
                units_bytes(pin->bytes).at);
        report_stack(report, report->analysis->site[pin->site].node);
    }
    if (i < map->pins)
        page_paragraph(page, 2, "", "... and more; --all shows the %zu largest", map->pins);
}

/* There is nothing to estimate from: sampled blocks lie apart from all others (preload/sampled.h).
 */
static void print_none(const struct report *report)
{
    const struct page *page = &report->page;
    const struct look *look = analysis_find_rss_peak(report->analysis);
    page_heading(page, "PAGES", "not known: this is a trace of samples");
    page_paragraph(page, 2, "",
                   "A sampled block is given pages of its own: where it lies says nothing of the "
                   "others. Which pages are hardly in use, and what pins them, is in a trace of "
                   "mpress record --mode full, or events (without call stacks).");
    if (look != NULL && look->is_known)
        page_paragraph(page, 2, "",
                       "How much it can be the heap told: %s were free in pages that are in use "
                       "(external) when most was resident.",
                       units_bytes(look->sample.external).at);
}

void report_map(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct maps *maps = &analysis->maps;
    if (analysis_is_estimate(analysis))
        print_none(report);
    if (maps->largest >= maps->taken)
        return;
    const struct map *map = &maps->map[maps->largest];
    uint64_t pages = count_pages(map);
    if (pages == 0)
        return;
    page_heading(&report->page, "PAGES", "that held blocks when most was resident, after %s",
                 units_duration(analysis_since_start(analysis, map->time_ns)).at);
    print_levels(&report->page, map);
    print_unknown(report, map);
    if (map->pinned * 100 >= pages * MAP_PAGE_BYTES * LEAST_PINNED_PERCENT)
        print_pins(report, map);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_pin(struct report *report, const struct map_pin *pin)
{
    json_t *object = json_object();
    values_set_number(object, "pinned", pin->pinned);
    values_set_number(object, "blocks", pin->blocks);
    values_set_number(object, "bytes", pin->bytes);
    json_object_set_new(object, "frames",
                        report_json_frames(report, report->analysis->site[pin->site].node));
    return object;
}

static json_t *make_map(struct report *report, size_t number)
{
    const struct maps *maps = &report->analysis->maps;
    const struct map *map = &maps->map[number];
    json_t *object = json_object(), *quarters = json_array(), *pins = json_array();
    const char *when = number == maps->largest     ? "largest"
                       : number + 1 == maps->count ? "end"
                                                   : "mark";
    values_set_text(object, "when", when);
    values_set_text(object, "label", map->label);
    values_set_number(object, "after_ns", analysis_since_start(report->analysis, map->time_ns));
    for (int i = 0; i < MAP_LEVELS; i++) {
        json_t *quarter = json_object();
        values_set_number(quarter, "pages", map->pages[i]);
        values_set_number(quarter, "bytes", map->bytes[i]);
        json_array_append_new(quarters, quarter);
    }
    json_object_set_new(object, "quarters", quarters);
    values_set_number(object, "huge_blocks", map->huge_blocks);
    values_set_number(object, "huge_bytes", map->huge_bytes);
    if (number == maps->largest && map->in_use != 0) {
        values_set_number(object, "in_use", map->in_use);
        values_set_number(object, "unknown", count_unknown(map));
    }
    values_set_number(object, "pinned", map->pinned);
    for (size_t i = 0; i < map->pins && i < report->top; i++)
        json_array_append_new(pins, make_pin(report, &map->pin[i]));
    json_object_set_new(object, "pins", pins);
    return object;
}

json_t *report_json_maps(struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->analysis->maps.taken; i++)
        json_array_append_new(array, make_map(report, i));
    return array;
}
