/* modules.h - our own list of the loaded objects, so that a walk never asks the loader.
 *
 * The loader shows its list in modules_refresh, under its lock; we take our lock inside and never
 * the other way round. */
#ifndef MPRESS_TRACER_MODULES_H
#define MPRESS_TRACER_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What unwinding needs of the module an address lies in. */
struct module_place {
    uintptr_t start;
    uintptr_t end;
    const unsigned char *index; /* .eh_frame_hdr or NULL */
    size_t index_bytes;
    uintptr_t constant; /* the read-only segment that the index and .eh_frame lie in */
    uintptr_t constant_end;
};

/* Brings the list up to date and writes MODULE and UNMODULE records if a trace is open. Asks the
 * loader, with no lock held; in a walk only between two rules (rules.c). False: the disk is full.
 */
bool modules_refresh(void);

/* Counts the changes seen; an address that is in no module may be in one when it differs. */
uint64_t modules_version(void);

bool modules_find(uintptr_t address, struct module_place *place);

/* Writes the whole list to a trace that has just been opened. */
bool modules_write(void);

/* Writes it again as it was, to a ring whose records of it would be written over by and by. Asked
 * behind records of the timeline. */
bool modules_write_if_due(void);

/* Another trace begins: none of it is written. */
void modules_forget(void);

/* In a forked child: the list is still right, but no trace has it. */
void modules_abandon(void);

#endif
