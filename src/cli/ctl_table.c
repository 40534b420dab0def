/* Cells, their widths, and the cutting of what is too wide. */

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cli/ctl_table.h"
#include "cli/ctl_text.h"

#define ROWS_MAX 65536
/* A column that shrinks keeps so much. */
#define SHRUNK_WIDTH_MIN 6

typedef struct Cell {
        json_object *value; /* owned */
        char *text;         /* owned; NULL: from the value */
        CtlColour colour;
} Cell;

struct CtlTable {
        const CtlColumn *columns; /* borrowed */
        size_t n_columns;
        size_t shown[CTL_TABLE_COLUMNS_MAX]; /* indices of columns, in their order */
        size_t n_shown;
        bool is_selected;
        Cell *cells; /* owned; row by row */
        size_t n_rows;
};

static void show_default(CtlTable *table) {
        table->n_shown = 0;
        for (size_t i = 0; i < table->n_columns; i++)
                if (table->columns[i].is_default)
                        table->shown[table->n_shown++] = i;
}

CtlTable *ctl_table_new(const CtlColumn *columns, size_t n_columns) {
        CtlTable *table;

        assert(n_columns <= CTL_TABLE_COLUMNS_MAX);

        table = calloc(1, sizeof(*table));
        if (!table)
                ctl_text_no_memory();
        table->columns = columns;
        table->n_columns = n_columns;
        show_default(table);
        return table;
}

CtlTable *ctl_table_free(CtlTable *table) {
        if (!table)
                return NULL;

        for (size_t i = 0; i < table->n_rows * table->n_columns; i++) {
                json_object_put(table->cells[i].value);
                free(table->cells[i].text);
        }
        free(table->cells);
        free(table);
        return NULL;
}

static int show_column(CtlTable *table, const char *name) {
        for (size_t i = 0; i < table->n_columns; i++) {
                if (strcasecmp(table->columns[i].title, name) != 0)
                        continue;
                for (size_t j = 0; j < table->n_shown; j++)
                        if (table->shown[j] == i)
                                return 0;
                table->shown[table->n_shown++] = i;
                return 0;
        }
        return -EINVAL;
}

int ctl_table_select(CtlTable *table, const char *names, char **ret_wrong) {
        _cleanup_(freep) char *copy = ctl_text_copy(*names == '+' ? names + 1 : names);
        char *rest = copy, *name;

        table->is_selected = true;
        if (*names != '+')
                table->n_shown = 0;
        if (strcmp(names, "all") == 0) {
                for (size_t i = 0; i < table->n_columns; i++)
                        table->shown[table->n_shown++] = i;
                return 0;
        }
        while ((name = strsep(&rest, ",")))
                if (show_column(table, name) < 0) {
                        *ret_wrong = ctl_text_copy(name);
                        return -EINVAL;
                }
        return 0;
}

void ctl_table_begin_row(CtlTable *table) {
        size_t n = (table->n_rows + 1) * table->n_columns;
        Cell *cells;

        assert(table->n_rows < ROWS_MAX);

        cells = reallocarray(table->cells, n, sizeof(*cells));
        if (!cells)
                ctl_text_no_memory();
        memset(cells + n - table->n_columns, 0, table->n_columns * sizeof(*cells));
        table->cells = cells;
        table->n_rows++;
}

static Cell *newest(CtlTable *table, size_t column) {
        assert(table->n_rows > 0);
        assert(column < table->n_columns);

        return &table->cells[(table->n_rows - 1) * table->n_columns + column];
}

void ctl_table_set(CtlTable *table, size_t column, json_object *value, const char *text) {
        Cell *cell = newest(table, column);

        assert(!cell->value && !cell->text);

        cell->value = value;
        cell->text = text ? ctl_text_copy(text) : NULL;
        /* A cell is one line. */
        for (char *c = cell->text; c && *c != '\0'; c++)
                if (*c == '\n' || *c == '\t')
                        *c = ' ';
}

void ctl_table_set_colour(CtlTable *table, size_t column, CtlColour colour) {
        newest(table, column)->colour = colour;
}

size_t ctl_table_n_rows(const CtlTable *table) { return table->n_rows; }

static const char *cell_text(const Cell *cell) {
        const char *text = cell->text;

        if (!text && cell->value)
                text = json_object_get_string(cell->value);
        return text && *text != '\0' ? text : "-";
}

static const Cell *cell_at(const CtlTable *table, size_t row, size_t column) {
        return &table->cells[row * table->n_columns + column];
}

