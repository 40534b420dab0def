#pragma once

/*
 * Text for people: made, cleaned and measured. Without memory nothing can be told, so these end the
 * program instead of failing.
 */

#include <stdio.h>

#include "base/macros.h"

/* Text in allocated memory. */
char *ctl_text_format(const char *format, ...) _printf_(1, 2);
char *ctl_text_copy(const char *text);
/* What a stranger wrote may go to a terminal afterwards: as log_sanitise(), but line ends and tabs
 * stay. In place. */
void ctl_text_clean(char *text);
/* Columns that it takes on a terminal. */
size_t ctl_text_width(const char *text);
/* The bytes of `text` that fit into `width` columns. */
size_t ctl_text_fit(const char *text, size_t width);
/* "1.5G", of powers of 1024; "-" for nothing. `in_bytes`: "1610612736". */
char *ctl_text_size(uint64_t size, bool in_bytes);
/* A rate: "1.5 MB/s", of powers of 1000. */
char *ctl_text_rate(double bytes_per_s);
/* "1:02:03", "2:03". */
char *ctl_text_seconds(uint64_t seconds);
/* "12.3 µs", "4.5 ms", "1.20 s"; "-" for none. */
char *ctl_text_latency(double seconds);
/* "512", "64K", "1M", "2GiB". -EINVAL, -ERANGE. */
int ctl_text_parse_size(const char *text, uint64_t *ret);
/* "never", which is 0, or as the configuration has times: "500" and "500ms", "30s", "10min", "1h".
 * In µs. -EINVAL, -ERANGE. */
int ctl_text_parse_timeout(const char *text, uint64_t *ret_us);
/* Decimal digits and no more. -EINVAL, -ERANGE beyond `maximum`. */
int ctl_text_parse_number(const char *text, uint64_t maximum, uint64_t *ret);
_Noreturn void ctl_text_no_memory(void);
