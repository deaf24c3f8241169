/* folded.c - one line per call stack, outermost first, "a;b;c 123". */
#include <stdio.h>

#include "tools/export/calls.h"

/* Semicolons and newlines would be read as structure. */
static void print_name(const char *name)
{
    for (; *name != '\0'; name++)
        putchar(*name == ';' || (unsigned char)*name < ' ' ? ':' : *name);
}

void export_folded(const struct export_source *source, enum measure measure)
{
    const struct analysis *analysis = source->analysis;
    struct calls calls;
    calls_init(&calls, source);
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        uint64_t value = measure_get(analysis, &analysis->site[i], measure);
        size_t count = value == 0 ? 0 : calls_read(&calls, analysis->site[i].node, call);
        for (size_t k = count; k-- > 0;) {
            print_name(calls_get_name(&calls, call[k].function));
            putchar(k > 0 ? ';' : ' ');
        }
        if (count > 0)
            printf("%llu\n", (unsigned long long)value);
    }
    calls_fini(&calls);
}
