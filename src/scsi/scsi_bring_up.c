/*
 * The dialogue that makes a ScsiDisk out of a logical unit. Its order and its lengths are those
 * that devices are used to from other hosts (reference, section 1): no step before the one that
 * devices expect first, nothing that old devices choke on. What a disk must answer is asked up to
 * three times; what it may not know is asked once, and a device that falls silent over it is not
 * asked for more of the kind.
 */

#include "scsi/scsi_bring_up.h"

#include <string.h>

#include "scsi/scsi_bring_up_disc.h"
#include "scsi/scsi_bring_up_format.h"
#include "scsi/scsi_bring_up_step.h"
#include "scsi/scsi_mode.h"
#include "scsi/scsi_vpd.h"

#define COMMAND_TIMEOUT_NS (20 * NS_PER_S)
#define SPIN_UP_TIMEOUT_NS (100 * NS_PER_S)
#define SPIN_UP_POLL_NS (1 * NS_PER_S)
/* Who says after so long that it is to be started has forgotten it, in a reset or by a timer of its own. */
#define START_AGAIN_NS (5 * NS_PER_S)

#define QUALIFIER_CONNECTED 0
#define DEVICE_TYPE_NONE 0x1F
#define VERSION_SPC_3 5

#define ASC_NOT_READY 0x04
#define ASCQ_START_REQUIRED 0x02
/* UFI 1.0, "MODE SENSE": the header. */
#define UFI_MODE_SIZE 8

/* INQUIRY */

static void scsi_bring_up_build_inquiry(ScsiBringUp *bring_up) {
        scsi_command_inquiry(&bring_up->command, bring_up->buffer, SCSI_INQUIRY_SIZE);
}

static ScsiBringUpResult scsi_bring_up_inquire(ScsiBringUp *bring_up) {
        const ScsiInquiry *inquiry = &bring_up->inquiry;
        ScsiDisk *disk = &bring_up->disk;
        ScsiBringUpResult result;
        int r;

        result = scsi_bring_up_require(bring_up, scsi_bring_up_build_inquiry, 1);
        /* Before its identity is known there is no unit whose medium could be missing. */
        if (result == SCSI_BRING_UP_RESULT_NO_MEDIUM)
                return SCSI_BRING_UP_RESULT_FAILED;
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;

        r = scsi_inquiry_parse(&bring_up->inquiry, bring_up->buffer, SCSI_INQUIRY_SIZE);
        assert(r >= 0);

        if (inquiry->qualifier != QUALIFIER_CONNECTED || inquiry->device_type == DEVICE_TYPE_NONE)
                return SCSI_BRING_UP_RESULT_NO_UNIT;

        disk->device_type = inquiry->device_type;
        disk->scsi_version = inquiry->version;
        disk->is_removable = inquiry->is_removable;
        memcpy(disk->vendor, inquiry->vendor, sizeof(disk->vendor));
        memcpy(disk->product, inquiry->product, sizeof(disk->product));
        memcpy(disk->revision, inquiry->revision, sizeof(disk->revision));
        if (inquiry->device_type == SCSI_DEVICE_TYPE_OPTICAL) {
                disk->is_removable = true;
                disk->is_read_only = true;
                return SCSI_BRING_UP_RESULT_READY;
        }
        if (inquiry->device_type != SCSI_DEVICE_TYPE_DISK &&
            inquiry->device_type != SCSI_DEVICE_TYPE_RBC)
                return SCSI_BRING_UP_RESULT_UNSUPPORTED;
        return SCSI_BRING_UP_RESULT_READY;
}

/* Becoming ready */

static void scsi_bring_up_build_test_unit_ready(ScsiBringUp *bring_up) {
        scsi_command_test_unit_ready(&bring_up->command);
}

static void scsi_bring_up_build_start(ScsiBringUp *bring_up) {
        scsi_command_start_stop(&bring_up->command, /* start= */ true, /* load_eject= */ false,
                                /* immediate= */ true);
}

/* SPC-4, "ASC and ASCQ assignments": what neither time nor START STOP UNIT will change. */
static bool scsi_bring_up_is_hopeless(const ScsiSense *sense) {
        static const uint8_t hopeless[] = {
                0x03, /* manual intervention required */
                0x0B, /* target port in standby state */
                0x0C, /* target port in unavailable state */
                0x1B, /* sanitize in progress */
                0x24, /* depopulation in progress */
                0x25, /* depopulation restoration in progress */
        };

        for (size_t i = 0; sense->asc == ASC_NOT_READY && i < N_ELEMENTS(hopeless); i++)
                if (sense->ascq == hopeless[i])
                        return true;
        return false;
}

