/* A section for each sample; what was not known is not there. */

#include "device/smart_history_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/export_name.h"
#include "device/state_file.h"
#include "device/state_folder.h"

#define N_SAMPLE_OPTIONS (_SMART_HISTORY_ITEM_MAX + 3)
#define N_OPTIONS (1 + SMART_HISTORY_SAMPLES_MAX * N_SAMPLE_OPTIONS)

static_assert(SMART_HISTORY_NAME_SIZE <= STATE_FOLDER_NAME_SIZE_MAX, "a name has its room");

/* What the parser writes to, and how. */
typedef struct HistorySampleFields {
        char section[16]; /* "sample31" */
        uint64_t first_s; /* 0: there is no such sample */
        uint64_t last_s;
        int verdict;
        uint64_t values[_SMART_HISTORY_ITEM_MAX];
} HistorySampleFields;

typedef struct HistoryFields {
        uint64_t identity;
        HistorySampleFields samples[SMART_HISTORY_SAMPLES_MAX];
        ConfigOption options[N_OPTIONS];
        size_t n_options;
        const char *verdicts[_SMART_VERDICT_KIND_MAX + 1];
} HistoryFields;

static void hash_text(uint64_t *hash, const char *text) {
        do {
                *hash = (*hash ^ (uint8_t) *text) * UINT64_C(0x100000001b3); /* FNV-1a */
        } while (*text++ != '\0');
}

void smart_history_file_init(SmartHistoryFile *file, const SmartData *data) {
        const SmartIdentity *identity = &data->identity;

        *file = (SmartHistoryFile){ .identity = UINT64_C(0xcbf29ce484222325) };
        hash_text(&file->identity, identity->model);
        hash_text(&file->identity, identity->serial);
        if (identity->serial[0] == '\0')
                return;
        snprintf(file->name, sizeof(file->name), "%s-%s-%s", smart_kind_to_string(data->kind),
                 identity->model, identity->serial);
        export_name_sanitise(file->name);
}

bool smart_history_file_is_equal(const SmartHistoryFile *a, const SmartHistoryFile *b) {
        return a->identity == b->identity && strcmp(a->name, b->name) == 0;
}

static ConfigOption *add_option(HistoryFields *fields, const char *section, const char *key,
                                ConfigType type, const void *field) {
        ConfigOption *option = &fields->options[fields->n_options++];

        assert(fields->n_options <= N_OPTIONS);
        *option = (ConfigOption){
                .section = section,
                .key = key,
                .type = type,
                .offset = (size_t) ((const char *) field - (const char *) fields),
        };
        return option;
}

static void init_sample(HistoryFields *fields, size_t index) {
        HistorySampleFields *sample = &fields->samples[index];

        snprintf(sample->section, sizeof(sample->section), "sample%zu", index);
        add_option(fields, sample->section, "first", CONFIG_TYPE_SIZE, &sample->first_s);
        add_option(fields, sample->section, "last", CONFIG_TYPE_SIZE, &sample->last_s);
        add_option(fields, sample->section, "verdict", CONFIG_TYPE_ENUM, &sample->verdict)->names =
                        fields->verdicts;
        for (size_t i = 0; i < _SMART_HISTORY_ITEM_MAX; i++) {
                sample->values[i] = SMART_HISTORY_UNKNOWN;
                add_option(fields, sample->section,
                           smart_history_item_to_string((SmartHistoryItem) i), CONFIG_TYPE_SIZE,
                           &sample->values[i]);
        }
}

static void init_fields(HistoryFields *fields) {
        for (size_t i = 0; i < _SMART_VERDICT_KIND_MAX; i++)
                fields->verdicts[i] = smart_verdict_kind_to_string((SmartVerdictKind) i);
        add_option(fields, "drive", "identity", CONFIG_TYPE_SIZE, &fields->identity);
        for (size_t i = 0; i < SMART_HISTORY_SAMPLES_MAX; i++)
                init_sample(fields, i);
}

