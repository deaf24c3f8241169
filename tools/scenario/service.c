/* service.c - see experiment.h. One process goes on; windows come from what is counted (units of
 * work in a stretch of time), or from commands (the load, whose own time is measured; or one that
 * prints the metric). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/scenario/experiment.h"
#include "tools/units.h"

#define HUNG_SECONDS 10.0
#define HUNG_FACTOR 20.0
enum {
    FAILURES = 2,     /* of the helper, in a row */
    WINDOWS_LEAST = 3 /* of the baseline, whatever the time is */
};
#define POLL_SECONDS 0.02
#define SETTLED_SECONDS 1.0 /* and so much longer */

/* -- getting ready ---------------------------------------------------------------------------- */

static unsigned find_port(const struct plan *plan)
{
    char *end;
    if (plan->ready == NULL)
        return 0;
    unsigned long port = strtoul(plan->ready, &end, 10);
    return *end == '\0' && port <= 65535 ? (unsigned)port : 0;
}

static bool is_port_open(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return is_open;
}

static bool is_ready(struct experiment *experiment)
{
    unsigned port = find_port(experiment->plan);
    return port != 0 ? is_port_open(port) : experiment->is_ready;
}

static bool is_walled(const struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    return pressure->mechanism->is_over != NULL && pressure->mechanism->is_over(pressure);
}

/* What it says until it is ready is no unit of work. */
bool service_start(struct experiment *experiment)
{
    size_t batches = experiment->batches;
    double longest_gap = experiment->longest_gap;
    unsigned port = find_port(experiment->plan);
    if (port != 0 && is_port_open(port)) {
        lap_end(experiment, CURVE_FAILED, false, "port %u is in use already", port);
        return false;
    }
    int error = watch_start(experiment);
    if (error != 0) {
        lap_end(experiment, CURVE_FAILED, false, "cannot be started: %s", strerror(error));
        return false;
    }
    double until = process_now() + lap_patience(experiment);
    while (!is_ready(experiment)) {
        bool goes_on = watch_step(experiment, POLL_SECONDS);
        if (process_has_ended(&experiment->target, watch_hooks(experiment))) {
            lap_end_with_target(experiment);
            return false;
        }
        if (!goes_on || is_walled(experiment) || process_now() > until) {
            bool is_wall = is_walled(experiment);
            watch_stop(experiment);
            lap_end(experiment, is_wall ? CURVE_KILLED : CURVE_HUNG, false, "%s",
                    is_wall ? "out of memory" : "not ready in time");
            return false;
        }
    }
    experiment->is_ready = true;
    experiment->batches = batches;
    experiment->longest_gap = longest_gap;
    watch_begin_units(experiment);
    return true;
}

/* -- windows ---------------------------------------------------------------------------------- */

struct service_state {
    struct experiment *experiment;
    char printed[64];  /* the last number that the metric's command printed */
    unsigned failures; /* of the helper, one after the other */
};

static void take_metric(const char *line, void *state_)
{
    struct service_state *state = state_;
    const char *number = line + strcspn(line, "0123456789");
    if (*number == '\0')
        return;
    number -= number > line && number[-1] == '.';
    number -= number > line && number[-1] == '-';
    snprintf(state->printed, sizeof state->printed, "%.60s", number);
}

/* A stretch of time, as others would not have held up the program in it. */
static double find_service(struct experiment *experiment, double wall)
{
    victim_find(&experiment->victim);
    return turns_take_off(&experiment->victim.turns, wall);
}

/* Units of work that were counted since the window began. It ends with one: as that is read, so
 * that what held up the program until then is told by the look at it. */
static void count_window(struct service_state *state)
{
    struct experiment *experiment = state->experiment;
    double span = experiment->last_unit - experiment->window_began;
    if (experiment->units == 0 || span < experiment->plan->window)
        return;
    experiment->work += experiment->units;
    if (span > 0)
        lap_add_window(experiment, find_service(experiment, span) / (double)experiment->units);
    experiment->units = 0;
    experiment->window_began = experiment->last_unit;
    turns_begin(&experiment->victim.turns, process_now());
}

static void finish_helper(struct service_state *state)
{
    struct experiment *experiment = state->experiment;
    const struct process *helper = &experiment->helper;
    bool is_metric = experiment->plan->load == NULL;
    bool is_fine = helper->wait_status == 0 && (!is_metric || state->printed[0] != '\0');
    double now = process_now();
    state->failures = is_fine ? 0 : state->failures + 1;
    if (!is_fine)
        return;
    experiment->longest_gap = fmax(experiment->longest_gap, now - experiment->last_unit);
    experiment->last_unit = now;
    experiment->work += !is_metric;
    lap_add_window(experiment, is_metric
                                   ? strtod(state->printed, NULL)
                                   : find_service(experiment, helper->ended - helper->started));
}

