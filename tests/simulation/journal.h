#pragma once

/*
 * Journal
 *
 * What happened in a run, in order: printed if asked for, and always in a digest, so that two runs
 * can be compared. A run that fails ends its process here.
 */

#include "base/event_loop.h"

typedef struct Journal {
        EventLoop *loop; /* borrowed */
        uint64_t seed;
        bool is_verbose;
        uint64_t digest;
        uint64_t n_entries;
} Journal;

void journal_init(Journal *journal, EventLoop *loop, uint64_t seed, bool is_verbose);
void journal_note(Journal *journal, const char *format, ...) _printf_(2, 3);
/* Prints why, and aborts. */
void journal_fail(Journal *journal, const char *format, ...) _printf_(2, 3)
                __attribute__((noreturn));
