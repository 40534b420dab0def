/*
 * Fuzz target: any stream of options at the dialogue, as the connection would cut it: the first
 * byte is the client's flags and what it comes to, then options with 32 bits of number and 16 bits of
 * length each.
 */

#include <string.h>

#include "base/bytes.h"
#include "negotiation/nbd_handshake_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAME_SIZE 6

static void add_exports(NbdExportTable *table, size_t n) {
        static const char *const names[] = { "a-lun0", "b-lun1", "c" };

        for (size_t i = 0; i < n; i++) {
                NbdServerExport export = { .generation = i + 1, .info.size = 1000 };

                strcpy(export.name, names[i]);
                if (nbd_export_table_add(table, &export) < 0)
                        abort();
        }
}

/* What was answered must be whole replies, or the two sides would lose step. */
static void check_replies(Buffer *output) {
        while (output->size > 0) {
                const uint8_t *reply = buffer_data(output);
                size_t size;

                assert(output->size >= 20);
                assert(get_be64(reply) == NBD_OPTION_REPLY_MAGIC);
                size = 20 + get_be32(reply + 16);
                assert(output->size >= size);
                buffer_consume(output, size);
        }
}

/* Copies the data, so that a sanitizer sees each byte read past it. */
static NbdOptionVerdict answer(NbdHandshakeOptions *options, uint32_t option, const uint8_t *data,
                               size_t size) {
        _cleanup_(freep) uint8_t *copy = NULL;

        if (size > 0) {
                copy = malloc(size);
                if (!copy)
                        return NBD_OPTION_VERDICT_CLOSE;
                memcpy(copy, data, size);
        }
        return nbd_handshake_options_answer(options, option, copy, size);
}

/* Everybody may read b-lun1, a client of TLS may do everything with a-lun0, and nobody sees c. */
static void add_rules(NbdAccessList *list) {
        static const NbdAccessRule rules[] = {
                { .grant = NBD_ACCESS_GRANT_READ_ONLY, .exports = "b-*" },
                { .grant = NBD_ACCESS_GRANT_FULL,
                  .who = NBD_ACCESS_WHO_PSK,
                  .exports = "a-lun0",
                  .name = "alice" },
        };

        for (size_t i = 0; i < N_ELEMENTS(rules); i++)
                if (nbd_access_list_add(list, &rules[i]) < 0)
                        abort();
}

static void check_agreement(const NbdHandshakeOptions *options, bool has_rules) {
        const NbdServerExport *export;

        export = nbd_export_table_find_generation(options->terms.table, options->generation);
        assert(export);
        assert(options->agreement.has_structured_replies ||
               !options->agreement.has_base_allocation);
        assert(options->terms.tls != NBD_TLS_USE_REQUIRED || options->client.is_encrypted);
        if (!has_rules)
                return;
        assert(strcmp(export->name, "c") != 0);
        assert(strcmp(export->name, "a-lun0") != 0 || options->client.is_encrypted);
        assert(strcmp(export->name, "b-lun1") != 0 || options->agreement.is_read_only);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const NbdPeer client = { .is_tcp = true, .is_encrypted = true, .psk_identity = "alice" };
        NbdHandshakeTerms terms = { .is_tls_ready = true };
        NbdAccessList access = { 0 };
        NbdOptionVerdict verdict = NBD_OPTION_VERDICT_CONTINUE;
        NbdExportTable table = { 0 };
        NbdHandshakeOptions options;

        if (size < 1)
                return 0;
        add_exports(&table, (data[0] >> 2) & 3);
        table.is_shut_down = data[0] & 0x10;
        if (data[0] & 0x80)
                add_rules(&access);
        terms.table = &table;
        terms.access = &access;
        terms.tls = (NbdTlsUse) MIN((data[0] >> 5) & 3, NBD_TLS_USE_REQUIRED);
        if (nbd_handshake_options_init(&options, &terms, &(NbdPeer){ .is_tcp = true }) < 0)
                abort();
        buffer_clear(&options.output);
        (void) nbd_handshake_options_set_client_flags(&options, data[0] & 3);
        data++;
        size--;

        while (size >= FRAME_SIZE && verdict == NBD_OPTION_VERDICT_CONTINUE) {
                uint32_t option = get_be32(data);
                size_t option_size = MIN((size_t) get_be16(data + 4), size - FRAME_SIZE);

                verdict = answer(&options, option, data + FRAME_SIZE, option_size);
                if (option != NBD_OPT_EXPORT_NAME)
                        check_replies(&options.output);
                buffer_clear(&options.output);
                if (verdict == NBD_OPTION_VERDICT_STARTTLS) {
                        assert(terms.tls != NBD_TLS_USE_NONE && !options.client.is_encrypted);
                        nbd_handshake_options_encrypted(&options, &client);
                        verdict = NBD_OPTION_VERDICT_CONTINUE;
                }
                data += FRAME_SIZE + option_size;
                size -= FRAME_SIZE + option_size;
        }
        if (verdict == NBD_OPTION_VERDICT_TRANSMIT)
                check_agreement(&options, access.n_rules > 0);

        nbd_handshake_options_done(&options);
        nbd_export_table_done(&table);
        nbd_access_list_done(&access);
        return 0;
}
