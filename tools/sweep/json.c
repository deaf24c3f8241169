/* json.c - a sweep as JSON. */
#define _GNU_SOURCE /* sigabbrev_np */
#include <string.h>

#include "tools/sweep/sweep.h"
#include "tools/symbols/symbols.h"
#include "tools/values.h"

static json_t *frames_array(struct symbols *symbols, const struct sweep_stack *stack)
{
    json_t *array = json_array();
    for (size_t i = 0; i < stack->frames; i++) {
        struct trace_node node = {.ip = stack->ip[i]};
        struct frames frames = symbols_find(symbols, &node);
        for (size_t k = 0; k < frames.count; k++) {
            json_t *frame = json_object();
            values_set_text(frame, "function", frames.frame[k].function);
            values_set_text(frame, "file", frames.frame[k].file);
            values_set_number(frame, "line", frames.frame[k].line);
            values_set_text(frame, "module", frames.frame[k].module);
            values_set_number(frame, "offset", frames.frame[k].offset);
            json_array_append_new(array, frame);
        }
    }
    return array;
}

static json_t *result_object(struct symbols *symbols, const struct sweep_result *result)
{
    json_t *object = json_object();
    bool is_signal = result->outcome == SWEEP_CRASHED || result->outcome == SWEEP_ABORTED;
    values_set_number(object, "allocation", result->nth);
    values_set_text(object, "mode", result->mode == SWEEP_TRANSIENT ? "transient" : "persistent");
    values_set_text(object, "outcome", sweep_outcome_name(result->outcome));
    if (is_signal)
        values_set_text(object, "signal", sigabbrev_np(result->code));
    else if (result->outcome != SWEEP_HUNG)
        values_set_number(object, "exit_status", (uint64_t)result->code);
    values_set_number(object, "bytes", result->bytes);
    values_set_text(object, "way", result->way == SWEEP_BRANCH ? "fork" : "run");
    if (result->way != SWEEP_BRANCH)
        values_set_text(object, "why", sweep_way_text(result->way));
    if (sweep_is_bad(result->outcome) || result->outcome == SWEEP_SILENT)
        json_object_set_new(object, "frames", frames_array(symbols, &result->stack));
    return object;
}

int sweep_print_json(const struct sweep *sweep)
{
    json_t *root = json_object();
    json_t *command = json_array();
    json_t *results = json_array();
    struct symbols *symbols = symbols_create(sweep->census.trace);
    for (char **word = sweep->options->arguments; *word != NULL; word++)
        json_array_append_new(command, values_text(*word));
    for (size_t i = 0; i < sweep->count; i++)
        json_array_append_new(results, result_object(symbols, &sweep->results[i]));
    values_set_text(root, "schema", "mpress-fail-nth/1");
    json_object_set_new(root, "command", command);
    values_set_number(root, "exit_status", (uint64_t)sweep->code);
    values_set_number(root, "allocations", sweep->census.calls);
    values_set_number(root, "stacks", sweep->census.stacks);
    json_object_set_new(root, "reproducible", json_boolean(sweep->is_reproducible));
    values_set_number(root, "run_ns", sweep->wall_ns);
    values_set_number(root, "not_tried", sweep->planned - sweep->count);
    json_object_set_new(root, "runs", results);
    symbols_destroy(symbols);
    return values_print(root, 6);
}
