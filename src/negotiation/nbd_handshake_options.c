/*
 * The options of the fixed newstyle negotiation, one function each. References are to the sections
 * of the NBD protocol text. Every length inside an option is held against the option's own length
 * before anything behind it is looked at; the connection has read exactly that much, so the two
 * sides stay in step whatever an option contains.
 */

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "negotiation/nbd_handshake_options.h"

/* A client may ask a few things once, and a few about each export (`nbdinfo --list` does). */
#define OPTIONS_MAX(n_exports) (32 + 32 * (n_exports))

#define GREETING_SIZE 18
#define REPLY_HEADER_SIZE 20
#define INFO_EXPORT_SIZE 12
#define INFO_BLOCK_SIZE_SIZE 14
#define EXPORT_NAME_REPLY_SIZE 10
#define EXPORT_NAME_ZEROES_SIZE 124
#define META_WILDCARD "base:"

/* The rest of an option's data. */
typedef struct OptionReader {
        const uint8_t *data;
        size_t size;
} OptionReader;

/* A string in an option's data, not terminated. */
typedef struct OptionText {
        const char *text;
        size_t size;
} OptionText;

/* What could not be kept is remembered, so that no client gets half a reply. */
static void append(NbdHandshakeOptions *o, const void *bytes, size_t size) {
        if (buffer_append(&o->output, bytes, size) < 0)
                o->has_lost_output = true;
}

static NbdOptionVerdict finish(NbdHandshakeOptions *o, NbdOptionVerdict verdict) {
        if (!o->has_lost_output)
                return verdict;

        buffer_clear(&o->output);
        return NBD_OPTION_VERDICT_CLOSE;
}

static void reply_header(NbdHandshakeOptions *o, uint32_t option, uint32_t type, size_t size) {
        uint8_t header[REPLY_HEADER_SIZE];

        put_be64(header, NBD_OPTION_REPLY_MAGIC);
        put_be32(header + 8, option);
        put_be32(header + 12, type);
        put_be32(header + 16, (uint32_t) size);
        append(o, header, sizeof(header));
}

static NbdOptionVerdict reply_ack(NbdHandshakeOptions *o, uint32_t option) {
        reply_header(o, option, NBD_REP_ACK, 0);
        return NBD_OPTION_VERDICT_CONTINUE;
}

/* `reason` is for the client's user. */
static NbdOptionVerdict reply_error(NbdHandshakeOptions *o, uint32_t option, uint32_t type,
                                    const char *reason) {
        reply_header(o, option, type, strlen(reason));
        append(o, reason, strlen(reason));
        return NBD_OPTION_VERDICT_CONTINUE;
}

static NbdOptionVerdict reply_malformed(NbdHandshakeOptions *o, uint32_t option, int error) {
        if (error == -E2BIG)
                return reply_error(o, option, NBD_REP_ERR_TOO_BIG, "a string is too long");
        return reply_error(o, option, NBD_REP_ERR_INVALID, "the lengths do not add up");
}

static int take_be32(OptionReader *reader, uint32_t *ret) {
        if (reader->size < sizeof(*ret))
                return -EBADMSG;

        *ret = get_be32(reader->data);
        reader->data += sizeof(*ret);
        reader->size -= sizeof(*ret);
        return 0;
}

/* "Values": a string is at most 4096 bytes, and has no NUL. -EBADMSG, -E2BIG. */
static int take_text(OptionReader *reader, OptionText *ret) {
        uint32_t size;
        int r;

        r = take_be32(reader, &size);
        if (r < 0)
                return r;
        if (size > reader->size)
                return -EBADMSG;
        if (size > NBD_STRING_SIZE_MAX)
                return -E2BIG;
        if (memchr(reader->data, '\0', size))
                return -EBADMSG;

        *ret = (OptionText){ .text = (const char *) reader->data, .size = size };
        reader->data += size;
        reader->size -= size;
        return 0;
}

static bool text_is(const OptionText *text, const char *other) {
        return text->size == strlen(other) && memcmp(text->text, other, text->size) == 0;
}

/* Who was given a connection to one export alone has been asked for elsewhere. */
static NbdAccessGrant get_grant(const NbdHandshakeOptions *o, const NbdServerExport *export) {
        const NbdHandshakeTerms *terms = &o->terms;

        if (terms->only_generation != 0)
                return terms->only_generation == export->generation ? NBD_ACCESS_GRANT_FULL
                                                                    : NBD_ACCESS_GRANT_DENY;
        if (!terms->access)
                return NBD_ACCESS_GRANT_FULL;
        return nbd_access_list_decide(terms->access, &o->client, export->name);
}

