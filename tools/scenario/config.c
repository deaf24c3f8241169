/* config.c - files of scenarios (options.h): JSON, the settings named as the long options are. One
 * scenario is an object; several are the members of its "scenarios". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/scenario/options.h"
#include "tools/trace/memory.h"

/* What the value is as on a command line; a number becomes text that lives as long as the file. */
static const char *read_value(json_t *object, const char *key, json_t *value)
{
    char text[64];
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_true(value))
        return "1";
    if (!json_is_number(value))
        return NULL;
    snprintf(text, sizeof text, "%.15g", json_number_value(value));
    json_object_set_new(object, key, json_string(text));
    return json_string_value(json_object_get(object, key));
}

static bool refuse(const char *key, const char *wanted, char why[PLAN_WHY_BYTES])
{
    snprintf(why, PLAN_WHY_BYTES, "\"%.100s\": %s is wanted", key, wanted);
    return false;
}

static bool read_command(json_t *value, size_t index, struct scenario_options *options,
                         char why[PLAN_WHY_BYTES])
{
    size_t words = json_array_size(value);
    if (words == 0)
        return refuse("command", "an array of words", why);
    char **arguments = memory_alloc(words + 1, sizeof(*arguments));
    options->arguments[index] = arguments;
    options->plan[index].arguments = arguments;
    for (size_t i = 0; i < words; i++) {
        if (!json_is_string(json_array_get(value, i)))
            return refuse("command", "an array of words", why);
        arguments[i] = (char *)json_string_value(json_array_get(value, i));
    }
    return true;
}

static bool read_criteria(json_t *object, struct plan *plan, char why[PLAN_WHY_BYTES])
{
    const char *key;
    json_t *value;
    void *next;
    if (!json_is_object(object))
        return refuse("criteria", "an object", why);
    json_object_foreach_safe(object, next, key, value)
    {
        const char *text = json_is_null(value) ? "none" : read_value(object, key, value);
        if (text == NULL)
            return refuse(key, "a number or a text", why);
        if (!plan_set_bound(plan, key, text, why))
            return false;
    }
    return true;
}

static bool read_strategies(json_t *array, struct plan *plan, char why[PLAN_WHY_BYTES])
{
    size_t index;
    json_t *value;
    if (!json_is_array(array))
        return refuse("strategies", "an array of texts", why);
    json_array_foreach(array, index, value)
    {
        if (!json_is_string(value))
            return refuse("strategies", "an array of texts", why);
        if (!plan_set(plan, "strategy", json_string_value(value), why))
            return false;
    }
    return true;
}

static bool read_setting(json_t *object, const char *key, json_t *value, size_t index,
                         struct scenario_options *options, char why[PLAN_WHY_BYTES])
{
    struct plan *plan = &options->plan[index];
    if (strcmp(key, "command") == 0)
        return read_command(value, index, options, why);
    if (strcmp(key, "criteria") == 0)
        return read_criteria(value, plan, why);
    if (strcmp(key, "strategies") == 0)
        return read_strategies(value, plan, why);
    if (strcmp(key, "search") == 0) {
        plan->is_searching = !json_is_false(value);
        return json_is_boolean(value) || refuse(key, "true or false", why);
    }
    const char *text = read_value(object, key, value);
    return text == NULL ? refuse(key, "a text or a number", why) : plan_set(plan, key, text, why);
}

/* Of several in a file: in front of what is wrong with it. */
static void name_scenario(const char *name, char why[PLAN_WHY_BYTES])
{
    char inside[PLAN_WHY_BYTES];
    if (name == NULL)
        return;
    memcpy(inside, why, sizeof inside);
    snprintf(why, PLAN_WHY_BYTES, "%.100s: %.400s", name, inside);
}

static bool read_plan(json_t *object, const char *name, struct scenario_options *options,
                      char why[PLAN_WHY_BYTES])
{
    const char *key;
    json_t *value;
    void *next;
    if (options->plans == OPTIONS_PLANS)
        return refuse("scenarios", "at most 64 of them", why);
    size_t index = options->plans++;
    plan_init(&options->plan[index]);
    options->plan[index].name = name;
    if (!json_is_object(object))
        return refuse(name == NULL ? "the file" : name, "an object", why);
    json_object_foreach_safe(object, next, key, value)
    {
        if (!read_setting(object, key, value, index, options, why)) {
            name_scenario(name, why);
            return false;
        }
    }
    return true;
}

static bool read_plans(json_t *scenarios, const char *wanted, struct scenario_options *options,
                       char why[PLAN_WHY_BYTES])
{
    const char *name;
    json_t *value;
    json_object_foreach(scenarios, name, value)
    {
        if ((wanted == NULL || strcmp(name, wanted) == 0) && !read_plan(value, name, options, why))
            return false;
    }
    if (options->plans == 0 && wanted != NULL)
        snprintf(why, PLAN_WHY_BYTES, "there is no scenario \"%.100s\"", wanted);
    else if (options->plans == 0)
        snprintf(why, PLAN_WHY_BYTES, "there is no scenario in it");
    return options->plans > 0;
}

/* Beside "scenarios" nothing is read: what stands there was meant for one of them. */
static bool read_file(json_t *file, const char *wanted, struct scenario_options *options,
                      char why[PLAN_WHY_BYTES])
{
    const char *key;
    json_t *value, *scenarios = json_object_get(file, "scenarios");
    if (scenarios == NULL && wanted == NULL)
        return read_plan(file, NULL, options, why);
    json_object_foreach(file, key, value)
    {
        if (scenarios != NULL && value != scenarios)
            return refuse(key, "nothing beside \"scenarios\"", why);
    }
    return read_plans(scenarios, wanted, options, why);
}

/* What jansson says of a file that cannot be opened names it, and a line that there is not. */
static json_t *load(const char *path, char why[PLAN_WHY_BYTES])
{
    json_error_t error;
    struct stat there;
    int problem = stat(path, &there) != 0 ? errno : S_ISDIR(there.st_mode) ? EISDIR : 0;
    if (problem == 0 && access(path, R_OK) != 0)
        problem = errno;
    json_t *file = problem != 0 ? NULL : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (problem != 0)
        snprintf(why, PLAN_WHY_BYTES, "%.200s: %s", path, strerror(problem));
    else if (file == NULL)
        snprintf(why, PLAN_WHY_BYTES, "%.200s: line %d: %.200s", path, error.line, error.text);
    return file;
}

bool config_read(const char *path, const char *name, struct scenario_options *options,
                 char why[PLAN_WHY_BYTES])
{
    char inside[PLAN_WHY_BYTES];
    options->file = load(path, why);
    if (options->file == NULL)
        return false;
    bool is_fine = read_file(options->file, name, options, inside);
    if (!is_fine)
        snprintf(why, PLAN_WHY_BYTES, "%.150s: %.300s", path, inside);
    return is_fine;
}
