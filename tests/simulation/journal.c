/* See journal.h. */

#include <stdarg.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/log.h"
#include "journal.h"

#define ENTRY_SIZE_MAX 256

static double now_ms(const Journal *journal) {
        return (double) event_loop_now_ns(journal->loop) / (double) NS_PER_MS;
}

static void on_log(const LogRecord *record, void *userdata) {
        const Journal *journal = userdata;

        printf("%14.6f     %s: %s\n", now_ms(journal), log_level_to_string(record->level),
               record->message);
}

static void swallow(const LogRecord *record, void *userdata) {}

void journal_init(Journal *journal, EventLoop *loop, uint64_t seed, bool is_verbose) {
        *journal = (Journal){ .loop = loop, .seed = seed, .is_verbose = is_verbose };
        log_set_level(is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
        log_set_sink(is_verbose ? on_log : swallow, journal);
}

void journal_note(Journal *journal, const char *format, ...) {
        char entry[ENTRY_SIZE_MAX];
        uint64_t now_ns = event_loop_now_ns(journal->loop);
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(entry, sizeof(entry), format, arguments);
        va_end(arguments);
        assert(n >= 0);

        journal->digest = XXH3_64bits_withSeed(entry, MIN((size_t) n, sizeof(entry) - 1),
                                               journal->digest ^ now_ns);
        journal->n_entries++;
        if (journal->is_verbose)
                printf("%14.6f %s\n", now_ms(journal), entry);
}

void journal_fail(Journal *journal, const char *format, ...) {
        va_list arguments;

        (void) fflush(stdout);
        fprintf(stderr, "seed %ju failed at %.6f ms: ", (uintmax_t) journal->seed, now_ms(journal));
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, "\n");
        abort();
}
