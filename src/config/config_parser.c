/*
 * inih cuts lines into keys and values; everything that it would let pass in silence is caught
 * here, in the reader that hands it the lines: lines that are too long, that are neither section
 * nor assignment, that begin with blanks (which it takes for continuations), and sections that
 * nobody has declared.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config_parser.h"
#include "config/config_value.h"

#define DROP_INS_SUFFIX ".d"
#define FILE_SUFFIX ".conf"
#define COMPLAINT_SIZE_MAX (CONFIG_REASON_SIZE_MAX + 256)
/* Of what a complaint quotes from a file. */
#define QUOTE_SIZE_MAX 64

/* One to each option of each table, in their order. */
typedef struct ConfigSlot {
        const ConfigOption *option; /* borrowed */
        void *target;               /* borrowed */
        ConfigValue value;
        bool is_set;
        unsigned file_index; /* where it was set last, from 1 on; 0: nowhere */
        unsigned line;
        const char *override; /* borrowed */
} ConfigSlot;

struct ConfigParser {
        ConfigComplain complain;
        void *userdata;
        ConfigSlot *slots; /* owned array */
        size_t n_slots;
        char **files; /* owned: the names of those that were read */
        size_t n_files;
        size_t n_mistakes;
        int error; /* not a mistake: -ENOMEM */

        /* The file that is being read. */
        const char *file;
        const char *rest; /* of its text */
        unsigned line;
        bool has_section;
        bool is_section_known;
        bool is_assignment_due; /* the line has been handed out as one */
};

static _printf_(2, 3) void complain(ConfigParser *parser, const char *format, ...) {
        char text[COMPLAINT_SIZE_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        parser->n_mistakes++;
        parser->complain(parser->file, parser->line, text, parser->userdata);
}

static bool has_section(const ConfigParser *parser, const char *name, size_t size) {
        for (size_t i = 0; i < parser->n_slots; i++) {
                const char *section = parser->slots[i].option->section;

                if (strlen(section) == size && memcmp(section, name, size) == 0)
                        return true;
        }
        return false;
}

/* "a, b, c": the sections (`section` is NULL), or the keys of one; each once, cut if too long. */
static void list_names(const ConfigParser *parser, const char *section, char *text, size_t size) {
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < parser->n_slots && used < size; i++) {
                const ConfigOption *option = parser->slots[i].option;
                bool is_known = false;

                for (size_t j = 0; j < i && !section; j++)
                        is_known |= strcmp(parser->slots[j].option->section, option->section) == 0;
                if (is_known || (section && strcmp(option->section, section) != 0))
                        continue;
                used += (size_t) snprintf(text + used, size - used, "%s%s%s%s",
                                          used == 0 ? "" : ", ", section ? "" : "[",
                                          section ? option->key : option->section,
                                          section ? "" : "]");
        }
}

static void on_section(ConfigParser *parser, const char *line, size_t size) {
        const char *end = memchr(line, ']', size);
        char names[CONFIG_REASON_SIZE_MAX];
        const char *after;

        parser->has_section = true;
        parser->is_section_known = false;
        if (!end) {
                complain(parser, "the section does not end with ]");
                return;
        }
        after = end + 1 + strspn(end + 1, " \t\r");
        if (after < line + size && *after != '\n' && *after != '#' && *after != ';') {
                complain(parser, "something stands behind the section");
                return;
        }

        parser->is_section_known = has_section(parser, line + 1, (size_t) (end - line - 1));
        if (parser->is_section_known)
                return;
        list_names(parser, NULL, names, sizeof(names));
        complain(parser, "there is no section [%.*s], only: %s",
                 (int) MIN(end - line - 1, QUOTE_SIZE_MAX), line + 1, names);
}

static bool is_comment(const char *line, size_t size) {
        return size == 0 || strchr("\r\n#;", line[0]);
}

/* What was handed out as an assignment, and did not come back as one. */
static void check_assignment(ConfigParser *parser) {
        if (parser->is_assignment_due)
                complain(parser, "this is neither [section] nor key = value");
        parser->is_assignment_due = false;
}

