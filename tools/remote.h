/* remote.h - a running process under the library, asked from outside (preload/control.h). */
#ifndef MPRESS_TOOLS_REMOTE_H
#define MPRESS_TOOLS_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/control.h"

struct remote {
    pid_t pid;
    int memory;                 /* /proc/PID/mem: of this process only, whoever gets its number */
    int folder;                 /* /proc/PID: locked while it is asked */
    uint64_t at;                /* of its block */
    struct control_block block; /* as last read */
};

/* What is asked for; `text` as in struct control_block. */
struct remote_request {
    enum control_operation operation;
    uint8_t mode;
    const char *text;
    uint64_t wait_ns; /* gives up then, and cancels; 0: waits as long as it takes */
    void *reply;      /* STATS, LEAKS: to be filled in; else NULL */
    size_t reply_bytes;
};

/* Finds the library in the process. CLI_GO_ON, or CLI_FAILED after a line that says why not. */
int remote_open(struct remote *remote, pid_t pid);
void remote_close(struct remote *remote);

/* Asks and waits for the answer, which is in remote->block then: error and path. CLI_GO_ON, or
 * CLI_FAILED after a line: nothing will happen any more, cancelled by Ctrl-C or time. */
int remote_ask(struct remote *remote, const struct remote_request *request);

/* What the process calls a path is what we call one: it is in no container. */
bool remote_has_our_root(pid_t pid);

/* The trace of the last answer, as we find it. */
enum { REMOTE_PATH_BYTES = CONTROL_PATH_BYTES + 32 };
void remote_read_path(const struct remote *remote, char path[REMOTE_PATH_BYTES]);

/* Sleeps; false: Ctrl-C or SIGTERM came since the last time. From remote_open on they are caught.
 */
bool remote_sleep(uint64_t ns);

/* True while the process is there. */
bool remote_is_alive(const struct remote *remote);

#endif
