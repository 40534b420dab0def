/*
 * The way first: whoever answers IDENTIFY with something whole is asked for the rest. What has come
 * becomes known as a whole, once the dialogue has come to its end.
 */

#include "smart/smart_monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "smart/smart_ask.h"

#define CANDIDATES_MAX 3

typedef struct SmartCandidates {
        SmartBridge bridges[CANDIDATES_MAX];
        size_t n;
} SmartCandidates;

void smart_monitor_init(SmartMonitor *monitor, const SmartMonitorOptions *options,
                        const SmartMonitorHandlers *handlers, void *userdata) {
        assert(handlers->hold && handlers->release);

        *monitor = (SmartMonitor){
                .options = *options,
                .handlers = handlers,
                .userdata = userdata,
                .is_given_up = options->is_given_up,
        };
        smart_data_init(&monitor->data, SMART_KIND_UNKNOWN);
        smart_verdict(&monitor->data, &monitor->verdict);
}

#define SCSI_WAY "SCSI log pages"

static const char *describe_bridge(SmartBridgeKind kind) {
        switch (kind) {
        case SMART_BRIDGE_KIND_NONE:
                return "none";
        case SMART_BRIDGE_KIND_SAT_16:
                return "SAT, 16 bytes";
        case SMART_BRIDGE_KIND_SAT_12:
                return "SAT, 12 bytes";
        case SMART_BRIDGE_KIND_JMICRON:
                return "JMicron's bridge for ATA";
        case SMART_BRIDGE_KIND_SUNPLUS:
                return "Sunplus' bridge for ATA";
        case SMART_BRIDGE_KIND_CYPRESS:
                return "Cypress' bridge for ATA";
        case SMART_BRIDGE_KIND_PROLIFIC:
                return "Prolific's bridge for ATA";
        case SMART_BRIDGE_KIND_NVME_JMICRON:
                return "JMicron's bridge for NVMe";
        case SMART_BRIDGE_KIND_NVME_ASMEDIA:
                return "ASMedia's bridge for NVMe";
        case SMART_BRIDGE_KIND_NVME_REALTEK:
                return "Realtek's bridge for NVMe";
        case _SMART_BRIDGE_KIND_MAX:
                break;
        }
        assert_not_reached();
}

/* Finding the way */

static void add_kind(SmartCandidates *candidates, SmartBridgeKind kind) {
        assert(candidates->n < CANDIDATES_MAX);

        smart_bridge_init(&candidates->bridges[candidates->n++], kind);
}

/* What is known to be there is all that may be there, but for a drive of the other kind. */
static void add_known(SmartCandidates *candidates, const SmartBridge *bridge) {
        if (bridge->kind == SMART_BRIDGE_KIND_NONE)
                return;
        candidates->bridges[candidates->n++] = *bridge;
        if (bridge->is_sat_too)
                add_kind(candidates, SMART_BRIDGE_KIND_SAT_16);
}

static void list_candidates(const SmartMonitor *monitor, SmartCandidates *ret) {
        const SmartMonitorOptions *options = &monitor->options;
        SmartBridge bridge;

        *ret = (SmartCandidates){ 0 };
        if (smart_bridge_find(&bridge, options->vendor_id, options->product_id,
                              options->device_bcd)) {
                add_known(ret, &bridge);
        } else if (options->has_bridge) {
                add_known(ret, &options->bridge);
        } else if (options->may_probe) {
                add_kind(ret, SMART_BRIDGE_KIND_SAT_16);
                add_kind(ret, SMART_BRIDGE_KIND_SAT_12);
        }
}

static SmartKind get_kind(const SmartBridge *bridge) {
        return smart_bridge_is_nvme(bridge) ? SMART_KIND_NVME : SMART_KIND_ATA;
}

static SmartAnswer ask_identity(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        smart_data_init(data, get_kind(bridge));
        return smart_bridge_is_nvme(bridge) ? smart_ask_nvme_identity(dialogue, bridge, data)
                                            : smart_ask_ata_identity(dialogue, bridge, data);
}

/* Something came, and it was no good. */
static bool is_broken_answer(SmartAnswer answer) {
        return answer == SMART_ANSWER_TRUNCATED || answer == SMART_ANSWER_CHECKSUM ||
               answer == SMART_ANSWER_ABSURD;
}

