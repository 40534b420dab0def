/* The log of a test: see stack_log.h. */

#include "stack_log.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static char log_text[64 * 1024];

static void collect(const LogRecord *record, void *userdata) {
        size_t size = strlen(log_text);

        snprintf(log_text + size, sizeof(log_text) - size, "%s\n", record->message);
}

void stack_log_start(void) {
        log_text[0] = '\0';
        log_set_sink(collect, NULL);
        log_set_level(LOG_LEVEL_INFO);
}

bool stack_log_is_empty(void) { return log_text[0] == '\0'; }

void stack_log_expect(const char *text) {
        ck_assert_msg(strstr(log_text, text), "the log lacks \"%s\":\n%s", text, log_text);
        log_text[0] = '\0';
}
