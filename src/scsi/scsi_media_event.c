/* Events of the media class: see scsi_media_event.h. */

#include "scsi/scsi_media_event.h"

#include <errno.h>

#include "base/bytes.h"

#define NO_EVENT_AVAILABLE 0x80
#define CLASS_MASK 0x07
#define CLASS_MEDIA 0x04
#define STATUS_TRAY_OPEN 0x01
#define STATUS_PRESENT 0x02

static ScsiMediaEventCode scsi_media_event_get_code(uint8_t byte) {
        uint8_t code = byte & 0x0F;

        return code < _SCSI_MEDIA_EVENT_CODE_MAX ? (ScsiMediaEventCode) code
                                                 : SCSI_MEDIA_EVENT_CODE_NONE;
}

/* MMC-6, "Event status notification response". The length does not count itself. */
int scsi_media_event_parse(ScsiMediaEvent *ret, const uint8_t *bytes, size_t size) {
        if (size < 6 || get_be16(bytes) < 4)
                return -EBADMSG;
        if (bytes[2] & NO_EVENT_AVAILABLE || (bytes[2] & CLASS_MASK) != CLASS_MEDIA)
                return -EBADMSG;

        *ret = (ScsiMediaEvent){
                .code = scsi_media_event_get_code(bytes[4]),
                .is_present = (bytes[5] & (STATUS_PRESENT | STATUS_TRAY_OPEN)) == STATUS_PRESENT,
                .is_tray_open = bytes[5] & STATUS_TRAY_OPEN,
        };
        return 0;
}
