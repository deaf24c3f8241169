/* request_server.c [--memory malloc|transaction|entered] [--threads N]
 *
 * A user of transactions: a server on 127.0.0.1 that speaks Redis' protocol (request.c says what)
 * and gives each request a memory of its own, gone with its reply:
 *
 *   malloc       blocks of malloc, freed one by one
 *   transaction  one transaction a request
 *   entered      as malloc, whose blocks come out of a transaction that the request enters
 *
 * Without the library the last two are the first; which it was is said on stderr. The port is the
 * first line on stdout. SHUTDOWN ends it. Each thread has connections of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/users/request.h"

enum memory { MALLOC, TRANSACTION, ENTERED };
static const char *const memories[] = {"malloc", "transaction", "entered"};
enum { THREADS_MOST = 16, READ_AT_ONCE = 16 * 1024 };

struct buffer {
    char *p;
    size_t length, room;
};

struct connection {
    int socket;
    struct buffer in, out;
};

static struct {
    enum memory memory;
    int threads, polls[THREADS_MOST];
} server = {.threads = 2};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "request_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -- connections ------------------------------------------------------------------------------ */

static void make_room(struct buffer *buffer, size_t bytes)
{
    if (buffer->room - buffer->length >= bytes)
        return;
    buffer->room = 2 * (buffer->length + bytes);
    buffer->p = realloc(buffer->p, buffer->room);
    if (buffer->p == NULL)
        fail("no memory");
}

static void append(struct buffer *buffer, const char *bytes, size_t count)
{
    make_room(buffer, count);
    memcpy(buffer->p + buffer->length, bytes, count);
    buffer->length += count;
}

static void close_connection(struct connection *connection)
{
    close(connection->socket);
    free(connection->in.p);
    free(connection->out.p);
    free(connection);
}

/* False: the other side is gone. */
static bool flush(struct connection *connection)
{
    for (size_t sent = 0; sent < connection->out.length;) {
        ssize_t count = send(connection->socket, connection->out.p + sent,
                             connection->out.length - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        sent += (size_t)count;
    }
    connection->out.length = 0;
    return true;
}

/* -- requests --------------------------------------------------------------------------------- */

/* As request_read. */
static long serve_one(struct connection *connection, const char *bytes, size_t length)
{
    struct request request;
    request.count = request.length = request.room = 0;
    request.is_last = false;
    struct mpress_txn *entered =
        server.memory == ENTERED ? mpress_txn_begin(NULL, "request", 0) : NULL;
    if (entered != NULL)
        mpress_txn_enter(entered);
    temp_begin(&request.temp, server.memory == TRANSACTION);
    long taken = request_read(&request, bytes, length);
    if (taken > 0) {
        request_serve(&request);
        append(&connection->out, request.reply, request.length);
    }
    temp_end(&request.temp);
    if (entered != NULL)
        mpress_txn_commit(entered);
    if (taken > 0 && request.is_last) {
        flush(connection);
        exit(0);
    }
    return taken;
}

/* Whatever came; false: the connection is over. */
static bool serve(struct connection *connection)
{
    struct buffer *in = &connection->in;
    make_room(in, READ_AT_ONCE);
    ssize_t count = recv(connection->socket, in->p + in->length, in->room - in->length, 0);
    if (count <= 0)
        return false;
    in->length += (size_t)count;
    size_t done = 0;
    long taken = 1;
    while (done < in->length && taken > 0) {
        taken = serve_one(connection, in->p + done, in->length - done);
        done += taken > 0 ? (size_t)taken : 0;
    }
    memmove(in->p, in->p + done, in->length - done);
    in->length -= done;
    return flush(connection) && taken >= 0;
}

static void *work(void *poll_)
{
    int poll = *(int *)poll_;
    struct epoll_event events[16];
    for (;;) {
        int count = epoll_wait(poll, events, 16, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!serve(connection))
                close_connection(connection);
        }
    }
    return NULL;
}

/* -- the program ------------------------------------------------------------------------------ */

static int start_listening(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        fail("no socket");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void accept_all(int listener)
{
    for (int next = 0;; next = (next + 1) % server.threads) {
        int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (socket < 0)
            fail("accept");
        struct connection *connection = calloc(1, sizeof(*connection));
        if (connection == NULL)
            fail("no memory");
        connection->socket = socket;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(server.polls[next], EPOLL_CTL_ADD, socket, &event) != 0)
            fail("epoll_ctl");
    }
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        for (int memory = 0; memory < 3 && strcmp(argv[i], "--memory") == 0; memory++) {
            if (strcmp(argv[i + 1], memories[memory]) == 0)
                server.memory = (enum memory)memory;
        }
        if (strcmp(argv[i], "--threads") == 0)
            server.threads = atoi(argv[i + 1]);
    }
    if (server.threads < 1 || server.threads > THREADS_MOST)
        server.threads = 2;
    if (mpress_txn_begin == NULL)
        server.memory = MALLOC;
    fprintf(stderr, "memory: %s\n", memories[server.memory]);
}

static void say_transactions(void)
{
    struct mpress_txn_name name;
    for (size_t i = 0; mpress_txn_begin != NULL && mpress_txn_name_read(i, &name) == 0; i++)
        fprintf(stderr, "%s: %llu transactions, most %llu bytes, %llu of %llu of malloc escaped\n",
                name.name, (unsigned long long)(name.committed + name.rolled_back),
                (unsigned long long)name.most_used, (unsigned long long)name.escaped,
                (unsigned long long)name.malloc_blocks);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    atexit(say_transactions);
    int listener = start_listening();
    for (int i = 0; i < server.threads; i++) {
        pthread_t thread;
        server.polls[i] = epoll_create1(EPOLL_CLOEXEC);
        if (server.polls[i] < 0 || pthread_create(&thread, NULL, work, &server.polls[i]) != 0)
            fail("no thread");
    }
    accept_all(listener);
}
