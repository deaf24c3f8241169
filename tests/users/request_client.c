/* request_client.c PORT [--connections N] [--requests N] [--shutdown 1]
 *
 * Loads the server: each connection sets, asks and removes documents under keys of its own, sixteen
 * requests at a time, and digests the replies; which ones they are depends on its number alone. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 16, KEYS = 200, CONNECTIONS_MOST = 64 };

struct connection {
    FILE *in;
    int socket;
    uint64_t seed, digest, requests;
    uint32_t number;
    char *out;
    size_t out_length;
};

static struct {
    int port;
    uint64_t connections, requests, shutdown;
    _Atomic uint64_t digest;
} run = {.connections = 8, .requests = 2000};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "request_client: %s\n", what);
    exit(1);
}

static uint32_t next(struct connection *connection)
{
    connection->seed ^= connection->seed << 13; /* xorshift (Marsaglia 2003) */
    connection->seed ^= connection->seed >> 7;
    connection->seed ^= connection->seed << 17;
    return (uint32_t)(connection->seed >> 16);
}

/* -- requests --------------------------------------------------------------------------------- */

static size_t print_document(struct connection *connection, char *to)
{
    uint32_t lines = next(connection) % 20 + 1;
    char *p = to;
    p += sprintf(p, "{\"id\": %u, \"name\": \"customer \\\"%u\\\"\", \"tags\": [\"a\", \"b\"], ",
                 next(connection) % 1000, next(connection) % 1000);
    p += sprintf(p, "\"lines\": [");
    for (uint32_t i = 0; i < lines; i++)
        p += sprintf(p, "%s{\"item\": \"%x\", \"count\": %u, \"price\": %u.%02u, \"ok\": true}",
                     i > 0 ? ", " : "", next(connection), next(connection) % 10,
                     next(connection) % 100, next(connection) % 100);
    p += sprintf(p, "], \"note\": \"%*s\"}", (int)(next(connection) % 300), "note");
    return (size_t)(p - to);
}

static void add(struct connection *connection, const char *word, size_t length)
{
    char *p = connection->out + connection->out_length;
    p += sprintf(p, "$%zu\r\n", length);
    memcpy(p, word, length);
    memcpy(p + length, "\r\n", 2);
    connection->out_length = (size_t)(p + length + 2 - connection->out);
}

static void add_count(struct connection *connection, int words)
{
    connection->out_length +=
        (size_t)sprintf(connection->out + connection->out_length, "*%d\r\n", words);
}

static void add_words(struct connection *connection, int count, const char *const *words)
{
    add_count(connection, count);
    for (int i = 0; i < count; i++)
        add(connection, words[i], strlen(words[i]));
}

static void add_request(struct connection *connection)
{
    char key[32], document[4096], path[32];
    sprintf(key, "c%u:%u", connection->number, next(connection) % KEYS);
    sprintf(path, "lines.%u.item", next(connection) % 20);
    uint32_t kind = next(connection) % 20;
    if (kind < 4) {
        add_count(connection, 3);
        add(connection, "SET", 3);
        add(connection, key, strlen(key));
        add(connection, document, print_document(connection, document));
    } else if (kind < 10) {
        add_words(connection, 5, (const char *[]){"JGET", key, "name", path, "tags.1"});
    } else if (kind < 15) {
        add_words(connection, 4, (const char *[]){"JSUM", key, "lines", "count"});
    } else if (kind < 18) {
        add_words(connection, 2, (const char *[]){"GET", key});
    } else if (kind < 19) {
        add_words(connection, 2, (const char *[]){"DEL", key});
    } else {
        add_words(connection, 1, (const char *[]){"PING"});
    }
}

/* -- replies ---------------------------------------------------------------------------------- */

static void digest(struct connection *connection, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        connection->digest =
            (connection->digest ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
}

static void read_reply(struct connection *connection)
{
    char line[256], bytes[8192];
    if (fgets(line, sizeof(line), connection->in) == NULL)
        fail("the server is gone");
    digest(connection, line, strlen(line));
    long count = strtol(line + 1, NULL, 10);
    if (line[0] == '$' && count >= 0) {
        if ((size_t)count + 2 > sizeof(bytes) ||
            fread(bytes, 1, (size_t)count + 2, connection->in) != (size_t)count + 2)
            fail("a reply is cut");
        digest(connection, bytes, (size_t)count + 2);
    }
    for (long i = 0; line[0] == '*' && i < count; i++)
        read_reply(connection);
}

/* -- connections ------------------------------------------------------------------------------ */

static void open_connection(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)run.port)};
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("nobody listens there");
    connection->in = fdopen(connection->socket, "r");
    connection->out = malloc(AT_ONCE * 8192);
}

static void send_all(struct connection *connection)
{
    for (size_t sent = 0; sent < connection->out_length;) {
        ssize_t count =
            write(connection->socket, connection->out + sent, connection->out_length - sent);
        if (count <= 0)
            fail("the server is gone");
        sent += (size_t)count;
    }
    connection->out_length = 0;
}

static void *work(void *number)
{
    struct connection connection = {.number = (uint32_t)(uintptr_t)number,
                                    .digest = UINT64_C(14695981039346656037)};
    connection.seed = (connection.number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    open_connection(&connection);
    for (uint64_t done = 0; done < run.requests; done += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            add_request(&connection);
        send_all(&connection);
        for (int i = 0; i < AT_ONCE; i++)
            read_reply(&connection);
    }
    fclose(connection.in);
    free(connection.out);
    atomic_fetch_add(&run.digest, connection.digest);
    return NULL;
}

static void shut_down(void)
{
    struct connection connection = {.digest = 0};
    open_connection(&connection);
    add_words(&connection, 1, (const char *[]){"DBSIZE"});
    add_words(&connection, 1, (const char *[]){"SHUTDOWN"});
    send_all(&connection);
    read_reply(&connection);
    read_reply(&connection);
    printf("last digest %016llx\n", (unsigned long long)connection.digest);
}

static void read_options(int argc, char **argv)
{
    if (argc < 2 || (run.port = atoi(argv[1])) <= 0)
        fail("a port is wanted");
    for (int i = 2; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--connections") == 0)
            run.connections = value < CONNECTIONS_MOST ? value : CONNECTIONS_MOST;
        else if (strcmp(argv[i], "--requests") == 0)
            run.requests = value;
        else if (strcmp(argv[i], "--shutdown") == 0)
            run.shutdown = value;
        else
            fail("there is no such option");
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MOST];
    read_options(argc, argv);
    for (uint64_t i = 0; i < run.connections; i++)
        pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i);
    for (uint64_t i = 0; i < run.connections; i++)
        pthread_join(threads[i], NULL);
    printf("%llu requests, digest %016llx\n", (unsigned long long)(run.connections * run.requests),
           (unsigned long long)atomic_load(&run.digest));
    if (run.shutdown != 0)
        shut_down();
    return 0;
}
