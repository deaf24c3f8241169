/* os.h - everything the library asks of the operating system, in one seam.
 *
 * The calls go straight to the kernel: they allocate nothing, are no cancellation points, cannot be
 * interposed, and leave errno alone. Results are 0 or a positive errno value unless said otherwise.
 * Any thread, any time, signal handlers included. Addresses and lengths are multiples of the page.
 */
#ifndef MPRESS_BASE_OS_H
#define MPRESS_BASE_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_STDERR = 2 };

/* -- the process ------------------------------------------------------------------------------ */

/* Bytes of a page; a power of two. */
size_t os_page_bytes(void);

int os_process_id(void);

/* The CPU this thread runs on just now, as a hint; and how many the process may use. */
unsigned os_cpu(void);
unsigned os_cpus(void);

/* The node of that CPU (memory near it is faster), as a hint; and one more than the highest. */
unsigned os_node(void);
unsigned os_nodes(void);
int os_parent_id(void);

/* False: no process has that number any more. */
bool os_process_is_there(int process);

/* When this process began, in ticks of the kernel since the system's start: with the number of the
 * process that tells it from all others, also after it became another program. 0: not known. */
uint64_t os_process_start(void);
int os_thread_id(void);

/* The same without a system call, which a sandbox may forbid: what libc knows; 0 in a thread that
 * it does not know, another thread's after a fork behind libc's back. */
int os_thread_id_quiet(void);

/* The environment as the kernel handed it over or as libc keeps it; NULL when there is none. */
char **os_environ(void);

/* True when the program runs with more rights than its caller: no option may be obeyed then. */
bool os_is_secure(void);

/* The name of the calling thread as the kernel knows it, NUL added. */
enum { OS_THREAD_NAME_BYTES = 16 };
void os_thread_name(char name[OS_THREAD_NAME_BYTES]);

/* A byte that is not 0 while the process has never had a second thread. libc clears it before the
 * first one is created. */
const volatile char *os_single_thread_mark(void);

/* Nanoseconds of CLOCK_MONOTONIC; the same at a tick's resolution (4 ms) but 4 times cheaper; and
 * of CLOCK_REALTIME. */
uint64_t os_time_ns(void);

/* Processor time that the calling thread took so far. */
uint64_t os_thread_time_ns(void);
uint64_t os_time_coarse_ns(void);
uint64_t os_wall_ns(void);

void os_yield(void);

/* -- memory ----------------------------------------------------------------------------------- */

/* Zeroed private memory, readable and writable. NULL: there is none, or the system would not have
 * it when it was touched (vm.overcommit_memory). */
void *os_map(size_t bytes);

/* The same without that promise: for a reservation of which little will be touched. */
void *os_map_unpromised(size_t bytes);

/* Memory in huge pages of the system's pool for that size; bytes are a multiple of it. The pages
 * are set aside now. NULL: the pool has not so many. */
void *os_map_pool(size_t bytes, size_t page_bytes);

/* Whether transparent huge pages are welcome there; a failure is not worth a word. */
void os_set_huge(void *start, size_t bytes, bool huge);

/* Address space only: no access, charged to no limit but RLIMIT_AS. NULL: there is none. */
void *os_reserve(size_t bytes);

/* Maps a stretch of such a mapping, or of a reservation, again that was unmapped, where nobody else
 * has taken a part of it. False: it stays as it is. */
bool os_map_again(void *start, size_t bytes, bool usable);

/* Bytes of address space that the process may have now (RLIMIT_AS); UINT64_MAX: any. */
uint64_t os_address_limit(void);

/* Makes reserved memory usable; and memory that was not touched reserved. */
int os_commit(void *start, size_t bytes);
void os_hide(void *start, size_t bytes);

/* Touches the pages, as far as there is memory. */
void os_populate(void *start, size_t bytes);

/* Gives the pages back now; they read as zero afterwards. */
int os_purge(void *start, size_t bytes);
int os_unmap(void *start, size_t bytes);

/* Resizes a mapping of os_map, moving it when it must. NULL: there is no room; nothing changed. */
void *os_remap(void *start, size_t old_bytes, size_t new_bytes);

