#pragma once

/*
 * Calls to the service. Each waits for its answer; what goes wrong has been told on standard error
 * when they return.
 */

#include "cli/ctl.h"

#define CTL_PATH "/org/orion/UsbStorage1"
#define CTL_SERVICE "org.orion.UsbStorage1"
#define CTL_MANAGER CTL_SERVICE ".Manager"
#define CTL_DEVICE CTL_SERVICE ".Device"
#define CTL_LUN CTL_SERVICE ".Lun"
#define CTL_SCSI CTL_SERVICE ".Scsi"
#define CTL_OPTICAL CTL_SERVICE ".Optical"
#define CTL_CACHE CTL_SERVICE ".Cache"
#define CTL_PERFORMANCE CTL_SERVICE ".Performance"
#define CTL_POWER CTL_SERVICE ".Power"
#define CTL_SMART CTL_SERVICE ".Smart"
#define CTL_JOB CTL_SERVICE ".Job"

/* Answers from memory come soon; what a disk must do first, or a person must allow, does not. */
#define CTL_QUESTION_TIMEOUT_S 25
#define CTL_ACTION_TIMEOUT_S 300

/* In µs: as the options say, else this. */
uint64_t ctl_call_timeout(const Ctl *ctl, uint64_t default_s);
/* Connects, unless it is done. */
CtlExit ctl_call_connect(Ctl *ctl);
/* A question: `types` and what follows as for sd_bus_message_append(). `ret_reply` may be NULL. */
CtlExit ctl_call_ask(Ctl *ctl, const char *path, const char *interface, const char *method,
                     sd_bus_message **ret_reply, const char *types, ...);
/* The same for what changes something: a password may be asked for, and it may take long. */
CtlExit ctl_call_do(Ctl *ctl, const char *path, const char *interface, const char *method,
                    sd_bus_message **ret_reply, const char *types, ...);
/* A message of one's own, sent as by ctl_call_do(). */
CtlExit ctl_call_new(Ctl *ctl, const char *path, const char *interface, const char *method,
                     sd_bus_message **ret);
CtlExit ctl_call_send(Ctl *ctl, sd_bus_message *message, sd_bus_message **ret_reply);
/* The only value of an answer that must have this signature, as JSON. */
CtlExit ctl_call_get(Ctl *ctl, const char *path, const char *interface, const char *method,
                     const char *signature, json_object **ret);
/* A value out of an answer. */
CtlExit ctl_call_read(const Ctl *ctl, sd_bus_message *reply, const char *signature,
                      json_object **ret);
/* All properties of an interface. */
CtlExit ctl_call_get_properties(Ctl *ctl, const char *path, const char *interface,
                                json_object **ret);
/* Asks for what of `names` is not in `properties`: counters are only told one by one. What the
 * service does not know stays away. `names` ends with NULL. */
CtlExit ctl_call_add_properties(Ctl *ctl, const char *path, const char *interface,
                                const char *const *names, json_object *properties);
/* Tells what came as an error of the bus. */
CtlExit ctl_call_failed(const Ctl *ctl, const sd_bus_error *error, int r);
/* Tells that an answer is not what was agreed upon. */
CtlExit ctl_call_garbled(const Ctl *ctl, int r);