/* What a client may not open is not there for it. */
static bool is_visible(const NbdHandshakeOptions *o, const NbdServerExport *export) {
        return get_grant(o, export) != NBD_ACCESS_GRANT_DENY;
}

/* The empty name: what there is for this client, when it is just one. */
static const NbdServerExport *find_only(const NbdHandshakeOptions *o) {
        const NbdServerExport *found = NULL;

        for (size_t i = 0; i < o->terms.table->n_exports; i++) {
                const NbdServerExport *export = &o->terms.table->exports[i];

                if (!is_visible(o, export))
                        continue;
                if (found)
                        return NULL;
                found = export;
        }
        return found;
}

/* The one that a client may choose by that name. */
static const NbdServerExport *find_export(const NbdHandshakeOptions *o, const char *name,
                                          size_t name_size) {
        const NbdServerExport *export;

        if (name_size == 0)
                return find_only(o);
        export = nbd_export_table_find(o->terms.table, name, name_size);
        return export && is_visible(o, export) ? export : NULL;
}

/*
 * "SELECTIVETLS": what may be there for clients that TLS knows is answered alike whether it is there
 * or not, so that nobody learns its name in the clear.
 */
static NbdOptionVerdict reply_unknown(NbdHandshakeOptions *o, uint32_t option) {
        if (o->terms.tls != NBD_TLS_USE_NONE && !o->client.is_encrypted && o->terms.access &&
            nbd_access_list_needs_tls(o->terms.access))
                return reply_error(o, option, NBD_REP_ERR_TLS_REQD,
                                   "there is no such export without TLS");
        return reply_error(o, option, NBD_REP_ERR_UNKNOWN, "there is no such export");
}

/* DF means something only in structured replies, and who may not write needs not know how. */
static uint16_t transmission_flags(const NbdHandshakeOptions *o, const NbdServerExport *export) {
        unsigned flags = export->info.transmission_flags | NBD_FLAG_HAS_FLAGS;

        if (!o->has_structured_replies)
                flags &= ~NBD_FLAG_SEND_DF;
        if (get_grant(o, export) == NBD_ACCESS_GRANT_READ_ONLY) {
                flags |= NBD_FLAG_READ_ONLY;
                flags &= ~(NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                           NBD_FLAG_SEND_FAST_ZERO);
        }
        return (uint16_t) flags;
}

/* "NBD_OPT_SET_META_CONTEXT": a set holds for the export it was selected for, and no other. */
static void agree(NbdHandshakeOptions *o, const NbdServerExport *export, bool has_block_size) {
        o->generation = export->generation;
        o->agreement = (NbdAgreement){
                .has_structured_replies = o->has_structured_replies,
                .has_base_allocation = o->has_structured_replies && o->has_base_allocation &&
                                       o->selected_generation == export->generation,
                .has_block_size = has_block_size,
                .is_read_only = get_grant(o, export) == NBD_ACCESS_GRANT_READ_ONLY,
        };
}

/* The old way: there are no errors but closing, and no reply header. */
static NbdOptionVerdict answer_export_name(NbdHandshakeOptions *o, const uint8_t *data,
                                           size_t size) {
        static const uint8_t zeroes[EXPORT_NAME_ZEROES_SIZE];
        uint8_t reply[EXPORT_NAME_REPLY_SIZE];
        const NbdServerExport *export;

        if (size > NBD_STRING_SIZE_MAX || o->terms.table->is_shut_down)
                return NBD_OPTION_VERDICT_CLOSE;
        export = find_export(o, (const char *) data, size);
        if (!export)
                return NBD_OPTION_VERDICT_CLOSE;

        put_be64(reply, export->info.size);
        put_be16(reply + 8, transmission_flags(o, export));
        append(o, reply, sizeof(reply));
        if (!o->has_no_zeroes)
                append(o, zeroes, sizeof(zeroes));
        agree(o, export, /* has_block_size= */ false);
        return NBD_OPTION_VERDICT_TRANSMIT;
}