/* Looks at a line before inih does; returns how much of it is handed on. */
static size_t preview_line(ConfigParser *parser, const char *line, size_t size) {
        if (is_comment(line, size))
                return 0;
        if (size > CONFIG_LINE_SIZE_MAX) {
                complain(parser, "the line is longer than %d bytes", CONFIG_LINE_SIZE_MAX);
                return 0;
        }
        if (line[0] == '[') {
                on_section(parser, line, size);
                return parser->is_section_known ? size : 0;
        }
        if (!parser->has_section) {
                complain(parser, "there is no [section] before this line");
                return 0;
        }
        if (!parser->is_section_known)
                return 0; /* has been told */

        parser->is_assignment_due = true;
        return size;
}

/* inih's fgets(): one line into `buffer`, or NULL at the end. */
static char *read_line(char *buffer, int buffer_size, void *stream) {
        ConfigParser *parser = stream;
        const char *line, *end;
        size_t size;

        check_assignment(parser);
        if (*parser->rest == '\0')
                return NULL;

        parser->line++;
        end = strchrnul(parser->rest, '\n');
        line = parser->rest + strspn(parser->rest, " \t");
        size = (size_t) (end - line);
        parser->rest = *end == '\n' ? end + 1 : end;

        assert(buffer_size > CONFIG_LINE_SIZE_MAX);
        size = preview_line(parser, line, size);
        memcpy(buffer, line, size);
        buffer[size] = '\0';
        return buffer;
}

static ConfigSlot *find_slot(ConfigParser *parser, const char *section, const char *key) {
        for (size_t i = 0; i < parser->n_slots; i++) {
                const ConfigOption *option = parser->slots[i].option;

                if (strcmp(option->section, section) == 0 && strcmp(option->key, key) == 0)
                        return &parser->slots[i];
        }
        return NULL;
}

/* Takes the quotes away; -EINVAL if there is but one. `ret` is as long as `value`. */
static int unquote(const char *value, char *ret) {
        size_t size = strlen(value);

        if (value[0] != '"' && (size == 0 || value[size - 1] != '"')) {
                strcpy(ret, value);
                return 0;
        }
        if (size < 2 || value[0] != '"' || value[size - 1] != '"' ||
            memchr(value + 1, '"', size - 2))
                return -EINVAL;

        memcpy(ret, value + 1, size - 2);
        ret[size - 2] = '\0';
        return 0;
}

/* Whether it is a value; if not, that is told. */
static bool parse(ConfigParser *parser, const ConfigSlot *slot, const char *text,
                  ConfigValue *ret) {
        char reason[CONFIG_REASON_SIZE_MAX];
        int r;

        r = config_value_parse(ret, slot->option, text, reason);
        if (r == -EINVAL)
                complain(parser, "%s = %.*s: %s", slot->option->key, QUOTE_SIZE_MAX, text, reason);
        else if (r < 0)
                parser->error = r;
        return r == 0;
}

static void replace(ConfigSlot *slot, const ConfigValue *value) {
        config_value_done(&slot->value);
        slot->value = *value;
        slot->is_set = true;
}

static void set(ConfigParser *parser, ConfigSlot *slot, const char *text) {
        ConfigValue value;

        if (!parse(parser, slot, text, &value))
                return;
        replace(slot, &value);
        slot->file_index = (unsigned) parser->n_files;
        slot->line = parser->line;
}

/* inih's handler of one assignment. */
static int on_assignment(void *user, const char *section, const char *key, const char *value) {
        char names[CONFIG_REASON_SIZE_MAX], text[CONFIG_LINE_SIZE_MAX];
        ConfigParser *parser = user;
        ConfigSlot *slot;

        parser->is_assignment_due = false;
        slot = find_slot(parser, section, key);
        if (!slot) {
                list_names(parser, section, names, sizeof(names));
                complain(parser, "there is no key %.*s in [%s], only: %s", QUOTE_SIZE_MAX, key,
                         section, names);
        } else if (slot->is_set && slot->file_index == parser->n_files)
                complain(parser, "%s has been set in line %u already", key, slot->line);
        else if (unquote(value, text) < 0)
                complain(parser, "%s = %.*s: the quotes do not match", key, QUOTE_SIZE_MAX, value);
        else
                set(parser, slot, text);
        return 1;
}

