/* melt.h - decides which slabs become mixed zones, and when. */
#ifndef MPRESS_MELT_H
#define MPRESS_MELT_H

#include "allocators/base/conf.h"

void melt_init(enum conf_melt melt);

/* Takes up to `count` objects of a class that has no free one, before it gets a new slab: from
 * holes of zones, and of sparse slabs of other classes where those keep much memory. How many were
 * taken; 0: the class needs a new slab. */
unsigned melt_take(unsigned class, void **objects, unsigned count);

/* Melts all sparse slabs, where that is worth it: their free objects are holes for any class. Bytes
 * of these. */
size_t melt_all(void);

#endif
