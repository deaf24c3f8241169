/* os_own.c - which mappings are the library's own, and the calls that are the program's.
 *
 * Neighbouring anonymous mappings are one to the kernel, whoever asked for them. So the library's
 * own are kept in a table: slots that are claimed one by one. A mapping is added and removed by the
 * thread that maps and unmaps it, so no two threads change one slot; a visitor may meet one halfway
 * and passes it over. A range for which no slot is left is not known, which costs a report some
 * truth and nothing else. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/base/os_call.h"

#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

enum { OWN_SLOTS = 1024, OWN_CLAIMED = 1 };

struct slot {
    _Atomic uintptr_t start; /* 0: free; OWN_CLAIMED: being filled in */
    _Atomic size_t bytes;
};

static struct {
    struct slot slots[OWN_SLOTS];
    _Atomic uint32_t used; /* slots from here on were never claimed */
} own;

/* -- the table -------------------------------------------------------------------------------- */

static uint32_t used_slots(void)
{
    uint32_t used = atomic_load_explicit(&own.used, memory_order_relaxed);
    return used < OWN_SLOTS ? used : OWN_SLOTS;
}

static struct slot *claim_slot(void)
{
    uint32_t used = used_slots();
    for (uint32_t i = 0; i < used; i++) {
        uintptr_t free = 0;
        if (atomic_load_explicit(&own.slots[i].start, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&own.slots[i].start, &free, OWN_CLAIMED,
                                                    memory_order_relaxed, memory_order_relaxed))
            return &own.slots[i];
    }
    if (used == OWN_SLOTS)
        return NULL;
    uint32_t next = atomic_fetch_add_explicit(&own.used, 1, memory_order_relaxed);
    return next < OWN_SLOTS ? &own.slots[next] : NULL;
}

static void put(struct slot *slot, uintptr_t start, size_t bytes)
{
    atomic_store_explicit(&slot->bytes, bytes, memory_order_relaxed);
    /* release: who sees the start sees the length */
    atomic_store_explicit(&slot->start, start, memory_order_release);
}

void os_own_add(const void *start, size_t bytes)
{
    struct slot *slot = start != NULL ? claim_slot() : NULL;
    if (slot != NULL)
        put(slot, (uintptr_t)start, bytes);
}

/* What of the slot's range lies outside [from, to) stays. */
static void cut(struct slot *slot, uintptr_t start, size_t bytes, uintptr_t from, uintptr_t to)
{
    uintptr_t end = start + bytes;
    atomic_store_explicit(&slot->start, OWN_CLAIMED, memory_order_relaxed);
    if (start < from && to < end)
        os_own_add((const void *)to, end - to);
    if (start < from)
        put(slot, start, from - start);
    else if (to < end)
        put(slot, to, end - to);
    else
        atomic_store_explicit(&slot->start, 0, memory_order_relaxed);
}

void os_own_remove(const void *start, size_t bytes)
{
    uintptr_t from = (uintptr_t)start, to = from + bytes;
    uint32_t used = used_slots();
    for (uint32_t i = 0; i < used; i++) {
        struct slot *slot = &own.slots[i];
        uintptr_t at = atomic_load_explicit(&slot->start, memory_order_acquire);
        size_t length = atomic_load_explicit(&slot->bytes, memory_order_relaxed);
        if (at > OWN_CLAIMED && at < to && from < at + length)
            cut(slot, at, length, from, to);
    }
}

void os_own_visit(void (*visit)(uintptr_t start, size_t bytes, void *context), void *context)
{
    uint32_t used = used_slots();
    for (uint32_t i = 0; i < used; i++) {
        uintptr_t start = atomic_load_explicit(&own.slots[i].start, memory_order_acquire);
        size_t bytes = atomic_load_explicit(&own.slots[i].bytes, memory_order_acquire);
        if (start > OWN_CLAIMED &&
            atomic_load_explicit(&own.slots[i].start, memory_order_relaxed) == start)
            visit(start, bytes, context);
    }
}

