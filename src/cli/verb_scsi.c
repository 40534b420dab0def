/* What a unit can do, and commands to it. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/cdb_words.h"
#include "cli/ctl_action.h"
#include "cli/ctl_call.h"
#include "cli/ctl_facts.h"
#include "cli/ctl_target.h"
#include "cli/ctl_text.h"
#include "cli/hex_dump.h"
#include "cli/verb_scsi.h"

#define OUT_SIZE_MAX (64 * MIB)

static const char *const counters[] = {
        "Commands", "CheckConditions", "Retries", "Timeouts", NULL,
};

CtlExit verb_scsi_info(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(freep) char *name = NULL;
        json_object *scsi;
        CtlTarget target;
        const char *path;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_LUN);
        if (e == CTL_EXIT_OK)
                e = ctl_target_need(&target, ctl, &objects, CTL_SCSI, "SCSI", &path);
        if (e != CTL_EXIT_OK)
                return e;
        scsi = ctl_objects_get(&objects, path, CTL_SCSI);
        e = ctl_call_add_properties(ctl, path, CTL_SCSI, counters, scsi);
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl_is_json(ctl))
                return ctl_print_json(ctl, json_object_get(scsi));
        name = ctl_target_name(&target);
        ctl_facts_print(ctl, "Unit", "%s", name);
        ctl_facts_print_all(ctl, scsi);
        return CTL_EXIT_OK;
}

CtlExit verb_scsi_reset(Ctl *ctl, char **arguments) {
        static const CtlAction action = {
                .interface = CTL_SCSI,
                .method = "Reset",
                .kind = CTL_TARGET_LUN,
                .done = "was reset.",
        };

        return ctl_action_run(&action, ctl, arguments[0]);
}

typedef struct ScsiCall {
        uint8_t cdb[CDB_WORDS_SIZE_MAX];
        size_t cdb_size;
        uint8_t *data; /* owned; goes out */
        size_t data_size;
} ScsiCall;

static void scsi_call_done(ScsiCall *call) { free(call->data); }

static CtlExit read_data(const Ctl *ctl, ScsiCall *call) {
        const char *path = ctl->options.out_path;
        _cleanup_(fd_closep) int fd = -EBADF;
        ssize_t size;

        fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                ctl_complain(ctl, "%s: %s", path, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        call->data = malloc(OUT_SIZE_MAX + 1);
        if (!call->data)
                ctl_text_no_memory();
        size = fd_read_all(fd, call->data, OUT_SIZE_MAX + 1);
        if (size < 0 || size > (ssize_t) OUT_SIZE_MAX) {
                ctl_complain(ctl, "%s: %s", path, strerror(size < 0 ? (int) -size : EFBIG));
                return CTL_EXIT_FAILURE;
        }
        call->data_size = (size_t) size;
        return CTL_EXIT_OK;
}

static CtlExit read_call(const Ctl *ctl, char *const *words, ScsiCall *call) {
        const char *wrong;
        int r;

        r = cdb_words_parse(words, call->cdb, sizeof(call->cdb), &call->cdb_size, &wrong);
        if (r == -E2BIG)
                ctl_complain(ctl, "A command block has no more than %d bytes", CDB_WORDS_SIZE_MAX);
        else if (r < 0)
                ctl_complain(ctl, "'%s': bytes are two hexadecimal digits each", wrong);
        if (r < 0)
                return CTL_EXIT_USAGE;
        if (ctl->options.out_path && ctl->options.n_in > 0) {
                ctl_complain(ctl, "Data goes in or out, not both");
                return CTL_EXIT_USAGE;
        }
        return ctl->options.out_path ? read_data(ctl, call) : CTL_EXIT_OK;
}

static int append_call(const Ctl *ctl, sd_bus_message *message, const ScsiCall *call) {
        int r;

        r = sd_bus_message_append_array(message, 'y', call->cdb, call->cdb_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(message, 'y', call->data, call->data_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append(message, "u", (uint32_t) ctl->options.n_in);
        if (r < 0)
                return r;
        if (ctl_options_has(&ctl->options, CTL_OPTION_FORCE))
                return sd_bus_message_append(message, "a{sv}", 1, "force", "b", true);
        return sd_bus_message_append(message, "a{sv}", 0);
}

typedef struct ScsiAnswer {
        uint8_t status;
        const void *data;
        size_t data_size;
        const void *sense;
        size_t sense_size;
        const char *words;
} ScsiAnswer;

static int read_answer(sd_bus_message *reply, ScsiAnswer *answer) {
        int r;

        r = sd_bus_message_read(reply, "y", &answer->status);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(reply, 'y', &answer->data, &answer->data_size);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(reply, 'y', &answer->sense, &answer->sense_size);
        if (r < 0)
                return r;
        return sd_bus_message_read(reply, "s", &answer->words);
}

static CtlExit print_answer(const Ctl *ctl, const ScsiAnswer *answer) {
        CtlExit e = answer->status == 0 ? CTL_EXIT_OK : CTL_EXIT_FAILURE;
        _cleanup_(freep) char *data = NULL, *sense = NULL, *words = NULL;
        json_object *object;

        if (ctl_is_json(ctl)) {
                data = hex_dump_string(answer->data, answer->data_size);
                sense = hex_dump_string(answer->sense, answer->sense_size);
                object = json_object_new_object();
                json_object_object_add(object, "status", json_object_new_int(answer->status));
                json_object_object_add(object, "words", bus_value_string(answer->words));
                json_object_object_add(object, "data", json_object_new_string(data));
                json_object_object_add(object, "sense", json_object_new_string(sense));
                (void) ctl_print_json(ctl, object);
                return e;
        }
        if (ctl->terminal.is_terminal)
                hex_dump_print(stdout, answer->data, answer->data_size);
        else
                (void) fwrite(answer->data, 1, answer->data_size, stdout);
        if (e == CTL_EXIT_OK)
                return e;
        words = ctl_text_copy(answer->words);
        ctl_text_clean(words);
        ctl_complain(ctl, "Status %02xh: %s", answer->status, words);
        hex_dump_print(stderr, answer->sense, answer->sense_size);
        return e;
}

CtlExit verb_scsi_command(Ctl *ctl, char **arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(scsi_call_done) ScsiCall call = {};
        ScsiAnswer answer;
        CtlTarget target;
        CtlExit e;
        int r;

        e = read_call(ctl, arguments + 1, &call);
        if (e != CTL_EXIT_OK)
                return e;
        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_LUN);
        if (e == CTL_EXIT_OK)
                e = ctl_call_new(ctl, target.lun, CTL_SCSI, "Command", &message);
        if (e != CTL_EXIT_OK)
                return e;
        r = append_call(ctl, message, &call);
        if (r < 0)
                return ctl_call_failed(ctl, NULL, r);
        e = ctl_call_send(ctl, message, &reply);
        if (e != CTL_EXIT_OK)
                return e;
        r = read_answer(reply, &answer);
        return r < 0 ? ctl_call_garbled(ctl, r) : print_answer(ctl, &answer);
}