static NbdOptionVerdict answer_list(NbdHandshakeOptions *o, size_t size) {
        if (size > 0)
                return reply_error(o, NBD_OPT_LIST, NBD_REP_ERR_INVALID, "LIST has no data");

        for (size_t i = 0; i < o->terms.table->n_exports; i++) {
                const NbdServerExport *export = &o->terms.table->exports[i];
                size_t name_size = strlen(export->name);
                size_t description_size = strlen(export->description);
                uint8_t length[4];

                if (!is_visible(o, export))
                        continue;
                put_be32(length, (uint32_t) name_size);
                reply_header(o, NBD_OPT_LIST, NBD_REP_SERVER,
                             sizeof(length) + name_size + description_size);
                append(o, length, sizeof(length));
                append(o, export->name, name_size);
                append(o, export->description, description_size);
        }
        return reply_ack(o, NBD_OPT_LIST);
}

static void reply_info_export(NbdHandshakeOptions *o, uint32_t option,
                              const NbdServerExport *export) {
        uint8_t info[INFO_EXPORT_SIZE];

        put_be16(info, NBD_INFO_EXPORT);
        put_be64(info + 2, export->info.size);
        put_be16(info + 10, transmission_flags(o, export));
        reply_header(o, option, NBD_REP_INFO, sizeof(info));
        append(o, info, sizeof(info));
}

static void reply_info_text(NbdHandshakeOptions *o, uint32_t option, uint16_t type,
                            const char *text) {
        uint8_t info[2];

        put_be16(info, type);
        reply_header(o, option, NBD_REP_INFO, sizeof(info) + strlen(text));
        append(o, info, sizeof(info));
        append(o, text, strlen(text));
}

static void reply_info_block_size(NbdHandshakeOptions *o, uint32_t option,
                                  const NbdExportInfo *export_info) {
        uint8_t info[INFO_BLOCK_SIZE_SIZE];

        put_be16(info, NBD_INFO_BLOCK_SIZE);
        put_be32(info + 2, export_info->block_size_minimum);
        put_be32(info + 6, export_info->block_size_preferred);
        put_be32(info + 10, export_info->block_size_maximum);
        reply_header(o, option, NBD_REP_INFO, sizeof(info));
        append(o, info, sizeof(info));
}

typedef struct InfoRequest {
        OptionText name;
        bool wants_name;
        bool wants_description;
        bool wants_block_size;
} InfoRequest;

/* "NBD_OPT_INFO": name, then 16 bits of count, then as many information types of 16 bits. */
static int parse_info(OptionReader reader, InfoRequest *ret) {
        InfoRequest request = { 0 };
        size_t n_types;
        int r;

        r = take_text(&reader, &request.name);
        if (r < 0)
                return r;
        if (reader.size < 2)
                return -EBADMSG;
        n_types = get_be16(reader.data);
        if (reader.size != 2 + 2 * n_types)
                return -EBADMSG;

        for (size_t i = 0; i < n_types; i++) {
                uint16_t type = get_be16(reader.data + 2 + 2 * i);

                request.wants_name |= type == NBD_INFO_NAME;
                request.wants_description |= type == NBD_INFO_DESCRIPTION;
                request.wants_block_size |= type == NBD_INFO_BLOCK_SIZE;
        }
        *ret = request;
        return 0;
}

/* INFO and GO say the same; GO also means it. */
static NbdOptionVerdict answer_info(NbdHandshakeOptions *o, uint32_t option, OptionReader reader) {
        const NbdServerExport *export;
        InfoRequest request;
        bool has_block_size;
        int r;

        r = parse_info(reader, &request);
        if (r < 0)
                return reply_malformed(o, option, r);
        export = find_export(o, request.name.text, request.name.size);
        if (!export)
                return reply_unknown(o, option);

        has_block_size = request.wants_block_size && export->info.block_size_minimum > 0;
        reply_info_export(o, option, export);
        if (request.wants_name)
                reply_info_text(o, option, NBD_INFO_NAME, export->name);
        if (request.wants_description)
                reply_info_text(o, option, NBD_INFO_DESCRIPTION, export->description);
        if (has_block_size)
                reply_info_block_size(o, option, &export->info);
        reply_ack(o, option);
        if (option == NBD_OPT_INFO)
                return NBD_OPTION_VERDICT_CONTINUE;

        agree(o, export, has_block_size);
        return NBD_OPTION_VERDICT_TRANSMIT;
}

static NbdOptionVerdict answer_structured_reply(NbdHandshakeOptions *o, size_t size) {
        if (size > 0)
                return reply_error(o, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_INVALID,
                                   "STRUCTURED_REPLY has no data");

        o->has_structured_replies = true;
        return reply_ack(o, NBD_OPT_STRUCTURED_REPLY);
}

