// A rank before it knows the others: nobody can be asked who is late, but that it waits can be said. Private
// to the watch room.
#ifndef TT_WATCH_ALONE_H
#define TT_WATCH_ALONE_H

#include <pthread.h>
#include <stdbool.h>

// Ends what tt_watch_begin (watch.h) began; nothing to do if it has not.
void tt_watch_alone_end(void);

// A thread that gets no signals: they are for the main thread. False: the system gives none.
bool tt_watch_thread(pthread_t *thread, void *(*run)(void *));

#endif
