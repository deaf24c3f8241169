/* text.c - the proposals, for people and as JSON. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/propose/propose.h"
#include "tools/units.h"
#include "tools/values.h"

enum { FRAMES_SHOWN = 6, NAME_COLUMNS = 40, PLACE_COLUMNS = 31 };

static void describe_place(const struct frame *frame, char *out, size_t bytes)
{
    const char *slash = frame->file != NULL ? strrchr(frame->file, '/') : NULL;
    if (frame->file != NULL)
        snprintf(out, bytes, "%.200s:%u", slash != NULL ? slash + 1 : frame->file, frame->line);
    else
        snprintf(out, bytes, "%.200s+0x%llx", frame->module, (unsigned long long)frame->offset);
}

static void print_frame(const struct page *page, const struct frame *frame)
{
    char place[256], name[PAGE_CELL_BYTES], fitted[PAGE_CELL_BYTES];
    describe_place(frame, place, sizeof place);
    page_fit(name, frame->function != NULL ? frame->function : "??", NAME_COLUMNS, false);
    page_fit(fitted, place, PLACE_COLUMNS, true);
    fprintf(page->out, "        %-*s %*s\n", NAME_COLUMNS, name, PLACE_COLUMNS - 1, fitted);
}

/* The function that makes the calls, and who called it. */
static void print_frames(struct proposals *proposals, const struct page *page, uint32_t node)
{
    unsigned shown = 0;
    while (node != 0 && shown < FRAMES_SHOWN) {
        struct trace_node at = trace_node(proposals->trace, node);
        struct frames frames = symbols_find(proposals->symbols, &at);
        for (size_t i = 0; i < frames.count && shown < FRAMES_SHOWN; i++, shown++)
            print_frame(page, &frames.frame[i]);
        node = at.parent;
    }
}

static void print_gain(const struct proposal *proposal, const struct page *page)
{
    const struct gain *gain = &proposal->gain;
    if (!proposal->is_measured)
        return;
    if (gain->error[0] != '\0') {
        page_paragraph(page, 5, "", "what that is worth is not known: %s.", gain->error);
        return;
    }
    page_paragraph(page, 5, "",
                   "replayed with them in transactions: allocation takes %s of processor time "
                   "instead of %s (%+.0f %%; 19 times in 20 between %+.0f and %+.0f), peak %s "
                   "instead of %s%s.",
                   units_duration(gain->with.ns).at, units_duration(gain->before.ns).at,
                   -gain->percent, -gain->high, -gain->low, units_bytes(gain->with.peak).at,
                   units_bytes(gain->before.peak).at,
                   proposal->pays ? "" : "; so it is not proposed");
}

static void print_one(struct proposals *proposals, const struct page *page, size_t number)
{
    const struct proposal *proposal = &proposals->all[number];
    const struct burst_sums *sums = &proposal->scope.sums;
    fprintf(page->out, "%s%3zu. %s of %s, %s%s, in %s\n", page_bold(page), number + 1,
            units_plural(sums->bursts, "burst").at,
            units_plural(sums->blocks / sums->bursts, "block").at,
            units_bytes(sums->bytes / sums->bursts).at, page_plain(page),
            units_plural(sums->threads, "thread").at);
    page_paragraph(page, 5, "",
                   "%s of their blocks die together at the end, %s escape; %s of the program's "
                   "allocations are in them.",
                   units_percent(sums->together, sums->blocks).at,
                   units_percent(sums->escaped, sums->blocks).at,
                   units_percent(sums->blocks, proposals->births).at);
    print_gain(proposal, page);
    if (proposal->scope.is_single)
        page_paragraph(page, 5, "",
                       "All come through one call: which of these functions makes such a pile the "
                       "trace does not tell.");
    print_frames(proposals, page, proposal->scope.below);
}

static size_t count_paying(const struct proposals *proposals)
{
    size_t count = 0;
    for (size_t i = 0; i < proposals->count; i++)
        count += proposals->all[i].pays;
    return count;
}

