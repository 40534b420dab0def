/*
 * Rules are asked a few times in the life of a connection, so they are simply gone through. A
 * subject is compared part by part: a name that contains another one, or a comma, is never taken for
 * it.
 */

#include "negotiation/nbd_access.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#define ATTRIBUTE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"

void nbd_access_list_done(NbdAccessList *list) {
        free(list->rules);
        *list = (NbdAccessList){ 0 };
}

static bool is_terminated(const char *text, size_t size) {
        return memchr(text, '\0', size) != NULL;
}

/* The size of the first part of a subject: up to a comma or a plus sign that is not escaped. */
static size_t part_size(const char *text) {
        size_t i = 0;

        while (text[i] != '\0' && text[i] != ',' && text[i] != '+')
                i += text[i] == '\\' && text[i + 1] != '\0' ? 2 : 1;
        return i;
}

static const char *next_part(const char *text) {
        text += part_size(text);
        return *text == '\0' ? NULL : text + 1;
}

/* RFC 4514, 3: blanks around a value are escaped, and there are none around its attribute. */
static bool is_part(const char *part, size_t size) {
        size_t attribute_size = strspn(part, ATTRIBUTE_CHARACTERS);

        if (attribute_size == 0 || attribute_size >= size || part[attribute_size] != '=')
                return false;
        return part[attribute_size + 1] != ' ' && (part[size - 1] != ' ' || part[size - 2] == '\\');
}

bool nbd_access_is_subject(const char *text) {
        for (const char *t = text; t; t = next_part(t))
                if (!is_part(t, part_size(t)))
                        return false;
        return true;
}

bool nbd_access_rule_is_valid(const NbdAccessRule *rule) {
        if (rule->grant >= _NBD_ACCESS_GRANT_MAX || rule->who >= _NBD_ACCESS_WHO_MAX)
                return false;
        if (!is_terminated(rule->exports, sizeof(rule->exports)) ||
            !is_terminated(rule->name, sizeof(rule->name)) || rule->exports[0] == '\0')
                return false;
        if (rule->who == NBD_ACCESS_WHO_CERTIFICATE)
                return nbd_access_is_subject(rule->name);
        if (rule->who == NBD_ACCESS_WHO_PSK)
                return rule->name[0] != '\0';
        return true;
}

int nbd_access_list_add(NbdAccessList *list, const NbdAccessRule *rule) {
        NbdAccessRule *rules;

        assert(list);

        if (!nbd_access_rule_is_valid(rule))
                return -EINVAL;
        if (list->n_rules >= NBD_ACCESS_RULES_MAX)
                return -ENOSPC;
        rules = reallocarray(list->rules, list->n_rules + 1, sizeof(*rules));
        if (!rules)
                return -ENOMEM;
        list->rules = rules;
        list->rules[list->n_rules++] = *rule;
        return 0;
}

static bool is_rule_equal(const NbdAccessRule *a, const NbdAccessRule *b) {
        return a->grant == b->grant && a->who == b->who && a->id == b->id &&
               strcmp(a->exports, b->exports) == 0 && strcmp(a->name, b->name) == 0 &&
               memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0;
}

bool nbd_access_list_is_equal(const NbdAccessList *a, const NbdAccessList *b) {
        if (a->n_rules != b->n_rules)
                return false;
        for (size_t i = 0; i < a->n_rules; i++)
                if (!is_rule_equal(&a->rules[i], &b->rules[i]))
                        return false;
        return true;
}

static bool has_part(const char *subject, const char *part, size_t size) {
        for (const char *t = subject; t; t = next_part(t))
                if (part_size(t) == size && memcmp(t, part, size) == 0)
                        return true;
        return false;
}

static bool has_all_parts(const char *subject, const char *wanted) {
        for (const char *t = wanted; t; t = next_part(t))
                if (!has_part(subject, t, part_size(t)))
                        return false;
        return true;
}

static bool has_group(const NbdPeer *client, uint32_t id) {
        for (size_t i = 0; i < client->n_group_ids; i++)
                if (client->group_ids[i] == id)
                        return true;
        return false;
}

static bool is_about(const NbdAccessRule *rule, const NbdPeer *client) {
        switch ((NbdAccessWho) rule->who) {
        case NBD_ACCESS_WHO_EVERYONE:
                return true;
        case NBD_ACCESS_WHO_UNIX:
                return !client->is_tcp;
        case NBD_ACCESS_WHO_USER:
                return client->has_user && client->user_id == rule->id;
        case NBD_ACCESS_WHO_GROUP:
                return client->has_user && has_group(client, rule->id);
        case NBD_ACCESS_WHO_TCP:
                return client->is_tcp;
        case NBD_ACCESS_WHO_TLS:
                return client->has_certificate || client->psk_identity[0] != '\0';
        case NBD_ACCESS_WHO_CERTIFICATE:
                return client->has_certificate && has_all_parts(client->subject, rule->name);
        case NBD_ACCESS_WHO_FINGERPRINT:
                return client->has_certificate &&
                       memcmp(client->fingerprint, rule->fingerprint, NBD_FINGERPRINT_SIZE) == 0;
        case NBD_ACCESS_WHO_PSK:
                return strcmp(client->psk_identity, rule->name) == 0;
        case _NBD_ACCESS_WHO_MAX:
                break;
        }
        assert_not_reached(); /* no list takes it */
}

/* Whether it narrows down who may come over TCP, or over unix sockets. */
static bool is_about_kind(const NbdAccessRule *rule, bool is_tcp) {
        switch ((NbdAccessWho) rule->who) {
        case NBD_ACCESS_WHO_EVERYONE:
                return true;
        case NBD_ACCESS_WHO_UNIX:
        case NBD_ACCESS_WHO_USER:
        case NBD_ACCESS_WHO_GROUP:
                return !is_tcp;
        case NBD_ACCESS_WHO_TCP:
        case NBD_ACCESS_WHO_TLS:
        case NBD_ACCESS_WHO_CERTIFICATE:
        case NBD_ACCESS_WHO_FINGERPRINT:
        case NBD_ACCESS_WHO_PSK:
                return is_tcp;
        case _NBD_ACCESS_WHO_MAX:
                break;
        }
        assert_not_reached(); /* no list takes it */
}

bool nbd_access_list_needs_tls(const NbdAccessList *list) {
        for (size_t i = 0; i < list->n_rules; i++)
                if (list->rules[i].who >= NBD_ACCESS_WHO_TLS)
                        return true;
        return false;
}

NbdAccessGrant nbd_access_list_decide(const NbdAccessList *list, const NbdPeer *client,
                                      const char *export_name) {
        NbdAccessGrant otherwise = NBD_ACCESS_GRANT_FULL;

        for (size_t i = 0; i < list->n_rules; i++) {
                const NbdAccessRule *rule = &list->rules[i];

                if (is_about_kind(rule, client->is_tcp))
                        otherwise = NBD_ACCESS_GRANT_DENY;
                if (is_about(rule, client) &&
                    fnmatch(rule->exports, export_name, FNM_NOESCAPE) == 0)
                        return (NbdAccessGrant) rule->grant;
        }
        return otherwise;
}
