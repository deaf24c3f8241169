/* api.h - functions of mpress.h under names that nobody can take the place of. */
#ifndef MPRESS_API_H
#define MPRESS_API_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/mpress.h"
#include "preload/mpress_pressure.h"

/* mpress_class_read; false: ENOENT. */
bool api_read_class(size_t index, struct mpress_class *size_class);

/* mpress_action_read; the same. */
bool api_read_action(size_t index, struct mpress_action *action);

#endif
