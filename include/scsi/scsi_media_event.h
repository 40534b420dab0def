#pragma once

/*
 * ScsiMediaEvent
 *
 * What an optical drive tells by GET EVENT STATUS NOTIFICATION of its medium and its tray (MMC-6,
 * "Media class events"). Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_MEDIA_EVENT_SIZE 8 /* the header and one descriptor */

typedef enum ScsiMediaEventCode {
        SCSI_MEDIA_EVENT_CODE_NONE, /* also one that means nothing here */
        SCSI_MEDIA_EVENT_CODE_EJECT_REQUEST,
        SCSI_MEDIA_EVENT_CODE_NEW_MEDIUM,
        SCSI_MEDIA_EVENT_CODE_REMOVAL,
        SCSI_MEDIA_EVENT_CODE_CHANGED,
        _SCSI_MEDIA_EVENT_CODE_MAX,
} ScsiMediaEventCode;

typedef struct ScsiMediaEvent {
        ScsiMediaEventCode code;
        bool is_present; /* there is a medium, and the tray is shut */
        bool is_tray_open;
} ScsiMediaEvent;

/* -EBADMSG: it tells nothing of its medium. */
int scsi_media_event_parse(ScsiMediaEvent *ret, const uint8_t *bytes, size_t size);
