/* late_frees.c - threads whose last free comes behind all key destructors: libc's own, of the text
 * that strerror made for an error it does not know. */
#include <pthread.h>
#include <string.h>

enum { THREADS = 300, NO_SUCH_ERROR = 123456 };

static void *ask_for_text(void *unused)
{
    (void)unused;
    return strerror(NO_SUCH_ERROR) == NULL ? (void *)1 : NULL;
}

int main(void)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        void *failed = NULL;
        if (pthread_create(&thread, NULL, ask_for_text, NULL) != 0 ||
            pthread_join(thread, &failed) != 0 || failed != NULL)
            return 1;
    }
    return 0;
}