typedef struct ScsiBringUpSpinUp {
        uint64_t deadline_ns; /* 0: it has not begun */
        uint64_t started_ns;
} ScsiBringUpSpinUp;

static bool scsi_bring_up_is_start_due(const ScsiBringUp *bring_up,
                                       const ScsiBringUpSpinUp *spin_up, uint64_t now_ns) {
        const ScsiSense *sense = &bring_up->command.sense;

        return spin_up->deadline_ns == 0 ||
               (sense->asc == ASC_NOT_READY && sense->ascq == ASCQ_START_REQUIRED &&
                now_ns >= spin_up->started_ns + START_AGAIN_NS);
}

/*
 * NOT READY: the motor is started, then it is a matter of time. What START STOP UNIT itself says is of
 * no interest. False: it won't become ready.
 */
static bool scsi_bring_up_spin_up(ScsiBringUp *bring_up, ScsiBringUpSpinUp *spin_up) {
        uint64_t now_ns = event_loop_now_ns(bring_up->target->loop);

        if (scsi_bring_up_is_hopeless(&bring_up->command.sense))
                return false;
        if (spin_up->deadline_ns != 0 && now_ns >= spin_up->deadline_ns)
                return false;

        if (scsi_bring_up_is_start_due(bring_up, spin_up, now_ns)) {
                if (spin_up->deadline_ns == 0)
                        spin_up->deadline_ns = now_ns + bring_up->options.spin_up_timeout_ns;
                spin_up->started_ns = now_ns;
                (void) scsi_bring_up_send(bring_up, scsi_bring_up_build_start);
                if (scsi_bring_up_go_on(bring_up) != SCSI_BRING_UP_RESULT_READY)
                        return false;
        }

        return task_sleep(bring_up->task, SPIN_UP_POLL_NS) >= 0;
}

static ScsiBringUpResult scsi_bring_up_make_ready(ScsiBringUp *bring_up) {
        ScsiBringUpPatience patience = { 0 };
        ScsiBringUpSpinUp spin_up = { 0 };

        for (;;) {
                ScsiResult result =
                                scsi_bring_up_send(bring_up, scsi_bring_up_build_test_unit_ready);

                if (result == SCSI_RESULT_GOOD)
                        return SCSI_BRING_UP_RESULT_READY;
                if (scsi_bring_up_has_no_medium(bring_up))
                        return SCSI_BRING_UP_RESULT_NO_MEDIUM;
                if (scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_NOT_READY)) {
                        if (!scsi_bring_up_spin_up(bring_up, &spin_up))
                                return scsi_bring_up_give_up(bring_up);
                        continue;
                }
                if (scsi_bring_up_bear(bring_up, &patience))
                        continue;
                /* A device may not know the command; whether it is ready the next ones will tell.
                 */
                if (result == SCSI_RESULT_CHECK_CONDITION && !task_is_cancelled(bring_up->task))
                        return SCSI_BRING_UP_RESULT_READY;
                return scsi_bring_up_give_up(bring_up);
        }
}

/* Capacity */

static void scsi_bring_up_build_capacity_16(ScsiBringUp *bring_up) {
        scsi_command_read_capacity_16(&bring_up->command, bring_up->buffer, SCSI_CAPACITY_16_SIZE);
}

/* Whether the answer to an optional command is a reason not to send it again. */
static bool scsi_bring_up_is_lacking(const ScsiBringUp *bring_up, ScsiResult result) {
        return scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_ILLEGAL_REQUEST) ||
               ((result == SCSI_RESULT_TIMED_OUT || result == SCSI_RESULT_TRANSPORT_ERROR) &&
                !task_is_cancelled(bring_up->task));
}

/*
 * The long form is needed beyond 32 bits, and tells more of devices that have it. Where the two
 * disagree about what both tell, the short one stands: it is the one that every device was tested
 * with.
 */
