/*
 * An optical drive with a tray, from MMC-6: what it tells of itself, of its disc, and of what
 * happens to both. A disc has one session: one track of data, three of audio, or nothing yet.
 */

#include "simulator/simulated_optical.h"

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_disk.h"

#define AUDIO_TRACKS 3
#define LEAD_OUT 0xAA
#define CONTROL_AUDIO 0x10 /* ADR 1, and the control field in the lower half */
#define CONTROL_DATA 0x14
/* An address as a time: 75 sectors a second, the first of them after two seconds. */
#define SECTORS_PER_SECOND 75
#define SECTORS_BEFORE 150

#define PROFILE_NONE 0x0000
#define PROFILE_CD_ROM 0x0008
#define PROFILE_CD_R 0x0009
#define PROFILE_DVD_ROM 0x0010
/* More than any CD holds. */
#define CD_BLOCKS_MAX UINT64_C(450000)

#define FEATURE_PROFILES 0x0000
#define FEATURE_CORE 0x0001
#define FEATURE_REMOVABLE 0x0003
#define FEATURE_RANDOM_READABLE 0x0010
#define FEATURE_PERSISTENT 0x02
#define FEATURE_CURRENT 0x01
#define INTERFACE_USB 8

#define EVENT_CLASS_MEDIA 4
#define EVENT_NONE_AVAILABLE 0x80
#define EVENT_HEADER_SIZE 4
#define TRAY_OPEN 0x01
#define MEDIA_PRESENT 0x02

bool simulated_optical_is_own(uint8_t opcode) {
        switch (opcode) {
        case SIMULATED_OPCODE_READ_TOC:
        case SIMULATED_OPCODE_GET_CONFIGURATION:
        case SIMULATED_OPCODE_GET_EVENT_STATUS_NOTIFICATION:
        case SIMULATED_OPCODE_READ_DISC_INFORMATION:
                return true;
        default: /* a byte of the host, not an enum */
                return false;
        }
}

bool simulated_optical_has_command(uint8_t opcode) {
        switch (opcode) {
        case SIMULATED_OPCODE_TEST_UNIT_READY:
        case SIMULATED_OPCODE_REQUEST_SENSE:
        case SIMULATED_OPCODE_INQUIRY:
        case SIMULATED_OPCODE_START_STOP_UNIT:
        case SIMULATED_OPCODE_PREVENT_ALLOW:
        case SIMULATED_OPCODE_READ_CAPACITY_10:
        case SIMULATED_OPCODE_READ_10:
        case SIMULATED_OPCODE_WRITE_10:
        case SIMULATED_OPCODE_SYNCHRONIZE_CACHE_10:
        case SIMULATED_OPCODE_MODE_SENSE_10:
        case SIMULATED_OPCODE_REPORT_LUNS:
        case SIMULATED_OPCODE_READ_12:
        case SIMULATED_OPCODE_WRITE_12:
                return true;
        default: /* a byte of the host, not an enum */
                return simulated_optical_is_own(opcode);
        }
}

/* GET CONFIGURATION */