static void get_history(const HistoryFields *fields, SmartHistory *ret) {
        *ret = (SmartHistory){ .n_samples = 0 };
        for (size_t i = 0; i < SMART_HISTORY_SAMPLES_MAX && fields->samples[i].first_s > 0; i++) {
                const HistorySampleFields *from = &fields->samples[i];
                SmartHistorySample *to = &ret->samples[ret->n_samples++];

                to->first_s = from->first_s;
                to->last_s = from->last_s;
                to->verdict = (SmartVerdictKind) from->verdict;
                memcpy(to->values, from->values, sizeof(to->values));
        }
}

int smart_history_file_read(const SmartHistoryFile *file, int fd, const char *path,
                            SmartHistory *ret) {
        _cleanup_(freep) HistoryFields *fields = NULL;
        SmartHistory history;
        int r;

        fields = calloc(1, sizeof(*fields));
        if (!fields)
                return -ENOMEM;
        init_fields(fields);
        r = state_file_read(
                        &(ConfigTable){
                                        .options = fields->options,
                                        .n_options = fields->n_options,
                                        .target = fields,
                        },
                        fd, path);
        if (r < 0)
                return r;
        get_history(fields, &history);
        if (fields->identity != file->identity || !smart_history_is_valid(&history)) {
                log_warning("%s: this is not the history of that drive", path);
                return -EINVAL;
        }
        *ret = history;
        return 0;
}

typedef struct HistoryReading {
        const SmartHistoryFile *file;
        SmartHistory *ret;
} HistoryReading;

static int read_history(int fd, const char *path, void *userdata) {
        const HistoryReading *reading = userdata;

        return smart_history_file_read(reading->file, fd, path, reading->ret);
}

bool smart_history_file_load(const SmartHistoryFile *file, StateStore *store, SmartHistory *ret) {
        HistoryReading reading = { .file = file, .ret = ret };

        ret->n_samples = 0;
        if (!store || file->name[0] == '\0')
                return false;
        return state_store_load(store, file->name, read_history, &reading);
}

static void add_sample(StateText *text, size_t index, const SmartHistorySample *sample) {
        state_text_add(text, "\n[sample%zu]\nfirst = %llu\nlast = %llu\nverdict = %s\n", index,
                       (unsigned long long) sample->first_s, (unsigned long long) sample->last_s,
                       smart_verdict_kind_to_string(sample->verdict));
        for (size_t i = 0; i < _SMART_HISTORY_ITEM_MAX; i++)
                if (sample->values[i] != SMART_HISTORY_UNKNOWN)
                        state_text_add(text, "%s = %llu\n",
                                       smart_history_item_to_string((SmartHistoryItem) i),
                                       (unsigned long long) sample->values[i]);
}

size_t smart_history_file_format(const SmartHistoryFile *file, const SmartHistory *history,
                                 char text[static SMART_HISTORY_FILE_SIZE_MAX]) {
        StateText out = { .text = text, .room = SMART_HISTORY_FILE_SIZE_MAX };

        state_text_add(&out,
                       "# What a drive told of its health, over time. Without this file changes "
                       "since then "
                       "are not told.\n\n[drive]\nidentity = %llu\n",
                       (unsigned long long) file->identity);
        for (size_t i = 0; i < history->n_samples; i++)
                add_sample(&out, i, &history->samples[i]);
        return out.size;
}

void smart_history_file_save(const SmartHistoryFile *file, StateStore *store,
                             const SmartHistory *history) {
        _cleanup_(freep) char *text = NULL;

        if (!store || file->name[0] == '\0')
                return;
        text = malloc(SMART_HISTORY_FILE_SIZE_MAX);
        if (!text) {
                log_warning("No memory to keep the history of a drive, ignoring");
                return;
        }
        (void) state_store_save(store, file->name, text,
                                smart_history_file_format(file, history, text));
}