static ScsiBringUpResult scsi_bring_up_ask_capacity_16(ScsiBringUp *bring_up) {
        const ScsiCommand *command = &bring_up->command;
        ScsiCapacity *capacity = &bring_up->capacity;
        bool is_needed = scsi_capacity_is_beyond_10(capacity);
        ScsiCapacity long_capacity;
        ScsiBringUpResult result;
        ScsiResult scsi_result;

        if (!is_needed && bring_up->inquiry.version < VERSION_SPC_3)
                return SCSI_BRING_UP_RESULT_READY;
        bring_up->disk.lacks_capacity_16 = !is_needed && bring_up->options.avoids_capacity_16;
        if (bring_up->disk.lacks_capacity_16)
                return SCSI_BRING_UP_RESULT_READY;

        scsi_result = scsi_bring_up_try(bring_up, scsi_bring_up_build_capacity_16);
        bring_up->disk.lacks_capacity_16 = scsi_bring_up_is_lacking(bring_up, scsi_result);
        if (scsi_result == SCSI_RESULT_GOOD &&
            scsi_capacity_parse_16(&long_capacity, bring_up->buffer, command->actual_size) >= 0 &&
            (is_needed || (long_capacity.last_lba == capacity->last_lba &&
                           long_capacity.block_size == capacity->block_size))) {
                *capacity = long_capacity;
                return SCSI_BRING_UP_RESULT_READY;
        }

        result = scsi_bring_up_go_on(bring_up);
        if (!is_needed || result != SCSI_BRING_UP_RESULT_READY)
                return result;
        /* All ones without the long form: how some readers say that they are empty. */
        return bring_up->disk.is_removable ? SCSI_BRING_UP_RESULT_NO_MEDIUM
                                           : SCSI_BRING_UP_RESULT_FAILED;
}

static ScsiBringUpResult scsi_bring_up_read_capacity(ScsiBringUp *bring_up) {
        ScsiCapacity *capacity = &bring_up->capacity;
        ScsiBringUpResult result;
        int r;

        result = scsi_bring_up_require(bring_up, scsi_bring_up_build_capacity_10,
                                       SCSI_CAPACITY_10_SIZE);
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;

        r = scsi_capacity_parse_10(capacity, bring_up->buffer, SCSI_CAPACITY_10_SIZE);
        assert(r >= 0);
        if (scsi_capacity_is_empty(capacity))
                return SCSI_BRING_UP_RESULT_NO_MEDIUM;

        result = scsi_bring_up_ask_capacity_16(bring_up);
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;
        return scsi_capacity_is_supported(capacity) ? SCSI_BRING_UP_RESULT_READY
                                                    : SCSI_BRING_UP_RESULT_UNSUPPORTED;
}

static ScsiBringUpResult scsi_bring_up_ask_capacity(ScsiBringUp *bring_up) {
        ScsiBringUpResult result = scsi_bring_up_read_capacity(bring_up);

        if (scsi_bring_up_format_may_help(bring_up, result))
                result = scsi_bring_up_format_ask(bring_up, result);
        if (result == SCSI_BRING_UP_RESULT_READY)
                scsi_bring_up_take_capacity(bring_up);
        return result;
}

/* First read */

static void scsi_bring_up_build_read(ScsiBringUp *bring_up) {
        scsi_command_read(&bring_up->command, /* lba= */ 0, /* n_blocks= */ 1, bring_up->buffer,
                          bring_up->disk.block_size);
}

/*
 * Some devices have no proper mode pages until the medium was accessed. A first block that can't be
 * read does not matter here, a device that does not answer does; and where READ CAPACITY did not
 * say that there is a medium, its first block has to.
 */
static ScsiBringUpResult scsi_bring_up_touch_medium(ScsiBringUp *bring_up) {
        ScsiBringUpResult result = scsi_bring_up_require(bring_up, scsi_bring_up_build_read, 0);

        if (result == SCSI_BRING_UP_RESULT_FAILED && bring_up->options.repeats_first_read)
                result = scsi_bring_up_require(bring_up, scsi_bring_up_build_read, 0);

        if (result == SCSI_BRING_UP_RESULT_FAILED &&
            bring_up->command.result == SCSI_RESULT_CHECK_CONDITION &&
            !bring_up->is_capacity_of_format)
                return scsi_bring_up_go_on(bring_up);
        return result;
}

/* Mode pages */

static void scsi_bring_up_build_mode_sense_6(ScsiBringUp *bring_up) {
        scsi_command_mode_sense_6(&bring_up->command, SCSI_MODE_PAGE_ALL, bring_up->buffer,
                                  SCSI_MODE_SIZE);
}

