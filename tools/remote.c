/* remote.c - finds the library's control block in another process, checks that it is one, and
 * speaks to it as preload/control.h says. Nothing is written before all checks are done, and
 * nothing but the request and the ranges that the block itself names. */
#define _GNU_SOURCE /* O_DIRECTORY, pread, flock */
#include "tools/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tools/cli.h"

enum {
    POLL_NS = 2 * 1000 * 1000,
    LOCK_TRIES = 1000, /* of POLL_NS */
    LINE_BYTES = 8192,
    SCAN_BYTES = 64 * 1024,
};
static const uint64_t PATIENCE_NS = 1000 * UINT64_C(1000000); /* then the user is told */

static volatile sig_atomic_t is_interrupted;

static void note_interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool remote_sleep(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / UINT64_C(1000000000)), (long)(ns % UINT64_C(1000000000))};
    while (!is_interrupted && nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
    bool is_whole = !is_interrupted;
    is_interrupted = 0;
    return is_whole;
}

/* -- memory ----------------------------------------------------------------------------------- */

static bool read_memory(const struct remote *remote, uint64_t at, void *to, size_t bytes)
{
    return pread(remote->memory, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static bool write_memory(const struct remote *remote, uint64_t at, const void *from, size_t bytes)
{
    return pwrite(remote->memory, from, bytes, (off_t)at) == (ssize_t)bytes;
}

static bool read_block(struct remote *remote)
{
    return read_memory(remote, remote->at, &remote->block, sizeof remote->block);
}

bool remote_is_alive(const struct remote *remote)
{
    char byte;
    return read_memory(remote, remote->at, &byte, 1);
}

/* -- its mappings ----------------------------------------------------------------------------- */

struct mapping {
    uint64_t start, end;
    bool is_writable; /* and the process's own */
    char path[LINE_BYTES];
};

static FILE *open_maps(const struct remote *remote)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)remote->pid);
    return fopen(path, "re");
}

static bool read_mapping(FILE *maps, struct mapping *mapping)
{
    char line[LINE_BYTES], rights[8];
    if (fgets(line, sizeof line, maps) == NULL)
        return false;
    int path = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &mapping->start, &mapping->end,
               rights, &path) != 3)
        return false;
    mapping->is_writable = strcmp(rights, "rw-p") == 0;
    snprintf(mapping->path, sizeof mapping->path, "%.*s", (int)strcspn(line + path, "\n"),
             line + path);
    return true;
}

static bool is_library(const struct mapping *mapping)
{
    const char *slash = strrchr(mapping->path, '/');
    return slash != NULL && strncmp(slash + 1, "libmpress", 9) == 0;
}

/* Looks for the magic; blocks lie at multiples of 8. */
static bool scan(struct remote *remote, const struct mapping *mapping)
{
    static char piece[SCAN_BYTES];
    for (uint64_t at = mapping->start; at < mapping->end; at += sizeof piece - 16) {
        uint64_t left = mapping->end - at;
        size_t bytes = left < sizeof piece ? (size_t)left : sizeof piece;
        if (!read_memory(remote, at, piece, bytes))
            return false;
        for (size_t i = 0; i + sizeof CONTROL_MAGIC <= bytes; i += 8) {
            if (memcmp(piece + i, CONTROL_MAGIC, sizeof CONTROL_MAGIC) == 0) {
                remote->at = at + i;
                return true;
            }
        }
    }
    return false;
}

