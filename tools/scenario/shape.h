/* shape.h - how a scenario moves the budget: by steps from the top of the head-room to its floor.
 */
#ifndef MPRESS_TOOLS_SCENARIO_SHAPE_H
#define MPRESS_TOOLS_SCENARIO_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

enum shape_kind { SHAPE_LINEAR, SHAPE_EXPONENTIAL, SHAPE_SPIKE, SHAPE_SAWTOOTH, SHAPE_FILE };

/* A line of a file: from `at` seconds on, a share of the peak or bytes. */
struct shape_point {
    double at;
    double share; /* of the peak; 0: `bytes` */
    double bytes;
};

struct shape {
    enum shape_kind kind;
    const char *name; /* as the user said it */
    struct shape_point *point;
    size_t points;
};

/* A name of the list, or a file of "SECONDS LEVEL" lines (LEVEL: 80% of the peak, or 512M). False:
 * `why` says what is wrong. */
bool shape_parse(const char *word, struct shape *shape, char *why, size_t why_bytes);
void shape_fini(struct shape *shape);

/* The names and what each does, NULL behind the last. */
const char *shape_name(size_t index);
const char *shape_summary(size_t index);

/* How many steps `wanted` becomes, and how long each lasts of a pressure phase of `duration`. */
size_t shape_steps(const struct shape *shape, size_t wanted);
double shape_dwell(const struct shape *shape, size_t step, size_t steps, double duration);
/* How long all of them last. */
double shape_length(const struct shape *shape, double duration);

/* Does it only ever jump? Then there is no ramp of it. */
bool shape_is_sudden(const struct shape *shape);

/* Bytes; `high`: the top of the head-room, `low`: its floor, `peak`: the baseline's. */
double shape_budget(const struct shape *shape, size_t step, size_t steps, double high, double low,
                    double peak);

#endif
