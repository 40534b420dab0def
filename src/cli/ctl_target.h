#pragma once

/*
 * CtlTarget
 *
 * What DEV on the command line stands for: a device by its port path or serial number, a logical
 * unit by DEV.LUN, DEV:LUN, its own serial number or its export's name.
 */

#include "cli/ctl_objects.h"

typedef enum CtlTargetKind {
        CTL_TARGET_ANY,
        CTL_TARGET_DEVICE, /* a unit's name stands for its device only where that is its whole name */
        CTL_TARGET_LUN,    /* a device that has one unit stands for that */
} CtlTargetKind;

typedef enum CtlTargetResult {
        CTL_TARGET_RESULT_FOUND,
        CTL_TARGET_RESULT_NONE,
        CTL_TARGET_RESULT_AMBIGUOUS,
        CTL_TARGET_RESULT_NOT_A_DEVICE, /* a unit, where a device is wanted */
        CTL_TARGET_RESULT_SEVERAL_LUNS, /* a device, where a unit is wanted */
        CTL_TARGET_RESULT_NO_LUN,
} CtlTargetResult;

typedef struct CtlTarget {
        const char *device; /* path; borrowed from the objects, as all below */
        const char *lun;    /* path; NULL: the device as a whole */
        json_object *device_properties;
        json_object *lun_properties;
} CtlTarget;

/* Pure. */
CtlTargetResult ctl_target_find(CtlTarget *target, const CtlObjects *objects, const char *text,
                                CtlTargetKind kind);
/* The same; what is wrong has been told. */
CtlExit ctl_target_get(CtlTarget *target, Ctl *ctl, const CtlObjects *objects, const char *text,
                       CtlTargetKind kind);
/* Asks the service for its objects first. */
CtlExit ctl_target_load(CtlTarget *target, Ctl *ctl, CtlObjects *objects, const char *text,
                        CtlTargetKind kind);
/* The path of the unit, else of the device, that has the interface. Where none has, `what` is told to
 * be unsupported. */
CtlExit ctl_target_need(const CtlTarget *target, const Ctl *ctl, const CtlObjects *objects,
                        const char *interface, const char *what, const char **ret);
/* "1-4" or "1-4.0", to be freed. */
char *ctl_target_name(const CtlTarget *target);
