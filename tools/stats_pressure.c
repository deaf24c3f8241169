/* stats_pressure.c - see stats_pressure.h. */
#include "tools/stats_pressure.h"

#include <stdio.h>

#include "tools/units.h"
#include "tools/values.h"

static const char *const levels[] = {"calm", "monitor", "gentle", "aggressive", "emergency"};
enum { LEVELS = sizeof levels / sizeof levels[0] };

static const char *level_name(int level)
{
    return level >= 0 && level < LEVELS ? levels[level] : "?";
}

bool stats_pressure_is_sound(struct control_stats *stats)
{
    if (stats->actions > CONTROL_ACTIONS)
        return false;
    for (uint64_t i = 0; i < stats->actions; i++) {
        char *name = stats->action[i].name;
        name[sizeof stats->action[i].name - 1] = '\0';
        for (; *name != '\0'; name++)
            *name = *name < 'a' || *name > 'z' ? '?' : *name;
    }
    return true;
}

/* -- text ------------------------------------------------------------------------------------- */

static void print_use(const char *name, uint64_t used, uint64_t limit)
{
    if (limit == 0)
        printf("  %-10s %10s\n", name, "none");
    else
        printf("  %-10s %10s   %s used, %s\n", name, units_bytes(limit).at, units_bytes(used).at,
               units_percent(used, limit).at);
}

static void print_flow(const struct mpress_signals *signals)
{
    if (signals->taken_rate == 0 && signals->given_rate == 0) {
        printf("  %-10s %10s   nothing taken since the look before, if any\n", "flow", "-");
        return;
    }
    printf("  %-10s %10s   taken a second, in blocks of up to 32 KiB\n", "flow",
           units_bytes(signals->taken_rate).at);
    printf("  %-10s %10s   given back a second\n", "", units_bytes(signals->given_rate).at);
}

static void print_signals(const struct mpress_signals *signals)
{
    printf("\nPRESSURE  %s\n", level_name(signals->level));
    print_use("limit", signals->used, signals->limit);
    print_use("group", signals->group_used, signals->group_limit);
    print_use("machine", signals->machine - signals->available, signals->machine);
    printf("  %-10s %7llu.%02llu %%   of 10 s some task waited for memory; all: %llu.%02llu "
           "%%\n",
           "stalls", (unsigned long long)signals->some_percent_100 / 100,
           (unsigned long long)signals->some_percent_100 % 100,
           (unsigned long long)signals->full_percent_100 / 100,
           (unsigned long long)signals->full_percent_100 % 100);
    print_flow(signals);
    if (signals->samples > 0)
        printf("  %-10s %10llu   in the background, %s each\n", "samples",
               (unsigned long long)signals->samples,
               units_duration(signals->sample_ns / signals->samples).at);
}

static void print_action(const struct mpress_action *action)
{
    printf("  %-10s %10s %10s %12s %12s%s\n", action->name, level_name(action->from_level),
           units_count(action->runs).at, units_bytes(action->bytes).at,
           units_duration(action->ns).at, action->is_allowed ? "" : "  (off)");
}

void stats_pressure_print(const struct control_stats *stats)
{
    if (stats->has_signals)
        print_signals(&stats->signals);
    puts("  action           from       runs        bytes         time");
    for (uint64_t i = 0; i < stats->actions; i++)
        print_action(&stats->action[i]);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_actions(const struct control_stats *stats)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < stats->actions; i++) {
        const struct mpress_action *action = &stats->action[i];
        json_t *object = json_object();
        values_set_text(object, "name", action->name);
        values_set_text(object, "from", level_name(action->from_level));
        json_object_set_new(object, "allowed", json_boolean(action->is_allowed));
        values_set_number(object, "runs", action->runs);
        values_set_number(object, "bytes", action->bytes);
        values_set_number(object, "ns", action->ns);
        json_array_append_new(list, object);
    }
    return list;
}

json_t *stats_pressure_json(const struct control_stats *stats)
{
    const struct mpress_signals *signals = &stats->signals;
    if (!stats->has_signals)
        return json_null();
    json_t *object = json_object();
    values_set_text(object, "level", level_name(signals->level));
#define NUMBER(field) values_set_number(object, #field, signals->field)
    NUMBER(used);
    NUMBER(limit);
    NUMBER(live);
    NUMBER(asked);
    NUMBER(heap);
    NUMBER(mapped);
    NUMBER(rss_anon);
    NUMBER(group_used);
    NUMBER(group_limit);
    NUMBER(machine);
    NUMBER(available);
    NUMBER(swap);
    NUMBER(some_ns);
    NUMBER(full_ns);
    NUMBER(some_percent_100);
    NUMBER(full_percent_100);
    NUMBER(taken_rate);
    NUMBER(given_rate);
    NUMBER(samples);
    NUMBER(sample_ns);
#undef NUMBER
    json_object_set_new(object, "actions", make_actions(stats));
    return object;
}
