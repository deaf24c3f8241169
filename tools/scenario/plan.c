/* plan.c - see plan.h */
#define _GNU_SOURCE /* sigabbrev_np */
#include "tools/scenario/plan.h"

#include <math.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/amounts.h"
#include "tools/trace/memory.h"

enum kind {
    TEXT,
    BYTES,
    SECONDS,
    PATIENCE,
    LEVELS,
    FORM,
    PATTERN,
    SIGNAL,
    STATUS,
    SHAPE,
    STRATEGY
};

static const struct setting {
    const char *key;
    enum kind kind;
    size_t offset;
} settings[] = {
    {"scenario", SHAPE, offsetof(struct plan, shape)},
    {"limit", BYTES, offsetof(struct plan, limit)},
    {"duration", SECONDS, offsetof(struct plan, duration)},
    {"within", PATIENCE, offsetof(struct plan, within)},
    {"levels", LEVELS, offsetof(struct plan, levels)},
    {"form", FORM, offsetof(struct plan, is_ramp)},
    {"pressure", TEXT, offsetof(struct plan, pressure)},
    {"ready", PATTERN, offsetof(struct plan, ready)},
    {"load", TEXT, offsetof(struct plan, load)},
    {"progress", PATTERN, offsetof(struct plan, progress)},
    {"metric-cmd", TEXT, offsetof(struct plan, metric)},
    {"work-signal", SIGNAL, offsetof(struct plan, work_signal)},
    {"expect-exit", STATUS, offsetof(struct plan, expected_exit)},
    {"window", SECONDS, offsetof(struct plan, window)},
    {"timeout", SECONDS, offsetof(struct plan, timeout)},
    {"recovery-time", PATIENCE, offsetof(struct plan, recovery)},
    {"strategy", STRATEGY, 0},
    {"html", TEXT, offsetof(struct plan, html)},
};

void plan_init(struct plan *plan)
{
    *plan = (struct plan){.duration = 60,
                          .within = NAN,
                          .pressure = "auto",
                          .window = 0.5,
                          .timeout = 60,
                          .recovery = CURVE_RECOVERY_LONGEST,
                          .bounds = verdict_seed,
                          .is_searching = true};
}

static char *copy_word(const char *text, size_t length)
{
    char *word = memory_alloc(length + 1, 1);
    memcpy(word, text, length);
    return word;
}

void plan_add_own_strategy(struct plan *plan, const char *name, unsigned bit)
{
    if (plan->strategies < PLAN_STRATEGIES)
        plan->strategy[plan->strategies++] =
            (struct plan_strategy){.name = copy_word(name, strlen(name)), .bit = bit};
}

void plan_fini(struct plan *plan)
{
    for (size_t i = 0; i < plan->strategies; i++)
        free(plan->strategy[i].name);
    shape_fini(&plan->shape);
}

double plan_get_whole(const struct plan *plan)
{
    const double whole = 300, parts = 5;
    if (isnan(plan->within))
        return fmax(whole, parts * shape_length(&plan->shape, plan->duration));
    return plan->within > 0 ? plan->within : INFINITY;
}

bool plan_is_finite(const struct plan *plan)
{
    return plan->load == NULL && plan->progress == NULL && plan->metric == NULL &&
           plan->work_signal == 0;
}

/* -- values ----------------------------------------------------------------------------------- */

static bool refuse(char why[PLAN_WHY_BYTES], const char *key, const char *value, const char *wanted)
{
    snprintf(why, PLAN_WHY_BYTES, "%.40s %.200s: %s is wanted", key, value, wanted);
    return false;
}

static bool set_pattern(const char **into, const char *key, const char *value, char *why)
{
    regex_t compiled;
    if (*value == '\0' || regcomp(&compiled, value, REG_EXTENDED | REG_NOSUB) != 0)
        return refuse(why, key, value, "an extended regular expression");
    regfree(&compiled);
    *into = value;
    return true;
}

static bool set_signal(int *into, const char *key, const char *value, char *why)
{
    for (int number = 1; number < SIGRTMIN; number++) {
        const char *name = sigabbrev_np(number);
        if (name != NULL && strcmp(name, strncmp(value, "SIG", 3) == 0 ? value + 3 : value) == 0 &&
            (number == SIGUSR1 || number == SIGUSR2 || number == SIGWINCH || number == SIGURG)) {
            *into = number;
            return true;
        }
    }
    return refuse(why, key, value, "USR1, USR2, WINCH or URG");
}

static bool parse_number(const char *value, unsigned long least, unsigned long most,
                         unsigned long *number)
{
    char *rest;
    *number = strtoul(value, &rest, 10);
    return *value >= '0' && *value <= '9' && *rest == '\0' && *number >= least && *number <= most;
}

