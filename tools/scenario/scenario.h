/* scenario.h - `mpress-replay --scenario`: the pressure experiment on any program. */
#ifndef MPRESS_TOOLS_SCENARIO_SCENARIO_H
#define MPRESS_TOOLS_SCENARIO_SCENARIO_H

/* Exit status: 0 passed, 1 failed by the criteria, 2 wrong usage or a failure of this program,
 * 3 the target could not be run as asked. */
int scenario_main(int argc, char **argv);

/* What options_read made of a command line. */
struct scenario_options;
int scenario_run(struct scenario_options *options);

#endif
