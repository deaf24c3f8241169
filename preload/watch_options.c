/* watch_options.c - see watch_options.h. */
#include "preload/watch_options.h"

#include <string.h>

#include "allocators/base/say.h"
#include "allocators/growth.h"
#include "preload/actions.h"
#include "preload/bounds.h"

static bool is_none(const char *text)
{
    return strcmp(text, "none") == 0;
}

bool watch_option_keeps_groups(const struct conf *conf)
{
    bool packs_by_need =
        conf->compression == CONF_COMPRESSION_ON || conf->compression == CONF_COMPRESSION_OWN;
    bool has_other = !is_none(conf->limit) || !is_none(conf->budget_file);
    return conf->pressure != CONF_PRESSURE_OFF || (packs_by_need && !has_other);
}

uint64_t watch_option_limit(const char *text)
{
    char number[32];
    uint64_t value = 0;
    size_t length = strlen(text);
    if (is_none(text))
        return 0;
    if (length > 1 && length < sizeof(number) && text[length - 1] == '%') {
        memcpy(number, text, length - 1);
        number[length - 1] = '\0';
        if (conf_parse_number(number, &value) && value > 0 && value <= 100)
            return bounds_total() / 100 * value;
    } else if (conf_parse_number(text, &value) && value > 0 && value < GROWTH_ANY) {
        return value;
    }
    say("MPRESS_LIMIT: %s is neither a size nor a percentage", text);
    return 0;
}

static uint32_t take_percent(const char **at)
{
    uint32_t number = 0;
    for (; **at >= '0' && **at <= '9' && number <= 100; ++*at)
        number = number * 10 + (uint32_t)(**at - '0');
    return number;
}

struct pressure_rules watch_option_levels(const char *text)
{
    struct pressure_rules rules = pressure_default_rules;
    const char *at = text;
    for (unsigned level = PRESSURE_MONITOR; level < PRESSURE_LEVELS; level++) {
        rules.enter_percent[level] = take_percent(&at);
        at += *at == ',';
    }
    if (*at == '\0' && pressure_rules_are_valid(&rules))
        return rules;
    say("MPRESS_PRESSURE_LEVELS: %s is not four rising percentages", text);
    return pressure_default_rules;
}

uint32_t watch_option_actions(const char *text)
{
    uint32_t set;
    if (actions_parse(text, &set))
        return set;
    say("MPRESS_PRESSURE_ACTIONS: %s is no list of actions", text);
    return ACTIONS_ALL;
}