static void measure(const CtlTable *table, bool has_legend, size_t *widths) {
        for (size_t i = 0; i < table->n_shown; i++) {
                size_t column = table->shown[i];

                widths[i] = has_legend ? strlen(table->columns[column].title) : 0;
                for (size_t row = 0; row < table->n_rows; row++) {
                        size_t width = ctl_text_width(cell_text(cell_at(table, row, column)));

                        widths[i] = MAX(widths[i], width);
                }
        }
}

static size_t find_widest(const CtlTable *table, const size_t *widths, bool is_copied) {
        size_t widest = SIZE_MAX;

        for (size_t i = 0; i < table->n_shown; i++) {
                const CtlColumn *column = &table->columns[table->shown[i]];

                if (column->can_shrink && column->is_copied == is_copied &&
                    widths[i] > SHRUNK_WIDTH_MIN &&
                    (widest == SIZE_MAX || widths[i] > widths[widest]))
                        widest = i;
        }
        return widest;
}

/* The widest that may shrink gives a column, until it fits or none may. */
static void shrink(const CtlTable *table, size_t *widths, size_t width_max) {
        size_t sum = table->n_shown - 1;

        for (size_t i = 0; i < table->n_shown; i++)
                sum += widths[i];
        for (; sum > width_max; sum--) {
                size_t widest = find_widest(table, widths, /* is_copied= */ false);

                if (widest == SIZE_MAX)
                        widest = find_widest(table, widths, /* is_copied= */ true);
                if (widest == SIZE_MAX)
                        return;
                widths[widest]--;
        }
}

static void print_text(FILE *file, const CtlTerminal *terminal, const char *text, size_t width,
                       bool is_right, bool is_last, CtlColour colour) {
        size_t text_width = ctl_text_width(text), size = strlen(text);
        const char *ellipsis = "";
        size_t padding = 0;

        if (text_width > width) {
                ellipsis = terminal->has_utf8 ? "…" : "~";
                size = ctl_text_fit(text, width - 1);
        } else {
                padding = width - text_width;
        }
        fprintf(file, "%*s%s%.*s%s%s%*s%s", is_right ? (int) padding : 0, "",
                ctl_terminal_colour(terminal, colour), (int) size, text, ellipsis,
                colour == CTL_COLOUR_NONE ? "" : ctl_terminal_plain(terminal),
                is_right || is_last ? 0 : (int) padding, "", is_last ? "\n" : " ");
}

void ctl_table_print(const CtlTable *table, FILE *file, const CtlTerminal *terminal,
                     bool has_legend) {
        size_t widths[CTL_TABLE_COLUMNS_MAX];

        if (table->n_shown == 0)
                return;
        measure(table, has_legend, widths);
        if (terminal->n_columns > 0)
                shrink(table, widths, terminal->n_columns);
        for (size_t i = 0; has_legend && i < table->n_shown; i++) {
                const CtlColumn *column = &table->columns[table->shown[i]];

                print_text(file, terminal, column->title, widths[i], column->is_right,
                           i + 1 == table->n_shown, CTL_COLOUR_BOLD);
        }
        for (size_t row = 0; row < table->n_rows; row++)
                for (size_t i = 0; i < table->n_shown; i++) {
                        const Cell *cell = cell_at(table, row, table->shown[i]);

                        print_text(file, terminal, cell_text(cell), widths[i],
                                   table->columns[table->shown[i]].is_right,
                                   i + 1 == table->n_shown, cell->colour);
                }
}

static json_object *row_to_json(const CtlTable *table, size_t row) {
        json_object *object = json_object_new_object();
        size_t n = table->is_selected ? table->n_shown : table->n_columns;

        for (size_t i = 0; i < n; i++) {
                size_t column = table->is_selected ? table->shown[i] : i;
                const CtlColumn *c = &table->columns[column];
                _cleanup_(freep) char *key = ctl_text_copy(c->key ? c->key : c->title);

                for (char *letter = key; *letter != '\0'; letter++)
                        *letter = (char) tolower((unsigned char) *letter);
                json_object_object_add(object, key,
                                       json_object_get(cell_at(table, row, column)->value));
        }
        return object;
}

json_object *ctl_table_to_json(const CtlTable *table) {
        json_object *rows = json_object_new_array();

        for (size_t row = 0; row < table->n_rows; row++)
                json_object_array_add(rows, row_to_json(table, row));
        return rows;
}

CtlExit ctl_table_show(const CtlTable *table, Ctl *ctl) {
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, ctl_table_to_json(table));
        ctl_table_print(table, stdout, &ctl->terminal,
                        !ctl_options_has(&ctl->options, CTL_OPTION_NO_LEGEND));
        return CTL_EXIT_OK;
}
