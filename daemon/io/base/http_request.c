#include "daemon/io/base/http_request.h"

#include "protocol/read.h"

#include <string.h>
#include <strings.h>

const char *http_status_text(enum http_status status)
{
	switch (status) {
	case HTTP_OK:
		return "OK";
	case HTTP_BAD_REQUEST:
		return "Bad Request";
	case HTTP_NOT_FOUND:
		return "Not Found";
	case HTTP_METHOD_NOT_ALLOWED:
		return "Method Not Allowed";
	case HTTP_REQUEST_TIMEOUT:
		return "Request Timeout";
	case HTTP_CONTENT_TOO_LARGE:
		return "Content Too Large";
	case HTTP_EXPECTATION_FAILED:
		return "Expectation Failed";
	case HTTP_MISDIRECTED_REQUEST:
		return "Misdirected Request";
	case HTTP_HEADERS_TOO_LARGE:
		return "Request Header Fields Too Large";
	case HTTP_UNAVAILABLE:
		return "Service Unavailable";
	case HTTP_VERSION_NOT_SUPPORTED:
		return "HTTP Version Not Supported";
	}
	return "";
}

/* --- bytes --- */

/* Takes the bytes up to the next `end` off *rest, which then begins behind it.  False: there is no
 * such byte, and nothing has changed. */
static bool take_until(struct bytes *rest, char end, struct bytes *ret)
{
	const uint8_t *found = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
	size_t len = found ? (size_t)(found - rest->data) : 0;

	if (!found)
		return false;
	*ret = (struct bytes){rest->data, len};
	rest->data += len + 1;
	rest->len -= len + 1;
	return true;
}

