/* forecast.c - see forecast.h: the command line. */
#include "tools/forecast/forecast.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

static const char help[] =
    "Usage: mpress forecast [OPTION...] FILE...\n"
    "\n"
    "What the library's forecaster would have said while memory was used as\n"
    "recorded, and when: warnings, chances, the time left. FILE is a trace (T.mpt)\n"
    "or CSV, plain or gzip: the first line names the columns, \"second\" and a\n"
    "signal in bytes; \"series\", \"class\" and \"limit\" are known too.\n"
    "\n"
    "      --limit SIZE       of memory (64M, 2G); default: the file's, else such\n"
    "                         that the peak is 97 % of it\n"
    "      --signal NAME      which column: resident_heap (default), rss_anon, rss,\n"
    "                         live, or any other one of a CSV file\n"
    "      --method NAME      persistence, least-squares, gated, theil-sen, holt\n"
    "                         or agree (default, the library's)\n"
    "      --thresholds A,B,C,D  percent of the limit (default 70,80,90,95)\n"
    "      --compare          all methods beside each other, over all series of all\n"
    "                         files: error, warnings, chances\n"
    "      --fit              the method's numbers, fitted to every other series\n"
    "                         of each class, as C, their worth on both halves, and\n"
    "                         that of telling nothing of the first ticks\n"
    "      --class NAME       series of that class only\n"
    "      --json             as JSON (schema: tools/README.md)\n"
    "\n"
    "Exit status: 0, 1 when a file cannot be read, 2 for a wrong command line.\n";

enum {
    OPT_LIMIT = 256,
    OPT_SIGNAL,
    OPT_METHOD,
    OPT_THRESHOLDS,
    OPT_COMPARE,
    OPT_FIT,
    OPT_CLASS,
    OPT_JSON
};

static const struct option long_options[] = {
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"signal", required_argument, NULL, OPT_SIGNAL},
    {"method", required_argument, NULL, OPT_METHOD},
    {"thresholds", required_argument, NULL, OPT_THRESHOLDS},
    {"compare", no_argument, NULL, OPT_COMPARE},
    {"fit", no_argument, NULL, OPT_FIT},
    {"class", required_argument, NULL, OPT_CLASS},
    {"json", no_argument, NULL, OPT_JSON},
    CLI_HELP,
    {NULL, 0, NULL, 0}};

static int read_limit(double *limit)
{
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(optarg, &end);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    for (const char *at = units; unit != NULL && at <= unit; at++)
        value *= 1024;
    if (end == optarg || !(value >= 1) || value > 1e18 || (*end != '\0' && unit == NULL) ||
        (unit != NULL && end[1] != '\0'))
        return cli_refuse("forecast", "--limit %s: a size like 64M or 2G", optarg);
    *limit = value;
    return CLI_GO_ON;
}

static int read_thresholds(double thresholds[FORECAST_THRESHOLDS])
{
    const char *at = optarg;
    double before = 0;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        char *end;
        thresholds[i] = strtod(at, &end);
        bool ends_well = *end == (i + 1 < FORECAST_THRESHOLDS ? ',' : '\0');
        if (end == at || !ends_well || !(thresholds[i] > before) || thresholds[i] > 100)
            return cli_refuse("forecast", "--thresholds %s: four numbers that grow, up to 100",
                              optarg);
        before = thresholds[i];
        at = end + 1;
    }
    return CLI_GO_ON;
}

static int read_method(enum forecast_method *method)
{
    for (unsigned i = 0; i < FORECAST_METHODS; i++) {
        if (strcmp(optarg, forecast_method_names[i]) == 0) {
            *method = (enum forecast_method)i;
            return CLI_GO_ON;
        }
    }
    return cli_refuse("forecast", "--method %s: there is none of that name", optarg);
}

static int take_option(void *request_, int option)
{
    struct forecast_request *request = request_;
    switch (option) {
    case OPT_LIMIT:
        return read_limit(&request->limit);
    case OPT_THRESHOLDS:
        return read_thresholds(request->thresholds);
    case OPT_METHOD:
        return read_method(&request->method);
    case OPT_SIGNAL:
        request->signal = optarg;
        break;
    case OPT_FIT:
        request->fit = true;
        break;
    case OPT_CLASS:
        request->class = optarg;
        break;
    case OPT_COMPARE:
        request->compare = true;
        break;
    default:
        request->json = true;
    }
    return CLI_GO_ON;
}

/* Drops the series of other classes. */
static int choose_class(struct forecast_request *request)
{
    size_t kept = 0;
    for (size_t i = 0; i < request->list.count; i++) {
        struct series *series = &request->list.series[i];
        if (request->class == NULL || strcmp(series->class, request->class) == 0)
            request->list.series[kept++] = *series;
        else
            free(series->used);
    }
    request->list.count = kept;
    if (kept > 0)
        return CLI_GO_ON;
    cli_say("no series is of class \"%s\"", request->class);
    return CLI_FAILED;
}

static int read_files(struct forecast_request *request, int argc, char **argv)
{
    int status = CLI_GO_ON;
    for (int i = optind; status == CLI_GO_ON && i < argc; i++)
        status = series_read(argv[i], request->signal, &request->list);
    return status == CLI_GO_ON ? choose_class(request) : status;
}

double forecast_limit_of(const struct forecast_request *request, const struct series *series)
{
    const double of_peak = 0.97;
    double peak = 1;
    if (request->limit > 0)
        return request->limit;
    for (size_t i = 0; i < series->count; i++)
        peak = series->used[i] > peak ? series->used[i] : peak;
    return series->limit > 0 ? series->limit : peak / of_peak;
}

static void print(const struct forecast_request *request)
{
    bool is_told = !request->compare && !request->fit && !request->json;
    if (request->fit)
        forecast_fit(request);
    else if (request->compare)
        (request->json ? forecast_compare_json : forecast_compare_text)(request);
    else if (request->json)
        forecast_tell_json(request);
    for (size_t i = 0; i < request->list.count && is_told; i++)
        forecast_tell_text(request, &request->list.series[i]);
}

int forecast_main(int argc, char **argv)
{
    struct forecast_request request = {.method = FORECAST_DEFAULT, .thresholds = {70, 80, 90, 95}};
    const struct cli_options options = {"forecast", help, ":h", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, &request);
    if (status == CLI_GO_ON && optind == argc)
        return cli_refuse("forecast", "which file? mpress forecast T.mpt");
    if (status == CLI_GO_ON)
        status = read_files(&request, argc, argv);
    if (status == CLI_GO_ON) {
        print(&request);
        status = cli_finish(CLI_OK);
    }
    series_free(&request.list);
    return status;
}
