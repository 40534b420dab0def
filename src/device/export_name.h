#pragma once

/*
 * ExportName
 *
 * What the exports of a device are called: "<vid>-<pid>-<serial or port path>", of [A-Za-z0-9._-]
 * alone, as the strings come from a device that nobody trusts and names end up in URIs and paths.
 */

#include <stddef.h>
#include <stdint.h>

/* Leaves room for "-lunNN" in a control message. */
#define EXPORT_NAME_SIZE_MAX 112

/* `serial` may be "": then `port` stands for it. The result is cut to EXPORT_NAME_SIZE_MAX. */
void export_name_format(char *ret, uint16_t vendor_id, uint16_t product_id, const char *serial,
                        const char *port);
/* Whatever is not in such a name becomes "_". In place. */
void export_name_sanitise(char *text);
/* For a device whose name is taken by another (a cloned serial): adds "-at-<port>". */
void export_name_add_port(char *name, const char *port);
/* Where that is taken, too: adds "-<number>". */
void export_name_add_number(char *name, unsigned number);
