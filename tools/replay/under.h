/* under.h - `mpress replay T --under SCENARIO`: the replay of a trace is the program of a pressure
 * experiment. */
#ifndef MPRESS_TOOLS_REPLAY_UNDER_H
#define MPRESS_TOOLS_REPLAY_UNDER_H

/* Exit status as that of an experiment (tools/scenario/scenario.h). */
int under_main(int argc, char **argv);

#endif
