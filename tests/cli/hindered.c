/* hindered.c - four threads work, something is taken away from the process, four threads work on;
 * what their blocks held is printed. Each run allocates the same.
 *
 *     hindered nothing
 *     hindered descriptors     3 to 1023 are closed, and opened for a file of its own
 *     hindered proc            /proc is gone
 *     hindered root FOLDER     FOLDER is the root
 *     hindered root+descriptors FOLDER    both: nothing leads back to a file any more
 *     hindered size            no file may grow beyond 1 MiB (RLIMIT_FSIZE; SIGXFSZ as it comes)
 *     hindered room FILE       nothing, but FILE is removed: it may have kept a disk full */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 3, SLOTS = 500, ROUNDS = 80000, LARGEST = 3000, ALL_DESCRIPTORS = 1024 };

struct worker {
    uint64_t random;
    uint64_t sum;
};

static uint64_t draw(uint64_t *random)
{
    *random = *random * 6364136223846793005 + 1442695040888963407;
    return *random >> 33;
}

static __attribute__((noinline)) unsigned char *make(uint64_t number)
{
    size_t bytes = 2 + number % LARGEST;
    unsigned char *block = malloc(bytes);
    if (block == NULL)
        abort();
    block[bytes - 1] = 1;
    block[0] = (unsigned char)number;
    block[1] = (unsigned char)(number >> 8);
    return block;
}

static void *work(void *worker_)
{
    struct worker *worker = worker_;
    unsigned char *slot[SLOTS] = {NULL};
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t at = draw(&worker->random) % SLOTS;
        worker->sum = worker->sum * 31 + (slot[at] != NULL ? slot[at][0] + slot[at][1] : 7);
        free(slot[at]);
        slot[at] = make(draw(&worker->random));
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(slot[i]);
    return NULL;
}

static uint64_t work_in_threads(uint64_t random)
{
    struct worker workers[THREADS + 1];
    pthread_t threads[THREADS];
    for (size_t i = 0; i <= THREADS; i++)
        workers[i] = (struct worker){random + i, 0};
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            abort();
    work(&workers[THREADS]);
    uint64_t sum = workers[THREADS].sum;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum = sum * 31 + workers[i].sum;
    }
    return sum;
}

static void must(int result, const char *what)
{
    if (result == 0)
        return;
    perror(what);
    exit(77);
}

/* As daemons do; then the numbers belong to files of the program, which must stay empty. */
static void take_descriptors(void)
{
    for (int number = 3; number < ALL_DESCRIPTORS; number++)
        close(number);
    int own = open("own", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int number = 3; number < ALL_DESCRIPTORS / 2; number++)
        if (number != own)
            dup2(own, number);
}

static void check_own_file(void)
{
    struct rlimit limit = {0, 0};
    off_t end = lseek(3, 0, SEEK_END);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (end != 0 || fcntl(ALL_DESCRIPTORS / 2 - 1, F_GETFD) < 0)
        printf("%ld bytes that are not its own\n", (long)end);
}

static void take_proc(void)
{
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
    must(umount2("/proc", MNT_DETACH), "umount");
}

static void take_root(const char *folder)
{
    must(chroot(folder), "chroot");
    must(chdir("/"), "chdir");
}

static void take_away(const char *thing, const char *path)
{
    if (strcmp(thing, "proc") == 0)
        take_proc();
    if (strncmp(thing, "root", 4) == 0)
        take_root(path);
    if (strstr(thing, "descriptors") != NULL)
        take_descriptors();
    if (strcmp(thing, "size") == 0)
        must(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, 1 << 20}), "setrlimit");
    if (strcmp(thing, "room") == 0) {
        must(unlink(path), path);
        usleep(40000); /* longer than the recorder waits before it asks again */
    }
}

int main(int argc, char **argv)
{
    const char *thing = argc > 1 ? argv[1] : "nothing";
    printf("before %llu\n", (unsigned long long)work_in_threads(1));
    fflush(stdout);
    take_away(thing, argc > 2 ? argv[2] : "/");
    printf("behind %llu\n", (unsigned long long)work_in_threads(1000));
    if (strstr(thing, "descriptors") != NULL)
        check_own_file();
    return 0;
}