static NbdOptionVerdict answer_starttls(NbdHandshakeOptions *o, size_t size) {
        if (size > 0)
                return reply_error(o, NBD_OPT_STARTTLS, NBD_REP_ERR_INVALID,
                                   "STARTTLS has no data");

        if (o->client.is_encrypted)
                return reply_error(o, NBD_OPT_STARTTLS, NBD_REP_ERR_INVALID,
                                   "TLS has begun already");
        if (o->terms.tls == NBD_TLS_USE_NONE)
                return reply_error(o, NBD_OPT_STARTTLS, NBD_REP_ERR_UNSUP,
                                   "TLS is not available here");
        if (!o->terms.is_tls_ready)
                return reply_error(o, NBD_OPT_STARTTLS, NBD_REP_ERR_POLICY,
                                   "TLS can't be used now");

        reply_ack(o, NBD_OPT_STARTTLS);
        return NBD_OPTION_VERDICT_STARTTLS;
}

typedef struct MetaRequest {
        OptionText name;
        bool matches_base_allocation;
} MetaRequest;

/*
 * "NBD_OPT_LIST_META_CONTEXT": no query lists everything, and a namespace alone all that is in it;
 * neither selects anything in SET. Queries for what we do not have are no errors.
 */
static int parse_meta_context(OptionReader reader, bool is_list, MetaRequest *ret) {
        MetaRequest request = { 0 };
        uint32_t n_queries;
        int r;

        r = take_text(&reader, &request.name);
        if (r < 0)
                return r;
        r = take_be32(&reader, &n_queries);
        if (r < 0)
                return r;

        request.matches_base_allocation = is_list && n_queries == 0;
        for (uint32_t i = 0; i < n_queries; i++) {
                OptionText query;

                r = take_text(&reader, &query);
                if (r < 0)
                        return r;
                if (text_is(&query, NBD_META_BASE_ALLOCATION) ||
                    (is_list && text_is(&query, META_WILDCARD)))
                        request.matches_base_allocation = true;
        }
        if (reader.size > 0)
                return -EBADMSG;

        *ret = request;
        return 0;
}

static void reply_meta_context(NbdHandshakeOptions *o, uint32_t option, uint32_t id) {
        uint8_t bytes[4];

        put_be32(bytes, id);
        reply_header(o, option, NBD_REP_META_CONTEXT,
                     sizeof(bytes) + strlen(NBD_META_BASE_ALLOCATION));
        append(o, bytes, sizeof(bytes));
        append(o, NBD_META_BASE_ALLOCATION, strlen(NBD_META_BASE_ALLOCATION));
}

static NbdOptionVerdict answer_meta_context(NbdHandshakeOptions *o, uint32_t option,
                                            OptionReader reader) {
        bool is_list = option == NBD_OPT_LIST_META_CONTEXT;
        const NbdServerExport *export;
        MetaRequest request;
        int r;

        /* A SET replaces what was selected before, also when it fails. */
        if (!is_list)
                o->has_base_allocation = false;

        if (!o->has_structured_replies)
                return reply_error(o, option, NBD_REP_ERR_INVALID, "structured replies come first");
        r = parse_meta_context(reader, is_list, &request);
        if (r < 0)
                return reply_malformed(o, option, r);
        export = find_export(o, request.name.text, request.name.size);
        if (!export)
                return reply_unknown(o, option);

        if (request.matches_base_allocation)
                reply_meta_context(o, option, is_list ? 0 : NBD_META_BASE_ALLOCATION_ID);
        if (!is_list) {
                o->has_base_allocation = request.matches_base_allocation;
                o->selected_generation = export->generation;
        }
        return reply_ack(o, option);
}

static NbdOptionVerdict answer(NbdHandshakeOptions *o, uint32_t option, OptionReader reader) {
        switch ((NbdOption) option) {
        case NBD_OPT_EXPORT_NAME:
                return answer_export_name(o, reader.data, reader.size);
        case NBD_OPT_ABORT:
                reply_ack(o, option);
                return NBD_OPTION_VERDICT_CLOSE;
        case NBD_OPT_LIST:
                return answer_list(o, reader.size);
        case NBD_OPT_STARTTLS:
                return answer_starttls(o, reader.size);
        case NBD_OPT_INFO:
        case NBD_OPT_GO:
                return answer_info(o, option, reader);
        case NBD_OPT_STRUCTURED_REPLY:
                return answer_structured_reply(o, reader.size);
        case NBD_OPT_LIST_META_CONTEXT:
        case NBD_OPT_SET_META_CONTEXT:
                return answer_meta_context(o, option, reader);
        case NBD_OPT_EXTENDED_HEADERS:
                break;
        }

        /* Any number may come here. */
        return reply_error(o, option, NBD_REP_ERR_UNSUP, "this option is not supported");
}