/* True: `data` has the identity. Else, if one of them answered with something broken, `broken` has
   that. */
static bool find_bridge(SmartMonitor *monitor, SmartDialogue *dialogue, SmartData *data,
                        SmartData *broken) {
        SmartCandidates candidates;

        list_candidates(monitor, &candidates);
        for (size_t i = 0; i < candidates.n && dialogue->error == 0; i++) {
                SmartBridge *bridge = &candidates.bridges[i];
                SmartAnswer answer;

                monitor->tried = describe_bridge(bridge->kind);
                answer = ask_identity(dialogue, bridge, data);
                if (answer == SMART_ANSWER_GOOD) {
                        monitor->way = SMART_WAY_BRIDGE;
                        monitor->bridge = *bridge;
                        return true;
                }
                if (is_broken_answer(answer) && broken->kind == SMART_KIND_UNKNOWN)
                        *broken = *data;
        }
        return false;
}

static void set_scsi_identity(const SmartMonitor *monitor, SmartData *data) {
        smart_data_init(data, SMART_KIND_SCSI);
        data->identity = monitor->options.identity;
        smart_data_note(data, SMART_SECTION_IDENTITY, SMART_ANSWER_GOOD);
}

static bool find_scsi(SmartMonitor *monitor, SmartDialogue *dialogue, SmartData *data) {
        if (dialogue->error < 0 || !monitor->options.may_probe)
                return false;
        monitor->tried = SCSI_WAY;
        set_scsi_identity(monitor, data);
        if (!smart_ask_scsi_list(dialogue, data))
                return false;
        monitor->way = SMART_WAY_SCSI;
        return true;
}

/* With the first section of `data`. A unit that is not ready may have refused for that reason, and an
   answer that is broken may come whole next time: then the way is looked for again. */
static int find_way(SmartMonitor *monitor, SmartDialogue *dialogue, SmartData *data) {
        SmartData broken;

        smart_data_init(&broken, SMART_KIND_UNKNOWN);
        monitor->lacks_registers = false;
        if (find_bridge(monitor, dialogue, data, &broken) || find_scsi(monitor, dialogue, data))
                return 0;
        if (dialogue->error < 0)
                return dialogue->error;
        if (broken.kind != SMART_KIND_UNKNOWN) {
                *data = broken;
                return 0;
        }
        if (dialogue->is_not_ready)
                return -EAGAIN;
        monitor->way = SMART_WAY_NONE;
        return -EOPNOTSUPP;
}

/* Asking */

static SmartAtaWay get_ata_way(SmartMonitor *monitor) {
        return (SmartAtaWay){ .bridge = &monitor->bridge,
                              .lacks_registers = &monitor->lacks_registers };
}

/* Nothing of an NVMe drive turns. */
static SmartPower ask_power(SmartMonitor *monitor, SmartDialogue *dialogue) {
        SmartAtaWay way = get_ata_way(monitor);

        if (monitor->way == SMART_WAY_SCSI)
                return smart_ask_scsi_power(dialogue);
        if (smart_bridge_is_nvme(&monitor->bridge))
                return SMART_POWER_AWAKE;
        return smart_ask_ata_power(dialogue, &way);
}

static bool may_ask(SmartMonitor *monitor, SmartDialogue *dialogue, unsigned flags) {
        if (flags & SMART_MONITOR_MAY_WAKE)
                return true;
        if (monitor->way == SMART_WAY_UNKNOWN || monitor->way == SMART_WAY_NONE)
                return flags & SMART_MONITOR_IS_AWAKE;
        switch (ask_power(monitor, dialogue)) {
        case SMART_POWER_AWAKE:
                return true;
        case SMART_POWER_ASLEEP:
                return false;
        case SMART_POWER_UNKNOWN:
                return flags & SMART_MONITOR_IS_AWAKE;
        }
        assert_not_reached();
}

/* What is behind the unit may have been exchanged: each time it is asked what it is. */
static void ask_first(SmartMonitor *monitor, SmartDialogue *dialogue, SmartData *data) {
        if (monitor->way == SMART_WAY_BRIDGE) {
                ask_identity(dialogue, &monitor->bridge, data);
                return;
        }
        set_scsi_identity(monitor, data);
        smart_ask_scsi_list(dialogue, data);
}

