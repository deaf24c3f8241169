/* examine.c - what a process that stands still shares with others, so far as the system tells: a
 * branch of it would share that too. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/branch.h"
#include "tools/sweep/sweep.h"

enum { PATH_TEXT_BYTES = 64, NAME_BYTES = 32 };

struct examined {
    const struct sweep *sweep;
    int pid;
    struct stat out; /* the pipe that it prints to */
    struct branch_answer *answer;
};

static FILE *open_file(int pid, const char *name)
{
    char path[PATH_TEXT_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/%.31s", pid, name);
    return fopen(path, "re");
}

/* -- the process ------------------------------------------------------------------------------ */

/* What cannot be read is taken for the worst. */
static bool is_empty(int pid, const char *name)
{
    FILE *file = open_file(pid, name);
    bool is_so = file != NULL && fgetc(file) == EOF;
    if (file != NULL)
        fclose(file);
    return is_so;
}

static bool has_one_thread(int pid)
{
    char path[PATH_TEXT_BYTES];
    unsigned count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count == 3; /* with . and .. */
}

static bool is_our_own(const struct sweep *sweep, const char *path)
{
    size_t length = strlen(sweep->folder);
    return strncmp(path, sweep->folder, length) == 0 && path[length] == '/';
}

/* Writable memory of others, but for the trace. */
static bool has_shared_memory(const struct examined *examined)
{
    char text[4352];
    FILE *file = open_file(examined->pid, "maps");
    bool is_so = file == NULL;
    while (!is_so && fgets(text, sizeof(text), file) != NULL) {
        const char *rights = strchr(text, ' ');
        const char *path = strchr(text, '/');
        is_so = rights != NULL && rights[2] == 'w' && rights[4] == 's' &&
                (path == NULL || !is_our_own(examined->sweep, path));
    }
    if (file != NULL)
        fclose(file);
    return is_so;
}

static enum sweep_way examine_process(int pid)
{
    char children[NAME_BYTES];
    snprintf(children, sizeof(children), "task/%d/children", pid);
    if (!has_one_thread(pid))
        return SWEEP_THREADS;
    if (!is_empty(pid, children))
        return SWEEP_CHILDREN;
    return is_empty(pid, "timers") ? SWEEP_BRANCH : SWEEP_TIMER;
}

/* -- its files -------------------------------------------------------------------------------- */

struct description {
    uint64_t place;
    unsigned flags;
};

static bool read_description(int pid, int fd, struct description *description)
{
    char name[NAME_BYTES];
    char line[256];
    unsigned found = 0;
    *description = (struct description){0};
    snprintf(name, sizeof(name), "fdinfo/%d", fd);
    FILE *file = open_file(pid, name);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        found += sscanf(line, "pos: %" SCNu64, &description->place) == 1;
        found += sscanf(line, "flags: %o", &description->flags) == 1;
    }
    int error = errno;
    if (file != NULL)
        fclose(file);
    errno = error;
    return found == 2;
}

/* Which of those before has the same description; NULL: none. *is_known: the system tells. */
static const struct branch_file *find_same(const struct examined *examined, int fd, bool *is_known)
{
    const struct branch_answer *answer = examined->answer;
    *is_known = true;
    for (unsigned i = 0; i < answer->files; i++) {
        if (answer->file[i].source == BRANCH_SAME)
            continue;
        long order = syscall(SYS_kcmp, examined->pid, examined->pid, KCMP_FILE,
                             (unsigned long)answer->file[i].fd, (unsigned long)fd);
        if (order == 0)
            return &answer->file[i];
        *is_known &= order > 0;
    }
    return NULL;
}

static enum sweep_way add_file(const struct examined *examined, int fd, enum branch_source source,
                               const struct description *description)
{
    bool is_known;
    struct branch_answer *answer = examined->answer;
    const struct branch_file *same = find_same(examined, fd, &is_known);
    if (answer->files == BRANCH_FILES || fd > UINT16_MAX || !is_known)
        return SWEEP_FAILED;
    answer->file[answer->files++] = (struct branch_file){
        .fd = fd,
        .source = (uint8_t)(same != NULL ? BRANCH_SAME : source),
        .other = (uint16_t)(same != NULL ? same->fd : 0),
        .closes_on_exec = (description->flags & O_CLOEXEC) != 0,
        .flags = description->flags,
        .place = description->place,
    };
    return SWEEP_BRANCH;
}

