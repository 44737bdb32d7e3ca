#include "common/contract/tenant.h"

#include <ctype.h>
#include <string.h>

enum { LOGIN_MAX = 39 };

static int refuse(struct cf_error *err, const char *login, const char *why)
{
    char shown[64] = "";
    size_t n = 0;
    for (; n < sizeof(shown) - 1 && login[n]; n++) {
        shown[n] = isprint((unsigned char)login[n]) ? login[n] : '?';
    }
    shown[n] = '\0';
    return cf_error_set(err, CF_EUSAGE, "\"%s\" is not a GitHub login: %s", shown, why);
}

int cf_tenant_normalise(const char *login, char out[CF_TENANT_MAX], struct cf_error *err)
{
    size_t length = strlen(login);
    if (length == 0) {
        return refuse(err, login, "it is empty");
    }
    if (length > LOGIN_MAX) {
        return refuse(err, login, "it has more than 39 characters");
    }
    size_t underscores = 0;
    for (size_t i = 0; i < length; i++) {
        char c = login[i];
        bool separator = c == '-' || c == '_';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !separator) {
            return refuse(err, login, "only letters, digits, hyphens and one underscore may occur");
        }
        if (separator &&
            (i == 0 || i + 1 == length || login[i - 1] == '-' || login[i - 1] == '_')) {
            return refuse(err, login, "hyphens and the underscore stand singly between others");
        }
        if (underscores && c == '-') {
            return refuse(err, login, "no hyphen may follow the underscore");
        }
        underscores += c == '_';
        out[i] = (char)tolower((unsigned char)c);
    }
    out[length] = '\0';
    if (underscores > 1) {
        return refuse(err, login, "it has more than one underscore");
    }
    return 0;
}

bool cf_dataset_is_known(const char *name)
{
    static const char *const known[] = {"config",      "repos",      "bundle", "request",
                                        "request-gpu", "checkpoint", "model"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i], name) == 0) {
            return true;
        }
    }
    return false;
}
