/* IDENTITY:KEY, the key in hexadecimal digits. No complaint repeats what may be a key. */

#include "negotiation/nbd_tls_psk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "negotiation/nbd_hex.h"

static bool parse_key(NbdTlsPskEntry *entry, const char *text, size_t size) {
        if (size % 2 != 0 || size / 2 < NBD_TLS_PSK_KEY_SIZE_MIN || size / 2 > sizeof(entry->key))
                return false;
        for (size_t i = 0; i < size; i += 2)
                if (!nbd_hex_parse_byte(text + i, &entry->key[i / 2]))
                        return false;
        entry->key_size = size / 2;
        return true;
}

/* NULL, or what is wrong. */
static const char *parse_line(NbdTlsPskEntry *entry, const char *line, size_t size) {
        const char *colon = memrchr(line, ':', size);
        size_t identity_size = colon ? (size_t) (colon - line) : 0;

        if (!colon || identity_size == 0)
                return "must be IDENTITY:KEY";
        if (identity_size >= sizeof(entry->identity) || memchr(line, '\0', identity_size))
                return "the identity is too long, or has a NUL byte";
        memcpy(entry->identity, line, identity_size);
        if (!parse_key(entry, colon + 1, size - identity_size - 1))
                return "the key must be 16 to 64 bytes in hexadecimal digits";
        return NULL;
}

static int add(NbdTlsPsk *psk, const NbdTlsPskEntry *entry) {
        NbdTlsPskEntry *entries;

        /* Not realloc(), which leaves keys behind. */
        entries = calloc(psk->n_entries + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        if (psk->n_entries > 0)
                memcpy(entries, psk->entries, psk->n_entries * sizeof(*entries));
        entries[psk->n_entries] = *entry;
        if (psk->n_entries > 0)
                explicit_bzero(psk->entries, psk->n_entries * sizeof(*entries));
        free(psk->entries);
        psk->entries = entries;
        psk->n_entries++;
        return 0;
}

static int take_line(NbdTlsPsk *psk, const char *line, size_t size, unsigned number, char *reason) {
        NbdTlsPskEntry entry = { 0 };
        const char *wrong;
        int r = 0;

        while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' '))
                size--;
        if (size == 0 || line[0] == '#')
                return 0;
        wrong = parse_line(&entry, line, size);
        if (!wrong && nbd_tls_psk_find(psk, entry.identity, strlen(entry.identity)))
                wrong = "the identity has a line already";
        if (!wrong && psk->n_entries >= NBD_TLS_PSK_ENTRIES_MAX)
                wrong = "there are too many lines";
        if (wrong) {
                snprintf(reason, NBD_TLS_REASON_SIZE, "line %u of the keys: %s", number, wrong);
                r = -EINVAL;
        } else {
                r = add(psk, &entry);
        }
        explicit_bzero(&entry, sizeof(entry));
        return r;
}

int nbd_tls_psk_parse(NbdTlsPsk *psk, const NbdTlsText *text, char *reason) {
        const char *end = text->bytes + text->size;
        unsigned number = 0;

        for (const char *t = text->bytes; t < end;) {
                const char *newline = memchr(t, '\n', (size_t) (end - t));
                const char *line_end = newline ?: end;
                int r;

                r = take_line(psk, t, (size_t) (line_end - t), ++number, reason);
                if (r < 0)
                        return r;
                t = newline ? newline + 1 : end;
        }
        if (psk->n_entries > 0)
                return 0;
        snprintf(reason, NBD_TLS_REASON_SIZE, "there are no keys in the file of keys");
        return -EINVAL;
}

void nbd_tls_psk_done(NbdTlsPsk *psk) {
        if (psk->n_entries > 0)
                explicit_bzero(psk->entries, psk->n_entries * sizeof(psk->entries[0]));
        free(psk->entries);
        *psk = (NbdTlsPsk){ 0 };
}

const NbdTlsPskEntry *nbd_tls_psk_find(const NbdTlsPsk *psk, const void *identity, size_t size) {
        for (size_t i = 0; i < psk->n_entries; i++)
                if (strlen(psk->entries[i].identity) == size &&
                    memcmp(psk->entries[i].identity, identity, size) == 0)
                        return &psk->entries[i];
        return NULL;
}
