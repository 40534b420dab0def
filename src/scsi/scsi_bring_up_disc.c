/*
 * What an optical drive is asked of its disc. The drive is not asked for more than it knows: what it
 * refuses is left out, and one that falls silent over an event is not asked for another.
 */

#include "scsi/scsi_bring_up_disc.h"

#include "scsi/scsi_media_event.h"

/* One that has always more to tell is not listened to for ever. */
#define EVENTS_MAX 8

static void scsi_bring_up_disc_build_configuration(ScsiBringUp *bring_up) {
        scsi_command_get_configuration(&bring_up->command, bring_up->buffer,
                                       SCSI_OPTICAL_CONFIGURATION_SIZE);
}

static void scsi_bring_up_disc_build_removable(ScsiBringUp *bring_up) {
        scsi_command_get_feature(&bring_up->command, SCSI_FEATURE_REMOVABLE_MEDIUM,
                                 bring_up->buffer, SCSI_OPTICAL_FEATURE_SIZE);
}

static void scsi_bring_up_disc_build_information(ScsiBringUp *bring_up) {
        scsi_command_read_disc_information(&bring_up->command, bring_up->buffer,
                                           SCSI_OPTICAL_INFORMATION_SIZE);
}

static void scsi_bring_up_disc_build_toc(ScsiBringUp *bring_up) {
        scsi_command_read_toc(&bring_up->command, bring_up->buffer, SCSI_OPTICAL_TOC_SIZE);
}

static void scsi_bring_up_disc_build_event(ScsiBringUp *bring_up) {
        scsi_command_get_media_event(&bring_up->command, bring_up->buffer, SCSI_MEDIA_EVENT_SIZE);
}

typedef struct DiscQuestion {
        ScsiBringUpBuild build;
        int (*parse)(ScsiOptical *optical, const uint8_t *bytes, size_t size);
        bool needs_configuration; /* the drive has one */
} DiscQuestion;

static bool scsi_bring_up_disc_get_event(ScsiBringUp *bring_up, ScsiMediaEvent *ret) {
        return scsi_bring_up_try(bring_up, scsi_bring_up_disc_build_event) == SCSI_RESULT_GOOD &&
               scsi_media_event_parse(ret, bring_up->buffer, bring_up->command.actual_size) >= 0;
}

/*
 * MMC-6, "Core feature": a drive with a configuration has events. Those up to now are forgotten, as
 * looking at the disc tells what they mean. One that does not see the disc which is ready would
 * only mislead.
 */
static ScsiBringUpResult scsi_bring_up_disc_drain_events(ScsiBringUp *bring_up) {
        ScsiDisk *disk = &bring_up->disk;
        ScsiMediaEvent event = { 0 };

        disk->lacks_events = bring_up->options.asks_no_events;
        if (!bring_up->optical.has_configuration || disk->lacks_events)
                return SCSI_BRING_UP_RESULT_READY;
        for (unsigned i = 0; i < EVENTS_MAX && !disk->lacks_events; i++) {
                disk->lacks_events = !scsi_bring_up_disc_get_event(bring_up, &event);
                if (event.code == SCSI_MEDIA_EVENT_CODE_NONE)
                        break;
        }
        disk->has_events = !disk->lacks_events && event.is_present;
        return scsi_bring_up_go_on(bring_up);
}

/* An old drive knows none of this; a new one does not answer all of it for each disc. */
ScsiBringUpResult scsi_bring_up_disc_ask(ScsiBringUp *bring_up) {
        static const DiscQuestion questions[] = {
                { scsi_bring_up_disc_build_configuration, scsi_optical_parse_configuration },
                { scsi_bring_up_disc_build_removable, scsi_optical_parse_removable, true },
                { scsi_bring_up_disc_build_information, scsi_optical_parse_information },
                { scsi_bring_up_disc_build_toc, scsi_optical_parse_toc },
        };
        ScsiBringUpResult result;

        for (size_t i = 0; i < N_ELEMENTS(questions); i++) {
                if (questions[i].needs_configuration && !bring_up->optical.has_configuration)
                        continue;
                if (scsi_bring_up_try(bring_up, questions[i].build) == SCSI_RESULT_GOOD)
                        (void) questions[i].parse(&bring_up->optical, bring_up->buffer,
                                                  bring_up->command.actual_size);
                result = scsi_bring_up_go_on(bring_up);
                if (result != SCSI_BRING_UP_RESULT_READY)
                        return result;
        }

        bring_up->disk.disc = scsi_optical_get_disc(&bring_up->optical);
        result = scsi_bring_up_disc_drain_events(bring_up);
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;

        bring_up->disk.obstacle =
                        scsi_optical_disc_get_obstacle(scsi_optical_judge(&bring_up->optical));
        return bring_up->disk.obstacle ? SCSI_BRING_UP_RESULT_UNSUPPORTED
                                       : SCSI_BRING_UP_RESULT_READY;
}

ScsiBringUpResult scsi_bring_up_disc_ask_capacity(ScsiBringUp *bring_up) {
        ScsiCapacity *capacity = &bring_up->capacity;
        ScsiBringUpResult result = scsi_bring_up_require(bring_up, scsi_bring_up_build_capacity_10,
                                                         SCSI_CAPACITY_10_SIZE);

        if (result == SCSI_BRING_UP_RESULT_READY)
                (void) scsi_capacity_parse_10(capacity, bring_up->buffer, SCSI_CAPACITY_10_SIZE);
        else if (result != SCSI_BRING_UP_RESULT_FAILED ||
                 bring_up->command.result != SCSI_RESULT_CHECK_CONDITION)
                return result;

        if (!scsi_optical_fix_capacity(capacity, &bring_up->optical)) {
                bring_up->disk.obstacle = "a disc of unknown size";
                return SCSI_BRING_UP_RESULT_UNSUPPORTED;
        }
        scsi_bring_up_take_capacity(bring_up);
        return SCSI_BRING_UP_RESULT_READY;
}