static uint16_t get_profile(const SimulatedCommand *command) {
        const SimulatedLun *lun = command->lun;

        if (!lun->is_present)
                return PROFILE_NONE;
        if (lun->disc == SIMULATOR_DISC_BLANK)
                return PROFILE_CD_R;
        return lun->n_blocks > CD_BLOCKS_MAX ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* Each fills what follows the feature's header of four bytes, tells its flags, and returns its
 * size. */
typedef size_t (*FeatureFill)(const SimulatedCommand *command, uint8_t *bytes, uint8_t *ret_flags);

static size_t feature_profiles(const SimulatedCommand *command, uint8_t *bytes,
                               uint8_t *ret_flags) {
        static const uint16_t profiles[] = { PROFILE_DVD_ROM, PROFILE_CD_R, PROFILE_CD_ROM };

        for (size_t i = 0; i < N_ELEMENTS(profiles); i++) {
                put_be16(bytes + 4 * i, profiles[i]);
                bytes[4 * i + 2] = profiles[i] == get_profile(command);
        }
        *ret_flags = FEATURE_PERSISTENT | FEATURE_CURRENT;
        return 4 * N_ELEMENTS(profiles);
}

static size_t feature_core(const SimulatedCommand *command, uint8_t *bytes, uint8_t *ret_flags) {
        put_be32(bytes, INTERFACE_USB);
        *ret_flags = FEATURE_PERSISTENT | FEATURE_CURRENT;
        return 8;
}

static size_t feature_removable(const SimulatedCommand *command, uint8_t *bytes,
                                uint8_t *ret_flags) {
        bytes[0] = 0x20 | 0x08 | 0x01; /* a tray, that can be ejected and locked */
        *ret_flags = FEATURE_PERSISTENT | FEATURE_CURRENT;
        return 4;
}

static size_t feature_random_readable(const SimulatedCommand *command, uint8_t *bytes,
                                      uint8_t *ret_flags) {
        bool has_data = command->lun->is_present && command->lun->disc == SIMULATOR_DISC_DATA;

        put_be32(bytes, command->target->spec.block_size);
        put_be16(bytes + 4, 1);
        *ret_flags = has_data ? FEATURE_CURRENT : 0;
        return 8;
}

typedef struct Feature {
        uint16_t code;
        FeatureFill fill;
} Feature;

/* In ascending order: MMC-6, "GET CONFIGURATION command". */
static const Feature features[] = {
        { FEATURE_PROFILES, feature_profiles },
        { FEATURE_CORE, feature_core },
        { FEATURE_REMOVABLE, feature_removable },
        { FEATURE_RANDOM_READABLE, feature_random_readable },
};

/* What the RT field asks for. */
static bool is_wanted(const SimulatedCommand *command, const Feature *feature, uint8_t flags) {
        uint16_t start = get_be16(command->cdb + 2);

        switch (command->cdb[1] & 0x03) {
        case 0: /* all from the start on */
                return feature->code >= start;
        case 1: /* of these the current ones */
                return feature->code >= start && flags & FEATURE_CURRENT;
        case 2: /* that one */
                return feature->code == start;
        default: /* reserved; was refused */
                assert_not_reached();
        }
}

void simulated_optical_get_configuration(SimulatedCommand *command) {
        uint64_t allocation_size = get_be16(command->cdb + 7);
        size_t size = 8;
        uint8_t *bytes;

        if ((command->cdb[1] & 0x03) == 0x03) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, 256, allocation_size);
        for (size_t i = 0; i < N_ELEMENTS(features); i++) {
                uint8_t *feature = bytes + size;
                uint8_t flags;
                size_t n = features[i].fill(command, feature + 4, &flags);

                if (!is_wanted(command, &features[i], flags)) {
                        memset(feature, 0, 4 + n);
                        continue;
                }
                put_be16(feature, features[i].code);
                feature[2] = flags;
                feature[3] = (uint8_t) n;
                size += 4 + n;
        }
        put_be32(bytes, (uint32_t) (size - 4));
        put_be16(bytes + 6, get_profile(command));
        command->data_size = MIN((uint64_t) size, allocation_size);
}

/* GET EVENT STATUS NOTIFICATION */

static SimulatedMediaEvent take_event(SimulatedLun *lun) {
        SimulatedMediaEvent event;

        if (lun->n_events == 0)
                return SIMULATED_MEDIA_EVENT_NONE;
        event = lun->events[0];
        lun->n_events--;
        memmove(lun->events, lun->events + 1, lun->n_events * sizeof(lun->events[0]));
        return event;
}

static bool is_event_wrong(SimulatedCommand *command) {
        SimulatedTarget *target = command->target;
        SimulatorFaultOccasion occasion;

        simulated_target_describe(target, command->lun_number, command->cdb, /* has_data= */ true,
                                  &occasion);
        return simulator_fault_plan_take(&target->spec.faults, SIMULATOR_FAULT_EVENT_WRONG, 0,
                                         &occasion, &target->random);
}

/* Only polled, and only the media class. Of an event whose descriptor does not fit nothing is
 * lost. */
void simulated_optical_get_event_status(SimulatedCommand *command) {
        uint64_t allocation_size = get_be16(command->cdb + 7);
        bool wants_media = command->cdb[4] & 1U << EVENT_CLASS_MEDIA;
        SimulatedLun *lun = command->lun;
        uint8_t *bytes;

        if (!(command->cdb[1] & 0x01)) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, wants_media ? 8 : EVENT_HEADER_SIZE,
                                          allocation_size);
        put_be16(bytes, wants_media ? 6 : 2);
        bytes[2] = wants_media ? EVENT_CLASS_MEDIA : EVENT_NONE_AVAILABLE;
        bytes[3] = 1U << EVENT_CLASS_MEDIA;
        if (!wants_media || allocation_size <= EVENT_HEADER_SIZE)
                return;
        if (is_event_wrong(command)) {
                bytes[5] = lun->is_present ? 0x00 : MEDIA_PRESENT;
                return;
        }
        bytes[4] = (uint8_t) take_event(lun);
        bytes[5] = (lun->is_present ? MEDIA_PRESENT : 0x00) |
                   (lun->is_tray_open ? TRAY_OPEN : 0x00);
}

