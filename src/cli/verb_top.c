/*
 * top
 *
 * Rates of the last second of every device, drawn over and over on a terminal, one table after the
 * other elsewhere.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_names.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_table.h"
#include "cli/ctl_text.h"
#include "cli/performance_rates.h"
#include "cli/verb_top.h"

#define ALTERNATE_SCREEN "\033[?1049h\033[?25l"
#define NORMAL_SCREEN "\033[?25h\033[?1049l"
#define HOME_AND_CLEAR "\033[H\033[J"

typedef enum TopColumn {
        TOP_COLUMN_NAME,
        TOP_COLUMN_MODEL,
        TOP_COLUMN_READS,
        TOP_COLUMN_READ,
        TOP_COLUMN_READ_LATENCY,
        TOP_COLUMN_WRITES,
        TOP_COLUMN_WRITTEN,
        TOP_COLUMN_WRITE_LATENCY,
        TOP_COLUMN_HITS,
        TOP_COLUMN_DIRTY,
        TOP_COLUMN_STATE,
        _TOP_COLUMN_MAX,
} TopColumn;

static const CtlColumn columns[_TOP_COLUMN_MAX] = {
        [TOP_COLUMN_NAME] = { "NAME", .is_default = true },
        [TOP_COLUMN_MODEL] = { "MODEL", .is_default = true, .can_shrink = true },
        [TOP_COLUMN_READS] = { "R/S", .is_right = true, .is_default = true, .key = "reads_per_s" },
        [TOP_COLUMN_READ] = { "READ", .is_right = true, .is_default = true,
                              .key = "read_bytes_per_s" },
        [TOP_COLUMN_READ_LATENCY] = { "R-LAT", .is_right = true, .is_default = true,
                                      .key = "read_latency_s" },
        [TOP_COLUMN_WRITES] = { "W/S", .is_right = true, .is_default = true,
                                .key = "writes_per_s" },
        [TOP_COLUMN_WRITTEN] = { "WRITE", .is_right = true, .is_default = true,
                                 .key = "written_bytes_per_s" },
        [TOP_COLUMN_WRITE_LATENCY] = { "W-LAT", .is_right = true, .is_default = true,
                                       .key = "write_latency_s" },
        [TOP_COLUMN_HITS] = { "HITS", .is_right = true, .is_default = true, .key = "hit_ratio" },
        [TOP_COLUMN_DIRTY] = { "DIRTY", .is_right = true, .is_default = true,
                               .key = "dirty_bytes" },
        [TOP_COLUMN_STATE] = { "STATE", .is_default = true },
};

static const char *const cache_counters[] = { "DirtyBytes", NULL };

/* Takes `text`. */
static void set(CtlTable *table, TopColumn column, double value, char *text) {
        ctl_table_set(table, column, json_object_new_double(value), text);
        free(text);
}

static void set_rates(CtlTable *table, json_object *rate) {
        static const struct {
                const char *name;
                TopColumn column;
                char *(*format)(double value);
        } cells[] = {
                { "read_bytes", TOP_COLUMN_READ, ctl_text_rate },
                { "written_bytes", TOP_COLUMN_WRITTEN, ctl_text_rate },
                { "read_latency", TOP_COLUMN_READ_LATENCY, ctl_text_latency },
                { "write_latency", TOP_COLUMN_WRITE_LATENCY, ctl_text_latency },
        };
        double reads = json_object_get_double(ctl_objects_property(rate, "reads"));
        double writes = json_object_get_double(ctl_objects_property(rate, "writes"));
        double hits = json_object_get_double(ctl_objects_property(rate, "hit_ratio"));

        set(table, TOP_COLUMN_READS, reads, ctl_text_format("%.0f", reads));
        set(table, TOP_COLUMN_WRITES, writes, ctl_text_format("%.0f", writes));
        set(table, TOP_COLUMN_HITS, hits, ctl_text_format("%.0f%%", 100 * hits));
        for (size_t i = 0; i < N_ELEMENTS(cells); i++) {
                double value = json_object_get_double(ctl_objects_property(rate, cells[i].name));

                set(table, cells[i].column, value, cells[i].format(value));
        }
}

/* What sleeps is driven as well, but that is not what matters about it. */
static const char *get_state_words(json_object *device, json_object *power) {
        const char *state = ctl_objects_string(device, "State");
        const char *awake = ctl_objects_string(power, "State");

        if (strcmp(state, "running") == 0 &&
            (strcmp(awake, "standby") == 0 || strcmp(awake, "suspended") == 0))
                return awake;
        return state;
}