static bool find_block(struct remote *remote, bool *has_library)
{
    FILE *maps = open_maps(remote);
    struct mapping mapping;
    bool found = false;
    *has_library = false;
    while (maps != NULL && !found && read_mapping(maps, &mapping)) {
        if (!is_library(&mapping))
            continue;
        *has_library = true;
        found = mapping.is_writable && scan(remote, &mapping);
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

/* All of it lies in writable memory that is the process's own. */
static bool may_write(const struct remote *remote, struct control_range range)
{
    FILE *maps = open_maps(remote);
    struct mapping mapping;
    uint64_t at = range.start, end = range.start + range.bytes;
    while (maps != NULL && at < end && read_mapping(maps, &mapping)) {
        if (mapping.is_writable && mapping.start <= at && at < mapping.end)
            at = mapping.end;
    }
    if (maps != NULL)
        fclose(maps);
    return range.bytes > 0 && end > range.start && at >= end;
}

/* -- opening ---------------------------------------------------------------------------------- */

static int refuse_entry(pid_t pid, int error)
{
    char scope = '0';
    if (error == ENOENT || error == ESRCH) {
        cli_say("there is no process %d", (int)pid);
        return CLI_FAILED;
    }
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file != NULL && fread(&scope, 1, 1, file) != 1)
        scope = '0';
    if (file != NULL)
        fclose(file);
    if (error == EACCES || error == EPERM)
        cli_say("process %d: no permission: it takes its own user or root, and the right to "
                "trace it%s",
                (int)pid,
                scope == '0' ? ""
                             : ", which kernel.yama.ptrace_scope keeps from you here: use sudo, or "
                               "sysctl kernel.yama.ptrace_scope=0");
    else
        cli_say("process %d: %s", (int)pid, strerror(error));
    return CLI_FAILED;
}

static int refuse(const struct remote *remote, const char *why)
{
    cli_say("process %d %s", (int)remote->pid, why);
    return CLI_FAILED;
}

/* The block is one that this program understands, in every word that it will rely on. */
static int check_block(struct remote *remote)
{
    const struct control_block *block = &remote->block;
    if (!read_block(remote))
        return refuse(remote, "has ended");
    if (block->layout != CONTROL_LAYOUT || block->bytes != sizeof *block ||
        strncmp(block->version, MPRESS_VERSION, sizeof block->version) != 0) {
        cli_say("process %d runs under libmpress.so %.16s, which this mpress (%s) cannot ask; that "
                "version's own can",
                (int)remote->pid, block->version, MPRESS_VERSION);
        return CLI_FAILED;
    }
    if (block->self == 0)
        return refuse(remote, "has a malloc of its own, or is just starting: the library serves "
                              "nobody there");
    bool is_sound = block->self == remote->at &&
                    may_write(remote, (struct control_range){remote->at, sizeof *block});
    for (size_t i = 0; i < CONTROL_RANGES; i++)
        is_sound = is_sound && may_write(remote, block->shut[i]);
    return is_sound ? CLI_GO_ON : refuse(remote, "holds no sound block of the library");
}

static int find_library(struct remote *remote)
{
    bool has_library;
    if (find_block(remote, &has_library))
        return check_block(remote);
    return refuse(remote, has_library
                              ? "runs under a libmpress.so that cannot be asked (another version?)"
                              : "does not run under libmpress.so (LD_PRELOAD=libmpress.so ./app)");
}

static int open_entry(const char *format, pid_t pid, int flags)
{
    char path[64];
    snprintf(path, sizeof path, format, (int)pid);
    return open(path, flags | O_CLOEXEC);
}

int remote_open(struct remote *remote, pid_t pid)
{
    struct sigaction action = {.sa_handler = note_interrupt};
    remote->pid = pid;
    remote->folder = open_entry("/proc/%d", pid, O_RDONLY | O_DIRECTORY);
    remote->memory = open_entry("/proc/%d/mem", pid, O_RDWR);
    int status = remote->memory < 0 ? refuse_entry(pid, errno) : find_library(remote);
    if (status != CLI_GO_ON) {
        remote_close(remote);
        return status;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return CLI_GO_ON;
}

void remote_close(struct remote *remote)
{
    if (remote->memory >= 0)
        close(remote->memory);
    if (remote->folder >= 0)
        close(remote->folder);
}

/* -- asking ----------------------------------------------------------------------------------- */

#define AT(field) (remote->at + offsetof(struct control_block, field))

static bool put_byte(const struct remote *remote, uint64_t at, uint8_t value)
{
    return write_memory(remote, at, &value, 1);
}

static bool shut(const struct remote *remote)
{
    static const char zeros[4096];
    for (size_t i = 0; i < CONTROL_RANGES; i++) {
        struct control_range range = remote->block.shut[i];
        for (uint64_t done = 0; done < range.bytes;) {
            uint64_t left = range.bytes - done;
            size_t bytes = left < sizeof zeros ? (size_t)left : sizeof zeros;
            if (!write_memory(remote, range.start + done, zeros, bytes))
                return false;
            done += bytes;
        }
    }
    return true;
}

/* In the order of control.h. */
static bool put_request(struct remote *remote, const struct remote_request *request)
{
    uint8_t serial = (uint8_t)(remote->block.serial % 255 + 1);
    remote->block.serial = serial;
    return put_byte(remote, AT(operation), (uint8_t)request->operation) &&
           put_byte(remote, AT(mode), request->mode) &&
           write_memory(remote, AT(text), request->text, strlen(request->text) + 1) &&
           put_byte(remote, AT(serial), serial) && put_byte(remote, AT(asked), serial) &&
           put_byte(remote, AT(cancelled), 0) && shut(remote);
}

/* One tool at a time; and a request that another one left behind is to be done first. */
static int take_turn(struct remote *remote)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        bool is_mine = flock(remote->folder, LOCK_EX | LOCK_NB) == 0;
        if (!read_block(remote))
            return refuse(remote, "has ended");
        if (is_mine)
            return CLI_GO_ON;
        if (!remote_sleep(POLL_NS))
            break;
    }
    return refuse(remote, "is being asked by another mpress just now");
}

