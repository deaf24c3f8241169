/* groups.h - the memory control groups that this program is in, and what their files say. */
#ifndef MPRESS_TOOLS_SCENARIO_GROUPS_H
#define MPRESS_TOOLS_SCENARIO_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GROUPS_PATH_BYTES = 768 };

/* The folder of its own group: of v2, or of v1's memory controller. `root`: how many of its
 * characters are the hierarchy's root. False: there is none, or it cannot be seen. */
bool groups_find(bool is_v2, char path[GROUPS_PATH_BYTES], size_t *root);

/* The number behind `key` in a file of the group; "" is the file's first. 0: there is none. */
uint64_t groups_read(const char *group, const char *name, const char *key);

/* The machine's, of /proc/meminfo, bytes. */
bool groups_have_swap(void);
uint64_t groups_machine_bytes(void);

#endif
