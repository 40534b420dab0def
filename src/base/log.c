/*
 * Log
 *
 * One level and one sink for the process. The default sink writes to standard error: fields for the
 * journal if that is where standard error leads, a plain line on a terminal, and a line with the
 * priority in front (sd-daemon(3)) for whoever else collects it.
 */

#define SD_JOURNAL_SUPPRESS_LOCATION

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>

#include "base/log.h"

/* A device's name comes first in the line. */
#define LOG_DEVICE_SIZE_MAX 128
#define LOG_LINE_SIZE_MAX (LOG_MESSAGE_SIZE_MAX + LOG_DEVICE_SIZE_MAX + sizeof(": "))
#define LOG_FIELDS_MAX 8
#define LOG_FIELD_SIZE_MAX (LOG_LINE_SIZE_MAX + sizeof("MESSAGE="))

static struct {
        LogLevel level;
        LogSink sink; /* NULL: the default */
        void *userdata;
} log_state = { .level = LOG_LEVEL_INFO };

/* Levels */

static const char *const level_names[_LOG_LEVEL_MAX] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

static int level_to_priority(LogLevel level) {
        switch (level) {
        case LOG_LEVEL_ERROR:
                return LOG_ERR;
        case LOG_LEVEL_WARNING:
                return LOG_WARNING;
        case LOG_LEVEL_NOTICE:
                return LOG_NOTICE;
        case LOG_LEVEL_INFO:
                return LOG_INFO;
        case LOG_LEVEL_DEBUG:
                return LOG_DEBUG;
        case _LOG_LEVEL_MAX:
                break;
        }

        assert_not_reached();
}

void log_set_level(LogLevel level) {
        assert(level < _LOG_LEVEL_MAX);
        log_state.level = level;
}

LogLevel log_get_level(void) { return log_state.level; }

int log_level_from_string(const char *text, LogLevel *ret) {
        for (LogLevel level = 0; level < _LOG_LEVEL_MAX; level++)
                if (strcmp(text, level_names[level]) == 0) {
                        *ret = level;
                        return 0;
                }
        return -EINVAL;
}

const char *log_level_to_string(LogLevel level) {
        assert(level < _LOG_LEVEL_MAX);
        return level_names[level];
}

/* Sanitising */

/* Reads one character of UTF-8 (RFC 3629, section 4). Returns its size, 0 if it is none. */
static size_t utf8_decode(const unsigned char *text, uint32_t *ret_character) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t character;
        size_t size;

        if (text[0] < 0x80) {
                *ret_character = text[0];
                return 1;
        }
        if (text[0] < 0xc0 || text[0] >= 0xf8)
                return 0;

        size = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
        character = text[0] & (0x7fU >> size);
        /* The terminating NUL is no continuation, so this stops at the end of the text. */
        for (size_t i = 1; i < size; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                character = character << 6 | (text[i] & 0x3fU);
        }
        if (character < smallest[size] || character > 0x10ffff ||
            (character >= 0xd800 && character <= 0xdfff))
                return 0;
        *ret_character = character;
        return size;
}

/* Unicode, 23.7, "Noncharacters": sd-bus sends no text with one, and nothing that such a text is part
 * of. */
static bool is_noncharacter(uint32_t character) {
        return (character >= 0xfdd0 && character <= 0xfdef) || (character & 0xfffe) == 0xfffe;
}

/* C0 and C1 controls move cursors and end lines; directional overrides reorder a line's text. */
static bool is_harmless(uint32_t character) {
        return character >= 0x20 && !(character >= 0x7f && character <= 0x9f) &&
               !(character >= 0x2028 && character <= 0x202e) &&
               !(character >= 0x2066 && character <= 0x2069) && !is_noncharacter(character);
}

void log_sanitise(char *text) {
        unsigned char *from = (unsigned char *) text, *to = from;

        while (*from != '\0') {
                uint32_t character;
                size_t size = utf8_decode(from, &character);

                if (size > 0 && is_harmless(character)) {
                        memmove(to, from, size);
                        to += size;
                } else {
                        *to++ = '?';
                }
                from += MAX(size, (size_t) 1);
        }
        *to = '\0';
}

