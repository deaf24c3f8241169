/* entry.h - the symbols of libc that this library takes the place of. */
#ifndef MPRESS_ENTRY_H
#define MPRESS_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

void *malloc(size_t bytes);
void free(void *p);
void cfree(void *p);
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t alignment, size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *p, size_t bytes);
void *reallocarray(void *p, size_t count, size_t bytes);
size_t malloc_usable_size(void *p);
void *memalign(size_t alignment, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes);
int posix_memalign(void **p, size_t alignment, size_t bytes);
void *valloc(size_t bytes);
void *pvalloc(size_t bytes);
int dlclose(void *library);

/* Numbers of users and groups are unsigned here: their types' headers are not for this folder. */
int setuid(unsigned id);
int setgid(unsigned id);
int seteuid(unsigned id);
int setegid(unsigned id);
int setreuid(unsigned real_id, unsigned effective);
int setregid(unsigned real_id, unsigned effective);
int setresuid(unsigned real_id, unsigned effective, unsigned saved);
int setresgid(unsigned real_id, unsigned effective, unsigned saved);
int setgroups(size_t count, const unsigned *groups);
int initgroups(const char *user, unsigned group);
int capset(void *header, const void *data);
int unshare(int flags);
int setns(int descriptor, int kind);

/* Offsets are long: off_t on 64-bit systems, with any value of _FILE_OFFSET_BITS. */
void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset);
void *mmap64(void *start, size_t bytes, int protection, int flags, int fd, long offset);
int munmap(void *start, size_t bytes);
int mprotect(void *start, size_t bytes, int protection);
void *mremap(void *start, size_t bytes, size_t new_bytes, int flags, ...);
void *sbrk(intptr_t bytes);
int brk(void *end);
void *shmat(int segment, const void *start, int flags);
int shmdt(const void *start);

/* Limits are passed on as they are. */
int setrlimit(int resource, const void *limit);
int setrlimit64(int resource, const void *limit);
int prlimit(int process, int resource, const void *limit, void *old);
int prlimit64(int process, int resource, const void *limit, void *old);

#endif
