#pragma once

/*
 * ImageFolder
 *
 * A folder with the image file of each unit that is exported, named after its export. Files in it are made
 * when they are mounted over, and removed afterwards.
 */

#include "cli/ctl.h"

/* Mounts what there is, now; with --follow also what comes, until it is interrupted: then all is unmounted. */
CtlExit image_folder_run(Ctl *ctl, const char *folder);