/* Whatever the option is: limits, and the answers that do not depend on what it says. */
static bool is_refused(NbdHandshakeOptions *o, uint32_t option, NbdOptionVerdict *ret_verdict) {
        o->n_options++;
        if (o->n_options > OPTIONS_MAX(o->terms.table->n_exports) ||
            (!o->is_fixed_newstyle && option != NBD_OPT_EXPORT_NAME)) {
                *ret_verdict = NBD_OPTION_VERDICT_CLOSE;
                return true;
        }
        if (o->terms.table->is_shut_down && option != NBD_OPT_EXPORT_NAME &&
            option != NBD_OPT_ABORT) {
                *ret_verdict = reply_error(o, option, NBD_REP_ERR_SHUTDOWN,
                                           "the server is shutting down");
                return true;
        }
        /* "FORCEDTLS" */
        if (o->terms.tls == NBD_TLS_USE_REQUIRED && !o->client.is_encrypted) {
                if (option == NBD_OPT_ABORT || option == NBD_OPT_STARTTLS)
                        return false;
                *ret_verdict = option == NBD_OPT_EXPORT_NAME
                                               ? NBD_OPTION_VERDICT_CLOSE
                                               : reply_error(o, option, NBD_REP_ERR_TLS_REQD,
                                                             "TLS comes first here");
                return true;
        }
        return false;
}

NbdOptionVerdict nbd_handshake_options_answer(NbdHandshakeOptions *options, uint32_t option,
                                              const uint8_t *data, size_t size) {
        NbdOptionVerdict verdict;

        assert(options);
        assert(size <= NBD_OPTION_SIZE_MAX);

        if (!is_refused(options, option, &verdict))
                verdict = answer(options, option, (OptionReader){ .data = data, .size = size });
        return finish(options, verdict);
}

NbdOptionVerdict nbd_handshake_options_answer_too_big(NbdHandshakeOptions *options,
                                                      uint32_t option) {
        NbdOptionVerdict verdict;

        assert(options);

        if (is_refused(options, option, &verdict))
                return finish(options, verdict);
        if (option == NBD_OPT_EXPORT_NAME)
                return NBD_OPTION_VERDICT_CLOSE;
        return finish(options,
                      reply_error(options, option, NBD_REP_ERR_TOO_BIG, "the option is too long"));
}

int nbd_handshake_options_set_client_flags(NbdHandshakeOptions *options, uint32_t flags) {
        assert(options);

        if (flags & ~(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES))
                return -EBADMSG;

        options->is_fixed_newstyle = flags & NBD_FLAG_FIXED_NEWSTYLE;
        options->has_no_zeroes = flags & NBD_FLAG_NO_ZEROES;
        return 0;
}

void nbd_handshake_options_encrypted(NbdHandshakeOptions *options, const NbdPeer *client) {
        assert(options->output.size == 0);
        assert(client->is_encrypted);

        /* "NBD_OPT_STARTTLS": whoever sat between the two may have said what came before. */
        options->client = *client;
        options->has_structured_replies = false;
        options->has_base_allocation = false;
        options->selected_generation = 0;
}

int nbd_handshake_options_init(NbdHandshakeOptions *options, const NbdHandshakeTerms *terms,
                               const NbdPeer *client) {
        uint8_t greeting[GREETING_SIZE];

        assert(options);
        assert(terms->table);

        *options = (NbdHandshakeOptions){
                .terms = *terms,
                .client = *client,
        };
        buffer_init(&options->output, NBD_HANDSHAKE_OUTPUT_SIZE_MAX);
        put_be64(greeting, NBD_MAGIC);
        put_be64(greeting + 8, NBD_OPTION_MAGIC);
        put_be16(greeting + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
        return buffer_append(&options->output, greeting, sizeof(greeting));
}

void nbd_handshake_options_done(NbdHandshakeOptions *options) { buffer_done(&options->output); }
