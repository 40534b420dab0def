#pragma once

/* Lines "Title: value", aligned at the colon, in what shows one thing at a time. */

#include "cli/ctl_objects.h"

#define CTL_FACTS_INDENT 18

/* Nothing is printed for a value that is "". */
void ctl_facts_print(const Ctl *ctl, const char *title, const char *format, ...) _printf_(3, 4);
/* Titles as the properties are named: "TransferSizeMax" is "Transfer size max". */
void ctl_facts_print_all(const Ctl *ctl, json_object *properties);
/* Words of an array, joined; to be freed. */
char *ctl_facts_join(json_object *array, const char *separator);