/* The default sink */

/* systemd.exec(5), $JOURNAL_STREAM: the device and inode that standard error had at the start. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

typedef struct JournalFields {
        struct iovec vectors[LOG_FIELDS_MAX];
        char texts[LOG_FIELDS_MAX][LOG_FIELD_SIZE_MAX];
        int n;
} JournalFields;

static void _printf_(2, 3) add_field(JournalFields *fields, const char *format, ...) {
        char *text = fields->texts[fields->n];
        va_list arguments;

        assert(fields->n < LOG_FIELDS_MAX);

        va_start(arguments, format);
        (void) vsnprintf(text, LOG_FIELD_SIZE_MAX, format, arguments);
        va_end(arguments);
        log_sanitise(text);
        fields->vectors[fields->n++] = (struct iovec){
                .iov_base = text,
                .iov_len = strlen(text),
        };
}

static int write_to_journal(const LogRecord *record, const char *line) {
        JournalFields fields;

        fields.n = 0;
        add_field(&fields, "MESSAGE=%s", line);
        add_field(&fields, "PRIORITY=%d", level_to_priority(record->level));
        if (record->device)
                add_field(&fields, "USB_STORAGE_DEVICE=%s", record->device);
        if (record->serial)
                add_field(&fields, "USB_STORAGE_SERIAL=%s", record->serial);
        if (record->message_id)
                add_field(&fields, "MESSAGE_ID=%s", record->message_id);
        if (record->file) {
                add_field(&fields, "CODE_FILE=%s", record->file);
                add_field(&fields, "CODE_LINE=%d", record->line);
        }
        if (record->function)
                add_field(&fields, "CODE_FUNC=%s", record->function);
        return sd_journal_sendv(fields.vectors, fields.n);
}

static void write_to_stderr(const LogRecord *record, const char *line) {
        char text[LOG_LINE_SIZE_MAX + sizeof("<7>\n")];
        int size;

        if (isatty(STDERR_FILENO))
                size = snprintf(text, sizeof(text), "%s\n", line);
        else
                size = snprintf(text, sizeof(text), "<%d>%s\n", level_to_priority(record->level),
                                line);
        /* One write, so that lines of several processes do not mix. Nobody is left to be told of a
         * failure. */
        if (write(STDERR_FILENO, text, (size_t) size) < 0)
                return;
}

static void write_by_default(const LogRecord *record) {
        char line[LOG_LINE_SIZE_MAX];

        if (record->device)
                (void) snprintf(line, sizeof(line), "%.*s: %.*s", LOG_DEVICE_SIZE_MAX,
                                record->device, LOG_MESSAGE_SIZE_MAX - 1, record->message);
        else
                (void) snprintf(line, sizeof(line), "%s", record->message);
        log_sanitise(line);

        if (stderr_is_journal() && write_to_journal(record, line) >= 0)
                return;
        write_to_stderr(record, line);
}

void log_set_sink(LogSink sink, void *userdata) {
        log_state.sink = sink;
        log_state.userdata = userdata;
}

void log_record(const LogRecord *record) {
        int saved_errno = errno;

        assert(record->level < _LOG_LEVEL_MAX);
        assert(record->message);

        if (record->level > log_state.level)
                return;
        if (log_state.sink)
                log_state.sink(record, log_state.userdata);
        else
                write_by_default(record);
        errno = saved_errno;
}

void log_write(LogLevel level, const char *device, const char *file, int line, const char *function,
               const char *format, ...) {
        char message[LOG_MESSAGE_SIZE_MAX];
        LogRecord record = {
                .level = level,
                .device = device,
                .message = message,
                .file = file,
                .function = function,
                .line = line,
        };
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(message, sizeof(message), format, arguments);
        va_end(arguments);
        log_record(&record);
}
