/* attach.c - `mpress attach`, `detach`, `dump`, `mark`: a trace in a process that runs
 * already. */
#define _GNU_SOURCE /* readlink */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tools/remote.h"

static const char attach_help[] =
    "Usage: mpress attach [OPTION]... PID\n"
    "\n"
    "Starts a trace in a process that runs under libmpress.so, at its next\n"
    "allocation. Nothing has to be prepared and nothing is restarted. Blocks that\n"
    "it holds already are older than the trace: the report tells when it frees\n"
    "them, and counts them nowhere else.\n"
    "\n"
    "  -m, --mode MODE    full (with call stacks; default), events, sample, or flight\n"
    "                     (the newest of each thread; see mpress dump)\n"
    "  -o, --output FILE  where the trace goes (default: the process's\n"
    "                     MPRESS_TRACE_FILE, in its working directory); %p: its\n"
    "                     process id. An existing file is not overwritten\n"
    "      --for TIME     end the trace after that time: 30s, 5m, 1h (or Ctrl-C)\n"
    "      --wait TIME    give up when it has not allocated by then\n"
    "  -h, --help         this text\n"
    "\n"
    "A process with another root directory (a container) writes there, and FILE is\n"
    "a path of its. It takes the right to trace the process (as gdb -p does).\n"
    "Exit status: 0, 1 on failure, 2 for a wrong command line.\n";

static const char detach_help[] =
    "Usage: mpress detach [--wait TIME] PID\n"
    "\n"
    "Ends the trace that runs in a process, however it was started, at its next\n"
    "allocation. Its file is complete then. The process goes on.\n"
    "\n"
    "      --wait TIME    give up when it has not allocated by then: 10s, 1m\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0, 1 on failure (no trace runs), 2 for a wrong command line.\n";

static const char mark_help[] =
    "Usage: mpress mark [--leaks] [--wait TIME] PID LABEL...\n"
    "\n"
    "Puts a label into the timeline of the trace that runs in a process, at its next\n"
    "allocation. Several words are one label; at most 200 bytes count. The report has\n"
    "a table of the stages between marks; \"count=1000\" in a label tells it how many\n"
    "objects there are, and it finds the bytes for each.\n"
    "\n"
    "      --leaks        look for lost blocks, too (see mpress leaks)\n"
    "      --wait TIME    give up when it has not allocated by then: 10s, 1m\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0, 1 on failure (no trace runs), 2 for a wrong command line.\n";

static const char dump_help[] =
    "Usage: mpress dump [-o FILE] [--wait TIME] PID\n"
    "\n"
    "Copies what the trace that runs in a process holds, at its next allocation, to\n"
    "look at while it goes on: of a flight recorder (mpress attach --mode flight) the\n"
    "newest of every thread.\n"
    "\n"
    "  -o, --output FILE  where to (default: mpress.PID.dump.mpt in this directory);\n"
    "                     an existing file is not overwritten\n"
    "      --wait TIME    give up when it has not allocated by then: 10s, 1m\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0, 1 on failure (no trace runs), 2 for a wrong command line.\n";

struct request {
    const char *command;
    uint64_t for_ns; /* 0: until somebody ends it */
    uint64_t wait_ns;
    uint8_t mode;       /* of struct control_block */
    const char *output; /* "": the option's */
};

static int take_mode(struct request *request)
{
    static const char *const modes[] = {"sample", "events", "full", "flight"};
    for (uint8_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(optarg, modes[i]) == 0) {
            request->mode = i;
            return CLI_GO_ON;
        }
    }
    return cli_refuse(request->command, "--mode %s: sample, events, full or flight", optarg);
}

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case 'm':
        return take_mode(request);
    case 'o':
        if (*optarg == '\0')
            return cli_refuse(request->command, "--output: an empty name");
        request->output = optarg;
        return CLI_GO_ON;
    case 'f':
        return cli_read_time(request->command, "--for", &request->for_ns);
    case 'l':
        request->mode = 1;
        return CLI_GO_ON;
    default:
        return cli_read_time(request->command, "--wait", &request->wait_ns);
    }
}

static const struct option attach_names[] = {{"mode", required_argument, NULL, 'm'},
                                             {"output", required_argument, NULL, 'o'},
                                             {"for", required_argument, NULL, 'f'},
                                             {"wait", required_argument, NULL, 'w'},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};
