/* request.h - one request of the server: its words and its reply, in its own memory. */
#ifndef REQUEST_H
#define REQUEST_H

#include "tests/users/store.h"

enum { REQUEST_WORDS = 32 };

struct request {
    struct temp temp;
    struct text words[REQUEST_WORDS];
    size_t count;
    char *reply;
    size_t length, room;
    bool is_last; /* the server is to end */
};

/* Reads one, as Redis' clients write it ("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), out of `bytes`: how
 * many of them it takes; 0: it is not whole yet; -1: it is none. */
long request_read(struct request *request, const char *bytes, size_t length);

/* Does it and makes the reply. */
void request_serve(struct request *request);

#endif
