/* Polls and locks of removable media: see storage_medium.h. */

#include "storage/storage_medium.h"

#include "scsi/scsi_tray.h"

#define COMMAND_TIMEOUT_NS (5 * NS_PER_S)
#define LOCK_TRIES_MAX 3U
#define ASC_ASCQ_TRAY_CLOSED 0x3A01
#define ASC_ASCQ_TRAY_OPEN 0x3A02

void storage_medium_init(StorageMedium *medium, EventLoop *loop, uint8_t lun,
                         StorageMediumNotify notify) {
        *medium = (StorageMedium){ .loop = loop, .lun = lun, .notify = notify };
}

/* SPC-4, "ASC and ASCQ assignments". */
static StorageMediumNews judge_sense(bool is_present, const ScsiSense *sense) {
        uint16_t reason = SCSI_ASC_ASCQ(sense);

        if (sense->key == SCSI_SENSE_KEY_UNIT_ATTENTION) {
                /* not ready to ready; medium not present; capacity data has changed */
                if (sense->asc == 0x28 || sense->asc == 0x3A || reason == 0x2A09)
                        return STORAGE_MEDIUM_NEWS_LOOK;
                /* mode parameters changed */
                return reason == 0x2A01 ? STORAGE_MEDIUM_NEWS_MODES : STORAGE_MEDIUM_NEWS_NONE;
        }
        if (sense->key != SCSI_SENSE_KEY_NOT_READY)
                return STORAGE_MEDIUM_NEWS_NONE;
        if (sense->asc == 0x3A) /* medium not present */
                return is_present ? STORAGE_MEDIUM_NEWS_LOOK : STORAGE_MEDIUM_NEWS_NONE;
        if (reason == 0x0402) /* START STOP UNIT required: there is something to start */
                return is_present ? STORAGE_MEDIUM_NEWS_ASLEEP : STORAGE_MEDIUM_NEWS_LOOK;
        return STORAGE_MEDIUM_NEWS_NONE;
}

