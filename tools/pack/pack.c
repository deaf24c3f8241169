/* pack.c - `mpress pack` and `mpress unpack`: traces made smaller, and as they were. */
#define _GNU_SOURCE /* sigaction */
#include "tools/pack/pack.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/pack/packer.h"
#include "tools/pack/unpack.h"
#include "tools/progress.h"
#include "tools/symbols/kept.h"
#include "tools/units.h"

static const char pack_help[] =
    "Usage: mpress pack [OPTION...] T.mpt...\n"
    "\n"
    "Compresses traces in place, to a tenth of their size and less. All commands\n"
    "read packed traces as they are; `mpress unpack` makes them as they were.\n"
    "`mpress record` packs what it records by itself; this is for traces of\n"
    "MPRESS_TRACE=..., and for what an interrupted recording left behind.\n"
    "\n"
    "      --symbols       keep the names of its functions, too, in T.mpt.symbols (as\n"
    "                      mpress symbols does): all that another machine needs\n"
    "  -q, --quiet         say nothing but errors, show no progress\n"
    "\n"
    "A trace that a process still writes is refused. Interrupted (Ctrl-C) it leaves\n"
    "the trace as it was; killed, T.mpt.packing beside it, which the next\n"
    "`mpress pack` takes up.\n"
    "Exit status: 0; 1 when a trace could not be packed; 2 for a wrong command line.\n";

static const char unpack_help[] =
    "Usage: mpress unpack [OPTION...] T.mpt...\n"
    "\n"
    "Makes packed traces as they were recorded, in place.\n"
    "\n"
    "  -q, --quiet         say nothing but errors, show no progress\n"
    "\n"
    "Interrupted (Ctrl-C) it leaves the packed trace as it was.\n"
    "Exit status: 0; 1 when a trace could not be unpacked; 2 for a wrong command\n"
    "line.\n";

struct request {
    bool quiet;
    bool keeps_symbols;
    struct progress progress;
};

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal_number)
{
    is_interrupted = signal_number;
}

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    request->quiet |= option == 'q';
    request->keeps_symbols |= option == 's';
    return CLI_GO_ON;
}

static const struct option pack_options[] = {{"quiet", no_argument, NULL, 'q'},
                                             {"symbols", no_argument, NULL, 's'},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};
static const struct option unpack_options[] = {
    {"quiet", no_argument, NULL, 'q'}, CLI_HELP, {NULL, 0, NULL, 0}};

static int parse(const char *command, const char *help, const struct option *names, int argc,
                 char **argv, struct request *request)
{
    const struct cli_options options = {command, help, ":qh", names, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    if (status == CLI_GO_ON && optind == argc)
        return cli_refuse(command, "which trace?");
    return status;
}

/* -- packing ---------------------------------------------------------------------------------- */

static int say_failed(const char *path, int error)
{
    cli_say("%s: cannot be packed: %s; it is as it was", path, strerror(error));
    return CLI_FAILED;
}

static int pack_blocks(struct request *request, struct packer *packer, struct frames *frames)
{
    packer_scan(packer, true);
    uint64_t all = packer->candidate_count;
    uint64_t done = 0;
    int packed;
    while ((packed = packer_step(packer, frames)) > 0 && is_interrupted == 0) {
        done += (unsigned)packed;
        if (progress_is_due(&request->progress))
            progress_show(&request->progress, "packing %s: %3.0f %%", packer->path,
                          100 * (double)done / (double)all);
    }
    if (is_interrupted != 0)
        return 128 + is_interrupted;
    int error = packed < 0 ? -packed : packer_complete(packer, true);
    return error != 0 ? say_failed(packer->path, error) : CLI_OK;
}

static int pack_open(struct request *request, struct packer *packer, struct frames *frames)
{
    if (packer_is_live(packer)) {
        cli_say("%s: process %llu still writes it; pack it when that has ended", packer->path,
                (unsigned long long)packer->head.pid);
        return CLI_FAILED;
    }
    progress_init(&request->progress, !request->quiet, 500000000);
    int status = pack_blocks(request, packer, frames);
    progress_fini(&request->progress);
    if (status == CLI_OK && !request->quiet)
        printf("%s: %s, packed from %s\n", packer->path, units_bytes(packer->packing_bytes).at,
               units_bytes(packer->trace_bytes).at);
    return status;
}

static int pack_trace(struct request *request, const char *path)
{
    struct trace_error error;
    bool is_packed;
    struct packer *packer = packer_open(path, &is_packed, &error);
    if (packer == NULL && !is_packed) {
        cli_say("%s", error.text);
        return CLI_FAILED;
    }
    if (packer == NULL) {
        if (!request->quiet)
            printf("%s: packed already\n", path);
        return CLI_OK;
    }
    struct frames *frames = frames_create();
    int status = pack_open(request, packer, frames);
    frames_destroy(frames);
    packer_close(packer);
    return status;
}

static int pack_one(struct request *request, const char *path)
{
    int status = pack_trace(request, path);
    return status == CLI_OK && request->keeps_symbols ? symbols_keep(path, NULL) : status;
}

/* -- unpacking -------------------------------------------------------------------------------- */

static bool show_unpacking(uint64_t done, uint64_t all, void *context)
{
    struct request *request = context;
    if (progress_is_due(&request->progress))
        progress_show(&request->progress, "unpacking %3.0f %%", 100 * (double)done / (double)all);
    return is_interrupted == 0;
}

static int unpack_one(struct request *request, const char *path)
{
    struct trace_error error;
    progress_init(&request->progress, !request->quiet, 500000000);
    enum unpack_result result = unpack_trace(path, show_unpacking, request, &error);
    progress_fini(&request->progress);
    if (result == UNPACK_STOPPED)
        return 128 + is_interrupted;
    if (result == UNPACK_FAILED)
        cli_say("%s", error.text);
    else if (result == UNPACK_NOTHING_TO_DO && !request->quiet)
        printf("%s: not packed\n", path);
    return result == UNPACK_FAILED ? CLI_FAILED : CLI_OK;
}

/* -- the commands ----------------------------------------------------------------------------- */

static int each_trace(int argc, char **argv, struct request *request,
                      int (*one)(struct request *, const char *))
{
    struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    int status = CLI_OK;
    for (int i = optind; i < argc && is_interrupted == 0; i++) {
        int own = one(request, argv[i]);
        status = own != CLI_OK ? own : status;
    }
    return cli_finish(status);
}

int pack_main(int argc, char **argv)
{
    struct request request = {0};
    int status = parse("pack", pack_help, pack_options, argc, argv, &request);
    return status == CLI_GO_ON ? each_trace(argc, argv, &request, pack_one) : status;
}

int unpack_main(int argc, char **argv)
{
    struct request request = {0};
    int status = parse("unpack", unpack_help, unpack_options, argc, argv, &request);
    return status == CLI_GO_ON ? each_trace(argc, argv, &request, unpack_one) : status;
}
