#pragma once

/*
 * ScsiOptical
 *
 * What an optical drive tells of the disc in it (MMC-6): its profile, whether it is blank, its
 * tracks; and what follows from that. Pure; private to scsi.
 */

#include "scsi/scsi_capacity.h"
#include "scsi/scsi_disk.h"

#define SCSI_OPTICAL_CONFIGURATION_SIZE 8 /* of the feature header alone */
#define SCSI_OPTICAL_FEATURE_SIZE 16      /* the header and one feature's first bytes */
#define SCSI_OPTICAL_INFORMATION_SIZE 34
#define SCSI_OPTICAL_TOC_SIZE 804 /* 99 tracks and the lead-out */
#define SCSI_OPTICAL_BLOCK_SIZE 2048

typedef enum ScsiOpticalDisc {
        SCSI_OPTICAL_DISC_DATA,
        SCSI_OPTICAL_DISC_BLANK,
        SCSI_OPTICAL_DISC_AUDIO,
        _SCSI_OPTICAL_DISC_MAX,
} ScsiOpticalDisc;

/* Zeroed: nothing is known. */
typedef struct ScsiOptical {
        bool has_configuration;
        uint16_t profile; /* the current one; 0: unknown */
        bool has_status;
        bool is_empty; /* nothing was ever written to it */
        unsigned n_data_tracks;
        unsigned n_audio_tracks;
        uint32_t lead_out; /* the first block behind the tracks; 0: unknown */
        bool cannot_eject; /* it says so */
} ScsiOptical;

/* Each adds what it finds; -EBADMSG: nothing. */
int scsi_optical_parse_configuration(ScsiOptical *optical, const uint8_t *bytes, size_t size);
int scsi_optical_parse_removable(ScsiOptical *optical, const uint8_t *bytes, size_t size);
int scsi_optical_parse_information(ScsiOptical *optical, const uint8_t *bytes, size_t size);
int scsi_optical_parse_toc(ScsiOptical *optical, const uint8_t *bytes, size_t size);

ScsiOpticalDisc scsi_optical_judge(const ScsiOptical *optical);
ScsiDisc scsi_optical_get_disc(const ScsiOptical *optical);
/* Why there is nothing to export; NULL: there is. */
const char *scsi_optical_disc_get_obstacle(ScsiOpticalDisc disc);
/* Makes of what READ CAPACITY said, zeroed if nothing, what is true. False: the size is unknown. */
bool scsi_optical_fix_capacity(ScsiCapacity *capacity, const ScsiOptical *optical);