static const struct option dump_names[] = {{"output", required_argument, NULL, 'o'},
                                           {"wait", required_argument, NULL, 'w'},
                                           CLI_HELP,
                                           {NULL, 0, NULL, 0}};
static const struct option wait_names[] = {
    {"wait", required_argument, NULL, 'w'}, CLI_HELP, {NULL, 0, NULL, 0}};

static const struct option mark_names[] = {{"leaks", no_argument, NULL, 'l'},
                                           {"wait", required_argument, NULL, 'w'},
                                           CLI_HELP,
                                           {NULL, 0, NULL, 0}};

static int read_line(const struct cli_options *options, int argc, char **argv,
                     struct request *request, pid_t *pid)
{
    request->command = options->command;
    int status = cli_read_options(options, argc, argv, request);
    return status == CLI_GO_ON ? cli_read_process(options->command, argc, argv, pid) : status;
}

/* -- where the file is ------------------------------------------------------------------------ */

static int place_output(const struct request *request, pid_t pid, char path[PLACE_BYTES])
{
    int error = 0;
    if (*request->output != '\0' && remote_has_our_root(pid))
        error = place_make_absolute(request->output, path);
    else
        snprintf(path, PLACE_BYTES, "%s", request->output);
    if (error != 0 || strlen(path) >= CONTROL_TEXT_BYTES)
        return cli_refuse("attach", "--output: the path is too long");
    return CLI_GO_ON;
}

static void print_path(const struct remote *remote, const char *what)
{
    char path[REMOTE_PATH_BYTES];
    remote_read_path(remote, path);
    printf("process %d: %s: %s\n", (int)remote->pid, what, path);
    fflush(stdout);
}

/* -- asking ----------------------------------------------------------------------------------- */

static int judge_answer(const struct remote *remote, enum control_operation operation)
{
    const struct control_block *block = &remote->block;
    int error = block->error;
    if (error == 0)
        return CLI_GO_ON;
    if (error == EBUSY && operation == CONTROL_START)
        cli_say("process %d: a trace runs there already: %s (mpress detach %d ends it)",
                (int)remote->pid, block->path, (int)remote->pid);
    else if (error == ENOENT && operation != CONTROL_START)
        cli_say("process %d: no trace runs there (mpress attach %d)", (int)remote->pid,
                (int)remote->pid);
    else
        cli_say("process %d: %s%s", (int)remote->pid, strerror(error),
                operation == CONTROL_START ? ": no trace was started" : "");
    return CLI_FAILED;
}

static int ask(struct remote *remote, const struct remote_request *request)
{
    int status = remote_ask(remote, request);
    return status == CLI_GO_ON ? judge_answer(remote, request->operation) : status;
}

static int stop(struct remote *remote, uint64_t wait_ns)
{
    const struct remote_request request = {
        .operation = CONTROL_STOP, .text = "", .wait_ns = wait_ns};
    int status = ask(remote, &request);
    if (status == CLI_GO_ON)
        print_path(remote, "the trace is complete");
    return status;
}

static int start(struct remote *remote, const struct request *request)
{
    char path[PLACE_BYTES];
    int status = place_output(request, remote->pid, path);
    if (status != CLI_GO_ON)
        return status;
    const struct remote_request start = {.operation = CONTROL_START,
                                         .mode = request->mode,
                                         .text = path,
                                         .wait_ns = request->wait_ns};
    status = ask(remote, &start);
    if (status != CLI_GO_ON)
        return status;
    print_path(remote, "a trace was started");
    if (request->for_ns == 0)
        return CLI_GO_ON;
    remote_sleep(request->for_ns);
    if (remote_is_alive(remote))
        return stop(remote, 0);
    cli_say("process %d has ended, and the trace with it", (int)remote->pid);
    return CLI_GO_ON;
}

int attach_main(int argc, char **argv)
{
    const struct cli_options options = {"attach", attach_help, ":m:o:h", attach_names, take_option};
    struct request request = {.mode = 2, .output = ""};
    struct remote remote;
    pid_t pid;
    int status = read_line(&options, argc, argv, &request, &pid);
    if (status == CLI_GO_ON)
        status = cli_refuse_more("attach", argc, argv);
    if (status == CLI_GO_ON)
        status = remote_open(&remote, pid);
    if (status != CLI_GO_ON)
        return status;
    status = start(&remote, &request);
    remote_close(&remote);
    return status == CLI_GO_ON ? cli_finish(CLI_OK) : status;
}