static bool set_levels(unsigned *into, const char *key, const char *value, char *why)
{
    unsigned long levels;
    if (!parse_number(value, 2, 1000, &levels))
        return refuse(why, key, value, "a number from 2 to 1000");
    *into = (unsigned)levels;
    return true;
}

static bool set_status(int *into, const char *key, const char *value, char *why)
{
    unsigned long status;
    if (!parse_number(value, 0, 255, &status))
        return refuse(why, key, value, "an exit status from 0 to 255");
    *into = (int)status;
    return true;
}

static bool set_shape(struct shape *into, const char *key, const char *value, char *why)
{
    char inside[PLAN_WHY_BYTES - 32];
    shape_fini(into);
    if (shape_parse(value, into, inside, sizeof inside))
        return true;
    snprintf(why, PLAN_WHY_BYTES, "%.30s %s", key, inside);
    return false;
}

/* NAME:VARIABLE=VALUE,...; or none. */
static bool add_strategy(struct plan *plan, const char *value, char *why)
{
    const char *colon = strchr(value, ':');
    if (strcmp(value, "none") == 0) {
        plan->has_no_strategies = true;
        return true;
    }
    if (plan->strategies == PLAN_STRATEGIES)
        return refuse(why, "strategy", value, "at most eight of them");
    if (colon == NULL || colon == value || strchr(colon, '=') == NULL)
        return refuse(why, "strategy", value, "NAME:VARIABLE=VALUE,... or none");
    plan->strategy[plan->strategies++] = (struct plan_strategy){
        .name = copy_word(value, (size_t)(colon - value)), .settings = colon + 1};
    return true;
}

static bool set(struct plan *plan, const struct setting *setting, const char *value, char *why)
{
    void *into = (char *)plan + setting->offset;
    switch (setting->kind) {
    case TEXT:
        *(const char **)into = value;
        return *value != '\0' || refuse(why, setting->key, value, "a word");
    case BYTES:
        return amounts_parse_bytes(value, into) ||
               refuse(why, setting->key, value, "a size like 512M or 1G");
    case SECONDS:
        return amounts_parse_seconds(value, into) ||
               refuse(why, setting->key, value, "a time like 60, 500ms or 2m");
    case PATIENCE:
        *(double *)into = 0;
        return strcmp(value, "none") == 0 || amounts_parse_seconds(value, into) ||
               refuse(why, setting->key, value, "a time like 60, 500ms or 2m, or none");
    case LEVELS:
        return set_levels(into, setting->key, value, why);
    case FORM:
        *(bool *)into = strcmp(value, "ramp") == 0;
        return *(bool *)into || strcmp(value, "staircase") == 0 ||
               refuse(why, setting->key, value, "staircase or ramp");
    case PATTERN:
        return set_pattern(into, setting->key, value, why);
    case SIGNAL:
        return set_signal(into, setting->key, value, why);
    case STATUS:
        return set_status(into, setting->key, value, why);
    case SHAPE:
        return set_shape(into, setting->key, value, why);
    default:
        return add_strategy(plan, value, why);
    }
}

bool plan_set(struct plan *plan, const char *key, const char *value, char why[PLAN_WHY_BYTES])
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (strcmp(key, settings[i].key) == 0)
            return set(plan, &settings[i], value, why);
    }
    snprintf(why, PLAN_WHY_BYTES, "there is no setting \"%.200s\"", key);
    return false;
}

static bool parse_bound(enum verdict_row row, const char *value, double *bound)
{
    uint64_t bytes;
    if (strcmp(value, "none") == 0) {
        *bound = NAN;
        return true;
    }
    if (row == VERDICT_RECOVERY)
        return amounts_parse_seconds(value, bound);
    if (row != VERDICT_BREAKING_POINT)
        return amounts_parse_share(value, bound);
    if (!amounts_parse_bytes(value, &bytes))
        return false;
    *bound = (double)bytes;
    return true;
}

bool plan_set_bound(struct plan *plan, const char *key, const char *value, char why[PLAN_WHY_BYTES])
{
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        if (strcmp(key, verdict_row_name(row)) != 0)
            continue;
        if (!parse_bound(row, value, &plan->bounds.at[row]))
            return refuse(why, key, value, "a number, a share like 60%, a time, a size or none");
        plan->bounds.is_demanded[row] = !isnan(plan->bounds.at[row]);
        return true;
    }
    snprintf(why, PLAN_WHY_BYTES, "there is no criterion \"%.200s\"", key);
    return false;
}
