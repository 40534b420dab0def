/*
 * The dialogue of options without a socket: each test is a table of what the client sends and what
 * it must get, one row to each rule of the protocol text that servers are known to break.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"
#include "negotiation/nbd_handshake_options.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ROUNDS 100000
#define REPLIES_MAX 8
#define STEPS_MAX 10
#define RULES_MAX 4

/* Bytes with their size, so that they may have NULs. */
#define DATA(text) .data = (text), .size = sizeof(text) - 1

/* A reply: its type, and its data if that is given. */
typedef struct Reply {
        uint32_t type;
        const char *data; /* NULL: not compared */
        size_t size;
} Reply;

typedef struct Step {
        uint32_t option;
        const char *data;
        size_t size;
        NbdOptionVerdict verdict;
        Reply replies[REPLIES_MAX];
} Step;

typedef struct Dialogue {
        const char *rule;
        Step steps[STEPS_MAX];
        NbdAgreement agreement; /* if the last verdict is TRANSMIT */
        uint64_t generation;
        NbdHandshakeTerms terms;         /* .table and .access are the fixture's */
        NbdAccessRule access[RULES_MAX]; /* up to one without exports */
        NbdPeer client;                  /* who STARTTLS shows */
} Dialogue;

#define RULE(granted, about, names, ...)                                            \
        {                                                                           \
                .grant = NBD_ACCESS_GRANT_##granted, .who = NBD_ACCESS_WHO_##about, \
                .exports = names, __VA_ARGS__                                       \
        }

#define STARTTLS NBD_OPTION_VERDICT_STARTTLS
#define TRANSMIT NBD_OPTION_VERDICT_TRANSMIT
#define CLOSE NBD_OPTION_VERDICT_CLOSE
#define ACK \
        { .type = NBD_REP_ACK }
