/*
 * Fuzz target: any stream of options at the dialogue, as the connection would cut it: the first
 * byte is the client's flags, then options with 32 bits of number and 16 bits of length each.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        NbdOptionVerdict verdict = NBD_OPTION_VERDICT_CONTINUE;
        NbdExportTable table = { 0 };
        NbdHandshakeOptions options;

        if (size < 1)
                return 0;
        add_exports(&table, (data[0] >> 2) & 3);
        table.is_shut_down = data[0] & 0x10;
        if (nbd_handshake_options_init(&options, &table, 0) < 0)
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
                data += FRAME_SIZE + option_size;
                size -= FRAME_SIZE + option_size;
        }
        if (verdict == NBD_OPTION_VERDICT_TRANSMIT) {
                assert(nbd_export_table_find_generation(&table, options.generation));
                assert(options.agreement.has_structured_replies ||
                       !options.agreement.has_base_allocation);
        }

        nbd_handshake_options_done(&options);
        nbd_export_table_done(&table);
        return 0;
}