static bool is_output(const struct examined *examined, const struct stat *what)
{
    return what->st_dev == examined->out.st_dev && what->st_ino == examined->out.st_ino;
}

/* We have had it ourselves and handed it on: all runs share it. What has no type (eventfd, epoll
 * and the like) may be any of them: one inode stands behind all. */
static bool is_inherited(int fd, const struct stat *what)
{
    struct stat ours;
    int flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
    return flags >= 0 && (flags & FD_CLOEXEC) == 0 && (what->st_mode & S_IFMT) != 0 &&
           fstat(fd, &ours) == 0 && ours.st_dev == what->st_dev && ours.st_ino == what->st_ino;
}

/* There is nothing to share. */
static bool is_nowhere(const struct stat *what)
{
    enum { MEMORY_DEVICES = 1, NULL_DEVICE = 3, ZERO_DEVICE = 5, FULL_DEVICE = 7, URANDOM = 9 };
    unsigned device = minor(what->st_rdev);
    return S_ISCHR(what->st_mode) && major(what->st_rdev) == MEMORY_DEVICES &&
           (device == NULL_DEVICE || (device >= ZERO_DEVICE && device <= URANDOM));
}

/* What a branch is to do with it, or what is in the way. Nothing is written by a branch that is
 * confined, nor locked. */
static enum sweep_way take_file(const struct examined *examined, int fd, const struct stat *what,
                                const struct description *description)
{
    unsigned access = description->flags & O_ACCMODE;
    if ((description->flags & O_PATH) != 0)
        return SWEEP_BRANCH;
    if (is_nowhere(what))
        return SWEEP_BRANCH;
    if (is_output(examined, what) && access == O_WRONLY)
        return add_file(examined, fd, BRANCH_OWN, description);
    bool is_written = fd <= STDERR_FILENO && access != O_RDONLY; /* by confined ones too */
    enum sweep_way way = SWEEP_BRANCH;
    if (S_ISREG(what->st_mode) || S_ISDIR(what->st_mode))
        way = add_file(examined, fd, BRANCH_AGAIN, description);
    else if (!is_inherited(fd, what))
        way = SWEEP_SHARES;
    return way == SWEEP_BRANCH && is_written ? SWEEP_SHARES : way;
}

static enum sweep_way examine_file(const struct examined *examined, const char *number)
{
    char path[PATH_TEXT_BYTES];
    char target[128];
    struct stat what;
    struct description description;
    int fd = atoi(number);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", examined->pid, fd);
    errno = 0;
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0 || stat(path, &what) != 0 || !read_description(examined->pid, fd, &description))
        return errno == ENOENT ? SWEEP_BRANCH : SWEEP_FAILED; /* closed: what it asked through */
    target[length] = '\0';
    return is_our_own(examined->sweep, target) /* the trace, which no branch writes */
               ? SWEEP_BRANCH
               : take_file(examined, fd, &what, &description);
}

static bool is_harmless(const struct examined *examined, enum sweep_way way)
{
    return way == SWEEP_BRANCH ||
           (way == SWEEP_SHARES && examined->sweep->options->by == SWEEP_FORKS);
}

static enum sweep_way examine_files(const struct examined *examined)
{
    char path[PATH_TEXT_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/fd", examined->pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return SWEEP_FAILED;
    enum sweep_way way = SWEEP_BRANCH;
    struct dirent *entry;
    while (is_harmless(examined, way) && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.')
            way = examine_file(examined, entry->d_name);
    }
    closedir(folder);
    return is_harmless(examined, way) ? SWEEP_BRANCH : way;
}

enum sweep_way examine(const struct sweep *sweep, int pid, int out, struct branch_answer *answer)
{
    struct examined examined = {.sweep = sweep, .pid = pid, .answer = answer};
    answer->files = 0;
    answer->is_confined = sweep->options->by != SWEEP_FORKS;
    if (fstat(out, &examined.out) != 0)
        return SWEEP_FAILED;
    enum sweep_way way = examine_process(pid);
    if (way == SWEEP_BRANCH && has_shared_memory(&examined) && sweep->options->by != SWEEP_FORKS)
        way = SWEEP_MEMORY;
    return way == SWEEP_BRANCH ? examine_files(&examined) : way;
}