/* A page that reads as zero in the child of every fork, whatever it held. NULL: there is none. */
void *os_map_wiped_on_fork(void);

/* Whether core dumps hold these pages; a failure is not worth a word. */
void os_set_dumped(void *start, size_t bytes, bool dumped);

/* True when every page of the range is mapped, or the kernel may not be asked; touches nothing. */
bool os_is_mapped(const void *start, size_t bytes);

/* True when the aligned word can be read; touches it only through the kernel. */
bool os_is_readable(const void *word);

/* Lets a mapping of os_map read as zeros in the child of a fork (not of a vfork). */
void os_set_wiped_on_fork(void *start, size_t bytes);

/* Shows the stretches of [from, to) that hold something and are there to be read, in order: pages
 * that were never touched are left out. Where the system does not tell, all of it. */
void os_visit_present(uintptr_t from, uintptr_t to, void (*visit)(uintptr_t from, uintptr_t to));

/* Bytes of a range in pages that were never touched, and in other pages that hold nothing but zeros
 * (as far as they can be read, and are not swapped out; only so many are read). Touches no page
 * that is not there; whole words. False: the system does not tell. */
enum { OS_ZEROS_PAGES_MOST = 16384 };
struct os_zeros {
    uint64_t absent_bytes;
    uint64_t zero_bytes;
    uint32_t read_pages;
};
bool os_count_zeros(const void *start, size_t bytes, struct os_zeros *zeros);

/* -- whose mappings they are ------------------------------------------------------------------ */

/* The functions above tell these which ranges are the library's own; NULL is passed over. */
void os_own_add(const void *start, size_t bytes);
void os_own_remove(const void *start, size_t bytes);

/* Shows the ranges that are the library's own: all but those too many to be known. */
void os_own_visit(void (*visit)(uintptr_t start, size_t bytes, void *context), void *context);

/* Resident bytes of a range of private memory. */
uint64_t os_count_resident(uintptr_t start, size_t bytes);

/* What the program asks the kernel for itself, passed on as it is: mmap, munmap, mremap. -1 and
 * *error: refused. */
struct os_request {
    uintptr_t start;
    size_t bytes;
    int protection; /* mmap */
    int flags;
    int fd;              /* mmap */
    long offset;         /* mmap */
    size_t new_bytes;    /* mremap */
    uintptr_t new_start; /* mremap, when the flags say so */
};
/* mmap: private memory to write to, of no file, that the system promises. */
bool os_request_counts(const struct os_request *request);
/* mmap: such memory that cannot be written to so far; and what mprotect's argument says. */
bool os_request_reserves(const struct os_request *request);
bool os_protection_writes(int protection);
bool os_protection_hides(int protection);
uintptr_t os_program_map(const struct os_request *request, int *error);
uintptr_t os_program_remap(const struct os_request *request, int *error);
int os_program_unmap(uintptr_t start, size_t bytes);
int os_program_protect(uintptr_t start, size_t bytes, int protection);
uintptr_t os_program_break(void);

/* shmat and shmdt: shared memory of System V. What an attached segment is like, as mmap's arguments
 * would say it, but for its place; false: it is not known. */
uintptr_t os_program_attach(int segment, uintptr_t start, int flags, int *error);
int os_program_detach(uintptr_t start);
bool os_segment_read(int segment, int flags, struct os_request *request);

/* What mremap's flags say. */
bool os_remap_may_move(int flags);
bool os_remap_is_fixed(int flags);
bool os_remap_keeps_old(int flags);

/* -- waiting ---------------------------------------------------------------------------------- */

/* Sleeps while *word == value, until woken (or spuriously). */
void os_wait(_Atomic uint32_t *word, uint32_t value);
void os_wake(_Atomic uint32_t *word, unsigned waiters);

/* The same for some time at most. */
void os_wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t ns);

/* Sleeps for some time; signals end it early. */
void os_sleep(uint64_t ns);

/* Makes every running thread of the process pass a full memory barrier: what they stored before is
 * seen by the caller, what the caller stored before is seen by them. Slow. False: the system
 * cannot.
 */
bool os_barrier(void);

/* -- threads ---------------------------------------------------------------------------------- */

