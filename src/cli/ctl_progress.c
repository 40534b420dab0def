/* The line is drawn over itself. */

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "cli/ctl_progress.h"
#include "cli/ctl_text.h"

#define REDRAW_NS (200 * NS_PER_MS)
#define BAR_WIDTH_MAX 40
#define BAR_WIDTH_MIN 5

uint64_t ctl_progress_now(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

void ctl_progress_init(CtlProgress *progress, const Ctl *ctl, const char *title, uint64_t now_ns,
                       uint64_t done) {
        *progress = (CtlProgress){
                .title = title,
                .start_ns = now_ns,
                .done_start = done,
                .is_shown = isatty(STDERR_FILENO) && !ctl_is_json(ctl),
        };
}

static char *format_bar(double share, size_t width) {
        size_t filled = (size_t) (share * (double) width);
        char *bar = malloc(width + 1);

        if (!bar)
                ctl_text_no_memory();
        memset(bar, '#', filled);
        memset(bar + filled, '.', width - filled);
        bar[width] = '\0';
        return bar;
}

char *ctl_progress_format(const CtlProgress *progress, uint64_t now_ns, uint64_t done, uint64_t sum,
                          const char *note, unsigned n_columns) {
        double seconds = (double) (now_ns - progress->start_ns) / (double) NS_PER_S;
        double share = sum > 0 ? MIN((double) done / (double) sum, 1.0) : 0;
        double moved = (double) (done - MIN(progress->done_start, done));
        double rate = seconds > 0 ? moved / seconds : 0;
        uint64_t left_s = rate > 0 ? (uint64_t) ((double) (sum - MIN(done, sum)) / rate + 0.5) : 0;
        _cleanup_(freep) char *rate_text = ctl_text_rate(rate), *left = NULL, *bar = NULL;
        _cleanup_(freep) char *behind = NULL;
        size_t taken, width;

        left = rate > 0 ? ctl_text_seconds(left_s) : ctl_text_copy("-:--");
        behind = ctl_text_format("] %s, %s left%s%s", rate_text, left, *note != '\0' ? ", " : "",
                                 note);
        taken = strlen(progress->title) + strlen(behind) + sizeof(" 100% [");
        width = n_columns > taken + BAR_WIDTH_MIN ? MIN(n_columns - taken, (size_t) BAR_WIDTH_MAX)
                                                  : BAR_WIDTH_MIN;
        bar = format_bar(share, width);
        return ctl_text_format("%s %3.0f%% [%s%s", progress->title, share * 100, bar, behind);
}

static unsigned stderr_width(void) {
        struct winsize size;

        return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool ctl_progress_is_due(const CtlProgress *progress, uint64_t now_ns) {
        return progress->is_shown &&
               (progress->drawn_ns == 0 || now_ns - progress->drawn_ns >= REDRAW_NS);
}

void ctl_progress_update(CtlProgress *progress, uint64_t now_ns, uint64_t done, uint64_t sum,
                         const char *note) {
        _cleanup_(freep) char *line = NULL;

        if (!ctl_progress_is_due(progress, now_ns))
                return;
        line = ctl_progress_format(progress, now_ns, done, sum, note, stderr_width());
        fprintf(stderr, "\r\033[K%s", line);
        (void) fflush(stderr);
        progress->drawn_ns = now_ns;
}

void ctl_progress_clear(CtlProgress *progress) {
        if (progress->drawn_ns == 0)
                return;
        fputs("\r\033[K", stderr);
        progress->drawn_ns = 0;
}
