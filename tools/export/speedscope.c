/* speedscope.c - one profile for each measure; the functions are shared between them.
 *
 * Written as it goes: a document tree of all stacks would take many times the memory. */
#include <stdio.h>

#include "preload/mpress.h"
#include "tools/export/calls.h"
#include "tools/values.h"

static void print_text(const char *text)
{
    json_t *value = values_text(text);
    json_dumpf(value, stdout, JSON_ENCODE_ANY);
    json_decref(value);
}

static void print_weights(const struct analysis *analysis, enum measure measure)
{
    const char *comma = "";
    uint64_t sum = 0;
    for (size_t i = 0; i < analysis->sites; i++) {
        uint64_t value = measure_get(analysis, &analysis->site[i], measure);
        if (value == 0)
            continue;
        printf("%s%llu", comma, (unsigned long long)value);
        comma = ",";
        sum += value;
    }
    printf("],\"startValue\":0,\"endValue\":%llu", (unsigned long long)sum);
}

static void print_stacks(struct calls *calls, enum measure measure)
{
    const struct analysis *analysis = calls->source->analysis;
    const char *comma = "";
    for (size_t i = 0; i < analysis->sites; i++) {
        struct call call[CALLS_MAX];
        if (measure_get(analysis, &analysis->site[i], measure) == 0)
            continue;
        printf("%s[", comma);
        comma = ",\n";
        for (size_t k = calls_read(calls, analysis->site[i].node, call); k-- > 0;)
            printf("%u%s", call[k].function, k > 0 ? "," : "]");
    }
}

static void print_profile(struct calls *calls, enum measure measure)
{
    const struct measure_words *words = &measure_words[measure];
    printf("{\"type\":\"sampled\",\"name\":\"%s\",\"unit\":\"%s\",\n\"samples\":[", words->title,
           words->is_bytes ? "bytes" : "none");
    print_stacks(calls, measure);
    fputs("],\n\"weights\":[", stdout);
    print_weights(calls->source->analysis, measure);
    putchar('}');
}

static bool has_any(const struct analysis *analysis, enum measure measure)
{
    for (size_t i = 0; i < analysis->sites; i++) {
        if (measure_get(analysis, &analysis->site[i], measure) != 0)
            return true;
    }
    return false;
}

/* A function has many lines, and each would stand for itself: so they have none here. */
static void print_functions(const struct calls *calls)
{
    for (uint32_t i = 0; i < calls->names.count; i++) {
        fputs(i == 0 ? "{\"name\":" : ",\n{\"name\":", stdout);
        print_text(calls_get_name(calls, i));
        putchar('}');
    }
}

void export_speedscope(const struct export_source *source)
{
    struct calls calls;
    calls_init(&calls, source);
    fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
          "\"exporter\":\"mpress " MPRESS_VERSION "\",\n\"name\":",
          stdout);
    print_text(source->analysis->facts->exe);
    fputs(",\n\"profiles\":[\n", stdout);
    const char *comma = "";
    for (unsigned measure = 0; measure < MEASURES; measure++) {
        if (!has_any(source->analysis, (enum measure)measure))
            continue;
        fputs(comma, stdout);
        comma = ",\n";
        print_profile(&calls, (enum measure)measure);
    }
    fputs("],\n\"shared\":{\"frames\":[\n", stdout);
    print_functions(&calls);
    fputs("]}}\n", stdout);
    calls_fini(&calls);
}
