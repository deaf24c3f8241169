/* folded.c - one line per call stack, outermost first, "a;b;c 123": what flame-graph tools read. */
#include "tools/report/report.h"

#include <string.h>

enum { STACK_FRAMES_MAX = 512 };

static uint64_t get_value(const struct site *site, uint64_t peak_serial, enum report_folded what)
{
    switch (what) {
    case REPORT_FOLDED_PEAK:
        return held_get_at_peak(&site->held, peak_serial).bytes;
    case REPORT_FOLDED_ALLOCATIONS:
        return site->all.blocks;
    case REPORT_FOLDED_BYTES:
        return site->all.bytes;
    case REPORT_FOLDED_TEMPORARY:
        return site->temporary;
    default:
        return site->held.now.bytes;
    }
}

/* Semicolons and newlines would be read as structure. */
static void print_name(const char *name, FILE *out)
{
    for (; *name != '\0'; name++)
        fputc(*name == ';' || (unsigned char)*name < ' ' ? ':' : *name, out);
}

static void print_frames(struct frames frames, FILE *out, bool *is_first)
{
    for (size_t i = frames.count; i-- > 0;) {
        const struct frame *frame = &frames.frame[i];
        if (!*is_first)
            fputc(';', out);
        *is_first = false;
        if (frame->function != NULL)
            print_name(frame->function, out);
        else
            fprintf(out, "%s+0x%llx", frame->module, (unsigned long long)frame->offset);
    }
}

void report_folded(struct report *report, enum report_folded what, FILE *out)
{
    struct analysis *analysis = report->analysis;
    for (size_t i = 0; i < analysis->sites; i++) {
        const struct site *site = &analysis->site[i];
        uint64_t value = get_value(site, analysis->peak_serial, what);
        if (value == 0)
            continue;
        struct trace_node nodes[STACK_FRAMES_MAX];
        size_t count = groups_read_stack(analysis, site->node, nodes, STACK_FRAMES_MAX);
        bool is_first = true;
        for (size_t k = count; k-- > 0;)
            print_frames(symbols_find(report->symbols, &nodes[k], analysis->last_ns), out,
                         &is_first);
        fprintf(out, "%s %llu\n", is_first ? "(no stack)" : "", (unsigned long long)value);
    }
}
