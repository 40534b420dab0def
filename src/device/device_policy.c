/* A list of rules, in the order of their sources; and rules as text. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_rule.h"
#include "device/device_rule_parser.h"

struct DevicePolicy {
        DeviceTarget default_target;
        DeviceRule *rules; /* owned */
        size_t n_rules;
};

static const char *const target_names[] = {
        [DEVICE_TARGET_ALLOW] = "allow",
        [DEVICE_TARGET_READ_ONLY] = "read-only",
        [DEVICE_TARGET_BLOCK] = "block",
        [DEVICE_TARGET_REJECT] = "reject",
};

const char *device_target_to_string(DeviceTarget target) { return target_names[target]; }

int device_target_from_string(DeviceTarget *ret, const char *text) {
        for (DeviceTarget i = 0; i < _DEVICE_TARGET_MAX; i++)
                if (strcmp(target_names[i], text) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

int device_policy_new(DevicePolicy **ret, DeviceTarget default_target) {
        DevicePolicy *policy = calloc(1, sizeof(*policy));

        if (!policy)
                return -ENOMEM;
        policy->default_target = default_target;
        *ret = policy;
        return 0;
}

static void drop_rules(DevicePolicy *policy, size_t n_kept) {
        while (policy->n_rules > n_kept)
                device_rule_done(&policy->rules[--policy->n_rules]);
}

DevicePolicy *device_policy_free(DevicePolicy *policy) {
        if (!policy)
                return NULL;
        drop_rules(policy, 0);
        free(policy->rules);
        free(policy);
        return NULL;
}

/* Reading */

typedef struct PolicyReader {
        DevicePolicy *policy;
        const char *source;
        unsigned line;
        bool has_mistakes;
        DevicePolicyComplain complain;
        void *userdata;
} PolicyReader;

static void complain(PolicyReader *reader, size_t offset, const char *text) {
        reader->has_mistakes = true;
        if (reader->complain)
                reader->complain(reader->source, MAX(reader->line, 1U), (unsigned) offset + 1, text,
                                 reader->userdata);
}

static int add_rule(PolicyReader *reader, DeviceRule *rule) {
        DevicePolicy *policy = reader->policy;
        DeviceRule *rules;

        if (policy->n_rules == DEVICE_RULES_MAX) {
                complain(reader, 0, "there are too many rules, the 1024 before it are the most");
                return -EINVAL;
        }
        if (asprintf(&rule->source, "%s:%u", reader->source, reader->line) < 0) {
                rule->source = NULL;
                return -ENOMEM;
        }
        rules = realloc(policy->rules, (policy->n_rules + 1) * sizeof(*rules));
        if (!rules)
                return -ENOMEM;
        policy->rules = rules;
        policy->rules[policy->n_rules++] = *rule;
        *rule = (DeviceRule){ 0 };
        return 0;
}

static int read_line(PolicyReader *reader, const char *line, size_t size) {
        DeviceRule rule = { 0 };
        DeviceRuleMistake mistake;
        int r;

        if (size > DEVICE_RULE_SIZE_MAX) {
                complain(reader, DEVICE_RULE_SIZE_MAX, "the line is longer than 4096 bytes");
                return -EINVAL;
        }
        r = device_rule_parse(&rule, line, size, &mistake);
        if (r == -ENODATA)
                return 0;
        if (r == -EINVAL)
                complain(reader, mistake.offset, mistake.text);
        if (r < 0)
                return r;
        r = add_rule(reader, &rule);
        device_rule_done(&rule);
        return r;
}

int device_policy_add(DevicePolicy *policy, const char *source, const char *text, size_t size,
                      DevicePolicyComplain tell, void *userdata) {
        PolicyReader reader = {
                .policy = policy,
                .source = source,
                .complain = tell,
                .userdata = userdata,
        };
        size_t n_before = policy->n_rules, offset = 0;
        int r = 0;

        while (offset < size && (r == 0 || r == -EINVAL)) {
                const char *line = text + offset;
                const char *line_end = memchr(line, '\n', size - offset) ?: text + size;

                reader.line++;
                r = read_line(&reader, line, (size_t) (line_end - line));
                offset += (size_t) (line_end - line) + 1;
        }
        if (r == 0 && reader.has_mistakes)
                r = -EINVAL;
        if (r < 0)
                drop_rules(policy, n_before);
        return r;
}

int device_policy_add_file(DevicePolicy *policy, const char *path, DevicePolicyComplain tell,
                           void *userdata) {
        PolicyReader head = { .source = path, .complain = tell, .userdata = userdata };
        _cleanup_(freep) char *text = NULL;
        char reason[128];
        ssize_t size;

        text = malloc(DEVICE_RULES_FILE_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        size = fd_read_path(path, text, DEVICE_RULES_FILE_SIZE_MAX + 1);
        if (size == -ENOENT)
                return -ENOENT;
        if (size < 0) {
                snprintf(reason, sizeof(reason), "the file can't be read: %s",
                         strerror((int) -size));
                complain(&head, 0, reason);
                return (int) size;
        }
        if ((size_t) size > DEVICE_RULES_FILE_SIZE_MAX) {
                complain(&head, 0, "the file is longer than 1 MiB");
                return -EINVAL;
        }
        return device_policy_add(policy, path, text, (size_t) size, tell, userdata);
}

/* Deciding */

static DeviceDecision decision_of(const DevicePolicy *policy, size_t index) {
        const DeviceRule *rule;

        if (index == policy->n_rules)
                return (DeviceDecision){ .target = policy->default_target, .rule = "" };
        rule = &policy->rules[index];
        return (DeviceDecision){
                .target = rule->target,
                .options = rule->options,
                .number = (unsigned) index + 1,
                .rule = rule->text,
        };
}

static size_t find_rule(const DevicePolicy *policy, const DeviceIdentity *identity) {
        size_t i = 0;

        while (i < policy->n_rules && !device_rule_applies(&policy->rules[i], identity))
                i++;
        return i;
}

DeviceDecision device_policy_test(const DevicePolicy *policy, const DeviceIdentity *identity) {
        return decision_of(policy, find_rule(policy, identity));
}

DeviceDecision device_policy_decide(DevicePolicy *policy, const DeviceIdentity *identity) {
        size_t index = find_rule(policy, identity);

        for (size_t i = 0; i < policy->n_rules && i <= index; i++)
                policy->rules[i].n_evaluated++;
        if (index < policy->n_rules)
                policy->rules[index].n_applied++;
        return decision_of(policy, index);
}

size_t device_policy_get_n_rules(const DevicePolicy *policy) { return policy->n_rules; }

const char *device_policy_get_rule(const DevicePolicy *policy, size_t index,
                                   const char **ret_source) {
        assert(index < policy->n_rules);
        *ret_source = policy->rules[index].source;
        return policy->rules[index].text;
}

DeviceTarget device_policy_get_default(const DevicePolicy *policy) {
        return policy->default_target;
}

/* Writing */

/* A device's name may end within a character, and is shown before it gets into a file. */
static bool is_printable(const char *text) {
        char clean[DEVICE_IDENTITY_TEXT_SIZE];

        snprintf(clean, sizeof(clean), "%s", text);
        log_sanitise(clean);
        return strcmp(clean, text) == 0;
}

static void print_string(FILE *file, const char *name, const char *text) {
        unsigned char last = is_printable(text) ? UCHAR_MAX : '~';

        fprintf(file, " %s \"", name);
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        fprintf(file, "\\%c", *text);
                else if ((unsigned char) *text < ' ' || *text == 0x7f ||
                         (unsigned char) *text > last)
                        fprintf(file, "\\x%02x", (unsigned char) *text);
                else
                        fputc(*text, file);
        }
        fputc('"', file);
}

static void print_interfaces(FILE *file, const DeviceIdentity *identity) {
        if (identity->n_interfaces == 0)
                return;
        fprintf(file, " with-interface equals {");
        for (size_t i = 0; i < identity->n_interfaces; i++)
                fprintf(file, " %02x:%02x:%02x", identity->interfaces[i].class,
                        identity->interfaces[i].subclass, identity->interfaces[i].protocol);
        fprintf(file, " }");
}

char *device_policy_generate(const DeviceIdentity *identity) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                return NULL;
        fprintf(file, "allow id %04x:%04x", identity->vendor_id, identity->product_id);
        print_string(file, "serial", identity->serial);
        print_string(file, "name", identity->name);
        if (identity->hash[0] != '\0')
                print_string(file, "hash", identity->hash);
        if (identity->serial[0] == '\0')
                print_string(file, "via-port", identity->port);
        print_interfaces(file, identity);
        if (fclose(file) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
