/* sqlite_sessions.c [--memory malloc|session|statement] [--sessions N] [--rows N] [--threads N]
 *
 * A user of transactions: each session fills a database in memory, statement by statement, and asks
 * it. Prints a digest of all answers, which must not depend on the memory:
 *
 *   malloc     SQLite's own use of malloc
 *   session    sqlite3_config(SQLITE_CONFIG_MALLOC): all that a session takes is one transaction's
 *   statement  malloc comes from a transaction that each statement enters and leaves
 *
 * Without the library the last two are the first; which it was is said on stderr. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress_txn.h"
#include "tests/users/sqlite_memory.h"

enum memory { MALLOC, SESSION, STATEMENT };
static const char *const memories[] = {"malloc", "session", "statement"};

static struct {
    enum memory memory;
    uint64_t sessions, rows, threads;
    _Atomic uint64_t next, digest;
} run = {.sessions = 40, .rows = 300, .threads = 2};

struct session {
    sqlite3 *db;
    uint64_t number, digest;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "sqlite_sessions: %s\n", what);
    exit(1);
}

/* FNV-1a (Fowler, Noll, Vo). */
static void digest(struct session *session, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++)
        session->digest = (session->digest ^ p[i]) * UINT64_C(1099511628211);
}

/* -- statements ------------------------------------------------------------------------------- */

static void digest_row(struct session *session, sqlite3_stmt *statement)
{
    for (int column = 0; column < sqlite3_column_count(statement); column++) {
        const unsigned char *text = sqlite3_column_text(statement, column);
        digest(session, text, (size_t)sqlite3_column_bytes(statement, column));
        digest(session, "|", 1);
    }
}

static void execute(struct session *session, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(session->db));
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        digest_row(session, statement);
    if (result != SQLITE_DONE)
        fail(sqlite3_errmsg(session->db));
    sqlite3_finalize(statement);
}

static void execute_entered(struct session *session, const char *sql)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "statement", 0);
    if (txn == NULL || mpress_txn_enter(txn) != 0)
        fail("a statement's transaction cannot be entered");
    execute(session, sql);
    mpress_txn_leave(txn);
    mpress_txn_commit(txn); /* what the database keeps of it stays */
}

#define SAY(session, ...)                                                                          \
    do {                                                                                           \
        char sql[1000];                                                                            \
        snprintf(sql, sizeof(sql), __VA_ARGS__);                                                   \
        (run.memory == STATEMENT ? execute_entered : execute)(session, sql);                       \
    } while (0)

/* -- a session -------------------------------------------------------------------------------- */

static void fill(struct session *session)
{
    SAY(session, "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT, town TEXT)");
    SAY(session, "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER REFERENCES "
                 "customers, amount REAL, note TEXT)");
    SAY(session, "CREATE INDEX by_customer ON orders(customer)");
    SAY(session, "BEGIN");
    for (uint64_t row = 0; row < run.rows; row++) {
        unsigned at = (unsigned)(row + session->number * 31);
        if (row % 10 == 0)
            SAY(session, "INSERT INTO customers VALUES(%u, 'Customer %u', 'Town %u')",
                (unsigned)row / 10, at, at * 7 % 13);
        SAY(session, "INSERT INTO orders(customer, amount, note) VALUES(%u, %u.%02u, '%*s%x')",
            at * 17 % ((unsigned)run.rows / 10 + 1), at * 7919 % 997, at % 100, (int)(at % 60),
            "note ", at);
    }
    SAY(session, "COMMIT");
}

static void ask(struct session *session)
{
    for (unsigned i = 0; i < 20; i++) {
        SAY(session, "SELECT * FROM orders WHERE customer = %u ORDER BY amount DESC LIMIT 5", i);
        SAY(session,
            "SELECT town, count(*), round(sum(amount), 2) FROM customers JOIN orders ON "
            "customers.id = customer WHERE amount > %u GROUP BY town ORDER BY 3",
            i * 40);
        SAY(session,
            "SELECT group_concat(upper(name)) FROM (SELECT name FROM customers WHERE name "
            "LIKE '%%%u%%' ORDER BY town, name)",
            i % 10);
        SAY(session,
            "UPDATE orders SET note = note || ' again', amount = amount + %u WHERE id %% "
            "20 = %u",
            i, i);
        SAY(session,
            "SELECT name, (SELECT max(amount) FROM orders WHERE customer = customers.id) "
            "FROM customers WHERE id BETWEEN %u AND %u",
            i, i + 5);
        SAY(session, "DELETE FROM orders WHERE id = %u", i * 11);
    }
    SAY(session, "PRAGMA integrity_check");
}

static void work_through(struct session *session)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(":memory:", &session->db, flags, NULL) != SQLITE_OK)
        fail("a database cannot be opened");
    fill(session);
    ask(session);
    if (sqlite3_close(session->db) != SQLITE_OK)
        fail("a database cannot be closed");
}

static void *work(void *unused)
{
    uint64_t number;
    while ((number = atomic_fetch_add(&run.next, 1)) < run.sessions) {
        struct session session = {.number = number, .digest = UINT64_C(14695981039346656037)};
        struct sqlite_memory memory;
        if (run.memory == SESSION)
            sqlite_memory_begin(&memory);
        work_through(&session);
        if (run.memory == SESSION)
            sqlite_memory_end(&memory);
        atomic_fetch_add(&run.digest, session.digest * (number + 1));
    }
    return unused;
}

/* -- the program ------------------------------------------------------------------------------ */

static enum memory memory_of(const char *name)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, memories[i]) == 0)
            return (enum memory)i;
    }
    fail("--memory malloc, session or statement is wanted");
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--memory") == 0)
            run.memory = memory_of(argv[i + 1]);
        else if (strcmp(argv[i], "--sessions") == 0)
            run.sessions = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rows") == 0)
            run.rows = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0)
            run.threads = strtoull(argv[i + 1], NULL, 10);
        else
            fail("there is no such option");
    }
    if (mpress_txn_begin == NULL)
        run.memory = MALLOC;
}

static void say_transactions(void)
{
    struct mpress_txn_name name;
    fprintf(stderr, "memory: %s\n", memories[run.memory]);
    for (size_t i = 0; mpress_txn_begin != NULL && mpress_txn_name_read(i, &name) == 0; i++)
        fprintf(stderr, "%s: %llu transactions, most %llu bytes, %llu of %llu of malloc escaped\n",
                name.name, (unsigned long long)(name.committed + name.rolled_back),
                (unsigned long long)name.most_used, (unsigned long long)name.escaped,
                (unsigned long long)name.malloc_blocks);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* whose mutex all threads would wait for */
    if (run.memory == SESSION && sqlite_memory_configure() != SQLITE_OK)
        fail("SQLite does not take another memory");
    sqlite3_initialize();
    pthread_t threads[16];
    uint64_t count = run.threads < 16 ? run.threads : 16;
    for (uint64_t i = 1; i < count; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    work(NULL);
    for (uint64_t i = 1; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%llu sessions, digest %016llx\n", (unsigned long long)run.sessions,
           (unsigned long long)atomic_load(&run.digest));
    say_transactions();
    return 0;
}
