/* A reader of the few things of C that a table of strings is made of. */

#include "smart/smart_drivedb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "smart/smart_pattern.h"

#define FIELDS 5
#define FIELD_NAME 0
#define FIELD_IDS 1
#define FIELD_BCD 2
#define FIELD_TYPE 4
/* Presets of drives are longer, and nothing to us. */
#define FIELD_SIZE 512

typedef enum Token {
        TOKEN_END,
        TOKEN_OPEN,
        TOKEN_CLOSE,
        TOKEN_COMMA,
        TOKEN_STRING,
        TOKEN_OTHER,
} Token;

typedef struct Field {
        char text[FIELD_SIZE];
        size_t size;
        bool is_cut;
} Field;

typedef struct DrivedbParser {
        const char *next;
        const char *end;
        Field string; /* of TOKEN_STRING */
        Field fields[FIELDS];
        size_t n_fields;
} DrivedbParser;

static bool starts_with(const DrivedbParser *parser, const char *word) {
        size_t size = strlen(word);

        return (size_t) (parser->end - parser->next) >= size &&
               memcmp(parser->next, word, size) == 0;
}

static void skip_line(DrivedbParser *parser) {
        while (parser->next < parser->end && *parser->next != '\n')
                parser->next++;
}

static void skip_comment(DrivedbParser *parser) {
        parser->next += 2;
        while (parser->next < parser->end && !starts_with(parser, "*/"))
                parser->next++;
        parser->next = MIN(parser->next + 2, parser->end);
}

static void skip_blanks(DrivedbParser *parser) {
        while (parser->next < parser->end) {
                if (*parser->next == ' ' || *parser->next == '\t' || *parser->next == '\n' ||
                    *parser->next == '\r')
                        parser->next++;
                else if (starts_with(parser, "//") || *parser->next == '#')
                        skip_line(parser);
                else if (starts_with(parser, "/*"))
                        skip_comment(parser);
                else
                        return;
        }
}

static void append(Field *field, char c) {
        if (field->size + 1 == sizeof(field->text) || c == '\0')
                field->is_cut = true;
        else
                field->text[field->size++] = c;
}

/* Behind its first quote. False: its line ends before it does. */
static bool read_string(DrivedbParser *parser) {
        while (parser->next < parser->end && *parser->next != '\n') {
                char c = *parser->next++;

                if (c == '"')
                        return true;
                if (c == '\\' && parser->next < parser->end && *parser->next != '\n')
                        c = *parser->next++;
                append(&parser->string, c);
        }
        return false;
}

/* Strings in a row are one. */
static Token read_strings(DrivedbParser *parser) {
        parser->string.size = 0;
        parser->string.is_cut = false;
        while (parser->next < parser->end && *parser->next == '"') {
                parser->next++;
                if (!read_string(parser))
                        return TOKEN_OTHER;
                skip_blanks(parser);
        }
        parser->string.text[parser->string.size] = '\0';
        return TOKEN_STRING;
}

static Token read_token(DrivedbParser *parser) {
        skip_blanks(parser);
        if (parser->next == parser->end)
                return TOKEN_END;
        switch (*parser->next) {
        case '"':
                return read_strings(parser);
        case '{':
                parser->next++;
                return TOKEN_OPEN;
        case '}':
                parser->next++;
                return TOKEN_CLOSE;
        case ',':
                parser->next++;
                return TOKEN_COMMA;
        default:
                parser->next++;
                return TOKEN_OTHER;
        }
}

/* Behind the first brace. False: it is no entry; what it ended with may begin another one. */
static bool read_entry(DrivedbParser *parser, Token *ret_last) {
        parser->n_fields = 0;
        while (parser->n_fields < FIELDS) {
                *ret_last = read_token(parser);
                if (*ret_last != TOKEN_STRING)
                        return false;
                parser->fields[parser->n_fields++] = parser->string;
                *ret_last = read_token(parser);
                if (*ret_last != TOKEN_COMMA)
                        break;
        }
        if (*ret_last == TOKEN_COMMA)
                *ret_last = read_token(parser);
        return parser->n_fields == FIELDS && *ret_last == TOKEN_CLOSE;
}

