/* victim.c - see victim.h */
#define _GNU_SOURCE
#include "tools/scenario/victim.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/scenario/process.h"

size_t victim_read_file(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, capacity - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

void victim_begin(struct victim *victim, pid_t root)
{
    victim_end(victim);
    *victim = (struct victim){.root = root, .pid = {root}, .pids = 1};
    victim->turns.processors = turns_count_processors(root);
    turns_begin(&victim->turns, process_now());
}

void victim_end(struct victim *victim)
{
    for (size_t i = 0; i < victim->pids; i++)
        procfile_close(&victim->statm[i]);
    turns_end(&victim->turns);
    *victim = (struct victim){.root = 0};
}

/* -- who -------------------------------------------------------------------------------------- */

/* Children are listed by the thread that started them. */
static void add_children(struct victim *victim, const char *list)
{
    char *end;
    for (long child; (child = strtol(list, &end, 10)) > 0 && end != list; list = end) {
        if (victim->pids < VICTIM_PROCESSES)
            victim->pid[victim->pids++] = (pid_t)child;
    }
}

static void look_at_threads(struct victim *victim, pid_t pid)
{
    char path[64], children[4096];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        turns_look(&victim->turns, pid, entry->d_name, children, sizeof children);
        add_children(victim, children);
    }
    closedir(folder);
}

const char *victim_read_stat(pid_t pid, char *text, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    victim_read_file(path, text, capacity);
    const char *behind = strrchr(text, ')');
    return behind == NULL ? NULL : behind + 1;
}

/* Field 22. */
static uint64_t read_start(pid_t process)
{
    enum { FIELDS = 19 };
    char text[1024];
    const char *at = victim_read_stat(process, text, sizeof text);
    for (unsigned i = 0; at != NULL && i < FIELDS; i++)
        at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* What was seen of whom. */
struct seen {
    pid_t pid; /* 0: it was found again */
    uint64_t start, anon, data, code;
    struct procfile statm;
};

static size_t copy_seen(const struct victim *victim, struct seen *seen)
{
    for (size_t i = 0; i < victim->pids; i++)
        seen[i] = (struct seen){victim->pid[i],  victim->start[i], victim->anon[i],
                                victim->data[i], victim->code[i],  victim->statm[i]};
    return victim->pids;
}

/* Most are where they were, or some places further on. */
static struct seen take_seen(struct seen *seen, size_t count, size_t place, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        struct seen *one = &seen[(place + i) % count];
        if (one->pid != pid)
            continue;
        struct seen taken = *one;
        one->pid = 0;
        return taken;
    }
    return (struct seen){.pid = pid};
}

static void close_gone(struct seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seen[i].pid != 0)
            procfile_close(&seen[i].statm);
    }
}

void victim_find(struct victim *victim)
{
    struct seen seen[VICTIM_PROCESSES];
    size_t count = copy_seen(victim, seen);
    victim->pid[0] = victim->root;
    victim->pids = 1;
    for (size_t i = 0; i < victim->pids; i++) {
        look_at_threads(victim, victim->pid[i]);
        const struct seen one = take_seen(seen, count, i, victim->pid[i]);
        victim->start[i] = one.start != 0 ? one.start : read_start(one.pid);
        victim->anon[i] = one.anon;
        victim->data[i] = one.data;
        victim->code[i] = one.code;
        victim->statm[i] = one.statm;
    }
    close_gone(seen, count);
    victim->finds++;
    turns_end_look(&victim->turns, process_now(), turns_count_processors(victim->root));
}

/* -- what ------------------------------------------------------------------------------------- */

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

void victim_glance(struct victim *victim)
{
    uint64_t data_most = 0, sum = 0, anon = 0;
    for (size_t i = 0; i < victim->pids; i++) {
        char path[64], text[256];
        victim->anon[i] = victim->data[i] = 0;
        unsigned long long resident = 0, shared = 0, code = 0, data = 0;
        snprintf(path, sizeof path, "/proc/%d/statm", (int)victim->pid[i]);
        if (procfile_read(&victim->statm[i], path, text, sizeof text) == 0 ||
            sscanf(text, "%*s %llu %llu %llu %*s %llu", &resident, &shared, &code, &data) != 4)
            continue;
        data_most = data > data_most ? data : data_most;
        sum += resident;
        anon += resident - shared;
        victim->anon[i] = (resident - shared) * page_bytes();
        victim->data[i] = data * page_bytes();
        victim->code[i] = code;
    }
    victim->now.data = data_most * page_bytes();
    victim->now.resident = sum * page_bytes();
    victim->now.rss_anon = anon * page_bytes();
}

uint64_t victim_find_kib(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

static void add_memory(struct victim *victim, size_t place, struct victim_state *state)
{
    char path[64], text[4096];
    victim->anon[place] = victim->data[place] = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)victim->pid[place]);
    if (victim_read_file(path, text, sizeof text) == 0)
        return;
    uint64_t data = victim_find_kib(text, "\nVmData:"), anon = victim_find_kib(text, "\nRssAnon:");
    victim->anon[place] = anon;
    victim->data[place] = data;
    state->data = data > state->data ? data : state->data;
    state->rss_anon += anon;
    state->rss_file += victim_find_kib(text, "\nRssFile:");
    state->rss_shmem += victim_find_kib(text, "\nRssShmem:");
    state->swap += victim_find_kib(text, "\nVmSwap:");
    state->processes++;
}

/* Fields 10 to 15. */
static void add_faults(pid_t pid, struct victim_state *state)
{
    char text[1024];
    unsigned long long minor, minor_waited, major, major_waited, user, system;
    const char *behind = victim_read_stat(pid, text, sizeof text);
    if (behind == NULL ||
        sscanf(behind, " %*c %*d %*d %*d %*d %*d %*u %llu %llu %llu %llu %llu %llu", &minor,
               &minor_waited, &major, &major_waited, &user, &system) != 6)
        return;
    state->minor_faults += minor + minor_waited;
    state->major_faults += major + major_waited;
    state->processor += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double victim_read_wait(pid_t pid)
{
    char path[64], text[256];
    unsigned long long waited;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    bool is_told =
        victim_read_file(path, text, sizeof text) > 0 && sscanf(text, "%*u %llu", &waited) == 1;
    return is_told ? (double)waited / 1e9 : 0;
}

void victim_look(struct victim *victim)
{
    struct victim_state state = {0};
    for (size_t i = 0; i < victim->pids; i++) {
        add_memory(victim, i, &state);
        add_faults(victim->pid[i], &state);
        state.run_wait += victim_read_wait(victim->pid[i]);
    }
    state.resident = state.rss_anon + state.rss_file + state.rss_shmem;
    victim->now = state;
}

/* -- pressure --------------------------------------------------------------------------------- */

static double find_total(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    at = at == NULL ? NULL : strstr(at, "total=");
    return at == NULL ? -1 : (double)strtoull(at + strlen("total="), NULL, 10) / 1e6;
}

struct victim_stall victim_read_stall(const char *path)
{
    char text[512];
    if (victim_read_file(path, text, sizeof text) == 0)
        return (struct victim_stall){-1, -1};
    return (struct victim_stall){find_total(text, "some"), find_total(text, "full")};
}
