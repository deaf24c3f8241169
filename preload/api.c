/* api.c - the functions of mpress.h. */
#include "preload/mpress.h"

#include <errno.h>
#include <string.h>

#include "preload/init.h"
#include "preload/summary.h"
#include "tracer/tracer.h"

void mpress_stats_read(struct mpress_stats *stats)
{
    summary_read(stats);
}

const char *mpress_version(void)
{
    return MPRESS_VERSION;
}

void mpress_mark(const char *label)
{
    if (tracer_is_on())
        tracer_mark(label);
}

int mpress_option_read(size_t index, struct mpress_option *option)
{
    struct conf_row row;
    if (!conf_read_row(init_conf(), index, &row))
        return ENOENT;
    option->variable = row.variable;
    option->values = row.values;
    option->help = row.help;
    memcpy(option->value, row.value, sizeof(option->value));
    option->is_default = row.is_default;
    return 0;
}
