/*
 * A plain array: a thousand exports at most, looked up a few times in the life of a connection.
 */

#include <errno.h>
#include <string.h>

#include "negotiation/nbd_export_table.h"

#define RESERVED_FIRST 16
/* The protocol's bounds, "Block size constraints". */
#define BLOCK_SIZE_MINIMUM_MAX (64 * KIB)
#define BLOCK_SIZE_PREFERRED_MIN 512

void nbd_export_table_done(NbdExportTable *table) {
        free(table->exports);
        *table = (NbdExportTable){ 0 };
}

static bool is_terminated(const char *text, size_t size) {
        return memchr(text, '\0', size) != NULL;
}

/* All zero means that nothing is known, and then nothing is told. */
static bool is_block_size_valid(const NbdExportInfo *info) {
        if (info->block_size_minimum == 0 && info->block_size_preferred == 0 &&
            info->block_size_maximum == 0)
                return true;

        return is_power_of_two(info->block_size_minimum) &&
               info->block_size_minimum <= BLOCK_SIZE_MINIMUM_MAX &&
               is_power_of_two(info->block_size_preferred) &&
               info->block_size_preferred >= BLOCK_SIZE_PREFERRED_MIN &&
               info->block_size_preferred >= info->block_size_minimum &&
               info->block_size_maximum >= info->block_size_preferred &&
               (info->block_size_maximum == UINT32_MAX ||
                info->block_size_maximum % info->block_size_minimum == 0);
}

static int reserve(NbdExportTable *table) {
        size_t n = MAX(2 * table->n_exports_reserved, (size_t) RESERVED_FIRST);
        NbdServerExport *exports;

        if (table->n_exports < table->n_exports_reserved)
                return 0;

        exports = reallocarray(table->exports, n, sizeof(*exports));
        if (!exports)
                return -ENOMEM;

        table->exports = exports;
        table->n_exports_reserved = n;
        return 0;
}

int nbd_export_table_add(NbdExportTable *table, const NbdServerExport *export) {
        int r;

        if (!is_terminated(export->name, sizeof(export->name)) ||
            !is_terminated(export->description, sizeof(export->description)) ||
            export->name[0] == '\0' || !is_block_size_valid(&export->info))
                return -EINVAL;
        for (size_t i = 0; i < table->n_exports; i++)
                if (strcmp(table->exports[i].name, export->name) == 0 ||
                    table->exports[i].generation == export->generation)
                        return -EEXIST;
        if (table->n_exports >= NBD_SERVER_EXPORTS_MAX)
                return -ENOSPC;

        r = reserve(table);
        if (r < 0)
                return r;

        table->exports[table->n_exports++] = *export;
        return 0;
}

bool nbd_export_table_remove(NbdExportTable *table, uint64_t generation) {
        for (size_t i = 0; i < table->n_exports; i++) {
                if (table->exports[i].generation != generation)
                        continue;

                table->n_exports--;
                memmove(&table->exports[i], &table->exports[i + 1],
                        (table->n_exports - i) * sizeof(table->exports[0]));
                return true;
        }
        return false;
}

const NbdServerExport *nbd_export_table_find(const NbdExportTable *table, const char *name,
                                             size_t name_size) {
        for (size_t i = 0; i < table->n_exports; i++) {
                const NbdServerExport *export = &table->exports[i];

                if (strlen(export->name) == name_size && memcmp(export->name, name, name_size) == 0)
                        return export;
        }
        return NULL;
}

const NbdServerExport *nbd_export_table_find_generation(const NbdExportTable *table,
                                                        uint64_t generation) {
        for (size_t i = 0; i < table->n_exports; i++)
                if (table->exports[i].generation == generation)
                        return &table->exports[i];
        return NULL;
}