/* The disc */

/* MMC-6, "Standard disc information". */
void simulated_optical_read_disc_information(SimulatedCommand *command) {
        bool is_blank = command->lun->disc == SIMULATOR_DISC_BLANK;
        uint8_t *bytes;

        if ((command->cdb[1] & 0x07) != 0) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, 34, get_be16(command->cdb + 7));
        put_be16(bytes, 32);
        bytes[2] = is_blank ? 0x00
                            : 0x0C | 0x02; /* the last session is complete, the disc closed */
        bytes[3] = 1;
        bytes[4] = 1;
        bytes[5] = 1;
        bytes[6] = command->lun->disc == SIMULATOR_DISC_AUDIO ? AUDIO_TRACKS : 1;
        memset(bytes + 16, 0xFF, 8); /* there is no place for another session */
}

static void put_address(const SimulatedCommand *command, uint64_t lba, uint8_t *bytes) {
        bool is_time = command->cdb[1] & 0x02;
        uint64_t sector = lba + SECTORS_BEFORE;

        if (!is_time) {
                put_be32(bytes, (uint32_t) lba);
                return;
        }
        bytes[1] = (uint8_t) MIN(sector / SECTORS_PER_SECOND / 60, UINT64_C(255));
        bytes[2] = (uint8_t) (sector / SECTORS_PER_SECOND % 60);
        bytes[3] = (uint8_t) (sector % SECTORS_PER_SECOND);
}

static void put_track(const SimulatedCommand *command, uint8_t number, uint64_t lba,
                      uint8_t *bytes) {
        bytes[1] = command->lun->disc == SIMULATOR_DISC_AUDIO ? CONTROL_AUDIO : CONTROL_DATA;
        bytes[2] = number;
        put_address(command, lba, bytes + 4);
}

/* MMC-6, "Response format 0000b: formatted TOC". */
static void read_tracks(SimulatedCommand *command, uint64_t allocation_size) {
        uint64_t n_blocks = command->lun->n_blocks;
        uint8_t n_tracks = command->lun->disc == SIMULATOR_DISC_AUDIO ? AUDIO_TRACKS : 1;
        uint8_t start = command->cdb[6];
        uint8_t *bytes;
        size_t size = 4;

        if (start > n_tracks && start != LEAD_OUT) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }
        bytes = simulated_command_respond(command, 4 + 8 * (AUDIO_TRACKS + 1), allocation_size);
        bytes[2] = 1;
        bytes[3] = n_tracks;
        for (uint8_t i = 0; i < n_tracks; i++) {
                if (i + 1 < start)
                        continue;
                put_track(command, i + 1, n_blocks * i / n_tracks, bytes + size);
                size += 8;
        }
        put_track(command, LEAD_OUT, n_blocks, bytes + size);
        size += 8;
        put_be16(bytes, (uint16_t) (size - 2));
        command->data_size = MIN((uint64_t) size, allocation_size);
}

/* MMC-6, "Response format 0001b: session information". */
static void read_sessions(SimulatedCommand *command, uint64_t allocation_size) {
        uint8_t *bytes = simulated_command_respond(command, 12, allocation_size);

        put_be16(bytes, 10);
        bytes[2] = 1;
        bytes[3] = 1;
        put_track(command, 1, 0, bytes + 4);
}

/* A blank disc has no table of contents. */
void simulated_optical_read_toc(SimulatedCommand *command) {
        uint64_t allocation_size = get_be16(command->cdb + 7);
        uint8_t format = command->cdb[2] & 0x0F;

        if (command->lun->disc == SIMULATOR_DISC_BLANK || format > 1)
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        else if (format == 0)
                read_tracks(command, allocation_size);
        else
                read_sessions(command, allocation_size);
}

/* MMC-6, "READ CAPACITY command": of a blank disc the last block is 0. */
void simulated_optical_read_capacity(SimulatedCommand *command) {
        simulated_disk_read_capacity_10(command);
        if (command->lun->disc == SIMULATOR_DISC_BLANK)
                memset(command->buffer, 0, 4);
}

void simulated_optical_read(SimulatedCommand *command) {
        switch (command->lun->disc) {
        case SIMULATOR_DISC_DATA:
                simulated_disk_read(command);
                return;
        case SIMULATOR_DISC_BLANK:
                simulated_command_fail(command, SIMULATED_SENSE_LBA_OUT_OF_RANGE);
                return;
        case SIMULATOR_DISC_AUDIO:
                simulated_command_fail(command, SIMULATED_SENSE_ILLEGAL_TRACK_MODE);
                return;
        }
        assert_not_reached();
}