int detach_main(int argc, char **argv)
{
    const struct cli_options options = {"detach", detach_help, ":h", wait_names, take_option};
    struct request request = {.output = ""};
    struct remote remote;
    pid_t pid;
    int status = read_line(&options, argc, argv, &request, &pid);
    if (status == CLI_GO_ON)
        status = cli_refuse_more("detach", argc, argv);
    if (status == CLI_GO_ON)
        status = remote_open(&remote, pid);
    if (status != CLI_GO_ON)
        return status;
    status = stop(&remote, request.wait_ns);
    remote_close(&remote);
    return status == CLI_GO_ON ? cli_finish(CLI_OK) : status;
}

static int dump(struct remote *remote, const struct request *request)
{
    char path[PLACE_BYTES];
    int status = place_output(request, remote->pid, path);
    if (status != CLI_GO_ON)
        return status;
    if (remote_has_our_root(remote->pid) && access(path, F_OK) == 0) {
        cli_say("%s exists already; name another file with -o", path);
        return CLI_FAILED;
    }
    const struct remote_request dump = {
        .operation = CONTROL_DUMP, .text = path, .wait_ns = request->wait_ns};
    status = ask(remote, &dump);
    if (status == CLI_GO_ON) {
        snprintf(remote->block.path, CONTROL_PATH_BYTES, "%.*s", CONTROL_TEXT_BYTES, path);
        print_path(remote, "copied");
    }
    return status;
}

/* A name in this directory that is not taken, as another copy may be made every hour. */
static void name_dump(char name[64], int pid)
{
    snprintf(name, 64, "mpress.%d.dump.mpt", pid);
    for (unsigned number = 2; number < 1000 && access(name, F_OK) == 0; number++)
        snprintf(name, 64, "mpress.%d.dump.%u.mpt", pid, number);
}

int dump_main(int argc, char **argv)
{
    const struct cli_options options = {"dump", dump_help, ":o:h", dump_names, take_option};
    struct request request = {.output = ""};
    struct remote remote;
    pid_t pid;
    char name[64];
    int status = read_line(&options, argc, argv, &request, &pid);
    if (status == CLI_GO_ON)
        status = cli_refuse_more("dump", argc, argv);
    if (status == CLI_GO_ON)
        status = remote_open(&remote, pid);
    if (status != CLI_GO_ON)
        return status;
    name_dump(name, (int)pid);
    if (*request.output == '\0')
        request.output = name;
    status = dump(&remote, &request);
    remote_close(&remote);
    return status == CLI_GO_ON ? cli_finish(CLI_OK) : status;
}

static void join_words(char **words, char label[CONTROL_TEXT_BYTES])
{
    size_t used = 0;
    label[0] = '\0';
    for (; *words != NULL && used + 1 < CONTROL_TEXT_BYTES; words++) {
        size_t room = CONTROL_TEXT_BYTES - used;
        int length = snprintf(label + used, room, "%s%s", used == 0 ? "" : " ", *words);
        used += (size_t)length < room ? (size_t)length : room - 1;
    }
}

int mark_main(int argc, char **argv)
{
    const struct cli_options options = {"mark", mark_help, "+:h", mark_names, take_option};
    struct request request = {.output = ""};
    struct remote remote;
    pid_t pid;
    char label[CONTROL_TEXT_BYTES];
    int status = read_line(&options, argc, argv, &request, &pid);
    if (status == CLI_GO_ON && optind == argc)
        status = cli_refuse("mark", "which label? mpress mark PID LABEL");
    if (status == CLI_GO_ON)
        status = remote_open(&remote, pid);
    if (status != CLI_GO_ON)
        return status;
    join_words(argv + optind, label);
    const struct remote_request mark = {
        .operation = CONTROL_MARK, .mode = request.mode, .text = label, .wait_ns = request.wait_ns};
    status = ask(&remote, &mark);
    remote_close(&remote);
    return status == CLI_GO_ON ? CLI_OK : status;
}