/* Floppy drives have nothing to tell but the header, and some choke on more. */
static void scsi_bring_up_build_mode_sense_10(ScsiBringUp *bring_up) {
        bool is_ufi = bring_up->options.command_set == SCSI_COMMAND_SET_UFI;

        scsi_command_mode_sense_10(&bring_up->command, SCSI_MODE_PAGE_ALL, bring_up->buffer,
                                   is_ufi ? UFI_MODE_SIZE : SCSI_MODE_SIZE);
}

static ScsiResult scsi_bring_up_sense_modes_as(ScsiBringUp *bring_up, bool is_10) {
        return scsi_bring_up_try(bring_up, is_10 ? scsi_bring_up_build_mode_sense_10
                                                 : scsi_bring_up_build_mode_sense_6);
}

/* UFI 1.0 and SFF-8070i: only the long form. */
static ScsiResult scsi_bring_up_sense_modes(ScsiBringUp *bring_up, bool *ret_is_10) {
        bool is_full = bring_up->options.command_set == SCSI_COMMAND_SET_FULL;
        ScsiResult result;

        *ret_is_10 = !is_full || bring_up->options.prefers_mode_sense_10;
        result = scsi_bring_up_sense_modes_as(bring_up, *ret_is_10);
        if (is_full && scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_ILLEGAL_REQUEST)) {
                *ret_is_10 = !*ret_is_10;
                result = scsi_bring_up_sense_modes_as(bring_up, *ret_is_10);
        }
        bring_up->disk.has_mode_sense_10 = is_full && *ret_is_10 && result == SCSI_RESULT_GOOD;
        return result;
}

/* Without an answer the unit counts as writable and without a cache that is known. */
static ScsiBringUpResult scsi_bring_up_read_modes(ScsiBringUp *bring_up) {
        ScsiDisk *disk = &bring_up->disk;
        ScsiMode mode;
        bool is_10;

        if (scsi_bring_up_sense_modes(bring_up, &is_10) != SCSI_RESULT_GOOD)
                return scsi_bring_up_go_on(bring_up);

        if (scsi_mode_parse(&mode, bring_up->buffer, bring_up->command.actual_size, is_10,
                            disk->device_type) < 0)
                return SCSI_BRING_UP_RESULT_READY;

        disk->is_read_only = mode.is_read_only;
        disk->has_fua = mode.has_fua;
        disk->has_cache_page = mode.has_cache_page;
        disk->has_write_cache = mode.has_write_cache;
        return SCSI_BRING_UP_RESULT_READY;
}

static ScsiBringUpResult scsi_bring_up_ask_modes(ScsiBringUp *bring_up) {
        const ScsiBringUpOptions *options = &bring_up->options;
        ScsiBringUpResult result = scsi_bring_up_read_modes(bring_up);
        ScsiDisk *disk = &bring_up->disk;

        if (options->ignores_write_protection)
                disk->is_read_only = false;
        if (options->has_write_cache_always ||
            (options->assumes_write_cache && !disk->has_cache_page))
                disk->has_write_cache = true;
        return result;
}

/* Vital product data */

static void scsi_bring_up_build_page(ScsiBringUp *bring_up) {
        scsi_command_inquiry_vpd(&bring_up->command, bring_up->page, bring_up->buffer,
                                 bring_up->page_size);
}

static bool scsi_bring_up_has_page_part(ScsiBringUp *bring_up, ScsiResult result) {
        return result == SCSI_RESULT_GOOD &&
               scsi_vpd_parse_header(&bring_up->page_size, bring_up->page, bring_up->buffer,
                                     bring_up->command.actual_size) >= 0;
}

/* Whether the device may know the page none the less. One that has answered for a page does not
 * fall silent over another. */
static bool scsi_bring_up_is_glitch(const ScsiBringUp *bring_up, ScsiResult result) {
        if (task_is_cancelled(bring_up->task))
                return false;
        if (result == SCSI_RESULT_CHECK_CONDITION)
                return !scsi_bring_up_failed_with(bring_up, SCSI_SENSE_KEY_ILLEGAL_REQUEST);
        if (result == SCSI_RESULT_TIMED_OUT)
                return bring_up->page != SCSI_VPD_PAGE_SUPPORTED;
        if (result == SCSI_RESULT_GOOD)
                return bring_up->command.actual_size < SCSI_VPD_HEADER_SIZE;
        return result == SCSI_RESULT_TRANSPORT_ERROR || result == SCSI_RESULT_BUSY;
}

