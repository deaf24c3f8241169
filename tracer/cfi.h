/* cfi.h - reads the rule of an address from .eh_frame itself, where it is simple (rules.h): a
 * hundredth of what libunwind takes for it, and no lock. Most code of compilers is.
 *
 *     .eh_frame_hdr   a table of all functions by address   ──►   .eh_frame
 *                                                                 FDE: from, length, instructions
 *                                                                  └──► CIE: what is common to many
 *
 * The instructions of the CIE, and then those of the FDE up to the address, say where the CFA is
 * and where registers were saved (DWARF 5, 6.4; System V ABI for x86-64, 3.7; LSB 5, 10.6).
 *
 * Everything else is libunwind's: expressions, signal frames, other registers, encodings that no
 * linker writes, functions without a caller, what is cut short or lies outside of the segment. */
#ifndef MPRESS_TRACER_CFI_H
#define MPRESS_TRACER_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/modules.h"
#include "tracer/rules.h"

/* True: the rule of the address, in that module, is *rule. Reads only what the kernel says can be
 * read. */
bool cfi_read_rule(const struct module_place *place, uintptr_t address, struct rule *rule);

#endif