static void ask_rest(SmartMonitor *monitor, SmartDialogue *dialogue, SmartData *data) {
        SmartAtaWay way = get_ata_way(monitor);

        if (monitor->way == SMART_WAY_SCSI)
                smart_ask_scsi(dialogue, data);
        else if (smart_bridge_is_nvme(&monitor->bridge))
                smart_ask_nvme(dialogue, &monitor->bridge, data);
        else
                smart_ask_ata(dialogue, &way, data);
}

static int ask(SmartMonitor *monitor, SmartDialogue *dialogue, unsigned flags, SmartData *data) {
        int r;

        if (!may_ask(monitor, dialogue, flags))
                return dialogue->error < 0 ? dialogue->error : -EAGAIN;
        if (monitor->way == SMART_WAY_BRIDGE || monitor->way == SMART_WAY_SCSI) {
                ask_first(monitor, dialogue, data);
        } else {
                r = find_way(monitor, dialogue, data);
                if (r < 0)
                        return r;
        }
        if (monitor->way == SMART_WAY_BRIDGE || monitor->way == SMART_WAY_SCSI)
                ask_rest(monitor, dialogue, data);
        return dialogue->error;
}

/* Clients wait for the device while it is brought back: that is not done to them again and again. */
static int give_up(SmartMonitor *monitor, const char *why) {
        monitor->is_given_up = true;
        log_device_error(monitor->options.name,
                         "It %s when it was asked for its health (%s): it is not asked any more",
                         why, monitor->tried);
        return -EIO;
}

static int judge_end(SmartMonitor *monitor, const SmartDialogue *dialogue, int error) {
        if (!dialogue->has_broken) {
                if (error == 0)
                        monitor->n_breaks = 0;
                return error == -EIO ? -EBUSY : error; /* it was somebody else's failure */
        }
        monitor->n_breaks++;
        if (dialogue->has_hung)
                return give_up(monitor, "fell silent");
        return monitor->n_breaks >= SMART_MONITOR_BREAKS_MAX ? give_up(monitor, "broke") : -EIO;
}

static int refuse(const SmartMonitor *monitor, unsigned flags) {
        if (monitor->is_given_up)
                return -EIO;
        return monitor->way == SMART_WAY_NONE && !(flags & SMART_MONITOR_LOOK_AGAIN) ? -EOPNOTSUPP
                                                                                     : 0;
}

int smart_monitor_poll(SmartMonitor *monitor, Task *task, ScsiTarget *target, unsigned flags) {
        SmartDialogue dialogue;
        SmartData data;
        int r;

        r = refuse(monitor, flags);
        if (r < 0)
                return r;
        r = smart_dialogue_init(&dialogue, monitor, target, task, flags & SMART_MONITOR_MAY_WAKE);
        if (r < 0)
                return r;
        r = judge_end(monitor, &dialogue, ask(monitor, &dialogue, flags, &data));
        smart_dialogue_done(&dialogue);
        if (r < 0)
                return r;
        monitor->data = data;
        monitor->n_asked++;
        smart_verdict(&data, &monitor->verdict);
        return 0;
}

/* Self-tests */

static _printf_(2, 3) void say(char *words, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(words, SMART_MONITOR_WORDS_SIZE, format, arguments);
        va_end(arguments);
}

static bool has_minutes(const SmartNumber *minutes) { return minutes->is_known; }

/* NVMe and SCSI have two; an ATA drive tells which it has. */
static bool has_test(const SmartData *data, SmartSelfTestKind kind) {
        const SmartSelfTests *tests = &data->self_tests;

        switch (kind) {
        case SMART_SELF_TEST_KIND_SHORT:
        case SMART_SELF_TEST_KIND_EXTENDED:
                return data->kind != SMART_KIND_ATA || has_minutes(&tests->short_minutes);
        case SMART_SELF_TEST_KIND_CONVEYANCE:
                return data->kind == SMART_KIND_ATA && has_minutes(&tests->conveyance_minutes);
        case SMART_SELF_TEST_KIND_OFFLINE:
                return data->kind == SMART_KIND_ATA;
        case SMART_SELF_TEST_KIND_OTHER:
        case SMART_SELF_TEST_KIND_SELECTIVE:
                return false;
        case _SMART_SELF_TEST_KIND_MAX:
                break;
        }
        assert_not_reached();
}