/* False: nothing usable came, and nothing more of the kind is asked. Else page_size is what the
   header claims. Which unit it is must not depend on a glitch. */
static bool scsi_bring_up_read_page_part(ScsiBringUp *bring_up) {
        size_t size = bring_up->page_size;
        ScsiResult result = scsi_bring_up_send(bring_up, scsi_bring_up_build_page);

        if (scsi_bring_up_has_page_part(bring_up, result))
                return true;
        if (!scsi_bring_up_is_glitch(bring_up, result))
                return false;
        bring_up->page_size = size;
        return scsi_bring_up_has_page_part(bring_up,
                                           scsi_bring_up_send(bring_up, scsi_bring_up_build_page));
}

/* The header tells how long it is; only then all of it is asked for. */
static bool scsi_bring_up_read_page(ScsiBringUp *bring_up, uint8_t page, size_t *ret_size) {
        bring_up->page = page;
        bring_up->page_size = SCSI_VPD_HEADER_SIZE;
        if (!scsi_bring_up_read_page_part(bring_up))
                return false;
        if (bring_up->page_size > SCSI_VPD_HEADER_SIZE && !scsi_bring_up_read_page_part(bring_up))
                return false;

        *ret_size = MIN(bring_up->page_size, bring_up->command.actual_size);
        return true;
}

static void scsi_bring_up_read_pages(ScsiBringUp *bring_up) {
        static const uint8_t pages[] = {
                SCSI_VPD_PAGE_SERIAL,          SCSI_VPD_PAGE_IDENTIFICATION, SCSI_VPD_PAGE_LIMITS,
                SCSI_VPD_PAGE_CHARACTERISTICS, SCSI_VPD_PAGE_PROVISIONING,
        };
        uint8_t supported[SCSI_VPD_SIZE_MAX];
        size_t n_supported;
        size_t size;

        if (!scsi_bring_up_read_page(bring_up, SCSI_VPD_PAGE_SUPPORTED, &n_supported))
                return;
        memcpy(supported, bring_up->buffer, n_supported);

        for (size_t i = 0; i < N_ELEMENTS(pages); i++) {
                if (!scsi_vpd_is_listed(pages[i], supported, n_supported))
                        continue;
                if (!scsi_bring_up_read_page(bring_up, pages[i], &size))
                        return;
                scsi_vpd_parse(&bring_up->disk, pages[i], bring_up->buffer, size);
        }
}

static void scsi_bring_up_build_lba_status(ScsiBringUp *bring_up) {
        scsi_command_get_lba_status(&bring_up->command, /* lba= */ 0, bring_up->buffer, 24);
}

/*
 * SBC-3, "Logical block provisioning": both READ CAPACITY(16) and the page must claim it, as too
 * many devices claim either by mistake.
 */
static ScsiBringUpResult scsi_bring_up_settle_provisioning(ScsiBringUp *bring_up) {
        ScsiDisk *disk = &bring_up->disk;

        disk->can_unmap = disk->can_unmap && bring_up->capacity.is_provisioned &&
                          disk->unmap_blocks_max > 0;
        disk->can_write_same_unmap =
                        disk->can_write_same_unmap && bring_up->capacity.is_provisioned;
        if (!disk->can_unmap && !disk->can_write_same_unmap) {
                disk->unmapped_reads_zero = false;
                return SCSI_BRING_UP_RESULT_READY;
        }

        disk->can_get_lba_status = scsi_bring_up_try(bring_up, scsi_bring_up_build_lba_status) ==
                                                   SCSI_RESULT_GOOD &&
                                   bring_up->command.actual_size >= 24;
        return scsi_bring_up_go_on(bring_up);
}

static ScsiBringUpResult scsi_bring_up_ask_product_data(ScsiBringUp *bring_up) {
        ScsiBringUpResult result;

        if (!scsi_inquiry_has_vpd(&bring_up->inquiry))
                return SCSI_BRING_UP_RESULT_READY;

        scsi_bring_up_read_pages(bring_up);
        result = scsi_bring_up_go_on(bring_up);
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;
        return scsi_bring_up_settle_provisioning(bring_up);
}