/* Runs `run` in a thread of our own, with all signals blocked: libc does not know it, so it may
 * call nothing but this library, and ends by returning. *alive is 1 until the thread is gone for
 * good (then the kernel clears it); *memory (NULL at first) is its stack and stays for the next
 * one. */
int os_thread_start(void (*run)(void), _Atomic uint32_t *alive, void **memory);

/* Waits until such a thread, which is about to end, counts for nothing in the kernel any more. *id:
 * its os_thread_id, written by itself. */
void os_thread_join(_Atomic uint32_t *alive, const _Atomic uint32_t *id);

/* A thread that stands still. */
struct os_stopped {
    uintptr_t sp;             /* of the interrupted code */
    uintptr_t from, to;       /* where its registers lie */
    int id;                   /* of some thread that was told to stop, not of this one */
    _Atomic uint32_t is_here; /* the fields above are filled in */
};

/* Stops all other threads where they are, by a signal; locks that they hold stay held, so between
 * this and os_resume_others the caller takes none. One caller at a time. *count: how many stand
 * still, described in `stopped`, which must stay until they have gone on; *missed: how many do not
 * (they have the signal blocked, or there are more than `most`). False: none was stopped, as the
 * system does not tell of threads or all signals are taken. */
bool os_stop_others(struct os_stopped *stopped, uint32_t most, uint32_t *count, uint32_t *missed);
void os_resume_others(void);

/* Runs `run` in a thread that libc knows, detached, with all signals blocked: it may do what any
 * thread of the program may. Where malloc was called by libc itself this cannot be called. */
int os_thread_start_known(void (*run)(void));

/* -- signals ---------------------------------------------------------------------------------- */

/* Blocks all signals of the calling thread, or has those blocked that were before. */
uint64_t os_signals_block(void);
void os_signals_restore(uint64_t before);

/* Blocks those that can come later: not what an instruction of the thread itself raises, which
 * ends the process where it is blocked. Undone by os_signals_restore. */
uint64_t os_signals_put_off(void);

/* The signal of that name ("SIGUSR2", "USR2", "RTMIN+1") or number; 0: there is none. */
int os_signal_of(const char *text);

/* Has `handler` called at each delivery from now on, on the thread's signal stack where it has one;
 * system calls go on. EINVAL: it cannot be caught, tells of a fault, or is libc's; EBUSY: it is not
 * at its default. */
int os_signal_catch(int number, void (*handler)(int));

/* Has `last` called before a signal of a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL) or SIGABRT ends
 * the process as it would have without, core dump included. Signals that have a handler or are
 * ignored are left alone. `frame`: return address, stack and frame pointer of the handler around
 * `last`. */
typedef void os_signal_last(int number, int code, const void *address, const uintptr_t frame[3]);
void os_signal_catch_last(os_signal_last *last);

/* Once that is so: a stack for the calling thread's handlers, if it has none: else an overflow of
 * its own could not be told of. One that the program sets instead is left alone. */
void os_signal_give_stack(void);

/* The thread ends. */
void os_signal_take_stack(void);

/* -- files ------------------------------------------------------------------------------------ */

/* Writes all of it; EINTR and short writes are handled. */
int os_write(int fd, const void *bytes, size_t count);

/* Creates a file that must not exist yet, close-on-exec, under a descriptor of at least 256 where
 * the limits allow, so that programs which close or count theirs do not meet it. */
int os_file_create(const char *path, int *fd);

/* Opens an existing file for writing, without following a link, at a descriptor as above. */
int os_file_open(const char *path, int *fd);

/* Opens what a process holds open, by "/proc/PID/fd/N" (no other link is followed): a file that has
 * no name. Of the same user's processes only. */
int os_process_file_open(const char *path, int *fd);

/* What tells a file from every other, whatever its name or descriptor. */
struct os_identity {
    uint64_t device;
    uint64_t inode;
};
int os_file_identity(int fd, struct os_identity *identity);

/* Is that file open there still? (The program may have closed it, and been given its number.) */
bool os_file_is(int fd, const struct os_identity *identity);
bool os_file_bytes(int fd, uint64_t *bytes);

