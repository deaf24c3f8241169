/* cfi.h - reads the rule of an address from .eh_frame itself, where it is simple (rules.h): a
 * tenth of what libunwind takes for it, and no lock. Most code of compilers is.
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

/* The table's pairs, which begin CFI_HEAD_BYTES behind its start. 0: it is none of the kind that
 * all linkers write, version 1, pcrel sdata4, udata4, and a table of datarel sdata4; or it is cut
 * short. */
enum { CFI_HEAD_BYTES = 12 /* version, three encodings, two words */ };
uint32_t cfi_count_pairs(const struct module_place *place);

/* What the kernel has handlers return to. Its frame leads to what was interrupted, not left by a
 * call. */
bool cfi_is_signal_return(uintptr_t address);

#endif