/* The next line, without its end. */
static bool take_line(struct bytes *rest, struct bytes *ret)
{
	if (!take_until(rest, '\n', ret))
		return false;
	if (ret->len > 0 && ret->data[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static struct bytes trim(struct bytes text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* In any case of its letters. */
static bool is_word(struct bytes text, const char *word)
{
	return text.len == strlen(word) &&
	       strncasecmp((const char *)text.data, word, text.len) == 0;
}

/* What RFC 9110 calls a token. */
static bool is_token(struct bytes text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];
		bool is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
		bool is_digit = byte >= '0' && byte <= '9';

		if (!is_letter && !is_digit && (byte == 0 || !strchr(others, byte)))
			return false;
	}
	return text.len > 0;
}

/* Printable ASCII, without a space. */
static bool is_visible(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
			return false;
	return text.len > 0;
}

/* The value of a header may have anything but control bytes. */
static bool is_field_value(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
			return false;
	return true;
}

static bool read_number(struct bytes text, uint64_t *ret)
{
	uint64_t number = 0;

	if (text.len == 0 || text.len > 18)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	*ret = number;
	return true;
}

/* --- the first line --- */

static enum http_status read_target(struct bytes target, struct http_request *ret)
{
	if (!is_visible(target) || target.data[0] != '/')
		return HTTP_BAD_REQUEST;
	ret->query = target;
	if (take_until(&ret->query, '?', &ret->path))
		return HTTP_OK;
	ret->path = target;
	ret->query = (struct bytes){target.data + target.len, 0};
	return HTTP_OK;
}

static enum http_status read_first(struct bytes line, struct http_request *ret)
{
	struct bytes method, target;

	if (!take_until(&line, ' ', &method) || !take_until(&line, ' ', &target) ||
	    !is_token(method))
		return HTTP_BAD_REQUEST;
	if (!bytes_equal(line, "HTTP/1.1") && !bytes_equal(line, "HTTP/1.0"))
		return line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0
			       ? HTTP_VERSION_NOT_SUPPORTED
			       : HTTP_BAD_REQUEST;
	ret->is_kept = bytes_equal(line, "HTTP/1.1");
	ret->is_head = bytes_equal(method, "HEAD");
	if (!ret->is_head && !bytes_equal(method, "GET"))
		return HTTP_METHOD_NOT_ALLOWED;
	return read_target(target, ret);
}

/* --- headers --- */

/* Whether a list separated by commas has that word. */
static bool has_item(struct bytes list, const char *word)
{
	struct bytes item;

	while (take_until(&list, ',', &item))
		if (is_word(trim(item), word))
			return true;
	return is_word(trim(list), word);
}

/* Whether a media type, with its parameters, is refused by the weight 0. */
static bool is_excluded(struct bytes parameters)
{
	struct bytes parameter;

	for (bool is_last = false; !is_last;) {
		is_last = !take_until(&parameters, ';', &parameter);
		parameter = trim(is_last ? parameters : parameter);
		if (parameter.len < 3 || strncasecmp((const char *)parameter.data, "q=0", 3) != 0)
			continue;
		for (size_t i = 3; i < parameter.len; i++)
			if (parameter.data[i] != '.' && parameter.data[i] != '0')
				return false;
		return true;
	}
	return false;
}

static bool accepts_openmetrics(struct bytes list)
{
	struct bytes range, type;

	for (bool is_last = false; !is_last;) {
		is_last = !take_until(&list, ',', &range);
		if (is_last)
			range = list;
		if (!take_until(&range, ';', &type)) {
			type = range;
			range = (struct bytes){0};
		}
		if (is_word(trim(type), "application/openmetrics-text") && !is_excluded(range))
			return true;
	}
	return false;
}

/* Without the port behind it.  An IPv6 address has brackets. */
static enum http_status read_host(struct bytes value, struct http_request *ret)
{
	const uint8_t *end = NULL;
	struct bytes port;
	uint64_t number;

	if (ret->host.data || !is_visible(value))
		return HTTP_BAD_REQUEST;
	if (value.data[0] == '[')
		end = memchr(value.data, ']', value.len);
	ret->host = value;
	if (end)
		ret->host.len = (size_t)(end - value.data) + 1;
	else if ((end = memchr(value.data, ':', value.len)))
		ret->host.len = (size_t)(end - value.data);
	port = (struct bytes){value.data + ret->host.len, value.len - ret->host.len};
	if (port.len == 0)
		return HTTP_OK;
	port.data++;
	port.len--;
	return port.data[-1] == ':' && (port.len == 0 || read_number(port, &number))
		       ? HTTP_OK
		       : HTTP_BAD_REQUEST;
}

/* What says that a body comes: there is nothing that would take one. */
static enum http_status read_length(struct bytes value)
{
	uint64_t length;

	if (!read_number(value, &length))
		return HTTP_BAD_REQUEST;
	return length > 0 ? HTTP_CONTENT_TOO_LARGE : HTTP_OK;
}

static enum http_status read_header(struct bytes line, struct http_request *ret)
{
	struct bytes name, value = line;

	if (!take_until(&value, ':', &name) || !is_token(name))
		return HTTP_BAD_REQUEST;
	value = trim(value);
	if (!is_field_value(value))
		return HTTP_BAD_REQUEST;
	if (is_word(name, "Host"))
		return read_host(value, ret);
	if (is_word(name, "Content-Length"))
		return read_length(value);
	if (is_word(name, "Transfer-Encoding"))
		return HTTP_CONTENT_TOO_LARGE;
	if (is_word(name, "Expect"))
		return HTTP_EXPECTATION_FAILED;
	if (is_word(name, "Connection"))
		ret->is_kept = !has_item(value, "close") &&
			       (ret->is_kept || has_item(value, "keep-alive"));
	else if (is_word(name, "Last-Event-ID"))
		ret->last_id = value;
	else if (is_word(name, "Accept"))
		ret->wants_openmetrics |= accepts_openmetrics(value);
	return HTTP_OK;
}

enum http_status http_request_parse(struct bytes head, struct http_request *ret)
{
	enum http_status status;
	struct bytes line;
	bool is_1_1;

	*ret = (struct http_request){0};
	do {
		if (!take_line(&head, &line))
			return HTTP_BAD_REQUEST;
	} while (line.len == 0);
	status = read_first(line, ret);
	is_1_1 = ret->is_kept;
	for (unsigned i = 0; status == HTTP_OK && take_line(&head, &line) && line.len > 0; i++)
		status = i < HTTP_HEADERS_MAX ? read_header(line, ret) : HTTP_HEADERS_TOO_LARGE;
	if (status == HTTP_OK && is_1_1 && !ret->host.data)
		status = HTTP_BAD_REQUEST;
	return status;
}

bool http_host_is_local(struct bytes host)
{
	return host.len == 0 || is_word(host, "localhost") || bytes_equal(host, "127.0.0.1") ||
	       bytes_equal(host, "[::1]");
}