/* "-d TYPE", with whatever behind it; nothing: the bridge is known to carry nothing. */
static int parse_presets(SmartBridge *ret, const char *text) {
        text += strspn(text, " ");
        if (*text == '\0') {
                smart_bridge_init(ret, SMART_BRIDGE_KIND_NONE);
                return 0;
        }
        if (strncmp(text, "-d", 2) != 0)
                return -EINVAL;
        text += 2;
        text += strspn(text, " ");
        return smart_bridge_parse(ret, text, strcspn(text, " "));
}

/* False: it is nothing that could be of use. */
static bool make_entry(const DrivedbParser *parser, SmartDrivedbEntry *ret) {
        const Field *ids = &parser->fields[FIELD_IDS];
        const Field *bcd = &parser->fields[FIELD_BCD];

        for (size_t i = 0; i < FIELDS; i++)
                if (parser->fields[i].is_cut)
                        return false;
        if (strncmp(parser->fields[FIELD_NAME].text, "USB:", 4) != 0 || ids->size == 0 ||
            ids->size >= sizeof(ret->ids) || bcd->size >= sizeof(ret->bcd))
                return false;
        *ret = (SmartDrivedbEntry){ 0 };
        memcpy(ret->ids, ids->text, ids->size);
        memcpy(ret->bcd, bcd->text, bcd->size);
        return parse_presets(&ret->bridge, parser->fields[FIELD_TYPE].text) == 0;
}

static int add_entry(SmartDrivedb *db, const SmartDrivedbEntry *entry) {
        SmartDrivedbEntry *entries;

        if (db->n_entries == SMART_DRIVEDB_ENTRIES_MAX)
                return -EFBIG;
        entries = realloc(db->entries, (db->n_entries + 1) * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        db->entries = entries;
        db->entries[db->n_entries++] = *entry;
        return 0;
}

static int add_all(SmartDrivedb *db, DrivedbParser *parser) {
        Token token = read_token(parser);

        while (token != TOKEN_END) {
                SmartDrivedbEntry entry;
                int r;

                if (token != TOKEN_OPEN) {
                        token = read_token(parser);
                        continue;
                }
                if (!read_entry(parser, &token) || !make_entry(parser, &entry))
                        continue;
                r = add_entry(db, &entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

int smart_drivedb_add(SmartDrivedb *db, const char *text, size_t size) {
        DrivedbParser parser = { .next = text, .end = text + size };
        size_t n_before = db->n_entries;
        int r;

        if (size > SMART_DRIVEDB_TEXT_SIZE_MAX)
                return -EFBIG;
        r = add_all(db, &parser);
        if (r < 0)
                db->n_entries = n_before;
        return r;
}

void smart_drivedb_done(SmartDrivedb *db) {
        free(db->entries);
        *db = (SmartDrivedb){ 0 };
}

static bool is_same(const SmartBridge *a, const SmartBridge *b) {
        return a->kind == b->kind && a->is_sat_too == b->is_sat_too &&
               a->is_extended == b->is_extended && a->is_prolific == b->is_prolific &&
               a->port == b->port && a->signature == b->signature;
}

bool smart_drivedb_find(const SmartDrivedb *db, SmartBridge *ret, uint16_t vendor_id,
                        uint16_t product_id, uint16_t device_bcd) {
        const SmartDrivedbEntry *any = NULL;   /* for each bcdDevice */
        const SmartDrivedbEntry *other = NULL; /* for another one */
        bool do_others_agree = true;
        char ids[SMART_PATTERN_TEXT_SIZE_MAX + 1];
        char bcd[SMART_PATTERN_TEXT_SIZE_MAX + 1];

        (void) snprintf(ids, sizeof(ids), "0x%04x:0x%04x", vendor_id, product_id);
        (void) snprintf(bcd, sizeof(bcd), "0x%04x", device_bcd);
        for (size_t i = 0; i < db->n_entries; i++) {
                const SmartDrivedbEntry *entry = &db->entries[i];

                if (!smart_pattern_matches(entry->ids, ids))
                        continue;
                if (entry->bcd[0] == '\0') {
                        any = any ? any : entry;
                } else if (smart_pattern_matches(entry->bcd, bcd)) {
                        *ret = entry->bridge;
                        return true;
                } else {
                        do_others_agree &= !other || is_same(&other->bridge, &entry->bridge);
                        other = other ? other : entry;
                }
        }
        if (!any && other && do_others_agree)
                any = other;
        if (!any)
                return false;
        *ret = any->bridge;
        return true;
}