static void parse_text(ConfigParser *parser, const char *text, size_t size) {
        static const char byte_order_mark[] = "\xef\xbb\xbf";

        if (memchr(text, '\0', size)) {
                complain(parser, "the file has NUL bytes, so it is no text");
                return;
        }
        if (strncmp(text, byte_order_mark, strlen(byte_order_mark)) == 0)
                text += strlen(byte_order_mark);

        parser->rest = text;
        parser->has_section = false;
        parser->is_section_known = false;
        parser->is_assignment_due = false;
        /* "3 more than the longest line" */
        ini_max_line = CONFIG_LINE_SIZE_MAX + 3;
        (void) ini_parse_stream(read_line, parser, on_assignment, parser);
        check_assignment(parser);
}

static int add_file(ConfigParser *parser, const char *name) {
        char **files = reallocarray(parser->files, parser->n_files + 1, sizeof(*files));

        if (!files)
                return -ENOMEM;
        parser->files = files;
        files[parser->n_files] = strdup(name);
        if (!files[parser->n_files])
                return -ENOMEM;
        parser->n_files++;
        return 0;
}

int config_parser_read_fd(ConfigParser *parser, int fd, const char *name) {
        _cleanup_(freep) char *text = NULL;
        ssize_t size;
        int r;

        assert(parser);
        assert(fd >= 0);
        assert(name);

        text = malloc(CONFIG_FILE_SIZE_MAX + 2);
        if (!text)
                return -ENOMEM;
        /* One byte more than is allowed, to see that there is more. */
        size = fd_read_all(fd, text, CONFIG_FILE_SIZE_MAX + 1);
        if (size < 0)
                return (int) size;

        r = add_file(parser, name);
        if (r < 0)
                return r;
        parser->file = name;
        parser->line = 0;
        if ((size_t) size > CONFIG_FILE_SIZE_MAX) {
                complain(parser, "the file is longer than %llu bytes",
                         (unsigned long long) CONFIG_FILE_SIZE_MAX);
                return 0;
        }
        text[size] = '\0';
        parse_text(parser, text, (size_t) size);
        return parser->error;
}

/* Can't be read: that is a mistake of whoever wrote the configuration. */
static void complain_of_file(ConfigParser *parser, const char *path, int error) {
        parser->file = path;
        parser->line = 0;
        complain(parser, "can't be read: %s", strerror(-error));
}

static int read_file(ConfigParser *parser, const char *path, bool is_optional) {
        _cleanup_(fd_closep) int fd = -1;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT && is_optional)
                return 0;
        r = fd < 0 ? -errno : config_parser_read_fd(parser, fd, path);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                complain_of_file(parser, path, r);
        return 0;
}

static int is_drop_in(const struct dirent *entry) {
        size_t size = strlen(entry->d_name), suffix_size = strlen(FILE_SUFFIX);

        return entry->d_name[0] != '.' && size > suffix_size &&
               strcmp(entry->d_name + size - suffix_size, FILE_SUFFIX) == 0;
}

/* By bytes, so that the order is the same in every locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_ins(ConfigParser *parser, const char *directory) {
        struct dirent **entries;
        int n, r = 0;

        n = scandir(directory, &entries, is_drop_in, compare_names);
        if (n < 0) {
                if (errno != ENOENT)
                        complain_of_file(parser, directory, -errno);
                return 0;
        }

        for (int i = 0; i < n; i++) {
                _cleanup_(freep) char *path = NULL;

                if (r == 0 && i == CONFIG_DROP_INS_MAX)
                        complain_of_file(parser, directory, -E2BIG);
                if (r == 0 && i < CONFIG_DROP_INS_MAX)
                        r = asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0
                                            ? -ENOMEM
                                            : read_file(parser, path, /* is_optional= */ false);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int config_parser_read_path(ConfigParser *parser, const char *path, bool is_optional) {
        _cleanup_(freep) char *directory = NULL;
        int r;

        assert(parser);
        assert(path);

        if (asprintf(&directory, "%s" DROP_INS_SUFFIX, path) < 0)
                return -ENOMEM;
        r = read_file(parser, path, is_optional);
        if (r < 0)
                return r;
        return read_drop_ins(parser, directory);
}

