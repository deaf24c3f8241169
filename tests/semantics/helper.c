/* helper.c - the thread of the library's own that gives memory back: what it does for a program,
 * and that a program does not notice it. */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>

#include "preload/mpress.h"
#include "tests/semantics/check.h"

enum { PATIENCE_MS = 20000 };

/* Large enough for a helper; small calls let it come. */
static void *make_large_heap(size_t bytes)
{
    char *heap = malloc(bytes / 3);
    CHECK(heap != NULL);
    memset(heap, 1, bytes / 3);
    for (size_t i = 0; i < bytes / 3 * 2 / 1000; i++) {
        char *object = malloc(1000);
        CHECK(object != NULL);
        memset(object, 1, 1000);
        *(void **)(void *)object = heap;
        heap = object;
    }
    return heap;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* -- what it does ----------------------------------------------------------------------------- */

enum { THREADS = 8, KEPT_BYTES = 200 * 1024 };
static sem_t used, over;

/* Leaves its magazines full, those of medium blocks too. */
static void *use_and_wait(void *unused)
{
    static _Thread_local void *blocks[4000];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 4000; i++)
            blocks[i] = malloc(i % 500 == 0 ? 100000 : i % 1000 + 1);
        for (size_t i = 0; i < 4000; i++)
            free(blocks[i]);
    }
    sem_post(&used);
    sem_wait(&over);
    return unused;
}

static size_t cached_bytes(void)
{
    struct mpress_stats stats;
    mpress_stats_read(&stats);
    return stats.cached;
}

static void what_idle_threads_keep_is_taken_back(void)
{
    if (!check_is_mpress())
        SKIP("the library's promise");
    pthread_t threads[THREADS];
    sem_init(&used, 0, 0);
    sem_init(&over, 0, 0);
    make_large_heap(30 << 20);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, use_and_wait, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        sem_wait(&used);
    for (long ms = 0; cached_bytes() > KEPT_BYTES; ms += 10) {
        CHECK(ms < PATIENCE_MS);
        for (int i = 0; i < 20; i++) /* too large to be at hand */
            free(hidden_pointer(malloc(1 << 20)));
        sleep_ms(10);
    }
    for (int i = 0; i < THREADS; i++)
        sem_post(&over);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* -- that it is not noticed ------------------------------------------------------------------- */

/* Without a call of the heap, which may start a helper. */
static unsigned count_tasks(void)
{
    enum { NUM_THREADS = 20, AFTER_NAME = 2 }; /* fields of /proc/PID/stat, proc(5) */
    char line[1024] = "";
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0 && close(fd) == 0);
    const char *field = strrchr(line, ')');
    for (int i = AFTER_NAME; field != NULL && i < NUM_THREADS; i++)
        field = strchr(field + 1, ' ');
    CHECK(field != NULL);
    return (unsigned)strtoul(field, NULL, 10);
}

static void await_helper(void)
{
    for (long ms = 0; check_is_mpress() && count_tasks() < 2; ms += 10) {
        CHECK(ms < PATIENCE_MS);
        for (int i = 0; i < 20; i++)
            free(hidden_pointer(malloc(1 << 20)));
        sleep_ms(10);
    }
}

static void unshare_user(void)
{
    CHECK(unshare(CLONE_NEWUSER) == 0);
}

static void a_process_with_one_thread_may_leave_its_user_namespace(void)
{
    if (!helper_succeeds(".unshare_user"))
        SKIP("the system allows no user namespaces");
    make_large_heap(100 << 20);
    for (int i = 0; i < 5; i++) {
        await_helper();
        pid_t child = fork(); /* has no helper: must not wait for one */
        if (child == 0)
            _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
        CHECK(child_succeeded(child));
        CHECK(unshare(CLONE_FS) == 0);
        CHECK(count_tasks() == 1);
    }
    await_helper();
    unshare_user();
    await_helper();
}

/* Every task of the process has only this id, as user or as group. */
static void check_all_tasks(const char *field, unsigned id)
{
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], line[200];
        unsigned ids[4];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        FILE *status = fopen(path, "r");
        CHECK(status != NULL);
        while (fgets(line, sizeof(line), status) != NULL) {
            if (strncmp(line, field, strlen(field)) != 0)
                continue;
            CHECK(sscanf(line + strlen(field), "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) ==
                  4);
            CHECK(ids[0] == id && ids[1] == id && ids[2] == id && ids[3] == id);
        }
        fclose(status);
    }
    closedir(tasks);
}

/* With one task at each call, none keeps the old rights; the next helper has the new ones. */
static void no_thread_keeps_rights_that_the_program_dropped(void)
{
    enum { ID = 65534 };
    gid_t groups[] = {ID};
    if (geteuid() != 0)
        SKIP("has no rights to drop");
    make_large_heap(100 << 20);
    await_helper();
    CHECK(setgroups(1, groups) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(initgroups("nobody", ID) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setegid(ID) == 0 && setegid(0) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setregid(ID, 0) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setgid(ID) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setresgid(ID, ID, ID) == 0 && count_tasks() == 1);
    check_all_tasks("Gid:", ID);
    await_helper();
    check_all_tasks("Gid:", ID);
    CHECK(seteuid(ID) == 0 && seteuid(0) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setreuid(ID, 0) == 0 && count_tasks() == 1);
    await_helper();
    CHECK(setresuid(ID, ID, ID) == 0 && count_tasks() == 1);
    check_all_tasks("Uid:", ID);
    await_helper();
    check_all_tasks("Uid:", ID);
    CHECK(setuid(ID) == 0 && count_tasks() == 1);
    CHECK(setuid(0) == -1 && errno == EPERM);
}

CHECK_MAIN(CASE(what_idle_threads_keep_is_taken_back), HELPER(unshare_user),
           CASE(a_process_with_one_thread_may_leave_its_user_namespace),
           CASE(no_thread_keeps_rights_that_the_program_dropped))
