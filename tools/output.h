/* output.h - where a command's output goes: to stdout, or into a file that is there whole or not at
 * all. */
#ifndef MPRESS_TOOLS_OUTPUT_H
#define MPRESS_TOOLS_OUTPUT_H

/* From now on stdout is a new file that has no name yet: nothing is left of it if this process
 * ends before output_finish. `path` NULL: stdout stays what it is. A trace is never overwritten.
 * CLI_GO_ON, or CLI_FAILED after a line. */
int output_begin(const char *path);

/* Everything was written: the file gets its name, in place of one that had it. `status`, or
 * CLI_FAILED after a line. With status other than CLI_OK the file is dropped. */
int output_finish(const char *path, int status);

#endif