uint64_t os_count_resident(uintptr_t start, size_t bytes)
{
    unsigned char is_there[256];
    size_t page = os_page_bytes(), pages = 0;
    uintptr_t end = start + bytes;
    for (uintptr_t at = start; at < end; at += sizeof(is_there) * page) {
        size_t length = end - at < sizeof(is_there) * page ? end - at : sizeof(is_there) * page;
        if (failed(call3(SYS_mincore, (long)at, (long)length, (long)is_there)))
            break;
        for (size_t i = 0; i < (length + page - 1) / page; i++)
            pages += is_there[i] & 1;
    }
    return (uint64_t)pages * page;
}

/* -- the program's calls ---------------------------------------------------------------------- */

static uintptr_t result_of(long result, int *error)
{
    *error = error_of(result);
    return *error == 0 ? (uintptr_t)result : UINTPTR_MAX;
}

bool os_request_counts(const struct os_request *request)
{
    int unpromised = MAP_NORESERVE | MAP_SHARED | MAP_HUGETLB;
    return (request->flags & MAP_ANONYMOUS) != 0 && (request->flags & unpromised) == 0 &&
           (request->protection & PROT_WRITE) != 0;
}

bool os_request_reserves(const struct os_request *request)
{
    int others = MAP_SHARED | MAP_HUGETLB;
    return (request->flags & MAP_ANONYMOUS) != 0 && (request->flags & others) == 0 &&
           (request->protection & PROT_WRITE) == 0;
}

bool os_protection_writes(int protection)
{
    return (protection & PROT_WRITE) != 0;
}

bool os_protection_hides(int protection)
{
    return (protection & (PROT_READ | PROT_WRITE | PROT_EXEC)) == 0;
}

uintptr_t os_program_map(const struct os_request *request, int *error)
{
    return result_of(call6(SYS_mmap, (long)request->start, (long)request->bytes,
                           request->protection, request->flags, request->fd, request->offset),
                     error);
}

uintptr_t os_program_remap(const struct os_request *request, int *error)
{
    return result_of(call6(SYS_mremap, (long)request->start, (long)request->bytes,
                           (long)request->new_bytes, request->flags, (long)request->new_start, 0),
                     error);
}

int os_program_unmap(uintptr_t start, size_t bytes)
{
    return error_of(call3(SYS_munmap, (long)start, (long)bytes, 0));
}

void os_hide(void *start, size_t bytes)
{
    call3(SYS_mprotect, (long)start, (long)bytes, PROT_NONE);
}

int os_program_protect(uintptr_t start, size_t bytes, int protection)
{
    return error_of(call3(SYS_mprotect, (long)start, (long)bytes, protection));
}

/* The kernel answers a break that cannot be with the one there is. */
uintptr_t os_program_break(void)
{
    return (uintptr_t)call3(SYS_brk, 0, 0, 0);
}

uintptr_t os_program_attach(int segment, uintptr_t start, int flags, int *error)
{
    return result_of(call3(SYS_shmat, segment, (long)start, flags), error);
}

int os_program_detach(uintptr_t start)
{
    return error_of(call3(SYS_shmdt, (long)start, 0, 0));
}

bool os_segment_read(int segment, int flags, struct os_request *request)
{
    struct shmid_ds facts; /* on 64-bit systems the kernel's own */
    if (failed(call3(SYS_shmctl, segment, IPC_STAT, (long)&facts)))
        return false;
    request->bytes = facts.shm_segsz;
    request->flags = MAP_SHARED;
    request->protection = PROT_READ | ((flags & SHM_RDONLY) != 0 ? 0 : PROT_WRITE) |
                          ((flags & SHM_EXEC) != 0 ? PROT_EXEC : 0);
    return true;
}

bool os_remap_may_move(int flags)
{
    return (flags & MREMAP_MAYMOVE) != 0;
}

bool os_remap_is_fixed(int flags)
{
    return (flags & MREMAP_FIXED) != 0;
}

bool os_remap_keeps_old(int flags)
{
    return (flags & MREMAP_DONTUNMAP) != 0;
}
