#pragma once

/* Words for what the service tells in its own: short enough for a table. */

#include "cli/ctl_objects.h"

/* "bulk-only": "BOT". */
const char *ctl_names_transport(const char *transport);
/* "480M", "5G" of Mb/s; "-" if unknown. To be freed. */
char *ctl_names_speed(uint64_t mbit_per_s);
/* "0781:5581"; to be freed. */
char *ctl_names_id(json_object *device);
/* "2026-11-26 14:00:05" of a time in µs; "" for none. To be freed. */
char *ctl_names_time(uint64_t realtime_us);
/* What is known to be wrong: "failed", "degraded"; "": nothing. */
const char *ctl_names_health(json_object *device);
/* That, or what is thought of a unit's drive, whatever is worse: "failing", "failed", "warning",
 * "degraded", "good"; "": nothing is known. `smart` may be NULL. */
const char *ctl_names_verdict(json_object *device, json_object *smart);
/* Whole degrees Celsius. False: not known. */
bool ctl_names_temperature(json_object *smart, int64_t *ret);
CtlColour ctl_names_health_colour(json_object *device);
/* A property of the second, which may be NULL, if it has a value; else of the first. */
const char *ctl_names_of(json_object *device, json_object *lun, const char *property);
/* Vendor and model as the device has them, else as its unit (may be NULL) does. To be freed. */
char *ctl_names_title(json_object *device, json_object *lun);
/* "1-4" or "1-4.0" of an object's path; what is none stays a path. To be freed. */
char *ctl_names_object(const char *path);
