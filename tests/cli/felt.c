/* felt.c - allocations beside all that a fork would share with its parent, and one whose failure is
 * felt outside. Where one fails it gives up with status 9, all but the first and the last ones. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART __attribute__((noinline, noipa))

enum { INHERITED = 40 }; /* the test has a descriptor there */

static volatile sig_atomic_t children; /* that ended */

static void on_child(int number)
{
    (void)number;
    children++;
}

/* Never sees children that are not its own. */
static void check_children(int expected)
{
    if (waitpid(-1, NULL, WNOHANG) != -1 || children != expected)
        exit(20);
}

static void copy_input(size_t most)
{
    char c;
    while (most-- > 0 && read(STDIN_FILENO, &c, 1) == 1)
        write(STDOUT_FILENO, &c, 1);
}

static APART void need(size_t bytes)
{
    char *p = malloc(bytes);
    if (p == NULL)
        exit(9);
    free(p);
}

static APART void like(size_t bytes)
{
    char *volatile p = malloc(bytes);
    free(p);
}

static APART void need_calmly(void)
{
    like(10);
    copy_input(2);
    check_children(0);
}

static APART void need_beside_pipe(void)
{
    int ends[2];
    pipe(ends);
    need(20);
    close(ends[0]);
    close(ends[1]);
}

static APART void need_or_change(size_t bytes, int fd)
{
    char *p = malloc(bytes);
    if (p == NULL)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    if (p == NULL)
        exit(9);
    free(p);
}

/* Somebody else reads from it. */
static APART void need_beside_fifo(void)
{
    int fd = open("fifo", O_WRONLY | O_NONBLOCK);
    fcntl(fd, F_SETFL, 0);
    need_or_change(22, fd);
    if (fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
        exit(21);
    close(fd);
}

/* All of them have one inode, as has one that is inherited. */
static APART void need_beside_counter(void)
{
    int fd = eventfd(0, 0);
    dup2(fd, INHERITED);
    close(fd);
    need(24);
    close(INHERITED);
}

/* It is written to by confined forks. */
static APART void need_beside_output(void)
{
    int before = dup(STDERR_FILENO);
    int fd = open("told", O_RDWR | O_CREAT, 0600);
    dup2(fd, STDERR_FILENO);
    close(fd);
    need(25);
    dup2(before, STDERR_FILENO);
    close(before);
}

static APART void need_beside_timer(void)
{
    alarm(1000);
    need(30);
    alarm(0);
}

static APART void need_beside_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    need(40);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    check_children(1);
}

static void *wait_for_it(void *mutex)
{
    pthread_mutex_lock(mutex);
    return NULL;
}

static APART void need_beside_thread(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    if (pthread_create(&thread, NULL, wait_for_it, &mutex) != 0)
        exit(9);
    need(50);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
}

static APART void need_beside_memory(void)
{
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(60);
    munmap(shared, 4096);
}

static APART void need_and_tell(void)
{
    char *p = malloc(70);
    if (p == NULL) {
        int fd = open("told", O_WRONLY | O_CREAT | O_APPEND, 0600);
        write(fd, "refused\n", 8);
        exit(9);
    }
    free(p);
}

static APART void need_quietly(void)
{
    like(80);
    copy_input(100);
}

int main(void)
{
    signal(SIGCHLD, on_child);
    close(INHERITED);
    copy_input(2);
    need_calmly();
    need_beside_pipe();
    need_beside_fifo();
    need_beside_counter();
    need_beside_output();
    need_beside_timer();
    need_beside_child();
    need_and_tell();
    need_beside_memory();
    need_quietly();
    check_children(1);
    need_beside_thread(); /* last: it may be seen for a moment yet */
    return 0;
}