StorageMediumNews storage_medium_judge(bool is_present, ScsiResult result, const ScsiSense *sense) {
        switch (result) {
        case SCSI_RESULT_GOOD:
                return is_present ? STORAGE_MEDIUM_NEWS_NONE : STORAGE_MEDIUM_NEWS_LOOK;
        case SCSI_RESULT_CHECK_CONDITION:
                return judge_sense(is_present, sense);
        case SCSI_RESULT_BUSY:
                return STORAGE_MEDIUM_NEWS_NONE;
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
                return STORAGE_MEDIUM_NEWS_SILENCE;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

StorageMediumNews storage_medium_judge_event(bool is_present, const ScsiMediaEvent *event) {
        switch (event->code) {
        case SCSI_MEDIA_EVENT_CODE_NONE:
                return event->is_present == is_present ? STORAGE_MEDIUM_NEWS_NONE
                                                       : STORAGE_MEDIUM_NEWS_DOUBT;
        case SCSI_MEDIA_EVENT_CODE_EJECT_REQUEST:
                return STORAGE_MEDIUM_NEWS_EJECT;
        case SCSI_MEDIA_EVENT_CODE_NEW_MEDIUM:
        case SCSI_MEDIA_EVENT_CODE_CHANGED:
                return STORAGE_MEDIUM_NEWS_LOOK;
        case SCSI_MEDIA_EVENT_CODE_REMOVAL:
                return is_present ? STORAGE_MEDIUM_NEWS_LOOK : STORAGE_MEDIUM_NEWS_NONE;
        case _SCSI_MEDIA_EVENT_CODE_MAX:
                break;
        }

        assert_not_reached();
}

/* Of an empty drive a look learns nothing about events. */
static void learn_events(StorageMedium *medium, const ScsiDisk *disk) {
        medium->lacks_events |= disk->lacks_events;
        medium->has_events = (medium->has_events || disk->has_events) && !medium->lacks_events;
        medium->is_doubted = false;
}

static void note_tray(StorageMedium *medium, bool is_open) {
        medium->is_tray_known = true;
        medium->is_tray_open = is_open;
}

void storage_medium_watch(StorageMedium *medium, const ScsiDisk *disk, bool is_present) {
        learn_events(medium, disk);
        /* Who drove it before may have left it locked: the kernel's driver does where its disk was
         * held open as it was detached, and a worker that died. */
        medium->is_lock_unknown |= disk->is_removable && !medium->is_watched;
        medium->is_watched = disk->is_removable;
        medium->is_present = is_present;
        if (is_present)
                note_tray(medium, /* is_open= */ false);
        medium->asleep_ns = 0;
        medium->n_silences = 0;
        medium->n_lock_tries = 0;
        medium->poll_ns = event_loop_now_ns(medium->loop) + STORAGE_MEDIUM_POLL_NS;
}

void storage_medium_detach(StorageMedium *medium) {
        assert(!medium->is_polling && !medium->is_locking);

        medium->is_watched = false;
        medium->is_locked = false;
        medium->is_lock_unknown = false;
        medium->cannot_lock = false;
        medium->has_events = false;
        medium->lacks_events = false;
        medium->is_tray_known = false;
}

/* Not each device keeps to it. */
void storage_medium_on_reset(StorageMedium *medium) {
        medium->is_lock_unknown |= medium->is_locked;
        medium->is_locked = false;
}

/* Polling */

static void plan_poll(StorageMedium *medium, StorageMediumNews news) {
        uint64_t now_ns = event_loop_now_ns(medium->loop);

        medium->n_silences = news == STORAGE_MEDIUM_NEWS_SILENCE ? medium->n_silences + 1 : 0;
        medium->asleep_ns = news == STORAGE_MEDIUM_NEWS_ASLEEP ? now_ns : 0;
        medium->poll_ns = now_ns + (STORAGE_MEDIUM_POLL_NS
                                    << MIN(medium->n_silences, STORAGE_MEDIUM_DOUBLINGS_MAX));
}

static void end_poll(StorageMedium *medium, StorageMediumNews news) {
        medium->is_polling = false;
        plan_poll(medium, news);
        medium->notify(medium, news);
}

/* MMC-6, "MEDIUM NOT PRESENT - TRAY CLOSED" and "… TRAY OPEN". */
static void note_tray_of(StorageMedium *medium, const ScsiCommand *command) {
        if (command->result == SCSI_RESULT_GOOD)
                note_tray(medium, /* is_open= */ false);
        if (command->result != SCSI_RESULT_CHECK_CONDITION)
                return;
        if (SCSI_ASC_ASCQ(&command->sense) == ASC_ASCQ_TRAY_CLOSED ||
            SCSI_ASC_ASCQ(&command->sense) == ASC_ASCQ_TRAY_OPEN)
                note_tray(medium, SCSI_ASC_ASCQ(&command->sense) == ASC_ASCQ_TRAY_OPEN);
}

static void give_up_events(StorageMedium *medium) {
        medium->has_events = false;
        medium->lacks_events = true;
}

/* Whether the unit itself says what was known before, against its event. */
static bool is_event_refuted(const StorageMedium *medium, const ScsiCommand *command) {
        if (medium->is_present)
                return command->result == SCSI_RESULT_GOOD;
        return command->result == SCSI_RESULT_CHECK_CONDITION &&
               command->sense.key == SCSI_SENSE_KEY_NOT_READY && command->sense.asc == 0x3A;
}

static void on_polled(ScsiCommand *command) {
        StorageMedium *medium = command->owner;

        note_tray_of(medium, command);
        if (medium->is_doubted && is_event_refuted(medium, command))
                give_up_events(medium);
        medium->is_doubted = false;
        end_poll(medium,
                 storage_medium_judge(medium->is_present, command->result, &command->sense));
}

static bool is_event_lacking(const ScsiCommand *command) {
        switch (command->result) {
        case SCSI_RESULT_GOOD: /* with an answer that was none */
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
                return true;
        case SCSI_RESULT_CHECK_CONDITION:
                return command->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST;
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_INVALID:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
                return false;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static StorageMediumNews judge_event_command(StorageMedium *medium, const ScsiCommand *command) {
        ScsiMediaEvent event;

        if (command->result == SCSI_RESULT_GOOD &&
            scsi_media_event_parse(&event, medium->event, command->actual_size) >= 0) {
                note_tray(medium, event.is_tray_open);
                return storage_medium_judge_event(medium->is_present, &event);
        }
        if (is_event_lacking(command))
                give_up_events(medium);
        if (command->result == SCSI_RESULT_GOOD)
                return STORAGE_MEDIUM_NEWS_NONE;
        return storage_medium_judge(medium->is_present, command->result, &command->sense);
}

static void on_event(ScsiCommand *command) {
        StorageMedium *medium = command->owner;
        StorageMediumNews news = judge_event_command(medium, command);

        medium->is_doubted = news == STORAGE_MEDIUM_NEWS_DOUBT;
        staging_put(medium->staging, TAKE_PTR(medium->event), SCSI_MEDIA_EVENT_SIZE);
        end_poll(medium, news);
}

static bool asks_event(StorageMedium *medium, ScsiTarget *target) {
        if (!medium->has_events || medium->is_doubted)
                return false;
        medium->staging = target->staging;
        medium->event = staging_get(medium->staging, SCSI_MEDIA_EVENT_SIZE);
        return medium->event;
}

static void send_poll(StorageMedium *medium, ScsiTarget *target) {
        ScsiCommand *poll = &medium->poll;

        scsi_command_init(poll, medium->lun, event_loop_now_ns(medium->loop) + COMMAND_TIMEOUT_NS);
        if (asks_event(medium, target)) {
                scsi_command_get_media_event(poll, medium->event, SCSI_MEDIA_EVENT_SIZE);
                poll->done = on_event;
        } else {
                scsi_command_test_unit_ready(poll);
                poll->done = on_polled;
        }
        poll->flags = SCSI_COMMAND_NO_RETRY | SCSI_COMMAND_NO_WAKE;
        poll->owner = medium;
        medium->is_polling = true;
        scsi_target_submit(target, poll);
}

uint64_t storage_medium_poll(StorageMedium *medium, ScsiTarget *target, uint64_t good_ns) {
        uint64_t now_ns = event_loop_now_ns(medium->loop);

        if (!medium->is_watched || medium->is_polling)
                return TASK_NEVER;

        /* A command that succeeds says that the medium is there. */
        medium->poll_ns = MAX(medium->poll_ns, good_ns + STORAGE_MEDIUM_POLL_NS);
        if (medium->poll_ns > now_ns)
                return medium->poll_ns;
        if (medium->asleep_ns != 0 && good_ns <= medium->asleep_ns) {
                medium->poll_ns = now_ns + STORAGE_MEDIUM_POLL_NS;
                return medium->poll_ns;
        }
        send_poll(medium, target);
        return TASK_NEVER;
}

/* Locking */

static bool is_told_in_its_place(const ScsiCommand *command) {
        return command->result == SCSI_RESULT_CHECK_CONDITION &&
               (command->sense.key == SCSI_SENSE_KEY_UNIT_ATTENTION ||
                command->sense.key == SCSI_SENSE_KEY_NOT_READY);
}

static bool is_unanswered(const ScsiCommand *command) {
        return command->result == SCSI_RESULT_TIMED_OUT ||
               command->result == SCSI_RESULT_TRANSPORT_ERROR;
}

/* Whether it is worth nothing to ask for it again. A glitch may pass. */
static bool is_lock_refused(const ScsiCommand *command) {
        return command->result != SCSI_RESULT_TRANSPORT_ERROR &&
               command->result != SCSI_RESULT_BUSY;
}

static void on_locked(ScsiCommand *command) {
        StorageMedium *medium = command->owner;
        StorageMediumNews news = STORAGE_MEDIUM_NEWS_NONE;

        medium->is_locking = false;
        if (command->result == SCSI_RESULT_GOOD) {
                medium->is_locked = medium->wants_lock;
                medium->is_lock_unknown = false;
                medium->n_lock_tries = 0;
        } else if (is_told_in_its_place(command)) {
                /* Not carried out: whoever settles it next tries again. */
                news = storage_medium_judge(medium->is_present, command->result, &command->sense);
                medium->n_lock_tries++;
        } else {
                medium->is_lock_unknown = is_unanswered(command);
                medium->cannot_lock |= medium->wants_lock && is_lock_refused(command);
                medium->n_lock_tries++;
        }
        medium->notify(medium, news);
}

void storage_medium_set_locked(StorageMedium *medium, ScsiTarget *target, bool is_locked) {
        bool is_settled = medium->is_locked == is_locked && !medium->is_lock_unknown;

        if (medium->is_locking || is_settled || (is_locked && medium->cannot_lock) ||
            medium->n_lock_tries >= LOCK_TRIES_MAX)
                return;

        scsi_command_init(&medium->lock, medium->lun,
                          event_loop_now_ns(medium->loop) + COMMAND_TIMEOUT_NS);
        scsi_command_prevent_removal(&medium->lock, is_locked);
        medium->lock.flags = SCSI_COMMAND_NO_RETRY;
        medium->lock.done = on_locked;
        medium->lock.owner = medium;
        medium->wants_lock = is_locked;
        medium->is_locking = true;
        scsi_target_submit(target, &medium->lock);
}

static void await_lock(StorageMedium *medium, Task *task) {
        while (medium->is_locking)
                task_sleep(task, NS_PER_MS);
}

/* It must not stay locked for a glitch; but one that is silent is not waited for again. */
void storage_medium_unlock(StorageMedium *medium, Task *task, ScsiTarget *target) {
        await_lock(medium, task);
        medium->n_lock_tries = 0;
        do {
                storage_medium_set_locked(medium, target, false);
                await_lock(medium, task);
        } while ((medium->is_locked || medium->is_lock_unknown) &&
                 medium->n_lock_tries < LOCK_TRIES_MAX &&
                 medium->lock.result != SCSI_RESULT_TIMED_OUT);
}

static bool set_open(StorageMedium *medium, Task *task, ScsiTarget *target, bool is_open,
                     ScsiSense *ret_sense) {
        *ret_sense = (ScsiSense){ 0 };
        if (scsi_tray_set_open(task, target, medium->lun, is_open, ret_sense) != SCSI_RESULT_GOOD)
                return false;
        note_tray(medium, is_open);
        return true;
}

bool storage_medium_eject(StorageMedium *medium, Task *task, ScsiTarget *target,
                          ScsiSense *ret_sense) {
        await_lock(medium, task);
        medium->is_lock_unknown = true;
        storage_medium_unlock(medium, task, target);
        return set_open(medium, task, target, /* is_open= */ true, ret_sense);
}

bool storage_medium_load(StorageMedium *medium, Task *task, ScsiTarget *target,
                         ScsiSense *ret_sense) {
        return set_open(medium, task, target, /* is_open= */ false, ret_sense);
}
