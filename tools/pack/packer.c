/* packer.c - see packer.h. */
#define _GNU_SOURCE /* fallocate */
#include "tools/pack/packer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tools/trace/mapping.h"
#include "tools/pack/write.h"
#include "tools/trace/memory.h"

static uint64_t offset_of(uint32_t index)
{
    return TRACE_HEADER_BYTES + (uint64_t)index * TRACE_BLOCK_BYTES;
}

/* -- the header ------------------------------------------------------------------------------- */

static int write_header(const struct packer *packer, bool is_complete)
{
    struct packed_header header = {.magic = PACKED_MAGIC,
                                   .version = PACKED_VERSION,
                                   .header_bytes = sizeof(header),
                                   .head = packer->head};
    if (is_complete) {
        header.trace_bytes = packer->trace_bytes;
        header.packed_bytes = packer->packing_bytes;
    }
    header.checksum = packed_header_checksum(&header);
    return write_at(packer->packing_fd, &header, sizeof(header), 0);
}

/* As it was: who may read it, whose it is, when it was recorded. */
static void keep_attributes(const struct packer *packer)
{
    struct stat status;
    if (fstat(packer->trace_fd, &status) != 0)
        return;
    const struct timespec times[2] = {status.st_atim, status.st_mtim};
    int failed = fchown(packer->packing_fd, status.st_uid, status.st_gid);
    failed |= fchmod(packer->packing_fd, status.st_mode & 07777);
    failed |= futimens(packer->packing_fd, times);
    (void)failed; /* then it is ours, as new files are */
}

/* -- opening ---------------------------------------------------------------------------------- */

/* 0: a trace as it was recorded. */
static int check_trace(struct packer *packer, bool *is_packed, struct trace_error *error)
{
    struct trace_header *head = &packer->head;
    struct stat status;
    ssize_t got = pread(packer->trace_fd, head, sizeof(*head), 0);
    *is_packed = got >= (ssize_t)sizeof(head->magic) && head->magic == PACKED_MAGIC;
    if (*is_packed)
        return EEXIST;
    if (fstat(packer->trace_fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        got != (ssize_t)sizeof(*head) || head->magic != TRACE_MAGIC ||
        status.st_size < TRACE_HEADER_BYTES) {
        mapping_set_error(error, packer->path, "not a trace; make traces with `mpress record`");
        return EINVAL;
    }
    if (head->version < TRACE_VERSION_OLDEST || head->version > TRACE_VERSION ||
        head->block_bytes != TRACE_BLOCK_BYTES) {
        mapping_set_error(error, packer->path, "a trace of another format; use its library's tool");
        return EINVAL;
    }
    packer->trace_bytes = (uint64_t)status.st_size;
    return 0;
}

static void note_packed(struct packer *packer, uint32_t index)
{
    if (index >= packer->blocks) {
        uint32_t blocks = index + 1 + index / 2;
        uint8_t *grown = realloc(packer->is_packed, blocks);
        if (grown == NULL)
            memory_fail(blocks, 1);
        memset(grown + packer->blocks, 0, blocks - packer->blocks);
        packer->is_packed = grown;
        packer->blocks = blocks;
    }
    packer->packed += packer->is_packed[index] == 0;
    packer->is_packed[index] = 1;
}

static bool is_packed_already(const struct packer *packer, uint32_t index)
{
    return index < packer->blocks && packer->is_packed[index] != 0;
}

/* Takes up what another packer has left. */
static bool read_frames(struct packer *packer, const unsigned char *base, size_t bytes)
{
    struct packed_header header;
    if (!packed_read_header(base, bytes, &header) || header.header_bytes != sizeof(header) ||
        header.head.pid != packer->head.pid || header.head.start_ns != packer->head.start_ns ||
        header.head.start_wall_ns != packer->head.start_wall_ns)
        return false;
    const struct packed_frame *frame;
    size_t at = sizeof(header);
    size_t skipped = 0;
    packer->packing_bytes = at;
    while ((frame = packed_next(base, bytes, &at, &skipped)) != NULL) {
        for (uint32_t i = 0; i < frame->blocks; i++) {
            if (packed_blocks(frame)[i].index < packer->trace_bytes / TRACE_BLOCK_BYTES)
                note_packed(packer, packed_blocks(frame)[i].index);
        }
        packer->packing_bytes = at;
    }
    packer->is_resumed = true;
    return ftruncate(packer->packing_fd, (off_t)packer->packing_bytes) == 0;
}

static bool resume(struct packer *packer, size_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, packer->packing_fd, 0);
    if (base == MAP_FAILED)
        return false;
    bool is_taken_up = read_frames(packer, base, bytes);
    munmap(base, bytes);
    return is_taken_up;
}

