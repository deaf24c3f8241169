/* measure.c - what a call stack can be measured by. */
#include "tools/export/export.h"

#include <string.h>

const struct measure_words measure_words[MEASURES] = {
    [MEASURE_END] = {"end", "bytes not freed", true},
    [MEASURE_LOST] = {"lost", "bytes lost", true},
    [MEASURE_PEAK] = {"peak", "bytes at the peak", true},
    [MEASURE_ALLOCATIONS] = {"allocations", "allocations", false},
    [MEASURE_BYTES] = {"bytes", "bytes asked for in all", true},
    [MEASURE_TEMPORARY] = {"temporary", "temporary allocations", false},
};

bool measure_find(const char *name, enum measure *measure)
{
    for (unsigned i = 0; i < MEASURES; i++) {
        if (name == NULL || strcmp(name, measure_words[i].name) == 0) {
            *measure = (enum measure)i;
            return true;
        }
    }
    return false;
}

struct amount measure_get_amount(const struct analysis *analysis, const struct site *site,
                                 enum measure measure)
{
    switch (measure) {
    case MEASURE_END:
        return site->held.now;
    case MEASURE_LOST: {
        struct amount lost = site->leak.lost;
        amount_add(&lost, &site->leak.by_lost);
        return lost;
    }
    case MEASURE_PEAK:
        return held_get_at_peak(&site->held, analysis->peak_serial);
    case MEASURE_ALLOCATIONS:
        return (struct amount){.bytes = site->all.blocks, .blocks = site->all.blocks};
    case MEASURE_BYTES:
        return site->all;
    default:
        return (struct amount){.bytes = site->temporary, .blocks = site->temporary};
    }
}

uint64_t measure_get(const struct analysis *analysis, const struct site *site, enum measure measure)
{
    return measure_get_amount(analysis, site, measure).bytes;
}
