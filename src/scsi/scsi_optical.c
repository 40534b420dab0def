/* Discs in optical drives: see scsi_optical.h. */

#include "scsi/scsi_optical.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/macros.h"

#define TOC_HEADER_SIZE 4
#define TOC_TRACK_SIZE 8
#define TOC_LEAD_OUT 0xAA
#define TOC_CONTROL_DATA 0x04
#define DISC_STATUS_EMPTY 0x00
#define FEATURE_CAN_EJECT 0x08

/* MMC-6, "GET CONFIGURATION response": the feature header. */
int scsi_optical_parse_configuration(ScsiOptical *optical, const uint8_t *bytes, size_t size) {
        if (size < SCSI_OPTICAL_CONFIGURATION_SIZE)
                return -EBADMSG;
        optical->has_configuration = true;
        optical->profile = get_be16(bytes + 6);
        return 0;
}

/* MMC-6, "Removable Medium feature": bit 3, Eject. */
int scsi_optical_parse_removable(ScsiOptical *optical, const uint8_t *bytes, size_t size) {
        const uint8_t *feature = bytes + SCSI_OPTICAL_CONFIGURATION_SIZE;

        if (size < SCSI_OPTICAL_CONFIGURATION_SIZE + 5 ||
            get_be32(bytes) + 4 < SCSI_OPTICAL_CONFIGURATION_SIZE + 5 ||
            get_be16(feature) != SCSI_FEATURE_REMOVABLE_MEDIUM)
                return -EBADMSG;
        optical->cannot_eject = !(feature[4] & FEATURE_CAN_EJECT);
        return 0;
}

/* MMC-6, "Standard disc information". */
int scsi_optical_parse_information(ScsiOptical *optical, const uint8_t *bytes, size_t size) {
        if (size < 3 || get_be16(bytes) == 0)
                return -EBADMSG;
        optical->has_status = true;
        optical->is_empty = (bytes[2] & 0x03) == DISC_STATUS_EMPTY;
        return 0;
}

static void scsi_optical_take_track(ScsiOptical *optical, const uint8_t *track) {
        if (track[2] == TOC_LEAD_OUT) {
                optical->lead_out = get_be32(track + 4);
                return;
        }
        if (track[1] & TOC_CONTROL_DATA)
                optical->n_data_tracks++;
        else
                optical->n_audio_tracks++;
}

/* MMC-6, "Response format 0000b: formatted TOC". */
int scsi_optical_parse_toc(ScsiOptical *optical, const uint8_t *bytes, size_t size) {
        size_t end;

        if (size < TOC_HEADER_SIZE)
                return -EBADMSG;
        end = MIN(size, (size_t) get_be16(bytes) + 2);
        if (end < TOC_HEADER_SIZE + TOC_TRACK_SIZE)
                return -EBADMSG;
        for (size_t i = TOC_HEADER_SIZE; i + TOC_TRACK_SIZE <= end; i += TOC_TRACK_SIZE)
                scsi_optical_take_track(optical, bytes + i);
        return 0;
}

ScsiOpticalDisc scsi_optical_judge(const ScsiOptical *optical) {
        if (optical->has_status && optical->is_empty)
                return SCSI_OPTICAL_DISC_BLANK;
        if (optical->n_audio_tracks > 0 && optical->n_data_tracks == 0)
                return SCSI_OPTICAL_DISC_AUDIO;
        return SCSI_OPTICAL_DISC_DATA;
}

ScsiDisc scsi_optical_get_disc(const ScsiOptical *optical) {
        return (ScsiDisc){
                .profile = optical->profile,
                .n_data_tracks = (uint8_t) MIN(optical->n_data_tracks, (unsigned) UINT8_MAX),
                .n_audio_tracks = (uint8_t) MIN(optical->n_audio_tracks, (unsigned) UINT8_MAX),
                .is_blank = scsi_optical_judge(optical) == SCSI_OPTICAL_DISC_BLANK,
                .cannot_eject = optical->cannot_eject,
        };
}

const char *scsi_optical_disc_get_obstacle(ScsiOpticalDisc disc) {
        switch (disc) {
        case SCSI_OPTICAL_DISC_DATA:
                return NULL;
        case SCSI_OPTICAL_DISC_BLANK:
                return "a blank disc";
        case SCSI_OPTICAL_DISC_AUDIO:
                return "an audio disc";
        case _SCSI_OPTICAL_DISC_MAX:
                break;
        }

        assert_not_reached();
}

/* A size that is nothing, or that of a raw sector (2340, 2352 and their like), means 2048. A drive
 * that tells no capacity has at least told where the tracks end; a size is never guessed. */
bool scsi_optical_fix_capacity(ScsiCapacity *capacity, const ScsiOptical *optical) {
        if (!scsi_capacity_is_supported(capacity)) {
                capacity->block_size = SCSI_OPTICAL_BLOCK_SIZE;
                capacity->physical_block_size = SCSI_OPTICAL_BLOCK_SIZE;
        }
        if ((capacity->last_lba == 0 || capacity->last_lba >= UINT32_MAX) && optical->lead_out > 1)
                capacity->last_lba = optical->lead_out - 1;
        return capacity->last_lba > 0 && capacity->last_lba < UINT32_MAX;
}
