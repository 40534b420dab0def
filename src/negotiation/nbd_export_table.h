#pragma once

/*
 * NbdExportTable
 *
 * What can be exported now, in the order in which it was added. Handshakes look names up afresh for
 * each option, so that an export which has gone is gone for all of them.
 */

#include "negotiation/nbd_server.h"

typedef struct NbdExportTable {
        NbdServerExport *exports; /* owned array */
        size_t n_exports;
        size_t n_exports_reserved;
        bool is_shut_down; /* options get ERR_SHUTDOWN */
} NbdExportTable;

void nbd_export_table_done(NbdExportTable *table);
/* -EEXIST: that name or generation, -ENOSPC: too many, -EINVAL: no name, or impossible block sizes,
 * -ENOMEM. */
int nbd_export_table_add(NbdExportTable *table, const NbdServerExport *export);
/* Returns whether there was one. */
bool nbd_export_table_remove(NbdExportTable *table, uint64_t generation);
/* Borrowed until the table changes; NULL: unknown. `name` is not terminated. */
const NbdServerExport *nbd_export_table_find(const NbdExportTable *table, const char *name,
                                             size_t name_size);
const NbdServerExport *nbd_export_table_find_generation(const NbdExportTable *table,
                                                        uint64_t generation);
