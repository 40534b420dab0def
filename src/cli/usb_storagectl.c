/* usb-storagectl: the command line of the service. */

#include <locale.h>

#include "cli/ctl_verb.h"

int main(int argc, char **argv) {
        (void) setlocale(LC_CTYPE, "");
        return (int) ctl_verb_main(argc, argv);
}
