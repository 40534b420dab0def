#pragma once

/*
 * CtlFeature
 *
 * What not every service or disk has: an interface whose properties are shown, and a method that
 * takes a word.
 */

#include "cli/ctl.h"

typedef struct CtlFeature {
        const char *interface;
        const char *what; /* "Power management" */
} CtlFeature;

CtlExit ctl_feature_show(const CtlFeature *feature, Ctl *ctl, const char *device);
CtlExit ctl_feature_do(const CtlFeature *feature, Ctl *ctl, const char *device, const char *method,
                       const char *word, const char *done);
