/* store.h - where packed units lie: pieces of 64 bytes to 16 KiB in memory of its own, outside the
 * heap. One thread uses it. Not there in the child of a fork. */
#ifndef MPRESS_COLD_STORE_H
#define MPRESS_COLD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STORE_GRAIN = 64 };
#define STORE_NONE UINT32_MAX

/* False: there is no address space. */
bool store_init(size_t most_bytes);

/* Copies the bytes in; the number of the first grain, or STORE_NONE: it is full. */
uint32_t store_put(const void *from, size_t bytes);
const void *store_at(uint32_t grain);

/* The piece ends; pages without any piece go back to the system. */
void store_drop(uint32_t grain, size_t bytes);

/* Bytes of the pages that hold pieces: between these there may be holes. */
size_t store_bytes(void);

/* In the child of a fork: there is none. */
void store_forget(void);

void store_audit(void);

#endif
