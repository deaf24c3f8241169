/* write.h - bytes to a place in a file. */
#ifndef MPRESS_TOOLS_PACK_WRITE_H
#define MPRESS_TOOLS_PACK_WRITE_H

#include <stddef.h>
#include <stdint.h>

/* Writes all of them; EINTR and short writes are handled. 0, or a positive errno value. */
int write_at(int fd, const void *from, size_t bytes, uint64_t offset);

#endif
