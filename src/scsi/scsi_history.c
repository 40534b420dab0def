/* The ring, and its entries in words. */

#include "scsi/scsi_history.h"

#include <inttypes.h>
#include <string.h>

#include "base/macros.h"

void scsi_history_note(ScsiHistory *history, const ScsiCommand *command, uint64_t now_ns) {
        ScsiHistoryEntry *entry = &history->entries[history->n++ % SCSI_HISTORY_SIZE];
        const TransportRequest *request = &command->request;

        entry->ended_ns = now_ns;
        entry->duration_ns = now_ns - command->sent_ns;
        entry->result = command->result;
        entry->size = (uint32_t) request->size;
        entry->actual_size = (uint32_t) command->actual_size;
        entry->direction = request->direction;
        memcpy(entry->cdb, request->command, sizeof(entry->cdb));
        entry->cdb_size = (uint8_t) request->command_size;
        entry->lun = request->lun;
        if (command->result != SCSI_RESULT_CHECK_CONDITION)
                return;
        entry->sense = command->sense;
        entry->is_unexplained = command->is_unexplained;
}

const ScsiHistoryEntry *scsi_history_get(const ScsiHistory *history, size_t index) {
        uint64_t n = MIN(history->n, (uint64_t) SCSI_HISTORY_SIZE);

        if (index >= n)
                return NULL;
        return &history->entries[(history->n - n + index) % SCSI_HISTORY_SIZE];
}

static void write_data(FILE *file, const ScsiHistoryEntry *entry) {
        const ScsiCdbInfo *info = scsi_cdb_find(entry->cdb, entry->cdb_size);

        if (info && info->lba_size > 0)
                fprintf(file, ", block %" PRIu64, scsi_cdb_get_lba(info, entry->cdb));
        if (entry->direction == TRANSPORT_DIRECTION_NONE)
                return;
        fprintf(file, ", %" PRIu32 " bytes %s", entry->size,
                entry->direction == TRANSPORT_DIRECTION_IN ? "in" : "out");
        if (entry->actual_size != entry->size)
                fprintf(file, ", %" PRIu32 " of them moved", entry->actual_size);
}

static void write_result(FILE *file, const ScsiHistoryEntry *entry) {
        char sense[SCSI_SENSE_TEXT_SIZE];

        fprintf(file, ": %s in %" PRIu64 ".%03" PRIu64 " ms", scsi_result_to_string(entry->result),
                entry->duration_ns / NS_PER_MS, entry->duration_ns / 1000 % 1000);
        if (entry->result == SCSI_RESULT_CHECK_CONDITION)
                fprintf(file, ": %s",
                        entry->is_unexplained
                                        ? "without sense"
                                        : scsi_sense_format(&entry->sense, sense, sizeof(sense)));
}

static void write_entry(FILE *file, const ScsiHistoryEntry *entry, uint64_t now_ns) {
        uint64_t age_ms = (now_ns - entry->ended_ns) / NS_PER_MS;

        fprintf(file, "%" PRIu64 ".%03" PRIu64 " s ago, unit %u: %s", age_ms / 1000, age_ms % 1000,
                entry->lun, scsi_cdb_name(entry->cdb, entry->cdb_size));
        write_data(file, entry);
        write_result(file, entry);
        for (size_t i = 0; i < entry->cdb_size; i++)
                fprintf(file, "%s%02x", i == 0 ? " [" : " ", entry->cdb[i]);
        fputs("]\n", file);
}

void scsi_history_write(const ScsiHistory *history, uint64_t now_ns, FILE *file) {
        const ScsiHistoryEntry *entry;

        for (size_t i = 0; (entry = scsi_history_get(history, i)); i++)
                write_entry(file, entry, now_ns);
}
