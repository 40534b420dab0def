#pragma once

/* CtlFile: files that are as they were, or wholly new. */

#include <stdio.h>

typedef void (*CtlFileWrite)(FILE *file, const void *userdata);

/* Has `write` fill a file beside `path`, which then takes its place, also for who reads it at that
 * moment and after a power cut. -errno: what was there is as it was. */
int ctl_file_replace(const char *path, CtlFileWrite write, const void *userdata);