static ScsiBringUpResult scsi_bring_up_run(ScsiBringUp *bring_up) {
        static ScsiBringUpResult (*const disk_steps[])(ScsiBringUp *) = {
                scsi_bring_up_make_ready,       scsi_bring_up_ask_capacity,
                scsi_bring_up_touch_medium,     scsi_bring_up_ask_modes,
                scsi_bring_up_ask_product_data, NULL,
        };
        static ScsiBringUpResult (*const disc_steps[])(ScsiBringUp *) = {
                scsi_bring_up_make_ready,
                scsi_bring_up_disc_ask,
                scsi_bring_up_disc_ask_capacity,
                scsi_bring_up_touch_medium,
                NULL,
        };
        ScsiBringUpResult result = scsi_bring_up_inquire(bring_up);
        bool is_optical = bring_up->disk.device_type == SCSI_DEVICE_TYPE_OPTICAL;

        for (size_t i = 0; result == SCSI_BRING_UP_RESULT_READY; i++) {
                ScsiBringUpResult (*step)(ScsiBringUp *) =
                                is_optical ? disc_steps[i] : disk_steps[i];

                if (!step)
                        break;
                result = step(bring_up);
        }
        if (result != SCSI_BRING_UP_RESULT_READY)
                return result;

        bring_up->disk.has_medium = true;
        return SCSI_BRING_UP_RESULT_READY;
}

/* Runs `run` with a bring-up that has its buffer and its options. */
static ScsiBringUpResult scsi_bring_up_with_buffer(ScsiBringUp *bring_up,
                                                   const ScsiBringUpOptions *options,
                                                   ScsiBringUpResult (*run)(ScsiBringUp *)) {
        Staging *staging = bring_up->target->staging;
        ScsiBringUpResult result;

        if (options)
                bring_up->options = *options;
        bring_up->disk.has_no_synchronize = bring_up->options.command_set == SCSI_COMMAND_SET_UFI;
        if (bring_up->options.command_timeout_ns == 0)
                bring_up->options.command_timeout_ns = COMMAND_TIMEOUT_NS;
        if (bring_up->options.spin_up_timeout_ns == 0)
                bring_up->options.spin_up_timeout_ns = SPIN_UP_TIMEOUT_NS;

        bring_up->buffer = staging_get(staging, SCSI_BRING_UP_BUFFER_SIZE);
        if (!bring_up->buffer)
                return SCSI_BRING_UP_RESULT_FAILED;
        result = run(bring_up);
        staging_put(staging, bring_up->buffer, SCSI_BRING_UP_BUFFER_SIZE);
        return result;
}

ScsiBringUpResult scsi_bring_up(Task *task, ScsiTarget *target, uint8_t lun,
                                const ScsiBringUpOptions *options, ScsiDisk *ret) {
        ScsiBringUp bring_up = { .task = task, .target = target, .disk = { .lun = lun } };
        ScsiBringUpResult result = scsi_bring_up_with_buffer(&bring_up, options, scsi_bring_up_run);

        if (result != SCSI_BRING_UP_RESULT_NO_UNIT && result != SCSI_BRING_UP_RESULT_GONE)
                *ret = bring_up.disk;
        return result;
}

ScsiBringUpResult scsi_bring_up_check_protection(Task *task, ScsiTarget *target,
                                                 const ScsiBringUpOptions *options,
                                                 const ScsiDisk *disk, bool *ret_is_read_only) {
        ScsiBringUp bring_up = { .task = task, .target = target, .disk = *disk };
        ScsiBringUpResult result = SCSI_BRING_UP_RESULT_READY;

        /* A disc is never written. */
        if (disk->device_type != SCSI_DEVICE_TYPE_OPTICAL)
                result = scsi_bring_up_with_buffer(&bring_up, options, scsi_bring_up_ask_modes);
        if (result == SCSI_BRING_UP_RESULT_READY)
                *ret_is_read_only = bring_up.disk.is_read_only;
        return result;
}

const char *scsi_bring_up_result_to_string(ScsiBringUpResult result) {
        switch (result) {
        case SCSI_BRING_UP_RESULT_READY:
                return "ready";
        case SCSI_BRING_UP_RESULT_NO_UNIT:
                return "no unit";
        case SCSI_BRING_UP_RESULT_NO_MEDIUM:
                return "no medium";
        case SCSI_BRING_UP_RESULT_UNSUPPORTED:
                return "unsupported";
        case SCSI_BRING_UP_RESULT_FAILED:
                return "failed";
        case SCSI_BRING_UP_RESULT_GONE:
                return "gone";
        case _SCSI_BRING_UP_RESULT_MAX:
                break;
        }

        assert_not_reached();
}
