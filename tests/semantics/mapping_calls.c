/* mapping_calls.c - mmap, munmap, mremap, brk and sbrk behave as the kernel's and libc's own,
 * whoever looks on. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "tests/semantics/check.h"

enum { PAGE = 4096, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS, USABLE = PROT_READ | PROT_WRITE };

static char *map(size_t pages)
{
    char *start = mmap(NULL, pages * PAGE, USABLE, ANONYMOUS, -1, 0);
    CHECK(start != MAP_FAILED);
    return start;
}

static bool is_mapped(const void *page)
{
    unsigned char resident;
    return syscall(SYS_mincore, page, PAGE, &resident) == 0;
}

static char *early;

/* Before main, and before other libraries' constructors have run. */
__attribute__((constructor)) static void map_early(void)
{
    early = mmap(NULL, 4 * PAGE, USABLE, ANONYMOUS, -1, 0);
    if (early != MAP_FAILED)
        memset(early, 0x5a, 4 * PAGE);
}

static void a_constructor_may_map(void)
{
    CHECK(early != MAP_FAILED && is_filled(early, 0x5a, 4 * PAGE));
    CHECK(munmap(early, 4 * PAGE) == 0 && !is_mapped(early));
}

static void a_success_leaves_errno_alone(void)
{
    errno = 4711;
    char *start = map(2);
    CHECK(errno == 4711);
    start = mremap(start, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    CHECK(start != MAP_FAILED && errno == 4711);
    CHECK(munmap(start, 8 * PAGE) == 0 && errno == 4711);
    CHECK(sbrk(0) != (void *)-1 && errno == 4711);
}

static void failures_tell_why(void)
{
    errno = 0;
    CHECK(mmap(NULL, 0, USABLE, ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, PAGE, USABLE, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    CHECK(mmap(NULL, PAGE, USABLE, ANONYMOUS, -1, 1) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, hidden_size((size_t)1 << 62), USABLE, ANONYMOUS, -1, 0) == MAP_FAILED &&
          errno == ENOMEM);
    CHECK(munmap((void *)1, PAGE) == -1 && errno == EINVAL);
    CHECK(munmap(map(1), 0) == -1 && errno == EINVAL);
    errno = 0;
    CHECK(mremap((void *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
    CHECK(brk((void *)UINTPTR_MAX) == -1 && errno == ENOMEM);
    CHECK(sbrk(INTPTR_MAX) == (void *)-1 && errno == ENOMEM);
}

static void a_failed_remapping_leaves_all_as_it_was(void)
{
    char *start = map(4);
    memset(start, 7, 4 * PAGE);
    CHECK(mremap(start, 4 * PAGE, hidden_size((size_t)1 << 62), MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK((errno == ENOMEM || errno == EINVAL) && is_filled(start, 7, 4 * PAGE));
    CHECK(munmap(start, 4 * PAGE) == 0);
}

static void fixed_mappings_replace_what_is_there(void)
{
    char *start = map(8);
    memset(start, 1, 8 * PAGE);
    CHECK(mmap(start + 2 * PAGE, 2 * PAGE, USABLE, ANONYMOUS | MAP_FIXED, -1, 0) ==
          start + 2 * PAGE);
    CHECK(is_filled(start, 1, 2 * PAGE) && is_filled(start + 2 * PAGE, 0, 2 * PAGE) &&
          is_filled(start + 4 * PAGE, 1, 4 * PAGE));
    CHECK(mmap(start, PAGE, USABLE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
          errno == EEXIST);
    CHECK(mmap64(start, PAGE, USABLE, ANONYMOUS | MAP_FIXED, -1, 0) == start);
    CHECK(munmap(start, 8 * PAGE) == 0);
}

static void files_are_mapped_from_their_offset(void)
{
    FILE *file = tmpfile();
    for (int page = 0; page < 3; page++)
        for (int i = 0; i < PAGE; i++)
            fputc('a' + page, file);
    CHECK(fflush(file) == 0);
    char *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fileno(file), PAGE);
    CHECK(second != MAP_FAILED && is_filled(second, 'b', PAGE));
    char *third = mmap64(NULL, PAGE, PROT_READ, MAP_PRIVATE, fileno(file), 2 * PAGE);
    CHECK(third != MAP_FAILED && is_filled(third, 'c', PAGE));
    CHECK(munmap(second, PAGE) == 0 && munmap(third, PAGE) == 0);
}

static void remapping_moves_in_place_and_to_where_it_is_told(void)
{
    char *start = map(8);
    memset(start, 3, 8 * PAGE);
    CHECK(mremap(start, 8 * PAGE, 4 * PAGE, 0) == start); /* shrinks */
    CHECK(!is_mapped(start + 4 * PAGE) && is_filled(start, 3, 4 * PAGE));
    char *wall = mmap(start + 4 * PAGE, PAGE, USABLE, ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(wall == start + 4 * PAGE);
    errno = 0;
    CHECK(mremap(start, 4 * PAGE, 8 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(is_filled(start, 3, 4 * PAGE));
    char *moved = mremap(start, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved != start && !is_mapped(start));
    CHECK(is_filled(moved, 3, 4 * PAGE) && is_filled(moved + 4 * PAGE, 0, 4 * PAGE));
    char *place = map(8);
    CHECK(mremap(moved, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    CHECK(is_filled(place, 3, 4 * PAGE) && !is_mapped(moved));
    CHECK(munmap(place, 8 * PAGE) == 0 && munmap(wall, PAGE) == 0);
}

static void the_break_moves_as_it_is_told(void)
{
    char *start = sbrk(0);
    CHECK(sbrk(3 * PAGE) == start && sbrk(0) == start + 3 * PAGE);
    memset(start, 9, 3 * PAGE);
    CHECK(sbrk(-PAGE) == start + 3 * PAGE && sbrk(0) == start + 2 * PAGE);
    CHECK(brk(start + 5 * PAGE) == 0 && sbrk(0) == start + 5 * PAGE);
    CHECK(is_filled(start, 9, 2 * PAGE));
    CHECK(brk(start) == 0 && sbrk(0) == start);
}

static void *map_again_and_again(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2000; i++) {
        char *start = map(4);
        memset(start, i, PAGE);
        start = mremap(start, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
        CHECK(start != MAP_FAILED && is_filled(start, i & 255, PAGE));
        CHECK(is_filled(start + PAGE, 0, 5 * PAGE) && munmap(start, 6 * PAGE) == 0);
    }
    return NULL;
}

static void threads_map_at_the_same_time(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, map_again_and_again, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static volatile sig_atomic_t handled;

static void map_in_handler(int unused)
{
    (void)unused;
    int kept = errno;
    char *start = mmap(NULL, PAGE, USABLE, ANONYMOUS, -1, 0);
    if (start != MAP_FAILED && munmap(start, PAGE) == 0)
        handled++;
    errno = kept;
}

static void a_signal_handler_may_map(void)
{
    signal(SIGALRM, map_in_handler);
    for (int i = 0; i < 3000; i++) {
        if (i % 10 == 0)
            ualarm(50, 0);
        char *start = map(2);
        free(malloc(100));
        CHECK(munmap(start, 2 * PAGE) == 0);
    }
    for (int i = 0; i < 100 && handled == 0; i++)
        usleep(1000);
    CHECK(handled > 0);
}

static void a_forked_child_may_map(void)
{
    char *start = map(2);
    pid_t child = fork();
    if (child == 0) {
        char *own = map(2);
        memset(own, 1, 2 * PAGE);
        _exit(munmap(start, 2 * PAGE) == 0 && munmap(own, 2 * PAGE) == 0 ? 0 : 1);
    }
    CHECK(child > 0 && child_succeeded(child));
    CHECK(munmap(start, 2 * PAGE) == 0);
}

static void shared_memory_of_system_v_comes_and_goes(void)
{
    int segment = shmget(IPC_PRIVATE, 3 * PAGE + 1, 0600);
    if (segment == -1)
        SKIP("there is no shared memory of System V");
    errno = 4711;
    char *start = shmat(segment, NULL, 0), *again = shmat(segment, NULL, SHM_RDONLY);
    CHECK(start != (void *)-1 && again != (void *)-1 && errno == 4711);
    CHECK(shmctl(segment, IPC_RMID, NULL) == 0); /* at the end of the last attachment */
    memset(start, 5, 4 * PAGE);
    CHECK(is_filled(again, 5, 4 * PAGE));
    char *place = map(4);
    CHECK(shmat(segment, place, SHM_REMAP) == place && is_filled(place, 5, 4 * PAGE));
    CHECK(shmdt(start) == 0 && errno == 4711 && !is_mapped(start));
    CHECK(shmdt(start) == -1 && errno == EINVAL);
    char *other = map(1);
    CHECK(shmdt(other) == -1 && errno == EINVAL && is_mapped(other));
    CHECK(shmdt(place) == 0 && shmdt(again) == 0 && munmap(other, PAGE) == 0);
    CHECK(shmat(segment, NULL, 0) == (void *)-1 && (errno == EINVAL || errno == EIDRM));
}

/* redis tests all memory it can write to when it crashes. */
static void nobody_who_goes_through_all_memory_meets_the_reservation(void)
{
    size_t sum = 0;
    char line[4352], access[5];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        CHECK(sscanf(line, "%lx-%lx %4s", &start, &end, access) == 3);
        sum += access[1] == 'w' ? end - start : 0;
    }
    fclose(maps);
    CHECK(sum < (size_t)4 << 30);
}

CHECK_MAIN(CASE(a_constructor_may_map), CASE(a_success_leaves_errno_alone), CASE(failures_tell_why),
           CASE(a_failed_remapping_leaves_all_as_it_was),
           CASE(fixed_mappings_replace_what_is_there), CASE(files_are_mapped_from_their_offset),
           CASE(remapping_moves_in_place_and_to_where_it_is_told),
           CASE(the_break_moves_as_it_is_told), CASE(threads_map_at_the_same_time),
           CASE(a_signal_handler_may_map), CASE(a_forked_child_may_map),
           CASE(shared_memory_of_system_v_comes_and_goes),
           CASE(nobody_who_goes_through_all_memory_meets_the_reservation))
