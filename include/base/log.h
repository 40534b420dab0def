#pragma once

/*
 * Log
 *
 * Lines with a level and, where it concerns one, a device's name. The sink decides where they go:
 * the journal with fields (USB_STORAGE_DEVICE), a terminal as plain text, or a worker's control
 * channel. Device and client strings are sanitised by the sink: no control character passes.
 */

#include "base/macros.h"

#define LOG_MESSAGE_SIZE_MAX 1024

typedef enum LogLevel {
        LOG_LEVEL_ERROR,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_NOTICE,
        LOG_LEVEL_INFO,
        LOG_LEVEL_DEBUG,
        _LOG_LEVEL_MAX,
} LogLevel;

typedef struct LogRecord {
        LogLevel level;
        const char *device;  /* NULL: about none */
        const char *message; /* one line without its end */
        const char *serial;  /* of what it is about: the journal's USB_STORAGE_SERIAL; NULL: none */
        const char *message_id; /* the journal's MESSAGE_ID: what kind of event it is; NULL: none */
        const char *file;
        const char *function;
        int line;
} LogRecord;

typedef void (*LogSink)(const LogRecord *record, void *userdata);

/* NULL sink: standard error, or the journal if standard error is connected to it. */
void log_set_sink(LogSink sink, void *userdata);
void log_set_level(LogLevel level);
LogLevel log_get_level(void);
/* "error" … "debug"; -EINVAL. */
int log_level_from_string(const char *text, LogLevel *ret);
const char *log_level_to_string(LogLevel level);
/* Replaces, in place, whatever is no printable character of valid UTF-8; for sinks. */
void log_sanitise(char *text);
/* Passes a finished record on, if its level is wanted; for what came over a control channel. */
void log_record(const LogRecord *record);

void log_write(LogLevel level, const char *device, const char *file, int line, const char *function,
               const char *format, ...) _printf_(6, 7);

#define log_device_at(level, device, ...)                                                    \
        do {                                                                                 \
                if ((level) <= log_get_level())                                              \
                        log_write(level, device, __FILE__, __LINE__, __func__, __VA_ARGS__); \
        } while (0)

#define log_error(...) log_device_at(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_device_at(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_device_at(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_device_at(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_device_at(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

#define log_device_error(device, ...) log_device_at(LOG_LEVEL_ERROR, device, __VA_ARGS__)
#define log_device_warning(device, ...) log_device_at(LOG_LEVEL_WARNING, device, __VA_ARGS__)
#define log_device_notice(device, ...) log_device_at(LOG_LEVEL_NOTICE, device, __VA_ARGS__)
#define log_device_info(device, ...) log_device_at(LOG_LEVEL_INFO, device, __VA_ARGS__)
#define log_device_debug(device, ...) log_device_at(LOG_LEVEL_DEBUG, device, __VA_ARGS__)
