/* The environment's own credentials: they stay what they are for the life of the process. */
#include <stdlib.h>

#include "common/aws/credentials_provider.h"
#include "common/base/alloc.h"

const char *cf_credentials_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_configured(void)
{
    return cf_credentials_variable("AWS_ACCESS_KEY_ID") ||
           cf_credentials_variable("AWS_SECRET_ACCESS_KEY");
}

static int fetch(struct cf_credentials *out, struct cf_error *err)
{
    static const struct {
        const char *name;
        size_t most;
    } variables[] = {
        {"AWS_ACCESS_KEY_ID", 128}, {"AWS_SECRET_ACCESS_KEY", 512}, {"AWS_SESSION_TOKEN", 16384}};
    char **fields[] = {&out->access_key, &out->secret_key, &out->session_token};
    for (size_t i = 0; i < 3; i++) {
        const char *value = cf_credentials_variable(variables[i].name);
        if (!value && i < 2) {
            return cf_error_set(err, CF_ECONFIG, "%s is not set, while %s is", variables[i].name,
                                variables[1 - i].name);
        }
        if (value && !cf_credentials_is_plain(value, variables[i].most)) {
            return cf_error_set(err, CF_ECONFIG, "%s is too long or holds a line break or the like",
                                variables[i].name);
        }
        *fields[i] = value ? cf_strdup(value) : NULL;
    }
    return 0;
}

const struct cf_credentials_provider cf_credentials_environment = {
    .name = "environment", .is_configured = is_configured, .fetch = fetch};