/* A drive that is told to begin would give up what it is at. */
static int check_test(const SmartMonitor *monitor, SmartSelfTestKind kind, char *words) {
        const SmartSelfTests *tests = &monitor->data.self_tests;

        if (!has_test(&monitor->data, kind)) {
                say(words, "the drive has no such self-test");
                return -EOPNOTSUPP;
        }
        if (!tests->is_running.is_known || !tests->is_running.value)
                return 0;
        if (tests->remaining_percent.is_known)
                say(words, "a self-test runs already, %" PRIu64 "%% of it are left",
                    tests->remaining_percent.value);
        else
                say(words, "a self-test runs already");
        return -EBUSY;
}

static int translate_test(SmartAnswer answer, char *words) {
        switch (answer) {
        case SMART_ANSWER_NONE: /* the dialogue has ended, and tells why */
        case SMART_ANSWER_GOOD:
                return 0;
        case SMART_ANSWER_REFUSED:
                say(words, "the drive or its bridge refuses it");
                return -EOPNOTSUPP;
        case SMART_ANSWER_LOST:
        case SMART_ANSWER_TRUNCATED:
        case SMART_ANSWER_CHECKSUM:
        case SMART_ANSWER_ABSURD:
                say(words, "the bridge does not tell what became of it");
                return -EIO;
        case _SMART_ANSWER_MAX:
                break;
        }
        assert_not_reached();
}

static SmartAnswer ask_test(SmartMonitor *monitor, SmartDialogue *dialogue, SmartSelfTestKind kind,
                            bool is_abort) {
        if (monitor->way == SMART_WAY_SCSI)
                return smart_ask_scsi_test(dialogue, kind, is_abort);
        if (monitor->way != SMART_WAY_BRIDGE)
                return SMART_ANSWER_REFUSED;
        return smart_bridge_is_nvme(&monitor->bridge)
                               ? smart_ask_nvme_test(dialogue, &monitor->bridge, kind, is_abort)
                               : smart_ask_ata_test(dialogue, &monitor->bridge, kind, is_abort);
}

static int send_test(SmartMonitor *monitor, Task *task, ScsiTarget *target, SmartSelfTestKind kind,
                     bool is_abort, char *words) {
        SmartDialogue dialogue;
        int r;

        r = smart_dialogue_init(&dialogue, monitor, target, task, /* may_wake= */ true);
        if (r < 0)
                return r;
        r = translate_test(ask_test(monitor, &dialogue, kind, is_abort), words);
        if (dialogue.error < 0)
                r = judge_end(monitor, &dialogue, dialogue.error);
        smart_dialogue_done(&dialogue);
        return r;
}

int smart_monitor_start_test(SmartMonitor *monitor, Task *task, ScsiTarget *target,
                             SmartSelfTestKind kind, char *words) {
        int r;

        words[0] = '\0';
        r = smart_monitor_poll(monitor, task, target,
                               SMART_MONITOR_MAY_WAKE | SMART_MONITOR_LOOK_AGAIN);
        if (r == 0)
                r = check_test(monitor, kind, words);
        return r < 0 ? r : send_test(monitor, task, target, kind, /* is_abort= */ false, words);
}

int smart_monitor_abort_test(SmartMonitor *monitor, Task *task, ScsiTarget *target, char *words) {
        int r = 0;

        words[0] = '\0';
        if (monitor->way == SMART_WAY_UNKNOWN || monitor->way == SMART_WAY_NONE ||
            monitor->is_given_up)
                r = smart_monitor_poll(monitor, task, target,
                                       SMART_MONITOR_MAY_WAKE | SMART_MONITOR_LOOK_AGAIN);
        return r < 0 ? r
                     : send_test(monitor, task, target, SMART_SELF_TEST_KIND_SHORT,
                                 /* is_abort= */ true, words);
}

const char *smart_monitor_describe_way(const SmartMonitor *monitor) {
        switch (monitor->way) {
        case SMART_WAY_UNKNOWN:
                return "unknown";
        case SMART_WAY_NONE:
                return "none";
        case SMART_WAY_BRIDGE:
                return describe_bridge(monitor->bridge.kind);
        case SMART_WAY_SCSI:
                return SCSI_WAY;
        case _SMART_WAY_MAX:
                break;
        }
        assert_not_reached();
}