/* Whether the file at `path` is the one that is open. */
static bool is_at(const char *path, int fd)
{
    struct stat named;
    struct stat opened;
    return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

static int open_packing(struct packer *packer, struct trace_error *error)
{
    struct stat status;
    packer->packing_fd =
        open(packer->packing, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (packer->packing_fd < 0) {
        mapping_set_error(error, packer->packing, "cannot be written: %s", strerror(errno));
        return errno;
    }
    if (flock(packer->packing_fd, LOCK_EX | LOCK_NB) != 0 ||
        !is_at(packer->packing, packer->packing_fd) || !is_at(packer->path, packer->trace_fd) ||
        fstat(packer->packing_fd, &status) != 0) {
        mapping_set_error(error, packer->path, "is being packed by another process");
        return EBUSY;
    }
    if (status.st_size > 0 && resume(packer, (size_t)status.st_size))
        return 0;
    if (status.st_size > 0) {
        mapping_set_error(error, packer->packing,
                          "is damaged or belongs to another trace; move it out of the way");
        packer->is_resumed = true; /* not ours to remove */
        return EINVAL;
    }
    keep_attributes(packer);
    packer->packing_bytes = sizeof(struct packed_header);
    int failed = write_header(packer, false);
    if (failed != 0)
        mapping_set_error(error, packer->packing, "cannot be written: %s", strerror(failed));
    return failed;
}

struct packer *packer_open(const char *path, bool *is_packed, struct trace_error *error)
{
    struct packer *packer = memory_alloc(1, sizeof(*packer));
    packer->path = memory_alloc(strlen(path) + 1, 1);
    strcpy(packer->path, path);
    packer->packing = mapping_name_packing(path);
    packer->packing_fd = -1;
    packer->trace_fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (packer->trace_fd < 0)
        packer->trace_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *is_packed = false;
    if (packer->trace_fd < 0)
        mapping_set_error(error, path, "cannot be opened: %s", strerror(errno));
    else if (check_trace(packer, is_packed, error) == 0 && open_packing(packer, error) == 0)
        return packer;
    packer_close(packer);
    return NULL;
}

void packer_close(struct packer *packer)
{
    if (packer->packing_fd >= 0 && !packer->is_resumed &&
        is_at(packer->packing, packer->packing_fd))
        unlink(packer->packing);
    if (packer->packing_fd >= 0)
        close(packer->packing_fd);
    if (packer->trace_fd >= 0)
        close(packer->trace_fd);
    free(packer->path);
    free(packer->packing);
    free(packer->is_packed);
    free(packer->candidates);
    free(packer->to_punch);
    free(packer);
}

/* -- who writes ------------------------------------------------------------------------------- */

/* Whether a process has the file in its memory; also when that cannot be seen. */
static bool maps_file(pid_t pid, const struct stat *file)
{
    char line[512];
    snprintf(line, sizeof(line), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(line, "re");
    if (maps == NULL)
        return true;
    bool is_found = false;
    while (!is_found && fgets(line, sizeof(line), maps) != NULL) {
        unsigned major_number, minor_number;
        unsigned long long inode;
        if (sscanf(line, "%*s %*s %*s %x:%x %llu", &major_number, &minor_number, &inode) == 3)
            is_found = inode == file->st_ino && major_number == major(file->st_dev) &&
                       minor_number == minor(file->st_dev);
    }
    fclose(maps);
    return is_found;
}

bool packer_is_live(const struct packer *packer)
{
    struct stat status;
    pid_t pid = (pid_t)packer->head.pid;
    if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH))
        return false;
    return fstat(packer->trace_fd, &status) != 0 || maps_file(pid, &status);
}

/* -- what can be packed ----------------------------------------------------------------------- */

static bool is_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static ssize_t read_block(struct packer *packer, uint32_t index)
{
    return pread(packer->trace_fd, packer->block, sizeof(packer->block), (off_t)offset_of(index));
}

/* Whether the block at `index` is to be packed now; fills in its lane and sequence. */
static bool consider(struct packer *packer, uint32_t index, struct packer_candidate *candidate)
{
    struct trace_block_header header = {0};
    ssize_t got = pread(packer->trace_fd, &header, sizeof(header), (off_t)offset_of(index));
    bool is_block = got == (ssize_t)sizeof(header) && header.magic == TRACE_BLOCK_MAGIC;
    *candidate = (struct packer_candidate){header.lane, header.sequence, index};
    if (is_block)
        return packer->is_last || (header.used != 0 && header.used <= TRACE_PAYLOAD_BYTES);
    *candidate = (struct packer_candidate){PACKED_NO_LANE, index, index};
    if (!packer->is_last)
        return false;
    got = read_block(packer, index);
    return got > 0 && !is_zero(packer->block, (size_t)got);
}

static int compare_candidates(const void *left, const void *right)
{
    const struct packer_candidate *a = left;
    const struct packer_candidate *b = right;
    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Blocks that the file has, or as many as were handed out by now. */
static uint32_t count_blocks(struct packer *packer)
{
    struct stat status;
    if (fstat(packer->trace_fd, &status) == 0)
        packer->trace_bytes = (uint64_t)status.st_size;
    uint64_t blocks =
        (packer->trace_bytes - TRACE_HEADER_BYTES + TRACE_BLOCK_BYTES - 1) / TRACE_BLOCK_BYTES;
    struct trace_header head;
    if (pread(packer->trace_fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head))
        packer->head = head;
    if (!packer->is_last && packer->head.blocks < blocks)
        blocks = packer->head.blocks;
    return blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

void packer_scan(struct packer *packer, bool is_last)
{
    packer->is_last = is_last;
    packer->candidate_count = packer->candidate_next = 0;
    uint32_t blocks = count_blocks(packer);
    while (packer->first < blocks && is_packed_already(packer, packer->first))
        packer->first++;
    for (uint32_t index = packer->first; index < blocks; index++) {
        packer->candidates = memory_grow(packer->candidates, packer->candidate_count,
                                         &packer->candidate_capacity, sizeof(*packer->candidates));
        if (!is_packed_already(packer, index) &&
            consider(packer, index, &packer->candidates[packer->candidate_count]))
            packer->candidate_count++;
    }
    if (packer->candidate_count > 0)
        qsort(packer->candidates, packer->candidate_count, sizeof(*packer->candidates),
              compare_candidates);
}

/* -- packing ---------------------------------------------------------------------------------- */

/* How many candidates from `from` on go into one frame; 0: not enough yet. */
static uint32_t measure_run(const struct packer *packer, size_t from)
{
    uint32_t lane = packer->candidates[from].lane;
    uint32_t most = packed_blocks_most(lane);
    uint32_t run = 0;
    while (run < most && from + run < packer->candidate_count &&
           packer->candidates[from + run].lane == lane)
        run++;
    return run == most || packer->is_last ? run : 0;
}

static int append(struct packer *packer, const struct packed_frame *frame, size_t bytes)
{
    int failed = write_at(packer->packing_fd, frame, bytes, packer->packing_bytes);
    if (failed == 0)
        packer->packing_bytes += bytes;
    else if (ftruncate(packer->packing_fd, (off_t)packer->packing_bytes) != 0)
        return failed; /* readers pass over half a frame */
    return failed;
}

static void note_run(struct packer *packer, uint32_t run)
{
    for (uint32_t i = 0; i < run; i++) {
        uint32_t index = packer->candidates[packer->candidate_next++].index;
        note_packed(packer, index);
        packer->to_punch = memory_grow(packer->to_punch, packer->punch_count,
                                       &packer->punch_capacity, sizeof(*packer->to_punch));
        packer->to_punch[packer->punch_count++] = index;
    }
}

int packer_step(struct packer *packer, struct frames *frames)
{
    uint32_t run = 0;
    while (packer->candidate_next < packer->candidate_count &&
           (run = measure_run(packer, packer->candidate_next)) == 0)
        packer->candidate_next++;
    if (run == 0)
        return 0;
    const struct packer_candidate *first = &packer->candidates[packer->candidate_next];
    frames_begin(frames, first->lane);
    for (uint32_t i = 0; i < run; i++) {
        ssize_t got = read_block(packer, first[i].index);
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        frames_add(frames, first[i].index, packer->block, (size_t)got);
    }
    size_t bytes;
    const struct packed_frame *frame = frames_end(frames, &bytes);
    int failed = append(packer, frame, bytes);
    if (failed != 0)
        return -failed;
    note_run(packer, run);
    return (int)run;
}

int packer_punch(struct packer *packer)
{
    if (packer->punch_count == 0)
        return 0;
    if (fdatasync(packer->packing_fd) != 0)
        return errno;
    if (flock(packer->trace_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return 0; /* somebody reads it (mapping.c): next time */
    packer->is_resumed = true;
    for (size_t i = 0; i < packer->punch_count; i++) {
        /* A file system that cannot keeps them until the end. */
        if (fallocate(packer->trace_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)offset_of(packer->to_punch[i]), TRACE_BLOCK_BYTES) != 0)
            break;
    }
    (void)flock(packer->trace_fd, LOCK_UN);
    packer->punch_count = 0;
    return 0;
}

int packer_complete(struct packer *packer, bool is_durable)
{
    int failed = write_header(packer, true);
    if (failed != 0)
        return failed;
    keep_attributes(packer);
    if (is_durable && fsync(packer->packing_fd) != 0)
        return errno;
    if (!is_at(packer->path, packer->trace_fd))
        return ESTALE;
    return rename(packer->packing, packer->path) == 0 ? 0 : errno;
}
