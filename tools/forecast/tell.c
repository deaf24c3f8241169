/* tell.c - what would have been said of one series, and when. */
#include <jansson.h>
#include <stdio.h>

#include "tools/forecast/forecast.h"
#include "tools/units.h"
#include "tools/values.h"

static const char *const trends[] = {"decreasing", "stable", "increasing", "critical"};
static const char *const actions[] = {"go on", "watch", "trim", "release", "rescue"};

/* Something changed at a tick. */
enum kind { WARNED, CALMED, REACHED, LEFT };
static const char *const kinds[] = {"warning", "calm", "reached", "left"};

typedef void on_change(void *context, const struct series *series, size_t tick, enum kind kind,
                       unsigned threshold, const struct forecast_reading *reading);

/* The state of one threshold. */
struct seen {
    bool is_warned, is_reached;
};

static void see_threshold(struct seen *seen, const struct forecast_request *request,
                          const struct series *series, size_t tick, unsigned threshold,
                          const struct forecast_reading *reading, on_change *see, void *context)
{
    bool is_reached = reading->points >= request->thresholds[threshold];
    bool is_warned = reading->is_warned[threshold];
    if (is_reached != seen->is_reached)
        see(context, series, tick, is_reached ? REACHED : LEFT, threshold, reading);
    if (is_warned != seen->is_warned && !is_reached && !seen->is_reached)
        see(context, series, tick, is_warned ? WARNED : CALMED, threshold, reading);
    *seen = (struct seen){is_warned, is_reached};
}

/* Shows every change; false: the series is too short for a reading. */
static bool visit(const struct forecast_request *request, const struct series *series,
                  struct forecast_reading *reading, on_change *see, void *context)
{
    static struct forecast forecast;
    struct seen seen[FORECAST_THRESHOLDS] = {{false, false}};
    uint64_t limit = (uint64_t)forecast_limit_of(request, series);
    uint64_t tick_ns = (uint64_t)(series->tick_s * 1e9);
    bool is_there = false;
    forecast_init(&forecast, request->method, tick_ns, request->thresholds);
    for (size_t tick = 0; tick < series->count; tick++) {
        forecast_add(&forecast, (tick + 1) * tick_ns, (uint64_t)series->used[tick], limit);
        is_there = forecast_read(&forecast, reading);
        for (unsigned i = 0; is_there && i < FORECAST_THRESHOLDS; i++)
            see_threshold(&seen[i], request, series, tick, i, reading, see, context);
    }
    return is_there;
}

/* -- text ------------------------------------------------------------------------------------- */

static struct units time_of(const struct series *series, double ticks)
{
    return units_duration((uint64_t)(ticks * series->tick_s * 1e9));
}

static void print_span(const struct series *series, double soonest, double latest)
{
    if (soonest < 0)
        fputs("not in sight", stdout);
    else if (latest < 0)
        printf("in %s at the soonest", time_of(series, soonest).at);
    else
        printf("in %s to %s", time_of(series, soonest).at, time_of(series, latest).at);
}

static void print_change(void *context, const struct series *series, size_t tick, enum kind kind,
                         unsigned threshold, const struct forecast_reading *reading)
{
    const struct forecast_request *request = context;
    double points = request->thresholds[threshold];
    printf("%12s  %5.1f %%  ", time_of(series, (double)tick).at, reading->points);
    if (kind == REACHED || kind == LEFT) {
        printf("%s %g %%: %s\n", kind == REACHED ? "at" : "below", points,
               actions[reading->action]);
        return;
    }
    printf("%s %g %%: ", kind == WARNED ? "warning of" : "no more warning of", points);
    if (kind == WARNED) {
        print_span(series, reading->soonest[threshold], reading->latest[threshold]);
        printf(" (chance %.2f)", reading->at[1].chance[threshold]);
    }
    putchar('\n');
}

