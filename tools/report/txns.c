/* txns.c - what became of the transactions, by name. */
#include <string.h>

#include "tools/report/report.h"

static uint64_t count_ended(const struct txn_name *name)
{
    return name->ended[TRACE_TXN_COMMITTED] + name->ended[TRACE_TXN_ROLLED_BACK] +
           name->ended[TRACE_TXN_ABANDONED];
}

/* What is not asked for of what was reserved; "-" where all is borrowed, or nothing was needed. */
static struct units describe_waste(const struct txn_name *name)
{
    uint64_t asked = name->own_asked < name->own_reserved ? name->own_asked : name->own_reserved;
    return units_percent(name->own_reserved - asked, name->own_reserved);
}

static void print_name(const struct report *report, const struct txn_name *name)
{
    uint64_t ended = count_ended(name);
    uint64_t back = ended - name->ended[TRACE_TXN_COMMITTED];
    char text[PAGE_CELL_BYTES];
    page_fit(text, name->name[0] != '\0' ? name->name : "(no name)", 16, false);
    fprintf(report->page.out, "  %-16s%12s", text, units_count(name->begun).at);
    if (ended != 0)
        fprintf(report->page.out, " %7s%10s%11s%10s%8s", units_percent(back, ended).at,
                units_bytes(name->asked / ended).at, units_bytes(name->asked_most).at,
                units_duration(name->lived_ns / ended).at, describe_waste(name).at);
    fputc('\n', report->page.out);
}

/* What is not the same with each. */
static void say_more(const struct report *report, const struct txn_name *name)
{
    const struct page *page = &report->page;
    char text[PAGE_CELL_BYTES];
    page_fit(text, name->name, 40, false);
    if (name->nested != 0)
        page_paragraph(page, 2, "", "\"%s\": %s began within another one, up to %s deep.", text,
                       units_count(name->nested).at, units_count(name->depth).at);
    if (name->backs != 0)
        page_paragraph(page, 2, "", "\"%s\": rolled back to a mark %s.", text,
                       units_plural(name->backs, "time").at);
    if (name->malloced != 0)
        page_paragraph(page, 2, "", "\"%s\": malloc took %s out of it, of which %s (%s) escaped.",
                       text, units_plural(name->malloced, "block").at,
                       units_count(name->escaped).at,
                       units_percent(name->escaped, name->malloced).at);
    if (name->ended[TRACE_TXN_ABANDONED] != 0)
        page_paragraph(page, 2, "* ",
                       "\"%s\": %s rolled back because the parent or the thread had ended.", text,
                       units_count(name->ended[TRACE_TXN_ABANDONED]).at);
    if (name->begun > count_ended(name))
        page_paragraph(page, 2, "* ", "\"%s\": %s open when the trace ended, with %s in %s.", text,
                       units_count(name->begun - count_ended(name)).at,
                       units_bytes(name->open_asked).at,
                       units_plural(name->open_blocks, "block").at);
}

/* What malloc had of transactions and kept, by who asked for it. */
static void print_escapes(struct report *report)
{
    const struct escapes *escapes = &report->analysis->txns.escapes;
    const struct page *page = &report->page;
    size_t shown = escapes->count < report->top ? escapes->count : report->top;
    if (shown != 0)
        page_paragraph(page, 2, "", "Blocks of malloc that outlived their transaction:");
    for (size_t i = 0; i < shown; i++) {
        const struct escape *escape = &escapes->all[i];
        char text[PAGE_CELL_BYTES];
        page_fit(text, escape->name, 40, false);
        fprintf(page->out, "  %zu. %s in %s out of \"%s\"\n", i + 1, units_bytes(escape->bytes).at,
                units_plural(escape->blocks, "block").at, text);
        report_stack(report, escape->node);
    }
}

void report_transactions(struct report *report)
{
    const struct txns_booked *txns = &report->analysis->txns;
    const struct page *page = &report->page;
    if (txns->names == 0)
        return;
    uint64_t back = txns->ended[TRACE_TXN_ROLLED_BACK] + txns->ended[TRACE_TXN_ABANDONED];
    page_heading(page, "TRANSACTIONS", "%s begun, %s committed, %s rolled back",
                 units_count(txns->begun).at, units_count(txns->ended[TRACE_TXN_COMMITTED]).at,
                 units_count(back).at);
    fprintf(page->out, "  %s%-16s%12s %7s%10s%11s%10s%8s%s\n", page_dim(page), "name", "begun",
            "back", "mean", "largest", "lived", "waste", page_plain(page));
    size_t shown = txns->names < report->top ? txns->names : report->top;
    for (size_t i = 0; i < shown; i++)
        print_name(report, &txns->name[i]);
    if (shown < txns->names)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(txns->names - shown, "more name").at);
    for (size_t i = 0; i < shown; i++)
        say_more(report, &txns->name[i]);
    print_escapes(report);
}

static json_t *make_escapes(struct report *report, const struct txn_name *name)
{
    const struct escapes *escapes = &report->analysis->txns.escapes;
    json_t *array = json_array();
    for (size_t i = 0; i < escapes->count; i++) {
        const struct escape *escape = &escapes->all[i];
        if (strcmp(escape->name, name->name) != 0)
            continue;
        json_t *object = json_object();
        values_set_number(object, "blocks", escape->blocks);
        values_set_number(object, "bytes", escape->bytes);
        json_object_set_new(object, "frames", report_json_frames(report, escape->node));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_name(struct report *report, const struct txn_name *name)
{
    json_t *object = json_object();
    values_set_text(object, "name", name->name);
    values_set_number(object, "begun", name->begun);
    values_set_number(object, "committed", name->ended[TRACE_TXN_COMMITTED]);
    values_set_number(object, "rolled_back", name->ended[TRACE_TXN_ROLLED_BACK]);
    values_set_number(object, "abandoned", name->ended[TRACE_TXN_ABANDONED]);
    values_set_number(object, "rolled_back_to_marks", name->backs);
    values_set_number(object, "nested", name->nested);
    values_set_number(object, "depth", name->depth);
    values_set_number(object, "blocks", name->blocks);
    values_set_number(object, "bytes", name->asked);
    values_set_number(object, "largest_bytes", name->asked_most);
    values_set_number(object, "lived_ns", name->lived_ns);
    values_set_number(object, "longest_ns", name->lived_most_ns);
    values_set_number(object, "malloc_blocks", name->malloced);
    values_set_number(object, "escaped", name->escaped);
    values_set_number(object, "own_bytes", name->own_asked);
    values_set_number(object, "own_used_bytes", name->own_used);
    values_set_number(object, "own_reserved_bytes", name->own_reserved);
    values_set_number(object, "open_blocks", name->open_blocks);
    values_set_number(object, "open_bytes", name->open_asked);
    json_object_set_new(object, "escapes", make_escapes(report, name));
    json_object_set_new(object, "frames", report_json_frames(report, name->node));
    return object;
}

json_t *report_json_transactions(struct report *report)
{
    const struct txns_booked *txns = &report->analysis->txns;
    json_t *array = json_array();
    for (size_t i = 0; i < txns->names; i++)
        json_array_append_new(array, make_name(report, &txns->name[i]));
    return array;
}