#define ERR(name) \
        { .type = NBD_REP_ERR_##name }

/* Export "alpha-lun0", description "Alpha", 0x1000000 bytes, flags 0x01ff with DF, 0x017f without;
 * block sizes 512, 4096, 32 MiB; generation 7. */
#define INFO_EXPORT_ALPHA                             \
        {                                             \
                NBD_REP_INFO, DATA("\0\0"             \
                                   "\0\0\0\0\1\0\0\0" \
                                   "\x01\x7f")        \
        }
#define INFO_EXPORT_ALPHA_READ_ONLY                   \
        {                                             \
                NBD_REP_INFO, DATA("\0\0"             \
                                   "\0\0\0\0\1\0\0\0" \
                                   "\x01\x17")        \
        }
#define LISTED_ALPHA                              \
        {                                         \
                NBD_REP_SERVER, DATA("\0\0\0\x0a" \
                                     "alpha-lun0" \
                                     "Alpha")     \
        }
#define LIST_BOTH                                                                          \
        {                                                                                  \
                NBD_OPT_LIST, .replies = { LISTED_ALPHA, { .type = NBD_REP_SERVER }, ACK } \
        }
#define META_BETA    \
        "\0\0\0\x09" \
        "beta-lun0"
#define START_TLS                                                         \
        {                                                                 \
                NBD_OPT_STARTTLS, .verdict = STARTTLS, .replies = { ACK } \
        }
#define TLS_OFFERED \
        { .tls = NBD_TLS_USE_OFFERED, .is_tls_ready = true }
#define TLS_REQUIRED \
        { .tls = NBD_TLS_USE_REQUIRED, .is_tls_ready = true }
#define INFO_EXPORT_ALPHA_DF                          \
        {                                             \
                NBD_REP_INFO, DATA("\0\0"             \
                                   "\0\0\0\0\1\0\0\0" \
                                   "\x01\xff")        \
        }
#define INFO_NAME_ALPHA                          \
        {                                        \
                NBD_REP_INFO, DATA("\0\1"        \
                                   "alpha-lun0") \
        }
#define INFO_DESCRIPTION_ALPHA              \
        {                                   \
                NBD_REP_INFO, DATA("\0\2"   \
                                   "Alpha") \
        }
#define INFO_BLOCK_SIZE_ALPHA                   \
        {                                       \
                NBD_REP_INFO, DATA("\0\3"       \
                                   "\0\0\2\0"   \
                                   "\0\0\x10\0" \
                                   "\2\0\0\0")  \
        }
#define INFO_EXPORT_BETA                              \
        {                                             \
                NBD_REP_INFO, DATA("\0\0"             \
                                   "\0\0\0\0\0\0\2\0" \
                                   "\x00\x03")        \
        }
#define META_ALPHA   \
        "\0\0\0\x0a" \
        "alpha-lun0"
#define META_QUERY   \
        "\0\0\0\x0f" \
        "base:allocation"
#define STRUCTURED                                           \
        {                                                    \
                NBD_OPT_STRUCTURED_REPLY, .replies = { ACK } \
        }
#define SET_ALPHA                                                                              \
        {                                                                                      \
                NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\1" META_QUERY), .replies = { \
                        { NBD_REP_META_CONTEXT, DATA("\0\0\0\1"                                \
                                                     "base:allocation") },                     \
                        ACK                                                                    \
                }                                                                              \
        }
#define GO_ALPHA_DF                                                                          \
        {                                                                                    \
                NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA_DF, ACK } \
        }

static const Dialogue dialogues[] = {
        /* Clients that may see one export alone */
        { "LIST tells a restricted client its export alone",
          { { NBD_OPT_LIST, .replies = { { NBD_REP_SERVER, DATA("\0\0\0\x09"
                                                                "beta-lun0") },
                                         ACK } } },
          .terms.only_generation = 8 },
        { "GO of another export is unknown to a restricted client",
          { { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), .replies = { ERR(UNKNOWN) } } },
          .terms.only_generation = 8 },
        { "INFO of another export is unknown to a restricted client",
          { { NBD_OPT_INFO, DATA(META_ALPHA "\0\0"), .replies = { ERR(UNKNOWN) } } },
          .terms.only_generation = 8 },
        { "SET_META_CONTEXT for another export is unknown to a restricted client",
          { STRUCTURED,
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\1" META_QUERY),
              .replies = { ERR(UNKNOWN) } } },
          .terms.only_generation = 8 },
        { "EXPORT_NAME of another export closes a restricted client",
          { { NBD_OPT_EXPORT_NAME, DATA("alpha-lun0"), CLOSE } },
          .terms.only_generation = 8 },
        { "the empty name is a restricted client's export",
          { { NBD_OPT_GO,
              DATA("\0\0\0\0"
                   "\0\0"),
              TRANSMIT,
              { INFO_EXPORT_BETA, ACK } } },
          .generation = 8,
          .terms.only_generation = 8 },
        { "GO of its own export serves a restricted client",
          { { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7,
          .terms.only_generation = 7 },
        { "an export that has gone is nobody's",
          { { NBD_OPT_LIST, .replies = { ACK } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), .replies = { ERR(UNKNOWN) } } },
          .terms.only_generation = 99 },

        /* LIST */
        { "LIST tells names and descriptions, in order",
          { { NBD_OPT_LIST, .replies = { { NBD_REP_SERVER, DATA("\0\0\0\x0a"
                                                                "alpha-lun0"
                                                                "Alpha") },
                                         { NBD_REP_SERVER, DATA("\0\0\0\x09"
                                                                "beta-lun0") },
                                         ACK } } } },
        { "LIST with data is invalid",
          { { NBD_OPT_LIST, DATA("x"), .replies = { ERR(INVALID) } } } },

        /* INFO and GO */
        { "GO without information requests tells the export and transmits",
          { { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },
        { "GO tells what is asked for, once, in whatever order",
          { { NBD_OPT_GO,
              DATA(META_ALPHA "\0\5"
                              "\0\3"
                              "\0\2"
                              "\0\1"
                              "\0\1"
                              "\0\0"),
              TRANSMIT,
              { INFO_EXPORT_ALPHA, INFO_NAME_ALPHA, INFO_DESCRIPTION_ALPHA, INFO_BLOCK_SIZE_ALPHA,
                ACK } } },
          .generation = 7,
          .agreement.has_block_size = 1 },
        { "unknown information types are ignored",
          { { NBD_OPT_GO,
              DATA(META_ALPHA "\0\2"
                              "\x12\x34"
                              "\xff\xff"),
              TRANSMIT,
              { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },
        { "INFO equals the next GO, and does not transmit",
          { { NBD_OPT_INFO,
              DATA(META_ALPHA "\0\1"
                              "\0\3"),
              .replies = { INFO_EXPORT_ALPHA, INFO_BLOCK_SIZE_ALPHA, ACK } },
            { NBD_OPT_GO,
              DATA(META_ALPHA "\0\1"
                              "\0\3"),
              TRANSMIT,
              { INFO_EXPORT_ALPHA, INFO_BLOCK_SIZE_ALPHA, ACK } } },
          .generation = 7,
          .agreement.has_block_size = 1 },
        { "block sizes asked for in INFO are not agreed on in a GO that does not ask",
          { { NBD_OPT_INFO,
              DATA(META_ALPHA "\0\1"
                              "\0\3"),
              .replies = { INFO_EXPORT_ALPHA, INFO_BLOCK_SIZE_ALPHA, ACK } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },
        { "block sizes that are not known are not told",
          { { NBD_OPT_GO,
              DATA("\0\0\0\x09"
                   "beta-lun0"
                   "\0\1"
                   "\0\3"),
              TRANSMIT,
              { INFO_EXPORT_BETA, ACK } } },
          .generation = 8 },
        { "an unknown export is told, and the dialogue goes on",
          { { NBD_OPT_GO,
              DATA("\0\0\0\5"
                   "gamma"
                   "\0\0"),
              .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_INFO,
              DATA("\0\0\0\5"
                   "alpha"
                   "\0\0"),
              .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },
        { "the empty name means nothing while there are two",
          { { NBD_OPT_GO,
              DATA("\0\0\0\0"
                   "\0\0"),
              .replies = { ERR(UNKNOWN) } } } },
        { "lengths inside GO must add up",
          { { NBD_OPT_GO, DATA(""), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA("\0\0\0"), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA(META_ALPHA), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0"), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\1"), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO,
              DATA(META_ALPHA "\0\1"
                              "\0\3"
                              "\0"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_GO,
              DATA("\0\0\0\x0c"
                   "alpha-lun0"
                   "\0\0"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_GO,
              DATA("\0\0\0\xff"
                   "alpha-lun0"
                   "\0\0"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_GO,
              DATA("\xff\xff\xff\xff"
                   "alpha-lun0"
                   "\0\0"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },
        { "a name has no NUL",
          { { NBD_OPT_GO,
              DATA("\0\0\0\x0b"
                   "alpha-lun0\0"
                   "\0\0"),
              .replies = { ERR(INVALID) } } } },

        /* The rest */
        { "ABORT is acknowledged before the end",
          { { NBD_OPT_ABORT, .verdict = CLOSE, .replies = { ACK } } } },
        { "ABORT may have data", { { NBD_OPT_ABORT, DATA("why"), CLOSE, { ACK } } } },
        { "STARTTLS is not supported", { { NBD_OPT_STARTTLS, .replies = { ERR(UNSUP) } } } },
        { "STARTTLS with data is invalid",
          { { NBD_OPT_STARTTLS, DATA("x"), .replies = { ERR(INVALID) } } } },
        { "unknown options are not supported, and the dialogue goes on",
          { { 4, .replies = { ERR(UNSUP) } },
            { NBD_OPT_EXTENDED_HEADERS, .replies = { ERR(UNSUP) } },
            { 12, DATA("something"), .replies = { ERR(UNSUP) } },
            { 0, .replies = { ERR(UNSUP) } },
            { UINT32_MAX, .replies = { ERR(UNSUP) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },

        /* Structured replies */
        { "structured replies are agreed on, and DF is offered with them",
          { STRUCTURED, GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "structured replies may be asked for twice",
          { STRUCTURED, STRUCTURED, GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "STRUCTURED_REPLY with data is invalid, and changes nothing",
          { { NBD_OPT_STRUCTURED_REPLY, DATA("x"), .replies = { ERR(INVALID) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .generation = 7 },

        /* Meta contexts */
        { "SET selects for the export",
          { STRUCTURED, SET_ALPHA, GO_ALPHA_DF },
          .generation = 7,
          .agreement = { .has_structured_replies = 1, .has_base_allocation = 1 } },
        { "meta contexts need structured replies",
          { { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\1" META_QUERY),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_LIST_META_CONTEXT, DATA(META_ALPHA "\0\0\0\0"),
              .replies = { ERR(INVALID) } } } },
        { "a selection for one export is none for another",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_GO,
              DATA("\0\0\0\x09"
                   "beta-lun0"
                   "\0\0"),
              TRANSMIT,
              { INFO_EXPORT_BETA, ACK } } },
          .generation = 8,
          .agreement.has_structured_replies = 1 },
        { "a selection survives INFO, and a GO that failed",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_INFO, DATA(META_ALPHA "\0\0"), .replies = { INFO_EXPORT_ALPHA_DF, ACK } },
            { NBD_OPT_GO,
              DATA("\0\0\0\5"
                   "gamma"
                   "\0\0"),
              .replies = { ERR(UNKNOWN) } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement = { .has_structured_replies = 1, .has_base_allocation = 1 } },
        { "a SET that is invalid takes the selection away",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\2" META_QUERY),
              .replies = { ERR(INVALID) } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "a SET for an unknown export takes the selection away",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_SET_META_CONTEXT,
              DATA("\0\0\0\1"
                   "x"
                   "\0\0\0\1" META_QUERY),
              .replies = { ERR(UNKNOWN) } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "a SET without queries takes the selection away",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\0"), .replies = { ACK } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "a namespace alone selects nothing",
          { STRUCTURED,
            { NBD_OPT_SET_META_CONTEXT,
              DATA(META_ALPHA "\0\0\0\1"
                              "\0\0\0\5"
                              "base:"),
              .replies = { ACK } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },
        { "a namespace alone lists, with id 0",
          { STRUCTURED,
            { NBD_OPT_LIST_META_CONTEXT,
              DATA(META_ALPHA "\0\0\0\1"
                              "\0\0\0\5"
                              "base:"),
              .replies = { { NBD_REP_META_CONTEXT, DATA("\0\0\0\0"
                                                        "base:allocation") },
                           ACK } } } },
        { "no query lists everything",
          { STRUCTURED,
            { NBD_OPT_LIST_META_CONTEXT, DATA(META_ALPHA "\0\0\0\0"),
              .replies = { { NBD_REP_META_CONTEXT, DATA("\0\0\0\0"
                                                        "base:allocation") },
                           ACK } } } },
        { "listing selects nothing, and takes nothing away",
          { STRUCTURED,
            SET_ALPHA,
            { NBD_OPT_LIST_META_CONTEXT,
              DATA(META_ALPHA "\0\0\0\1"
                              "\0\0\0\2"
                              "x:"),
              .replies = { ACK } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement = { .has_structured_replies = 1, .has_base_allocation = 1 } },
        { "queries for others' contexts are ignored, and one is told once",
          { STRUCTURED,
            { NBD_OPT_SET_META_CONTEXT,
              DATA(META_ALPHA "\0\0\0\5"
                              "\0\0\0\6"
                              "qemu:x" META_QUERY META_QUERY "\0\0\0\0"
                              "\0\0\0\5"
                              "base "),
              .replies = { { NBD_REP_META_CONTEXT, DATA("\0\0\0\1"
                                                        "base:allocation") },
                           ACK } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement = { .has_structured_replies = 1, .has_base_allocation = 1 } },
        { "lengths inside SET_META_CONTEXT must add up",
          { STRUCTURED,
            { NBD_OPT_SET_META_CONTEXT, DATA(""), .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA), .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0"), .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT,
              DATA(META_ALPHA "\0\0\0\1"
                              "\0\0\0\x10"
                              "base:allocation"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\0\0\0\1" META_QUERY "x"),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT, DATA(META_ALPHA "\xff\xff\xff\xff" META_QUERY),
              .replies = { ERR(INVALID) } },
            { NBD_OPT_SET_META_CONTEXT,
              DATA("\xff\xff\xff\xff"
                   "alpha-lun0"),
              .replies = { ERR(INVALID) } },
            GO_ALPHA_DF },
          .generation = 7,
          .agreement.has_structured_replies = 1 },

        /* EXPORT_NAME */
        { "EXPORT_NAME with an unknown name closes without a word",
          { { NBD_OPT_EXPORT_NAME, DATA("gamma"), CLOSE } } },
        { "EXPORT_NAME with a NUL closes",
          { { NBD_OPT_EXPORT_NAME, DATA("alpha-lun0\0"), CLOSE } } },

        /* TLS */
        { "STARTTLS is acknowledged, and voids what was agreed on",
          { STRUCTURED,
            SET_ALPHA,
            START_TLS,
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .terms = TLS_OFFERED,
          .generation = 7 },
        { "STARTTLS is refused the second time",
          { START_TLS, { NBD_OPT_STARTTLS, .replies = { ERR(INVALID) } }, LIST_BOTH },
          .terms = TLS_OFFERED },
        { "STARTTLS with data is invalid where there is TLS, too",
          { { NBD_OPT_STARTTLS, DATA("x"), .replies = { ERR(INVALID) } }, START_TLS },
          .terms = TLS_OFFERED },
        { "STARTTLS is refused while there are no keys",
          { { NBD_OPT_STARTTLS, .replies = { ERR(POLICY) } } },
          .terms.tls = NBD_TLS_USE_OFFERED },
        { "TLS that is offered can be left",
          { LIST_BOTH,
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .terms = TLS_OFFERED,
          .generation = 7 },
        { "TLS that is required comes before everything, and does not close",
          { { NBD_OPT_LIST, .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_INFO, DATA(META_ALPHA "\0\0"), .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_STRUCTURED_REPLY, .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_LIST_META_CONTEXT, .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_SET_META_CONTEXT, .replies = { ERR(TLS_REQD) } },
            { 99, DATA("?"), .replies = { ERR(TLS_REQD) } },
            START_TLS,
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .terms = TLS_REQUIRED,
          .generation = 7 },
        { "EXPORT_NAME closes where TLS is required",
          { { NBD_OPT_EXPORT_NAME, DATA("alpha-lun0"), CLOSE } },
          .terms = TLS_REQUIRED },
        { "ABORT is acknowledged where TLS is required",
          { { NBD_OPT_ABORT, .verdict = CLOSE, .replies = { ACK } } },
          .terms = TLS_REQUIRED },
        { "TLS that is required and has no keys lets nobody in",
          { { NBD_OPT_STARTTLS, .replies = { ERR(POLICY) } },
            { NBD_OPT_LIST, .replies = { ERR(TLS_REQD) } } },
          .terms.tls = NBD_TLS_USE_REQUIRED },

        /* Who may open what */
        { "what is denied is not there",
          { { NBD_OPT_LIST, .replies = { LISTED_ALPHA, ACK } },
            { NBD_OPT_INFO, DATA(META_BETA "\0\0"), .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_GO, DATA(META_BETA "\0\0"), .replies = { ERR(UNKNOWN) } },
            STRUCTURED,
            { NBD_OPT_SET_META_CONTEXT, DATA(META_BETA "\0\0\0\0"), .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_EXPORT_NAME, DATA("beta-lun0"), CLOSE } },
          .access = { RULE(DENY, EVERYONE, "beta*"), RULE(FULL, EVERYONE, "*") } },
        { "the empty name is the only export that is allowed",
          { { NBD_OPT_GO, DATA("\0\0\0\0\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .access = { RULE(FULL, UNIX, "alpha*") },
          .generation = 7 },
        { "who may only read is told so, and the worker as well",
          { { NBD_OPT_INFO, DATA(META_ALPHA "\0\0"),
              .replies = { INFO_EXPORT_ALPHA_READ_ONLY, ACK } },
            { NBD_OPT_GO,
              DATA(META_ALPHA "\0\0"),
              TRANSMIT,
              { INFO_EXPORT_ALPHA_READ_ONLY, ACK } } },
          .access = { RULE(READ_ONLY, UNIX, "*") },
          .generation = 7,
          .agreement.is_read_only = 1 },
        { "a connection to one export alone was asked for elsewhere",
          { { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .terms.only_generation = 7,
          .access = { RULE(DENY, EVERYONE, "*") },
          .generation = 7 },
        { "what there may be for those whom TLS knows is not told from what there is not",
          { { NBD_OPT_LIST, .replies = { ACK } },
            { NBD_OPT_INFO, DATA(META_ALPHA "\0\0"), .replies = { ERR(TLS_REQD) } },
            { NBD_OPT_GO,
              DATA("\0\0\0\5"
                   "gamma"
                   "\0\0"),
              .replies = { ERR(TLS_REQD) } },
            START_TLS,
            { NBD_OPT_LIST, .replies = { LISTED_ALPHA, ACK } },
            { NBD_OPT_GO,
              DATA("\0\0\0\5"
                   "gamma"
                   "\0\0"),
              .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_GO, DATA(META_BETA "\0\0"), .replies = { ERR(UNKNOWN) } },
            { NBD_OPT_GO, DATA(META_ALPHA "\0\0"), TRANSMIT, { INFO_EXPORT_ALPHA, ACK } } },
          .terms = TLS_OFFERED,
          .access = { RULE(FULL, PSK, "alpha*", .name = "alice"),
                      RULE(FULL, PSK, "beta*", .name = "bob") },
          .client = { .is_tcp = true, .psk_identity = "alice" },
          .generation = 7 },
};

typedef struct Fixture {
        NbdExportTable table;
        NbdAccessList access;
        NbdHandshakeOptions options;
} Fixture;

static Fixture fixture;

static const NbdServerExport alpha = {
        .name = "alpha-lun0",
        .description = "Alpha",
        .info = { .size = 0x1000000,
                  .block_size_minimum = 512,
                  .block_size_preferred = 4096,
                  .block_size_maximum = 32 << 20,
                  .transmission_flags = 0x01fe },
        .generation = 7,
};

static const NbdServerExport beta = {
        .name = "beta-lun0",
        .info = { .size = 512, .transmission_flags = NBD_FLAG_READ_ONLY },
        .generation = 8,
};

static void start_dialogue(const NbdHandshakeTerms *terms, const NbdPeer *client) {
        NbdHandshakeTerms all = *terms;

        all.table = &fixture.table;
        all.access = &fixture.access;
        ck_assert_int_eq(nbd_handshake_options_init(&fixture.options, &all, client), 0);
        ck_assert_int_eq(nbd_handshake_options_set_client_flags(&fixture.options,
                                                                NBD_FLAG_FIXED_NEWSTYLE |
                                                                                NBD_FLAG_NO_ZEROES),
                         0);
        buffer_clear(&fixture.options.output);
}

static void set_up(void) {
        fixture = (Fixture){ 0 };
        ck_assert_int_eq(nbd_export_table_add(&fixture.table, &alpha), 0);
        ck_assert_int_eq(nbd_export_table_add(&fixture.table, &beta), 0);
        start_dialogue(&(NbdHandshakeTerms){ 0 }, &(NbdPeer){ 0 });
}

static void tear_down(void) {
        nbd_handshake_options_done(&fixture.options);
        nbd_export_table_done(&fixture.table);
        nbd_access_list_done(&fixture.access);
}

static void expect_reply(const char *rule, uint32_t option, const Reply *reply) {
        Buffer *output = &fixture.options.output;
        const uint8_t *bytes = buffer_data(output);
        size_t size;

        ck_assert_msg(output->size >= 20, "%s: a reply is missing", rule);
        ck_assert_uint_eq(get_be64(bytes), NBD_OPTION_REPLY_MAGIC);
        ck_assert_uint_eq(get_be32(bytes + 8), option);
        ck_assert_msg(get_be32(bytes + 12) == reply->type, "%s: reply %#x, not %#x", rule,
                      get_be32(bytes + 12), reply->type);
        size = get_be32(bytes + 16);
        ck_assert_uint_ge(output->size, 20 + size);
        if (reply->data) {
                ck_assert_msg(size == reply->size && memcmp(bytes + 20, reply->data, size) == 0,
                              "%s: reply %#x has other data", rule, reply->type);
        }
        if (reply->type == NBD_REP_ACK)
                ck_assert_uint_eq(size, 0);
        buffer_consume(output, 20 + size);
}

START_TEST(each_rule_is_kept) {
        const Dialogue *d = &dialogues[_i];
        NbdOptionVerdict verdict = NBD_OPTION_VERDICT_CONTINUE;

        nbd_handshake_options_done(&fixture.options);
        for (size_t i = 0; i < RULES_MAX && d->access[i].exports[0] != '\0'; i++)
                ck_assert_int_eq(nbd_access_list_add(&fixture.access, &d->access[i]), 0);
        start_dialogue(&d->terms, &(NbdPeer){ .is_tcp = d->client.is_tcp });
        for (size_t i = 0; i < STEPS_MAX; i++) {
                const Step *step = &d->steps[i];

                if (verdict == STARTTLS) {
                        NbdPeer client = d->client;

                        client.is_encrypted = true;
                        nbd_handshake_options_encrypted(&fixture.options, &client);
                        verdict = NBD_OPTION_VERDICT_CONTINUE;
                }

                if (step->option == 0 && step->replies[0].type == 0)
                        break;
                ck_assert_msg(verdict == NBD_OPTION_VERDICT_CONTINUE, "%s: ended early", d->rule);
                verdict = nbd_handshake_options_answer(&fixture.options, step->option,
                                                       (const uint8_t *) step->data, step->size);
                ck_assert_msg(verdict == step->verdict, "%s: step %zu ends with %d", d->rule, i,
                              (int) verdict);
                for (size_t j = 0; j < REPLIES_MAX && step->replies[j].type != 0; j++)
                        expect_reply(d->rule, step->option, &step->replies[j]);
                ck_assert_msg(fixture.options.output.size == 0, "%s: step %zu says more", d->rule,
                              i);
        }

        if (verdict != TRANSMIT)
                return;
        ck_assert_uint_eq(fixture.options.generation, d->generation);
        ck_assert_msg(memcmp(&fixture.options.agreement, &d->agreement, sizeof(NbdAgreement)) == 0,
                      "%s: another agreement", d->rule);
}
END_TEST

START_TEST(the_greeting_is_fixed_newstyle) {
        static const uint8_t greeting[] = "NBDMAGIC"
                                          "IHAVEOPT"
                                          "\0\3";
        NbdHandshakeOptions options;

        ck_assert_int_eq(nbd_handshake_options_init(&options,
                                                    &(NbdHandshakeTerms){ .table = &fixture.table },
                                                    &(NbdPeer){ 0 }),
                         0);
        ck_assert_uint_eq(options.output.size, sizeof(greeting) - 1);
        ck_assert_mem_eq(buffer_data(&options.output), greeting, sizeof(greeting) - 1);
        nbd_handshake_options_done(&options);
}
END_TEST

START_TEST(client_flags_that_were_not_offered_are_refused) {
        for (unsigned bit = 0; bit < 32; bit++)
                ck_assert_int_eq(
                                nbd_handshake_options_set_client_flags(&fixture.options, 1U << bit),
                                bit < 2 ? 0 : -EBADMSG);
}
END_TEST

START_TEST(export_name_is_padded_unless_agreed_otherwise) {
        static const uint8_t zeroes[124];
        bool has_no_zeroes = _i;
        Buffer *output = &fixture.options.output;

        /* Not even fixed newstyle: this is how the oldest clients come. */
        ck_assert_int_eq(nbd_handshake_options_set_client_flags(
                                         &fixture.options, has_no_zeroes ? NBD_FLAG_NO_ZEROES : 0),
                         0);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_EXPORT_NAME,
                                                      (const uint8_t *) "alpha-lun0", 10),
                         TRANSMIT);
        ck_assert_uint_eq(output->size, has_no_zeroes ? 10 : 134);
        ck_assert_uint_eq(get_be64(buffer_data(output)), 0x1000000);
        ck_assert_uint_eq(get_be16(buffer_data(output) + 8), 0x017f);
        if (!has_no_zeroes)
                ck_assert_mem_eq(buffer_data(output) + 10, zeroes, sizeof(zeroes));
        ck_assert_uint_eq(fixture.options.generation, 7);
}
END_TEST

START_TEST(a_client_without_fixed_newstyle_may_only_name_an_export) {
        ck_assert_int_eq(nbd_handshake_options_set_client_flags(&fixture.options, 0), 0);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_LIST, NULL, 0),
                         CLOSE);
        ck_assert_uint_eq(fixture.options.output.size, 0);
}
END_TEST

START_TEST(the_empty_name_is_the_only_export) {
        ck_assert(nbd_export_table_remove(&fixture.table, beta.generation));
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_GO,
                                                      (const uint8_t *) "\0\0\0\0\0\1\0\1", 8),
                         TRANSMIT);
        expect_reply("export", NBD_OPT_GO, &(Reply) INFO_EXPORT_ALPHA);
        expect_reply("the true name", NBD_OPT_GO, &(Reply) INFO_NAME_ALPHA);
        ck_assert_uint_eq(fixture.options.generation, 7);
}
END_TEST

START_TEST(the_empty_name_means_nothing_when_there_is_none) {
        ck_assert(nbd_export_table_remove(&fixture.table, alpha.generation));
        ck_assert(nbd_export_table_remove(&fixture.table, beta.generation));
        ck_assert(!nbd_export_table_remove(&fixture.table, beta.generation));
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_EXPORT_NAME, NULL,
                                                      0),
                         CLOSE);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_LIST, NULL, 0),
                         NBD_OPTION_VERDICT_CONTINUE);
        expect_reply("an empty list", NBD_OPT_LIST, &(Reply) ACK);
}
END_TEST

START_TEST(a_selection_does_not_outlive_its_export) {
        NbdServerExport successor = alpha;

        fixture.options.has_structured_replies = true;
        nbd_handshake_options_answer(&fixture.options, NBD_OPT_SET_META_CONTEXT,
                                     (const uint8_t *) META_ALPHA "\0\0\0\1" META_QUERY, 37);
        ck_assert(fixture.options.has_base_allocation);
        ck_assert(nbd_export_table_remove(&fixture.table, alpha.generation));
        successor.generation = 9;
        ck_assert_int_eq(nbd_export_table_add(&fixture.table, &successor), 0);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_GO,
                                                      (const uint8_t *) META_ALPHA "\0\0", 16),
                         TRANSMIT);
        ck_assert_uint_eq(fixture.options.generation, 9);
        ck_assert(!fixture.options.agreement.has_base_allocation);
}
END_TEST

START_TEST(strings_beyond_the_limit_are_too_big) {
        static uint8_t data[4 + NBD_STRING_SIZE_MAX + 1 + 2];

        put_be32(data, NBD_STRING_SIZE_MAX + 1);
        memset(data + 4, 'x', NBD_STRING_SIZE_MAX + 1);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_GO, data,
                                                      sizeof(data)),
                         NBD_OPTION_VERDICT_CONTINUE);
        expect_reply("a name of 4097", NBD_OPT_GO, &(Reply) ERR(TOO_BIG));

        put_be32(data, NBD_STRING_SIZE_MAX);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_GO, data + 0,
                                                      sizeof(data) - 1),
                         NBD_OPTION_VERDICT_CONTINUE);
        /* The last x is taken for a count that does not add up. */
        expect_reply("a name of 4096", NBD_OPT_GO, &(Reply) ERR(INVALID));

        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_EXPORT_NAME,
                                                      data + 4, NBD_STRING_SIZE_MAX + 1),
                         CLOSE);
}
END_TEST

START_TEST(an_option_that_was_skipped_is_too_big) {
        ck_assert_int_eq(nbd_handshake_options_answer_too_big(&fixture.options, 77),
                         NBD_OPTION_VERDICT_CONTINUE);
        expect_reply("too big", 77, &(Reply) ERR(TOO_BIG));
        ck_assert_int_eq(
                        nbd_handshake_options_answer_too_big(&fixture.options, NBD_OPT_EXPORT_NAME),
                        CLOSE);
}
END_TEST

START_TEST(options_are_counted) {
        size_t n_max = 32 + 32 * 2;

        for (size_t i = 0; i < n_max; i++) {
                ck_assert_int_eq(i % 2 ? nbd_handshake_options_answer(&fixture.options, 99, NULL, 0)
                                       : nbd_handshake_options_answer_too_big(&fixture.options, 99),
                                 NBD_OPTION_VERDICT_CONTINUE);
        }
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_LIST, NULL, 0),
                         CLOSE);
}
END_TEST

START_TEST(after_shut_down_everything_is_refused_but_abort) {
        static const uint32_t options[] = { NBD_OPT_LIST,
                                            NBD_OPT_STARTTLS,
                                            NBD_OPT_INFO,
                                            NBD_OPT_GO,
                                            NBD_OPT_STRUCTURED_REPLY,
                                            NBD_OPT_LIST_META_CONTEXT,
                                            NBD_OPT_SET_META_CONTEXT,
                                            99 };

        fixture.table.is_shut_down = true;
        for (size_t i = 0; i < N_ELEMENTS(options); i++) {
                ck_assert_int_eq(
                                nbd_handshake_options_answer(&fixture.options, options[i], NULL, 0),
                                NBD_OPTION_VERDICT_CONTINUE);
                expect_reply("shut down", options[i], &(Reply) ERR(SHUTDOWN));
        }
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_EXPORT_NAME,
                                                      (const uint8_t *) "alpha-lun0", 10),
                         CLOSE);
        ck_assert_uint_eq(fixture.options.output.size, 0);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_ABORT, NULL, 0),
                         CLOSE);
        expect_reply("abort", NBD_OPT_ABORT, &(Reply) ACK);
}
END_TEST

START_TEST(the_longest_list_fits) {
        NbdServerExport export = { 0 };

        memset(export.description, 'd', sizeof(export.description) - 1);
        for (uint64_t i = 0; i < NBD_SERVER_EXPORTS_MAX - 2; i++) {
                memset(export.name, 'n', sizeof(export.name) - 1);
                put_be64(export.name, UINT64_C(0x3030303030303030) + (i & 0xf) + (i >> 4 << 8) +
                                                      UINT64_C(0x100000000000000));
                export.generation = 100 + i;
                ck_assert_int_eq(nbd_export_table_add(&fixture.table, &export), 0);
        }
        export.generation = 99;
        strcpy(export.name, "one too many");
        ck_assert_int_eq(nbd_export_table_add(&fixture.table, &export), -ENOSPC);
        ck_assert_int_eq(nbd_handshake_options_answer(&fixture.options, NBD_OPT_LIST, NULL, 0),
                         NBD_OPTION_VERDICT_CONTINUE);
        for (size_t i = 0; i < NBD_SERVER_EXPORTS_MAX; i++)
                expect_reply("an export", NBD_OPT_LIST, &(Reply){ .type = NBD_REP_SERVER });
        expect_reply("the end", NBD_OPT_LIST, &(Reply) ACK);
}
END_TEST

typedef struct ExportCase {
        const char *what;
        NbdServerExport export;
        int result;
} ExportCase;

#define EXPORT_CASE(minimum, preferred, maximum)             \
        {                                                    \
                .name = "x", .generation = 1, .info = {      \
                        .block_size_minimum = (minimum),     \
                        .block_size_preferred = (preferred), \
                        .block_size_maximum = (maximum)      \
                }                                            \
        }

static const ExportCase export_cases[] = {
        { "the same name", { .name = "beta-lun0", .generation = 1 }, -EEXIST },
        { "the same generation", { .name = "x", .generation = 7 }, -EEXIST },
        { "no name", { .generation = 1 }, -EINVAL },
        { "ordinary sizes", EXPORT_CASE(1, 512, 33554432), 0 },
        { "no largest size", EXPORT_CASE(4096, 4096, UINT32_MAX), 0 },
        { "no smallest size", EXPORT_CASE(0, 512, 4096), -EINVAL },
        { "a smallest size that is no power of two", EXPORT_CASE(520, 4096, 5200), -EINVAL },
        { "a smallest size beyond the limit", EXPORT_CASE(131072, 131072, 131072), -EINVAL },
        { "a preferred size below the smallest", EXPORT_CASE(4096, 512, 4096), -EINVAL },
        { "a preferred size below 512", EXPORT_CASE(1, 256, 4096), -EINVAL },
        { "a largest size below the preferred", EXPORT_CASE(512, 4096, 512), -EINVAL },
        { "a largest size that is no multiple", EXPORT_CASE(512, 4096, 5000), -EINVAL },
};

START_TEST(impossible_exports_are_refused) {
        const ExportCase *c = &export_cases[_i];

        ck_assert_msg(nbd_export_table_add(&fixture.table, &c->export) == c->result, "%s", c->what);
}
END_TEST

START_TEST(random_options_do_no_harm) {
        static const char *const seeds[] = { META_ALPHA, META_QUERY, "a-lun0", "base:" };
        uint8_t data[512];
        Random random;

        random_init(&random, 1);
        for (size_t i = 0; i < FUZZ_ROUNDS; i++) {
                size_t size = 1 + random_below(&random, sizeof(data));

                memset(data, 0, sizeof(data));
                data[0] = (uint8_t) random_u64(&random);
                for (size_t at = 1; at + 40 < size; at += 6 + data[at + 5]) {
                        const char *seed = seeds[random_below(&random, N_ELEMENTS(seeds))];

                        data[at + 3] = (uint8_t) random_below(&random, 13);
                        data[at + 5] = (uint8_t) random_below(&random, 34);
                        memcpy(data + at + 10, seed, strlen(seed));
                        data[at + 9] = (uint8_t) random_below(&random, 20);
                }
                LLVMFuzzerTestOneInput(data, size);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_handshake_options");
        TCase *tcase = tcase_create("dialogue");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, each_rule_is_kept, 0, (int) N_ELEMENTS(dialogues));
        tcase_add_test(tcase, the_greeting_is_fixed_newstyle);
        tcase_add_test(tcase, client_flags_that_were_not_offered_are_refused);
        tcase_add_loop_test(tcase, export_name_is_padded_unless_agreed_otherwise, 0, 2);
        tcase_add_test(tcase, a_client_without_fixed_newstyle_may_only_name_an_export);
        tcase_add_test(tcase, the_empty_name_is_the_only_export);
        tcase_add_test(tcase, the_empty_name_means_nothing_when_there_is_none);
        tcase_add_test(tcase, a_selection_does_not_outlive_its_export);
        tcase_add_test(tcase, strings_beyond_the_limit_are_too_big);
        tcase_add_test(tcase, an_option_that_was_skipped_is_too_big);
        tcase_add_test(tcase, options_are_counted);
        tcase_add_test(tcase, after_shut_down_everything_is_refused_but_abort);
        tcase_add_test(tcase, the_longest_list_fits);
        tcase_add_loop_test(tcase, impossible_exports_are_refused, 0,
                            (int) N_ELEMENTS(export_cases));
        tcase_add_test(tcase, random_options_do_no_harm);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