/* True: the answer came after all. */
static bool cancel(struct remote *remote)
{
    uint8_t serial = remote->block.serial;
    put_byte(remote, AT(cancelled), serial);
    while (read_block(remote) && remote->block.serving == serial &&
           remote->block.answered != serial) {
        struct timespec pause = {0, POLL_NS};
        nanosleep(&pause, NULL);
    }
    return remote->block.answered == serial;
}

static int await(struct remote *remote, const struct remote_request *request)
{
    uint64_t start = now_ns();
    uint8_t serial = remote->block.serial;
    bool is_told = false;
    while (read_block(remote)) {
        uint64_t waited = now_ns() - start;
        if (remote->block.answered == serial)
            return CLI_GO_ON;
        bool is_late = request->wait_ns != 0 && waited >= request->wait_ns;
        if (is_late || !remote_sleep(POLL_NS)) {
            if (cancel(remote))
                return CLI_GO_ON;
            return refuse(remote, "has not allocated meanwhile: cancelled, nothing was done");
        }
        if (!is_told && waited > PATIENCE_NS) {
            cli_say("process %d has not allocated for a second: waiting for its next allocation "
                    "(Ctrl-C cancels)",
                    (int)remote->pid);
            is_told = true;
        }
    }
    return refuse(remote, "ended before it answered");
}

int remote_ask(struct remote *remote, const struct remote_request *request)
{
    int status = take_turn(remote);
    if (status != CLI_GO_ON)
        return status;
    status = put_request(remote, request) ? await(remote, request)
                                          : refuse(remote, "ended, or cannot be written to");
    if (status == CLI_GO_ON && request->reply != NULL && remote->block.error == 0 &&
        !read_memory(remote, remote->block.reply, request->reply, request->reply_bytes))
        status = refuse(remote, "has ended");
    flock(remote->folder, LOCK_UN);
    return status;
}

/* -- where its files are ---------------------------------------------------------------------- */

bool remote_has_our_root(pid_t pid)
{
    char path[64];
    struct stat ours, its;
    snprintf(path, sizeof path, "/proc/%d/root/", (int)pid);
    return stat("/", &ours) == 0 && stat(path, &its) == 0 && ours.st_dev == its.st_dev &&
           ours.st_ino == its.st_ino;
}

void remote_read_path(const struct remote *remote, char path[REMOTE_PATH_BYTES])
{
    char root[32] = "";
    if (!remote_has_our_root(remote->pid))
        snprintf(root, sizeof root, "/proc/%d/root", (int)remote->pid);
    snprintf(path, REMOTE_PATH_BYTES, "%s%.*s", root, CONTROL_PATH_BYTES - 1, remote->block.path);
}