/* One command after the other; the metric's at most one in a window's time. */
static void drive_helper(struct service_state *state)
{
    struct experiment *experiment = state->experiment;
    const struct plan *plan = experiment->plan;
    const struct process_hooks hooks = {.line = take_metric, .context = state};
    const char *command = plan->load != NULL ? plan->load : plan->metric;
    if (experiment->helper.pid > 0) {
        process_read(&experiment->helper, &hooks);
        if (process_has_ended(&experiment->helper, &hooks))
            finish_helper(state);
    }
    if (state->failures >= FAILURES)
        return; /* what the last one said stays */
    bool is_due = plan->load != NULL || process_now() - experiment->helper.started >= plan->window;
    if (experiment->helper.pid <= 0 && is_due) {
        state->printed[0] = '\0';
        victim_find(&experiment->victim);
        turns_begin(&experiment->victim.turns, process_now());
        if (process_start_shell(&experiment->helper, command, &hooks) != 0)
            state->failures = FAILURES;
    }
}

/* A command that has not ended yet is not the service's fault, as far as anybody knows. */
static void end_hung(struct experiment *experiment, double quiet, double patience)
{
    const struct plan *plan = experiment->plan;
    if (experiment->baseline == 0 && experiment->helper.pid > 0)
        lap_end(experiment, CURVE_HUNG, false, "one %s takes longer than %s: %s is too short",
                plan->load != NULL ? "load" : "metric command",
                units_duration((uint64_t)(patience * 1e9)).at,
                patience < plan->timeout ? "--within" : "--timeout");
    else
        lap_end(experiment, CURVE_HUNG, false, "no progress for %.0f s%s%.80s", quiet,
                experiment->target.said[0] == '\0' ? "" : "; ", experiment->target.said);
}

/* Has it broken? Ends the lap then. */
static bool has_broken(struct service_state *state)
{
    struct experiment *experiment = state->experiment;
    double quiet = process_now() - experiment->last_unit;
    double longest = fmax(lap_window_seconds(experiment), experiment->longest_gap);
    double patience = experiment->baseline == 0 ? lap_patience(experiment)
                                                : fmax(HUNG_SECONDS, HUNG_FACTOR * longest);
    if (process_has_ended(&experiment->target, watch_hooks(experiment)))
        lap_end_with_target(experiment);
    else if (is_walled(experiment))
        lap_end(experiment, CURVE_KILLED, false, "out of memory");
    else if (state->failures >= FAILURES)
        lap_end(experiment, CURVE_FAILED, true, "%s failed twice%s%.90s",
                experiment->plan->load != NULL ? "the load" : "the metric",
                experiment->helper.said[0] == '\0' ? "" : ": ", experiment->helper.said);
    else if (quiet > patience)
        end_hung(experiment, quiet, patience);
    else
        return false;
    return true;
}

/* Was this dwell period, the windows from `first` on, worse than no service? */
static bool has_collapsed(const struct experiment *experiment, size_t first)
{
    struct experiment_lap part = {.first = first, .windows = experiment->windows - first};
    if (experiment->baseline == 0 || experiment->lap->budget == 0)
        return false;
    double *service = lap_copy_services(experiment, &part);
    bool is_slow = sample_median(service, part.windows) > CURVE_COLLAPSE * experiment->baseline;
    free(service);
    return is_slow;
}

struct wanted {
    size_t windows;
    size_t least; /* windows, when the phase is over */
    double seconds;
    uint64_t work; /* of the lap */
};

/* One dwell period; a second one if it was so slow that it may be a collapse. */
static void dwell(struct service_state *state, const struct wanted *wanted)
{
    struct experiment *experiment = state->experiment;
    double until = process_now() + wanted->seconds;
    bool is_helped = experiment->plan->load != NULL || experiment->plan->metric != NULL;
    size_t first = experiment->windows, end = 0;
    unsigned slow = 0;
    for (;;) {
        bool goes_on = watch_step(experiment, POLL_SECONDS);
        if (is_helped)
            drive_helper(state);
        else
            count_window(state);
        if (has_broken(state))
            return;
        bool is_late = process_now() > experiment->schedule.until;
        size_t windows = is_late ? wanted->least : wanted->windows;
        if (lap_is_gliding(experiment)) /* a whole window is to be seen where that ends */
            end = experiment->windows + 2;
        bool is_enough = experiment->windows - first >= windows &&
                         experiment->work >= wanted->work &&
                         (is_late || experiment->windows >= end);
        if (goes_on && (!is_enough || process_now() < until))
            continue;
        slow = goes_on && has_collapsed(experiment, first) ? slow + 1 : 0;
        if (slow != 1)
            break;
        first = experiment->windows;
        until = process_now() + wanted->seconds;
    }
    if (slow == 0)
        lap_end(experiment, CURVE_HELD, true, "%s", "");
    else
        lap_end(experiment, CURVE_COLLAPSED, true, "two dwell periods above 10 x the baseline");
}

static void go_on(struct experiment *experiment, const struct wanted *wanted)
{
    static const struct process_hooks nobody;
    struct service_state state = {.experiment = experiment};
    dwell(&state, wanted);
    process_stop(&experiment->helper, 0, &nobody);
}

void service_lap(struct experiment *experiment, size_t windows, double seconds)
{
    size_t few = experiment->baseline == 0 ? WINDOWS_LEAST : 1;
    size_t least = windows < few ? windows : few;
    go_on(experiment, &(struct wanted){.windows = windows, .least = least, .seconds = seconds});
}

void service_lap_settled(struct experiment *experiment, size_t windows)
{
    double seconds = experiment->settled + SETTLED_SECONDS;
    go_on(experiment, &(struct wanted){windows, windows, seconds, experiment->settled_work});
}
