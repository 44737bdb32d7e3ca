/* What a finished request's answer says. */
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "common/net/http.h"

bool cf_http_header(const struct cf_http_request *request, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    const char *line = cf_buf_str(&request->response_headers);
    while (*line) {
        size_t line_length = strcspn(line, "\r\n");
        if (line_length > length && line[length] == ':' && !strncasecmp(line, name, length)) {
            const char *value = line + length + 1;
            const char *end = line + line_length;
            while (value < end && (*value == ' ' || *value == '\t')) {
                value++;
            }
            while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
                end--;
            }
            if ((size_t)(end - value) >= size) {
                return false;
            }
            memcpy(out, value, (size_t)(end - value));
            out[end - value] = '\0';
            return true;
        }
        line += line_length;
        line += strspn(line, "\r\n");
    }
    return false;
}

int64_t cf_http_date_ms(const struct cf_http_request *request)
{
    char value[64];
    if (!cf_http_header(request, "Date", value, sizeof(value))) {
        return 0;
    }
    time_t seconds = curl_getdate(value, NULL);
    return seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

void cf_http_request_release(struct cf_http_request *request)
{
    cf_buf_release(&request->answer);
    cf_buf_release(&request->response_headers);
}