int config_parser_override(ConfigParser *parser, const char *section, const char *key,
                           const char *text, const char *name) {
        ConfigSlot *slot = find_slot(parser, section, key);
        ConfigValue value;
        int r;

        assert(slot);

        parser->file = name;
        parser->line = 0;
        if (!parse(parser, slot, text, &value))
                return parser->error;
        if (slot->option->type == CONFIG_TYPE_STRING_LIST) {
                r = config_value_append(&value, &slot->value);
                if (r == -E2BIG)
                        complain(parser, "%s: there are more than %d values", key,
                                 CONFIG_STRINGS_MAX);
                if (r < 0) {
                        config_value_done(&value);
                        return r == -E2BIG ? 0 : r;
                }
        } else {
                slot->file_index = 0;
        }
        replace(slot, &value);
        slot->override = name;
        return 0;
}

static const ConfigSlot *find_slot_of(const ConfigParser *parser, const ConfigOption *option) {
        for (size_t i = 0; i < parser->n_slots; i++)
                if (parser->slots[i].option == option)
                        return &parser->slots[i];

        assert_not_reached();
}

const char *config_parser_peek(const ConfigParser *parser, const ConfigOption *option) {
        const ConfigSlot *slot = find_slot_of(parser, option);

        assert(option->type == CONFIG_TYPE_STRING);
        return slot->is_set ? slot->value.string : NULL;
}

ConfigOrigin config_parser_get_origin(const ConfigParser *parser, const ConfigOption *option) {
        const ConfigSlot *slot = find_slot_of(parser, option);

        return (ConfigOrigin){
                .override = slot->override,
                .file = slot->file_index > 0 ? parser->files[slot->file_index - 1] : NULL,
                .line = slot->line,
        };
}

int config_parser_apply(ConfigParser *parser) {
        assert(parser);

        if (parser->error < 0)
                return parser->error;
        if (parser->n_mistakes > 0)
                return -EINVAL;

        for (size_t i = 0; i < parser->n_slots; i++) {
                ConfigSlot *slot = &parser->slots[i];

                if (slot->is_set)
                        config_value_apply(&slot->value, slot->option, slot->target);
                slot->is_set = false;
        }
        return 0;
}

ConfigParser *config_parser_free(ConfigParser *parser) {
        if (!parser)
                return NULL;

        for (size_t i = 0; i < parser->n_slots; i++)
                config_value_done(&parser->slots[i].value);
        free(parser->slots);
        for (size_t i = 0; i < parser->n_files; i++)
                free(parser->files[i]);
        free(parser->files);
        free(parser);
        return NULL;
}

int config_parser_new(ConfigParser **ret, const ConfigTable *tables, size_t n_tables,
                      ConfigComplain complain_to, void *userdata) {
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        size_t n_slots = 0;

        assert(complain_to);

        for (size_t i = 0; i < n_tables; i++)
                n_slots += tables[i].n_options;
        parser = calloc(1, sizeof(*parser));
        if (!parser)
                return -ENOMEM;
        parser->slots = calloc(n_slots + 1, sizeof(*parser->slots));
        if (!parser->slots)
                return -ENOMEM;

        parser->complain = complain_to;
        parser->userdata = userdata;
        for (size_t i = 0; i < n_tables; i++)
                for (size_t j = 0; j < tables[i].n_options; j++)
                        parser->slots[parser->n_slots++] = (ConfigSlot){
                                .option = &tables[i].options[j],
                                .target = tables[i].target,
                        };

        *ret = TAKE_PTR(parser);
        return 0;
}

int config_parser_load(const ConfigTable *tables, size_t n_tables, const char *path,
                       bool is_optional, ConfigComplain complain_to, void *userdata) {
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        int r;

        r = config_parser_new(&parser, tables, n_tables, complain_to, userdata);
        if (r < 0)
                return r;
        r = config_parser_read_path(parser, path, is_optional);
        if (r < 0)
                return r;
        return config_parser_apply(parser);
}
