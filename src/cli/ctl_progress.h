#pragma once

/*
 * CtlProgress
 *
 * A bar with rate and remaining time on standard error, where that is a terminal. Times are the
 * caller's.
 */

#include "cli/ctl.h"

typedef struct CtlProgress {
        const char *title;
        uint64_t start_ns;
        uint64_t drawn_ns;   /* when it was drawn last; 0: never */
        uint64_t done_start; /* what was done before it began */
        bool is_shown;
} CtlProgress;

void ctl_progress_init(CtlProgress *progress, const Ctl *ctl, const char *title, uint64_t now_ns,
                       uint64_t done);
/* True: there is somebody to draw for, and it was not just done. */
bool ctl_progress_is_due(const CtlProgress *progress, uint64_t now_ns);
/* Draws, if it is due. `done` of `sum` bytes; `note` is put behind, or "". */
void ctl_progress_update(CtlProgress *progress, uint64_t now_ns, uint64_t done, uint64_t sum,
                         const char *note);
/* Leaves an empty line. */
void ctl_progress_clear(CtlProgress *progress);
/* The line for a terminal of so many columns, to be freed. Pure. */
char *ctl_progress_format(const CtlProgress *progress, uint64_t now_ns, uint64_t done, uint64_t sum,
                          const char *note, unsigned n_columns);
/* CLOCK_MONOTONIC. */
uint64_t ctl_progress_now(void);
