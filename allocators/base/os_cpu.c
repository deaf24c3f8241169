/* os_cpu.c - which CPU this thread runs on, and how many there are. */
#define _GNU_SOURCE
#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* glibc 2.35 and newer register an area with the kernel, which keeps the number there (rseq(2)). */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
enum { RSEQ_CPU_ID = 4 }; /* bytes into the area; negative: this thread is not registered */

unsigned os_cpu(void)
{
    if (&__rseq_size != NULL && __rseq_size != 0) {
        const char *area = (const char *)__builtin_thread_pointer() + __rseq_offset;
        int32_t cpu = *(const volatile int32_t *)(const void *)(area + RSEQ_CPU_ID);
        if (cpu >= 0)
            return (unsigned)cpu;
    }
    int cpu = sched_getcpu(); /* the vdso: some 10 ns */
    return cpu >= 0 ? (unsigned)cpu : 0;
}

unsigned os_cpus(void)
{
    uint64_t mask[64] = {0}; /* 4096 CPUs */
    long bytes = call3(SYS_sched_getaffinity, 0, (long)sizeof(mask), (long)mask);
    unsigned cpus = 0;
    for (long i = 0; i < bytes / 8; i++)
        cpus += (unsigned)bits_of(mask[i]);
    return cpus > 0 ? cpus : 1;
}

unsigned os_node(void)
{
    unsigned cpu, node;
    return failed(call3(SYS_getcpu, (long)&cpu, (long)&node, 0)) ? 0 : node; /* some 100 ns */
}

/* The file says "0-1" or "0,2-3": the last number counts. */
unsigned os_nodes(void)
{
    char text[64];
    size_t bytes;
    unsigned last = 0;
    if (os_file_read("/sys/devices/system/node/online", text, sizeof(text), &bytes) !=
        OS_FILE_WHOLE)
        return 1;
    for (const char *at = text; *at != '\0' && *at != '\n'; at++)
        last = *at >= '0' && *at <= '9' ? last * 10 + (unsigned)(*at - '0') : 0;
    return last + 1;
}