void proposals_print(struct proposals *proposals, const struct page *page)
{
    page_heading(page, "TRANSACTIONS THAT WOULD PAY", "%s",
                 units_count(count_paying(proposals)).at);
    for (size_t i = 0; i < proposals->count; i++)
        print_one(proposals, page, i);
    if (proposals->count == 0)
        page_paragraph(page, 2, "",
                       "No function was found under which at least %d times %d blocks or more are "
                       "born and then die in one go, at most %d %% of them later.",
                       BURSTS_LEAST, BURSTS_BLOCKS, BURSTS_ESCAPED);
    else
        page_paragraph(
            page, 2, "",
            "Each is named by the innermost function through which all blocks of a burst "
            "came: a transaction that begins there, or in a caller, and ends where they "
            "are freed now.");
}

/* -- as data ---------------------------------------------------------------------------------- */

static json_t *make_frames(struct proposals *proposals, uint32_t node)
{
    json_t *array = json_array();
    while (node != 0) {
        struct trace_node at = trace_node(proposals->trace, node);
        struct frames frames = symbols_find(proposals->symbols, &at);
        for (size_t i = 0; i < frames.count; i++) {
            json_t *object = json_object();
            values_set_text(object, "function", frames.frame[i].function);
            values_set_text(object, "file", frames.frame[i].file);
            values_set_number(object, "line", frames.frame[i].line);
            values_set_text(object, "module", frames.frame[i].module);
            values_set_number(object, "offset", frames.frame[i].offset);
            json_array_append_new(array, object);
        }
        node = at.parent;
    }
    return array;
}

static json_t *make_gain(const struct proposal *proposal)
{
    const struct gain *gain = &proposal->gain;
    if (!proposal->is_measured)
        return json_null();
    json_t *object = json_object();
    if (gain->error[0] != '\0') {
        values_set_text(object, "error", gain->error);
        return object;
    }
    values_set_number(object, "before_ns", gain->before.ns);
    values_set_number(object, "with_ns", gain->with.ns);
    json_object_set_new(object, "percent", json_real(gain->percent));
    json_object_set_new(object, "percent_low", json_real(gain->low));
    json_object_set_new(object, "percent_high", json_real(gain->high));
    values_set_number(object, "before_peak_bytes", gain->before.peak);
    values_set_number(object, "with_peak_bytes", gain->with.peak);
    values_set_number(object, "runs", gain->runs);
    return object;
}

static json_t *make_one(struct proposals *proposals, const struct proposal *proposal)
{
    const struct burst_sums *sums = &proposal->scope.sums;
    json_t *object = json_object();
    json_object_set_new(object, "pays", json_boolean(proposal->pays));
    json_object_set_new(object, "one_call", json_boolean(proposal->scope.is_single));
    values_set_number(object, "bursts", sums->bursts);
    values_set_number(object, "threads", sums->threads);
    values_set_number(object, "allocations", sums->births);
    values_set_number(object, "blocks", sums->blocks);
    values_set_number(object, "bytes", sums->bytes);
    values_set_number(object, "largest_bytes", sums->most_bytes);
    values_set_number(object, "together", sums->together);
    values_set_number(object, "escaped", sums->escaped);
    json_object_set_new(object, "gain", make_gain(proposal));
    json_object_set_new(object, "frames", make_frames(proposals, proposal->scope.below));
    return object;
}

int proposals_print_json(struct proposals *proposals)
{
    json_t *root = json_object(), *array = json_array();
    values_set_text(root, "schema", "mpress-propose/1");
    values_set_number(root, "allocations", proposals->births);
    for (size_t i = 0; i < proposals->count; i++)
        json_array_append_new(array, make_one(proposals, &proposals->all[i]));
    json_object_set_new(root, "proposals", array);
    return values_print(root, 6);
}