/* Guarantees disk space for the range [from, from + bytes) and extends the file. No SIGXFSZ. */
int os_file_extend(int fd, uint64_t from, uint64_t bytes);
int os_file_truncate(int fd, uint64_t bytes);

/* A shared, writable, populated mapping of the file's range; survives the descriptor. NULL: none.
 */
void *os_file_map(int fd, uint64_t from, size_t bytes);

/* The same with the pages that are touched later, and no others. */
void *os_file_map_sparse(int fd, uint64_t from, size_t bytes);
void os_file_close(int fd);

/* Gives the disk space of a range back; it reads as zeros then. A failure is not worth a word. */
void os_file_punch(int fd, uint64_t from, uint64_t bytes);
void os_file_remove(const char *path);

/* A second descriptor for an open file, out of the way as above; -1: it is not open. */
int os_file_duplicate(int fd);

/* Occupies those of descriptors 0-2 that are closed, while a library is at work that opens some and
 * keeps them; returns what os_release_standard takes. */
unsigned os_hold_standard(void);
void os_release_standard(unsigned held);

/* The two descriptors that would be opened next; -1: none. */
void os_next_descriptors(int fds[2]);

/* Reads a regular file, up to capacity - 1 bytes, NUL added; *bytes: how many. Never waits: no pipe
 * and no terminal is opened for it. */
enum os_file { OS_FILE_WHOLE, OS_FILE_CUT, OS_FILE_UNREADABLE, OS_FILE_NOT_REGULAR };
enum os_file os_file_read(const char *path, char *buffer, size_t capacity, size_t *bytes);

/* What an errno value means, in English. */
const char *os_error_text(int error);

/* The target of a symbolic link, NUL added; 0 on any failure. */
size_t os_link_read(const char *path, char *buffer, size_t capacity);
size_t os_working_directory(char *buffer, size_t capacity);

/* Resident bytes of this process and their anonymous part; false where /proc is not there. */
bool os_resident(uint64_t *rss, uint64_t *rss_anon);

/* The same by kinds of pages, and what was swapped out; slower. False: not known. */
struct os_memory {
    uint64_t rss; /* the sum of the next three */
    uint64_t rss_anon;
    uint64_t rss_file;
    uint64_t rss_shmem;
    uint64_t swap;
};
bool os_memory_read(struct os_memory *memory);

/* Address space of this process, and the part of it that RLIMIT_DATA counts. */
bool os_space_read(uint64_t *space, uint64_t *data);
uint64_t os_data_limit(void); /* UINT64_MAX: any */

/* Memory of the machine. */
bool os_total_read(uint64_t *bytes);

/* Bytes that the system could give to new programs without swapping. False: not known. */
bool os_available_read(uint64_t *bytes);

/* For how long some or all tasks had to wait for memory. False: not known. */
struct os_pressure {
    uint64_t some_ns; /* since the system's start */
    uint64_t full_ns;
    uint32_t some_percent_100; /* of the last ten seconds, in hundredths of a percent */
    uint32_t full_percent_100;
};
bool os_pressure_read(struct os_pressure *pressure);

/* -- the same, read again and again ------------------------------------------------------------ */

/* A file of the system that stays open between two readings. One thread at a time. */
enum { OS_KEPT_BYTES = 320 };
struct os_kept {
    int fd;
    bool is_open;    /* as far as we know: the program may have closed it */
    bool is_passing; /* until the end of this reading only */
    struct os_identity identity;
    char path[OS_KEPT_BYTES]; /* "": none */
};
void os_kept_init(struct os_kept *kept, const char *path);

/* The child of a fork has its parent's, and those in /proc/self are its parent's too: it closes
 * all. */
void os_kept_close(struct os_kept *kept);

/* False: it cannot be read (then it is opened anew the next time). */
bool os_kept_number(struct os_kept *kept, uint64_t *number); /* "max": UINT64_MAX */

struct os_sizes { /* /proc/self/statm; bytes */
    uint64_t space, data, rss, rss_anon;
};
bool os_kept_sizes(struct os_kept *kept, struct os_sizes *sizes);