static CtlExit add_device(CtlTable *table, Ctl *ctl, const CtlObjects *objects, const char *path) {
        json_object *device = ctl_objects_get(objects, path, CTL_DEVICE);
        json_object *cache = ctl_objects_get(objects, path, CTL_CACHE);
        _cleanup_(json_object_putp) json_object *rates = NULL;
        CtlColour colour = ctl_names_health_colour(device);
        _cleanup_(freep) char *dirty = NULL, *title = NULL;
        _cleanup_(freep) const char **luns = NULL;
        CtlExit e = CTL_EXIT_OK;
        size_t n;

        ctl_table_begin_row(table);
        ctl_table_set(table, TOP_COLUMN_NAME, json_object_get(ctl_objects_property(device, "Name")),
                      NULL);
        luns = ctl_objects_luns(objects, path, &n);
        title = ctl_names_title(device, n > 0 ? ctl_objects_get(objects, luns[0], CTL_LUN) : NULL);
        ctl_table_set(table, TOP_COLUMN_MODEL, json_object_new_string(title), NULL);
        ctl_table_set(table, TOP_COLUMN_STATE,
                      json_object_get(ctl_objects_property(device, "State")),
                      get_state_words(device, ctl_objects_get(objects, path, CTL_POWER)));
        if (colour != CTL_COLOUR_GREEN)
                ctl_table_set_colour(table, TOP_COLUMN_STATE, colour);
        if (cache)
                e = ctl_call_add_properties(ctl, path, CTL_CACHE, cache_counters, cache);
        if (e == CTL_EXIT_OK && ctl_objects_get(objects, path, CTL_PERFORMANCE))
                e = performance_rates_get(ctl, path, &rates);
        if (e != CTL_EXIT_OK)
                return e;
        if (cache) {
                dirty = ctl_text_size(ctl_objects_number(cache, "DirtyBytes"), false);
                ctl_table_set(table, TOP_COLUMN_DIRTY,
                              json_object_get(ctl_objects_property(cache, "DirtyBytes")), dirty);
        }
        if (rates && json_object_array_length(rates) > 0)
                set_rates(table, json_object_array_get_idx(rates, 0));
        return CTL_EXIT_OK;
}

/* One look at everything. A device may go between two questions: its row is what was known then. */
static CtlExit look(Ctl *ctl, CtlTable **ret) {
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, N_ELEMENTS(columns));
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) const char **devices = NULL;
        CtlExit e;
        size_t n;

        e = ctl_objects_load(&objects, ctl);
        if (e != CTL_EXIT_OK)
                return e;
        devices = ctl_objects_devices(&objects, &n);
        for (size_t i = 0; i < n; i++) {
                e = add_device(table, ctl, &objects, devices[i]);
                if (e != CTL_EXIT_OK && e != CTL_EXIT_NOT_FOUND)
                        return e;
        }
        *ret = TAKE_PTR(table);
        return CTL_EXIT_OK;
}

typedef struct Top {
        Ctl *ctl;
        int interrupt; /* owned */
        bool is_interactive;
        struct termios terminal; /* as it was */
} Top;

static void top_done(Top *top) {
        if (top->is_interactive) {
                fputs(NORMAL_SCREEN, stdout);
                (void) fflush(stdout);
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &top->terminal);
        }
        fd_close(top->interrupt);
}

static CtlExit top_init(Top *top, Ctl *ctl) {
        struct termios raw;

        *top = (Top){ .ctl = ctl, .interrupt = ctl_interrupt_open() };
        if (top->interrupt < 0) {
                ctl_complain(ctl, "signalfd: %s", strerror(-top->interrupt));
                return CTL_EXIT_FAILURE;
        }
        if (!ctl->terminal.is_terminal || ctl_is_json(ctl) ||
            tcgetattr(STDIN_FILENO, &top->terminal) < 0)
                return CTL_EXIT_OK;
        raw = top->terminal;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
                return CTL_EXIT_OK;
        top->is_interactive = true;
        fputs(ALTERNATE_SCREEN, stdout);
        return CTL_EXIT_OK;
}

/* True: it is enough. */
static bool pause_or_end(const Top *top) {
        struct pollfd fds[] = {
                { .fd = top->interrupt, .events = POLLIN },
                { .fd = top->is_interactive ? STDIN_FILENO : -1, .events = POLLIN },
        };
        char key = '\0';

        if (poll(fds, N_ELEMENTS(fds), (int) top->ctl->options.delay_s * 1000) <= 0)
                return false;
        if (fds[0].revents != 0)
                return true;
        return read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q';
}

static void draw(Top *top, const CtlTable *table) {
        struct winsize size;

        if (top->is_interactive && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                top->ctl->terminal.n_columns = size.ws_col;
        if (top->is_interactive)
                printf(HOME_AND_CLEAR "usb-storagectl top: every %u s, q ends it\n\n",
                       (unsigned) top->ctl->options.delay_s);
        (void) ctl_table_show(table, top->ctl);
        if (!top->is_interactive && !ctl_is_json(top->ctl))
                putchar('\n');
        (void) fflush(stdout);
}

CtlExit verb_top(Ctl *ctl, char **arguments) {
        uint64_t n_left = ctl->options.n_iterations;
        _cleanup_(top_done) Top top;
        CtlExit e;

        e = top_init(&top, ctl);
        if (e != CTL_EXIT_OK)
                return e;
        do {
                _cleanup_(ctl_table_freep) CtlTable *table = NULL;

                e = look(ctl, &table);
                if (e != CTL_EXIT_OK)
                        return e;
                draw(&top, table);
                if (n_left > 0 && --n_left == 0)
                        return CTL_EXIT_OK;
        } while (!ferror(stdout) && !pause_or_end(&top));
        return CTL_EXIT_OK;
}
