/* What is known of a drive's health, as a whole. */

#include "smart/smart_data.h"

#include "base/macros.h"

void smart_data_init(SmartData *data, SmartKind kind) {
        assert(kind < _SMART_KIND_MAX);

        *data = (SmartData){ .kind = kind };
}

SmartAnswer smart_data_note(SmartData *data, SmartSection section, SmartAnswer answer) {
        assert(section < _SMART_SECTION_MAX);
        assert(answer < _SMART_ANSWER_MAX);

        data->answers[section] = answer;
        return answer;
}

const SmartAttribute *smart_data_find_attribute(const SmartData *data, uint8_t id) {
        for (size_t i = 0; i < data->n_attributes; i++)
                if (data->attributes[i].id == id)
                        return &data->attributes[i];
        return NULL;
}

const char *smart_kind_to_string(SmartKind kind) {
        switch (kind) {
        case SMART_KIND_UNKNOWN:
                return "unknown";
        case SMART_KIND_ATA:
                return "ATA";
        case SMART_KIND_NVME:
                return "NVMe";
        case SMART_KIND_SCSI:
                return "SCSI";
        case _SMART_KIND_MAX:
                break;
        }

        assert_not_reached();
}

const char *smart_answer_to_string(SmartAnswer answer) {
        switch (answer) {
        case SMART_ANSWER_NONE:
                return "was not asked for";
        case SMART_ANSWER_GOOD:
                return "is there";
        case SMART_ANSWER_REFUSED:
                return "is not to be had";
        case SMART_ANSWER_LOST:
                return "does not come through the bridge";
        case SMART_ANSWER_TRUNCATED:
                return "is truncated";
        case SMART_ANSWER_CHECKSUM:
                return "has a wrong checksum";
        case SMART_ANSWER_ABSURD:
                return "makes no sense";
        case _SMART_ANSWER_MAX:
                break;
        }

        assert_not_reached();
}

const char *smart_section_to_string(SmartSection section) {
        static const char *const names[_SMART_SECTION_MAX] = {
                [SMART_SECTION_IDENTITY] = "identity",
                [SMART_SECTION_STATUS] = "status",
                [SMART_SECTION_ATTRIBUTES] = "table of attributes",
                [SMART_SECTION_THRESHOLDS] = "table of thresholds",
                [SMART_SECTION_HEALTH] = "health log",
                [SMART_SECTION_ERROR_LOG] = "error log",
                [SMART_SECTION_SELF_TESTS] = "self-test log",
                [SMART_SECTION_PAGES] = "list of log pages",
                [SMART_SECTION_WRITE_COUNTERS] = "write error log",
                [SMART_SECTION_READ_COUNTERS] = "read error log",
                [SMART_SECTION_VERIFY_COUNTERS] = "verify error log",
                [SMART_SECTION_NON_MEDIUM] = "log of other errors",
                [SMART_SECTION_TEMPERATURE] = "temperature log",
                [SMART_SECTION_START_STOP] = "start-stop log",
                [SMART_SECTION_ENDURANCE] = "endurance log",
                [SMART_SECTION_BACKGROUND_SCAN] = "background scan log",
                [SMART_SECTION_DEFECTS] = "defect list",
        };

        assert(section < _SMART_SECTION_MAX);
        return names[section];
}