static void print_reading(const struct forecast_request *request, const struct series *series,
                          const struct forecast_reading *reading)
{
    printf("\nat the end: %.1f %%, %s; to do: %s\n", reading->points, trends[reading->trend],
           actions[reading->action]);
    printf("          expected  8 of 10 times   chance of %g %%   %g %%   %g %%   %g %%\n",
           request->thresholds[0], request->thresholds[1], request->thresholds[2],
           request->thresholds[3]);
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++) {
        const struct forecast_point *at = &reading->at[i];
        printf("%9s %7.1f %%  %5.1f to %5.1f %%  %12.2f %7.2f %6.2f %6.2f\n",
               time_of(series, forecast_horizons[i]).at, at->points, at->low, at->high,
               at->chance[0], at->chance[1], at->chance[2], at->chance[3]);
    }
    putchar('\n');
}

void forecast_tell_text(const struct forecast_request *request, const struct series *series)
{
    struct forecast_reading reading;
    printf("%s: %s, %s, limit %s\n\n", series->name, series->signal,
           time_of(series, (double)series->count).at,
           units_bytes((uint64_t)forecast_limit_of(request, series)).at);
    if (visit(request, series, &reading, print_change, (void *)(uintptr_t)request))
        print_reading(request, series, &reading);
    else
        puts("too short for a forecast\n");
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_seconds(const struct series *series, double ticks)
{
    return ticks < 0 ? json_null() : json_real(ticks * series->tick_s);
}

static void append_change(void *context, const struct series *series, size_t tick, enum kind kind,
                          unsigned threshold, const struct forecast_reading *reading)
{
    json_t *row = json_object();
    json_object_set_new(row, "second", make_seconds(series, (double)tick));
    json_object_set_new(row, "what", json_string(kinds[kind]));
    json_object_set_new(row, "threshold", json_integer(threshold));
    json_object_set_new(row, "percent", json_real(reading->points));
    json_object_set_new(row, "chance", json_real(reading->at[1].chance[threshold]));
    json_object_set_new(row, "soonest_s", make_seconds(series, reading->soonest[threshold]));
    json_object_set_new(row, "latest_s", make_seconds(series, reading->latest[threshold]));
    json_object_set_new(row, "action", json_string(actions[reading->action]));
    json_array_append_new(context, row);
}

static json_t *make_points(const struct forecast_reading *reading)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++) {
        const struct forecast_point *at = &reading->at[i];
        json_t *row = json_object(), *chances = json_array();
        for (unsigned t = 0; t < FORECAST_THRESHOLDS; t++)
            json_array_append_new(chances, json_real(at->chance[t]));
        json_object_set_new(row, "ticks", json_integer(forecast_horizons[i]));
        json_object_set_new(row, "percent", json_real(at->points));
        json_object_set_new(row, "low", json_real(at->low));
        json_object_set_new(row, "high", json_real(at->high));
        json_object_set_new(row, "chances", chances);
        json_array_append_new(array, row);
    }
    return array;
}

static json_t *make_series(const struct forecast_request *request, const struct series *series)
{
    struct forecast_reading reading;
    json_t *object = json_object(), *changes = json_array();
    values_set_text(object, "name", series->name);
    values_set_text(object, "class", series->class);
    values_set_text(object, "signal", series->signal);
    values_set_number(object, "ticks", series->count);
    json_object_set_new(object, "tick_s", json_real(series->tick_s));
    values_set_number(object, "limit", (uint64_t)forecast_limit_of(request, series));
    bool is_there = visit(request, series, &reading, append_change, changes);
    json_object_set_new(object, "changes", changes);
    if (!is_there)
        return object;
    json_object_set_new(object, "percent", json_real(reading.points));
    json_object_set_new(object, "trend", json_string(trends[reading.trend]));
    json_object_set_new(object, "action", json_string(actions[reading.action]));
    json_object_set_new(object, "forecasts", make_points(&reading));
    return object;
}

void forecast_tell_json(const struct forecast_request *request)
{
    json_t *root = json_object(), *list = json_array(), *thresholds = json_array();
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++)
        json_array_append_new(thresholds, json_real(request->thresholds[i]));
    for (size_t i = 0; i < request->list.count; i++)
        json_array_append_new(list, make_series(request, &request->list.series[i]));
    values_set_text(root, "schema", "mpress-forecast/1");
    json_object_set_new(root, "thresholds", thresholds);
    json_object_set_new(root, "series", list);
    values_print(root, 6);
}
