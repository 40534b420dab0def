/*
 * Fuzz target: texts as access lists. What was taken in can be used and sent, and whoever comes gets
 * an answer.
 */

#include <string.h>

#include "negotiation/nbd_access_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        unsigned *n_complaints = userdata;

        assert(line > 0 && text[0] != '\0');
        (*n_complaints)++;
}

static bool find_id(bool is_group, const char *name, uint32_t *ret) {
        *ret = (uint32_t) strlen(name);
        return !is_group;
}

static void ask(const NbdAccessList *list) {
        NbdPeer client = { .is_tcp = true };

        (void) nbd_access_list_decide(list, &client, "disk-lun0");
        /* The rules' own names, so that they match, and are compared with themselves. */
        for (size_t i = 0; i < list->n_rules; i++) {
                client.has_certificate = true;
                strcpy(client.subject, list->rules[i].name);
                strcpy(client.psk_identity, list->rules[i].name);
                assert(nbd_access_list_decide(list, &client, list->rules[i].exports) <
                       _NBD_ACCESS_GRANT_MAX);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        NbdAccessList list = { 0 };
        unsigned n_complaints = 0;
        int r;

        r = nbd_access_parse(&list, (const char *) data, size, "fuzz", find_id, on_complaint,
                             &n_complaints);
        assert((r == 0) == (n_complaints == 0));
        for (size_t i = 0; i < list.n_rules; i++)
                assert(nbd_access_rule_is_valid(&list.rules[i]));
        ask(&list);
        nbd_access_list_done(&list);
        return 0;
}
