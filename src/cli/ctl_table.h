#pragma once

/*
 * CtlTable
 *
 * Rows and columns: for people, aligned and cut to the terminal's width, or as JSON, where each row
 * is an object of the columns' names in small letters.
 */

#include "cli/ctl.h"

#define CTL_TABLE_COLUMNS_MAX 24

typedef struct CtlColumn {
        const char *title;
        bool is_right;   /* numbers */
        bool is_default; /* shown unless columns are named */
        bool can_shrink; /* cut off where there is not the room */
        bool is_copied;  /* into other commands: shrinks when no other can */
        const char *key; /* in JSON; NULL: as the title */
} CtlColumn;

typedef struct CtlTable CtlTable;

CtlTable *ctl_table_new(const CtlColumn *columns, size_t n_columns);
CtlTable *ctl_table_free(CtlTable *table);
DEFINE_CLEANUP(CtlTable *, ctl_table_free);
/* "NAME,size", "all"; "+TEMP" adds to the default. -EINVAL: `*ret_wrong` is no column (to be
 * freed). */
int ctl_table_select(CtlTable *table, const char *names, char **ret_wrong);
void ctl_table_begin_row(CtlTable *table);
/* Sets a cell of the newest row, once: what JSON says, taken (NULL: there is no value), and what
 * people read, copied (NULL: the same; "-" where there is no value). */
void ctl_table_set(CtlTable *table, size_t column, json_object *value, const char *text);
void ctl_table_set_colour(CtlTable *table, size_t column, CtlColour colour);
size_t ctl_table_n_rows(const CtlTable *table);
void ctl_table_print(const CtlTable *table, FILE *file, const CtlTerminal *terminal,
                     bool has_legend);
/* An array; the caller's. Has all columns, shown or not, unless they were selected. */
json_object *ctl_table_to_json(const CtlTable *table);
/* As the options of `ctl` say, through the pager. */
CtlExit ctl_table_show(const CtlTable *table, Ctl *ctl);