struct os_machine { /* /proc/meminfo; bytes */
    uint64_t total, available, swap /* free */;
};
bool os_kept_machine(struct os_kept *kept, struct os_machine *machine);
bool os_kept_swapped(struct os_kept *kept, uint64_t *bytes); /* /proc/self/status */
bool os_kept_stalls(struct os_kept *kept, struct os_pressure *pressure);
bool os_kept_files(struct os_kept *kept, bool is_unified, uint64_t *bytes);

/* The control group that counts this process's memory. */
enum { OS_GROUP_BYTES = 256 };
struct os_group {
    char folder[OS_GROUP_BYTES]; /* "": there is none */
    bool is_unified;
};
/* Where it is looked for; a test has files of its own. */
struct os_group_places {
    const char *membership; /* number:controllers:path, a line each */
    const char *split;      /* the folder of version 1's groups for memory, */
    const char *unified;    /* and of version 2's */
};
extern struct os_group_places os_group_places;
void os_group_find(struct os_group *group);
bool os_group_read(const struct os_group *group, uint64_t *used, uint64_t *max); /* 0: no limit */

/* Above it the kernel slows the group down and takes memory back; 0: no such limit. */
uint64_t os_group_high(const struct os_group *group);

/* Its pages may go to swap space, where there is some. */
bool os_group_swaps(const struct os_group *group);

/* The part of what a group uses that are pages of files: they go when memory is short. */
bool os_group_files_read(const struct os_group *group, uint64_t *bytes);

/* A file of the group, to keep. */
enum os_group_file {
    OS_GROUP_USED,
    OS_GROUP_MAX,
    OS_GROUP_HIGH, /* of version 1 there is none */
    OS_GROUP_PRESSURE,
    OS_GROUP_STAT,
    OS_GROUP_SWAP,
    OS_GROUP_FILES
};
void os_group_keep(const struct os_group *group, enum os_group_file file, struct os_kept *kept);

/* The group around it; false: there is none. */
bool os_group_climb(struct os_group *group);
bool os_group_pressure_read(const struct os_group *group, struct os_pressure *pressure);

/* A mapping of this process, as the system counts its pages. */
struct os_mapping {
    uintptr_t start, end;
    bool is_readable, is_writable;
    bool is_device; /* of a file in /dev, but for shared memory */
    uint64_t resident_bytes;
    uint64_t anonymous_bytes; /* the part that is in no file */
    uint64_t swapped_bytes;
    uint64_t huge_bytes; /* the part in huge pages, transparent ones and those of the pools */
    bool is_accessible;  /* to read, write or execute */
    bool is_shared;
    const char *name; /* of a file, "[stack]" and the like, or ""; valid in the visit */
};

/* Shows every mapping to `visit`. Slow: the system looks at every page. False: there is no /proc.
 */
bool os_visit_mappings(void (*visit)(const struct os_mapping *mapping, void *context),
                       void *context);

/* The same without the counts, and so fast. */
bool os_visit_areas(void (*visit)(const struct os_mapping *mapping, void *context), void *context);

/* -- loaded code ------------------------------------------------------------------------------ */

/* One loaded object, as the loader describes it; pointers are valid while it stays loaded. */
struct os_module {
    const char *path; /* "" for the executable itself */
    uintptr_t bias;   /* load address - link address */
    uintptr_t start;  /* mapped range */
    uintptr_t end;
    const unsigned char *index; /* its .eh_frame_hdr, or NULL */
    size_t index_bytes;
    uintptr_t constant; /* the segment around it */
    uintptr_t constant_end;
    const unsigned char *build_id; /* or NULL */
    size_t build_id_bytes;
};

/* Shows every loaded object to `visit` until that returns false. `changes` counts loads and unloads
 * so far. Takes the loader's lock: this one function may wait for it, and not in signal handlers.
 */
void os_visit_modules(bool (*visit)(const struct os_module *module, uint64_t changes,
                                    void *context),
                      void *context);

/* False: a thread that stands at this address may load code now. True: it is in the loader or in
 * libc, whose locks it may hold, or some thread is between two states of the list of objects. Takes
 * no lock. */
bool os_is_in_loader(uintptr_t address);

#endif
